"""The PSF of each channel of a data set: a layer, a file, or that of the first channel."""

from collections.abc import Callable, Sequence
from pathlib import Path

from napari.layers import Image
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf import PSF, read_psf
from napari_psf_distiller.widgets.files.saving import ask_for_file
from napari_psf_distiller.widgets.layers.layer_choice import FindViewer, LayerChoice
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_layer import psf_shown
from napari_psf_distiller.widgets.layers.source import read_image_layer

__all__ = ["NONE", "SAME", "PSFRows"]

NONE, SAME = "choose a layer or a file", "the first channel's"

FILES = "PSF (*.tif *.tiff *.npz *.dv *.h5);;All files (*)"


class PSFRows(QWidget):
    """Asks for the PSF of each channel.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, whose image layers are offered.
    changed : callable
        Called whenever another PSF was chosen.
    """

    def __init__(self, find_viewer: FindViewer, changed: Callable[[], None]) -> None:
        super().__init__()
        self._find_viewer, self._changed = find_viewer, changed
        # Of each row, by name: files of two folders may have the same.
        self._paths: list[dict[str, Path]] = []
        self.choices: list[LayerChoice] = []
        self._rows = QGridLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self._rows.setColumnStretch(1, 1)
        self.show_channels(())

    def show_channels(self, names: Sequence[str]) -> None:
        """Have a row for each channel; what is chosen for those before stays."""
        wanted = list(names) or [""]
        while self._rows.count() > 3 * len(wanted):
            item = self._rows.takeAt(self._rows.count() - 1)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        del self.choices[len(wanted) :], self._paths[len(wanted) :]
        for row in range(len(self.choices), len(wanted)):
            self._add_row(row)
        for row, name in enumerate(wanted):
            item = self._rows.itemAtPosition(row, 0)
            label = item.widget() if item is not None else None
            assert isinstance(label, QLabel)
            label.setText(f"PSF of {name}" if name else "PSF")

    def _add_row(self, row: int) -> None:
        fixed = (NONE,) if row == 0 else (SAME,)
        choice = LayerChoice(self._find_viewer, Image, fixed)
        choice.setToolTip("The image layer of the PSF, or a file; of other channels the first's.")
        choice.currentIndexChanged.connect(lambda _: self._changed())
        button = QPushButton("File…")
        button.setToolTip("Choose a saved PSF.")
        button.clicked.connect(
            lambda: ask_for_file(self, "Open a PSF", FILES, lambda path: self.choose(row, path))
        )
        self.choices.append(choice)
        self._paths.append({})
        for column, widget in enumerate((QLabel(), choice, button)):
            self._rows.addWidget(widget, row, column)

    def choose(self, row: int, path: Path) -> None:
        """Take a file for the PSF of a channel."""
        paths = self._paths[row]
        name = path.name if paths.get(path.name, path) == path else str(path)
        paths[name] = path
        self.choices[row].add_fixed(name)

    def read(self) -> list[Callable[[], PSF]]:
        """Return what gives the PSF of each channel, in the main thread.

        Each is called in a worker, where files are read.

        Raises
        ------
        InputError
            One is not chosen, its layer is gone or has no voxel size.
        """
        found: list[Callable[[], PSF]] = []
        for row, choice in enumerate(self.choices):
            layer = choice.layer()
            if isinstance(layer, Image):
                found.append(self._of_layer(layer))
            elif choice.fixed == NONE:
                raise InputError("No PSF is chosen: choose its layer, or its file.")
            elif choice.fixed == SAME and row:
                found.append(found[0])
            else:
                found.append(_of_file(self._paths[row][choice.fixed]))
        return found

    def _of_layer(self, layer: Image) -> Callable[[], PSF]:
        source = read_image_layer(layer, "a PSF", self._find_viewer())
        note, spacing = own_note(layer.metadata), source.recipe.spacing
        if spacing is None:
            raise InputError(
                f"The PSF {layer.name!r} has no voxel size: set the layer's scale and units."
            )
        return lambda: psf_shown(source.data, spacing, note)


def _of_file(path: Path) -> Callable[[], PSF]:
    return lambda: read_psf(path)
