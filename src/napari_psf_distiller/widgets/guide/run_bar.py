"""The guide's footer: the button that runs it, and while it runs how far it is."""

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from napari_psf_distiller.widgets.parts.sentence import Sentence
from napari_psf_distiller.widgets.running.display import RunDisplay

__all__ = ["RunBar"]

# Of what the guide is there for; all that is disabled looks alike.
STYLE = "QPushButton:enabled {{ background-color: {ground}; color: {text}; font-weight: bold; }}"


# What most sentences take: the buttons above stay where they are when another one comes.
STATUS_LINES = 2


class Status(Sentence):
    """A sentence over several lines, with room for some of them at least."""

    def __init__(self) -> None:
        super().__init__()
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """Return the height that the text needs, or that of some lines if it needs less."""
        least = STATUS_LINES * self.fontMetrics().lineSpacing()
        return int(max(super().heightForWidth(width), least))


class RunBar(QWidget):
    """Always in sight: *Distil PSF*, or in its place the progress of what runs, and *Cancel*.

    Attributes
    ----------
    run, cancel : QPushButton
    progress : QProgressBar
    status : Status
        What is to do, how the run goes, or how it ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run = QPushButton("Distil PSF")
        self.run.setDefault(True)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the step that is running, and those after it.")
        # One that is disabled is higher, for its border.
        for button in (self.run, self.cancel):
            button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Minimum)
        self.progress = QProgressBar()
        self.progress.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.progress.setAccessibleName("Progress")
        # In one place, so that nothing moves when a run begins or ends.
        place = QWidget()
        self._either = QStackedLayout(place)
        self._either.addWidget(self.run)
        self._either.addWidget(self.progress)
        self.status = Status()
        row = QHBoxLayout()
        row.addWidget(place, 2)
        row.addWidget(self.cancel, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.status)

    def show_busy(self, busy: bool) -> None:
        """Show the progress in the place of the button, or the button."""
        self.cancel.setEnabled(busy)
        self._either.setCurrentWidget(self.progress if busy else self.run)

    def show_theme(self, theme: str) -> None:
        """Let the button stand out by the colour that a theme of napari's has for it."""
        colours = get_theme(theme)
        style = STYLE.format(ground=colours.current.as_hex(), text=colours.text.as_hex())
        if self.run.styleSheet() != style:
            self.run.setStyleSheet(style)

    def follow(self, display: RunDisplay) -> None:
        """Show what a step's widget shows of its run."""
        self.progress.setMaximum(round(display.progress_bar.max))
        self.progress.setValue(round(display.progress_bar.value))
        self.status.setText(display.status.value)
