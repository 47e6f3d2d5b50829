"""What Prove PSF shows below its parameters: the figures, and the ways to look at the beads."""

from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import FunctionGui, PushButton
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QSizePolicy

from napari_psf_distiller.beads import centres_of
from napari_psf_distiller.boxes import Box
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.proof import Proof, spread_of, write_proof
from napari_psf_distiller.measure.structure import Structure
from napari_psf_distiller.widgets.files.saving import Saver
from napari_psf_distiller.widgets.layers.choices import viewer_of
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.parts.column import row_of_buttons
from napari_psf_distiller.widgets.prove.panes import PRESETS, Panes, Range
from napari_psf_distiller.widgets.prove.region import drawn_box, selected_centre
from napari_psf_distiller.widgets.prove.run import TITLE, Proven
from napari_psf_distiller.widgets.prove.side_by_side import side_by_side
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.job import Ending

__all__ = ["Panel", "structure_text", "table_text"]

BESIDE, RESIDUAL = "beside", "residual"

FLUX = (
    "Flux: the light of the measured beads. Raw it is all that they sent, by a fit of the PSF to "
    "each; deconvolved it is what lies within twice a bead's width. Near 100 %, each bead's light "
    "is gathered in it; less was left about it, as after few iterations, or lost; more was made "
    "up. The dark rings that deconvolution leaves about a bead make some per cent of it."
)

# Where a cell of the table may go on in a second line, in a dock that is narrow for its font.
BREAK = "\n"

# What is shown for the time being: the layers, and background and maximum of each image.
SideBySide = tuple[list[LayerData], list[Range]]

OVER_FIELD = "The PSF changes over the field: each bead has that of its place."


