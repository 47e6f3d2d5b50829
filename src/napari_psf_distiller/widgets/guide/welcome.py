"""What the guide offers where there is no image yet: a sample, to see how it goes."""

from collections.abc import Callable

from napari.layers import Image
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_psf_distiller.widgets.files.samples import beads_on_slide
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.running.background import Background

__all__ = ["Welcome"]

WORDS = (
    "Open an image of fluorescent beads with File > Open, or drop it on the viewer. Its voxel "
    "size, and what its file says of the microscope, are then filled in below."
)
TRY, MAKING = "Try it with simulated beads", "Simulating beads…"


class Welcome(QWidget):
    """Says what to do first, and opens the sample at a click.

    Parameters
    ----------
    viewer : napari.Viewer
        Gets the sample.
    failed : callable
        Gets a sentence, if there is no sample.

    Attributes
    ----------
    button : QPushButton
    opened : Signal of Image
        The sample is there.
    """

    opened = Signal(Image)

    def __init__(self, viewer: Viewer, failed: Callable[[str], None]) -> None:
        super().__init__()
        self._viewer, self._failed = viewer, failed
        self._background: Background[list[LayerData]] = Background(
            self._on_made, self._on_failure, ended=self._on_ended
        )
        words = QLabel(WORDS)
        words.setWordWrap(True)
        # A dock is as wide as its texts would like to be.
        words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.button = QPushButton(TRY)
        self.button.setToolTip("Simulate a slide of beads whose PSF is known, and distil it.")
        self.button.clicked.connect(self.open_sample)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 6)
        layout.addWidget(words)
        layout.addWidget(self.button)
        self.destroyed.connect(self._background.cancel)

    @property
    def busy(self) -> bool:
        """Whether the sample is being made."""
        return self._background.running

    def open_sample(self) -> None:
        """Simulate beads in a thread, and add them to the viewer."""
        if self.busy:
            return
        self.button.setEnabled(False)
        self.button.setText(MAKING)
        self._background.ask(beads_on_slide)

    def _on_made(self, layers: list[LayerData]) -> None:
        for data, keywords, _ in layers:
            self.opened.emit(self._viewer.add_image(data, **keywords))

    def _on_failure(self, sentence: str) -> None:
        self._failed(sentence)

    def _on_ended(self) -> None:
        self.button.setEnabled(True)
        self.button.setText(TRY)
