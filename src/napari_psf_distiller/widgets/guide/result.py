"""The PSF that the guide has led to: its widths, what is to be known of it, and what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from napari.layers import Layer, Points
from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.distil.joint import FITTED_BEADS
from napari_psf_distiller.widgets.guide.steps import TO_THE_PSF, Standing, State
from napari_psf_distiller.widgets.layers.lineage import newest_layer, run_of
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.record import used_points
from napari_psf_distiller.widgets.parts.flow import flowing_row
from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.wording import widths_text

__all__ = ["REFITTED", "WITHOUT_EDIT", "ResultPanel", "ResultText", "result_text"]

READY, OLD = "The PSF is ready.", "This PSF is out of date."
# Of a PSF whose beads were edited since.
REFITTED = "The PSF is being fitted to the edited beads."
WITHOUT_EDIT = "This PSF is without the last edit of its beads."

# What a step's own message begins with, which goes without saying at the head.
DONE = "done: "

# Pixels that the warnings take at most; what does not fit is scrolled to.
MOST_HEIGHT = 120
# Pixels that the style sheet puts around the text of a notice, which it does not count.
BESIDE, ABOVE_AND_BELOW = 20, 8


@dataclass(frozen=True)
class ResultText:
    """What is said of a PSF.

    Attributes
    ----------
    title : str
        Whether it is up to date.
    figures : str
        Its widths, with their errors where they are known, and how many beads it is from.
    warnings : tuple of str
        Of all steps that led to it.
    proof : str
        What Prove PSF found, as long as that is of this PSF.
    """

    title: str
    figures: str
    warnings: tuple[str, ...]
    proof: str = ""


def result_text(
    layers: Sequence[Layer], standings: dict[StepId, Standing], behind: str = ""
) -> ResultText | None:
    """Return what is to be said of the PSF that the steps led to; None if there is none.

    Parameters
    ----------
    layers : sequence of Layer
        The viewer's.
    standings : dict of StepId to Standing
        Where the steps stand.
    behind : str
        What is said of a PSF that is not of the beads that its layer has now; else "".
    """
    psf = standings[StepId.POSTPROCESS].layer
    note = own_note(psf.metadata) if psf is not None else None
    if psf is None or note is None or note.recipe.spacing is None:
        return None
    steps = [standings[step] for step in TO_THE_PSF]
    ready = all(one.state in (State.DONE, State.NOT_NEEDED) for one in steps)
    widths = widths_text(fwhm(np.asarray(psf.data), note.recipe.spacing), note.fwhm_error)
    # How many there were of those that it is of nobody counted.
    used = "" if behind else _used(layers, standings[StepId.DISTILL].layer)
    warnings = (warning for one in steps if one.warned for warning in one.warnings)
    return ResultText(
        behind or (READY if ready else OLD),
        f"FWHM {widths}{f'; {used}' if used else ''}",
        tuple(dict.fromkeys(warnings)),
        _proof(standings[StepId.PROVE]) if ready else "",
    )


def _proof(standing: Standing) -> str:
    """Return what the proof came to, if it holds for the PSF that there is."""
    run = run_of(standing.layer) if standing.layer is not None else None
    if run is None or standing.state is not State.DONE:
        return ""
    return run.message.removeprefix(DONE)


def _used(layers: Sequence[Layer], distilled: Layer | None) -> str:
    """Return how many of the beads shape the PSF, as far as its run has a layer of them."""
    run = run_of(distilled) if distilled is not None else None
    if run is None:
        return ""
    fitted = newest_layer(layers, StepId.DISTILL, FITTED_BEADS, run=run.id)
    if not isinstance(fitted, Points) or "used" not in fitted.features:
        return ""
    return f"{int(used_points(fitted.features).sum())} of {len(fitted.data)} beads used"


class ResultPanel(QWidget):
    """Says at the guide's head what it has led to; it takes no room before.

    Parameters
    ----------
    buttons : sequence of QPushButton
        What can be done with the PSF.

    Attributes
    ----------
    title, figures, proof : QLabel
    notice : Notice
        The warnings.
    """

    def __init__(self, buttons: Sequence[QPushButton]) -> None:
        super().__init__()
        self.title, self.figures, self.proof = QLabel(), QLabel(), QLabel()
        self.notice = Notice()
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        for label in (self.title, self.figures, self.proof):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._warnings = _ScrolledNotice(self.notice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(4)
        parts = (self.title, self.figures, self.proof, self._warnings, flowing_row(buttons))
        for widget in parts:
            layout.addWidget(widget)
        self.setVisible(False)

    def show_result(self, result: ResultText | None) -> None:
        """Show what is said of a PSF, or nothing."""
        self.setVisible(result is not None)
        if result is None:
            return
        self.title.setText(result.title)
        self.figures.setText(result.figures)
        self.proof.setText(result.proof)
        self.proof.setVisible(bool(result.proof))
        paragraphs = (escape(warning, quote=False) for warning in result.warnings)
        self.notice.say("<br><br>".join(paragraphs), to_do=True)
        self._warnings.fit()


class _ScrolledNotice(QScrollArea):
    """A notice that is as high as its text, up to a height from which on it is scrolled."""

    def __init__(self, notice: Notice) -> None:
        super().__init__()
        self._notice = notice
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(notice)

    def fit(self) -> None:
        """Take the height that the text needs, and none without a text."""
        self.setVisible(bool(self._notice.text()))
        self._notice.ensurePolished()
        needed = self._notice.heightForWidth(self.width() - BESIDE) + ABOVE_AND_BELOW
        self.setFixedHeight(min(max(needed, 0), MOST_HEIGHT))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Fit the text that is wrapped anew."""
        super().resizeEvent(event)
        if event is not None and event.size().width() != event.oldSize().width():
            self.fit()