class Panel(QObject):
    """The figures and the views of a Prove PSF widget.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters of `prove_psf`, and its `StepRunner`.

    Attributes
    ----------
    panes : Panes
        What is shown in the viewer for the time being.
    proven : Proven or None
        By the last run.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        super().__init__(gui.native)
        self._gui = gui
        self._saver = Saver(gui.native, TITLE, {"Table": ".csv"})
        self._background: Background[SideBySide] = Background(
            self._on_side_by_side, self._tell, draws=True
        )
        self.proven: Proven | None = None
        self.panes = Panes(self, self._set_buttons)
        self.residual_says, self.figures = _label(), _label()
        self.figures.setToolTip(FLUX)
        self.beside = _button(
            "Side by si&de",
            "Show the raw and the deconvolved beads alone, "
            "beside each other: of the region, of the selected bead, or of the "
            "brightest. Press again to go back.",
        )
        self.residual = _button(
            "&Residual",
            "Show the joint fit's residual alone, its contrast "
            "symmetric about 0. Press again to go back.",
        )
        self.presets = [
            _button("Pl&ain", "From the background to the maximum of each, gamma 1."),
            _button(
                "&Gamma 0.2, max / 20",
                "Brings out what is dim: up to a twentieth of the maximum above the background, "
                "with gamma 0.2, for both. Noise and rings that a plain picture hides show.",
            ),
        ]
        self.save = _button("Sav&e CSV…", "Save the figures, and those of each bead, as a table.")
        self._preset_row = row_of_buttons(self.presets)
        layout: Any = gui.native.layout()
        # What the figures mean, and the views, come first: they are higher than many a screen.
        for widget in (
            self.residual_says,
            row_of_buttons([self.beside, self.residual]),
            self._preset_row,
            self.figures,
            row_of_buttons([self.save]),
        ):
            layout.addWidget(widget)
        self.beside.changed.connect(lambda _: self._toggle_beside())
        self.residual.changed.connect(lambda _: self._toggle_residual())
        self.save.changed.connect(lambda _: self.ask_to_save())
        for button, rule in zip(self.presets, PRESETS.values(), strict=True):
            button.changed.connect(lambda _, rule=rule: self.panes.set_contrast(*rule))
        gui.native_parent_changed.connect(self._on_parent)
        gui.runner.started.connect(self.panes.leave)
        gui.runner.ended.connect(self._on_ended)
        gui.panel = self
        self._set_buttons()

    @property
    def busy(self) -> bool:
        """Whether a view is being made, or a file written."""
        return self._background.busy or self._saver.busy or self.panes.busy

    # --- after a run

    def _on_ended(self, ending: Ending) -> None:
        proven = ending.found
        if ending.kind != "done" or not isinstance(proven, Proven):
            return
        self.proven = proven
        text = table_text(proven.proof)
        for label, says in (
            (self.residual_says, structure_text(proven.structure)),
            (self.figures, f"{text} {OVER_FIELD}" if proven.over_field else text),
        ):
            label.setText(says)
            label.setVisible(True)
        self._set_buttons()
        self._show_beside()

    def _on_parent(self, parent: Any) -> None:
        if parent is None:
            # The dock was closed, and with it the way back.
            self._background.cancel()
            self.panes.leave_now()
            self.proven = None

    # --- the views

    def _toggle_beside(self) -> None:
        if self.panes.name == BESIDE:
            self.panes.leave()
        else:
            self._show_beside()

    def _show_beside(self) -> None:
        proven, viewer = self.proven, viewer_of(self._gui)
        if proven is None or viewer is None:
            return
        proven = proven.placed_now(viewer.layers)
        try:
            box = self._box(proven)
        except InputError as error:
            self._tell(str(error))
            return
        self._background.ask(lambda: side_by_side(proven, box))

    def _box(self, proven: Proven) -> Box:
        """Return what is to be looked at, within what was deconvolved."""
        region = self._gui.region.value
        if region is not None:
            drawn = drawn_box(region, proven.task.image)
            box = tuple(
                slice(max(a.start, b.start), min(a.stop, b.stop))
                for a, b in zip(drawn, proven.box, strict=True)
            )
            if any(part.stop - part.start < 1 for part in box):
                raise InputError(
                    f"The region in {region.name!r} lies outside of what was deconvolved; press "
                    "Prove to deconvolve it."
                )
            return box
        points = proven.task.points_layer
        if points is None or not points.selected_data:
            return proven.box_of_bead()
        return proven.box_of_bead(selected_centre(points, centres_of(proven.beads)))

    def _on_side_by_side(self, made: SideBySide) -> None:
        layers, ranges = made
        proven, viewer = self.proven, viewer_of(self._gui)
        if proven is None or viewer is None or self._gui.runner.running:
            return
        self.panes.enter(
            viewer,
            BESIDE,
            adding=layers,
            ranges=ranges,
            contrast=next(iter(PRESETS.values())),
            point=_brightest_place(layers[0]),
        )

    def _toggle_residual(self) -> None:
        viewer, proven = viewer_of(self._gui), self.proven
        if self.panes.name == RESIDUAL:
            self.panes.leave()
            return
        layer = proven.task.residual_layer if proven is not None else None
        if viewer is None or proven is None or layer is None or layer not in viewer.layers:
            show_error(
                f"{TITLE}: there is no residual image; Distil PSF writes one by its method joint."
            )
            self._set_buttons()
            return
        points = proven.task.points_layer
        beads = [points] if points is not None and points in viewer.layers else []
        top = max(abs(limit) for limit in layer.contrast_limits)
        self.panes.enter(
            viewer,
            RESIDUAL,
            layers=[layer, *beads],
            looks=[(layer, "contrast_limits", (-top, top))],
        )

    def _set_buttons(self) -> None:
        proven, name = self.proven, self.panes.name
        self.beside.enabled = self.save.enabled = proven is not None
        self.residual.enabled = proven is not None and proven.task.residual_layer is not None
        self.beside.text = "&Back" if name == BESIDE else "Side by si&de"
        self.residual.text = "&Back" if name == RESIDUAL else "&Residual"
        for button in self.presets:
            button.enabled = name == BESIDE

    # --- the table as a file

    def ask_to_save(self) -> QFileDialog | None:
        """Open the dialog that saves the figures, and return it."""
        proven = self.proven
        if proven is None:
            return None
        return self._saver.ask(f"{proven.task.image.origin} proof", self._writer)

    def save_to(self, path: str | Path) -> None:
        """Save the figures as CSV, without a dialog."""
        self._saver.save(Path(path), self._writer)

    def _writer(self, path: Path) -> Callable[[], None]:
        proven = self.proven
        if proven is None:
            raise InputError("There are no figures any more; press Prove again.")
        return partial(write_proof, path, proven.proof)

    def _tell(self, sentence: str) -> None:
        show_error(f"{TITLE}: {sentence}")


def table_text(proof: Proof) -> str:
    """Return a proof as a table, in rich text."""
    factor, unit = (1000, "nm") if proof.unit == "um" else (1, "voxels")
    digits = 0 if proof.unit == "um" else 2
    rows = []
    for axis in proof.axes:
        before, after = (spread_of(proof.beads[f"fwhm_{axis}_{w}"]) for w in ("before", "after"))
        cells = [
            f"<b>{factor * s.median:.{digits}f}</b><br>({factor * s.low:.{digits}f}{BREAK}"
            f"to {factor * s.high:.{digits}f})"
            for s in (before, after)
        ]
        rows.append(
            (f"FWHM<br>{axis} ({unit})", *cells, f"{100 * after.median / before.median:.0f} %")
        )
    peaks = [spread_of(proof.beads[f"peak_{when}"]).median for when in ("before", "after")]
    gain = spread_of(proof.beads["peak_gain"]).median
    rows.append(("Peak", *(f"{peak:.3g}" for peak in peaks), f"{gain:.3g} x"))
    flux = proof.flux_before, proof.flux_after
    kept = f"{100 * proof.flux_kept:.0f} %" if np.isfinite(proof.flux_kept) else "unknown"
    rows.append(("Flux", *(f"{value:.3g}" for value in flux), f"<b>{kept}</b>"))
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td align="{"left" if n == 0 else "right"}" valign="top">'
            f"{cell.replace(' ', '&nbsp;').replace(BREAK, ' ')}</td>"
            for n, cell in enumerate(row)
        )
        + "</tr>"
        for row in (("", "raw", "deconvolved", "of raw"), *rows)
    )
    return (
        f'<table width="100%" cellspacing="2">{lines}</table>'
        f"{len(proof.beads)} of {proof.used} used beads measured: those that stand alone. Widths "
        "are medians, with the quartiles."
    )


def structure_text(structure: Structure | str) -> str:
    """Return in rich text what is left of the beads, or why it is not known."""
    return escape(structure if isinstance(structure, str) else structure.verdict())


def _brightest_place(layer: Any) -> tuple[float, ...]:
    """Return where in the world a layer that is to be added is brightest."""
    array, keywords, _ = layer
    place = np.unravel_index(int(np.argmax(array)), array.shape)
    return tuple(
        offset + size * int(n)
        for offset, size, n in zip(keywords["translate"], keywords["scale"], place, strict=True)
    )


def _button(text: str, tooltip: str) -> PushButton:
    return PushButton(text=text, tooltip=tooltip, gui_only=True)


def _label() -> QLabel:
    """Return a label for what there is to say after a run; before it takes no room."""
    label = QLabel()
    label.setVisible(False)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
