"""The PSF of each channel of a data set: a layer, a file, or that of the first channel."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from napari.layers import Image
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf import PSF, read_psf
from napari_psf_distiller.widgets.files.saving import ask_for_file, ask_for_folder
from napari_psf_distiller.widgets.layers.layer_choice import FindViewer, LayerChoice
from napari_psf_distiller.widgets.layers.psf_layer import note_of_psf, psf_shown
from napari_psf_distiller.widgets.layers.psf_recognition import is_psf
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.parts.flow import flowing_row
from napari_psf_distiller.widgets.parts.form import LEAST_LETTERS
from napari_psf_distiller.widgets.parts.labels import labelled_row

__all__ = ["NONE", "SAME", "PSFRows", "ReadPSF"]

NONE, SAME = "none chosen", "the first channel's"

FILES = "PSF (*.tif *.tiff *.npz *.dv *.h5);;All files (*)"

# A channel's name, and its number among those of the same name: of a channel without a name.
UNNAMED = ("", 0)

# Called in a worker, where files are read.
ReadPSF = Callable[[], PSF]


class PSFRow:
    """The widgets that ask for the PSF of one channel.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, whose image layers are offered.
    changed : callable
        Called whenever another PSF was chosen.

    Attributes
    ----------
    choice : LayerChoice
        Its first choice is that nothing is chosen here.
    paths : dict of str to Path
        Of the files that it offers, by what it calls them: files of two folders may have one name.
    row : QWidget
        Has all of them.
    """

    def __init__(self, find_viewer: FindViewer, changed: Callable[[], None]) -> None:
        self.paths: dict[str, Path] = {}
        self.label = QLabel()
        self.choice = LayerChoice(find_viewer, Image, (NONE,), is_psf)
        self.choice.setToolTip(
            "The image layer of the PSF, or a file; of other channels the first's. Layers that do "
            "not look like a PSF are not offered: choose their file."
        )
        self.choice.currentIndexChanged.connect(lambda _: changed())
        file, folder = QPushButton("File…"), QPushButton("Zarr…")
        file.setToolTip("Choose a saved PSF.")
        folder.setToolTip("Choose a PSF that was saved as OME-Zarr, which is a folder.")
        file.clicked.connect(lambda: ask_for_file(self.choice, "Open a PSF", FILES, self.choose))
        folder.clicked.connect(
            lambda: ask_for_folder(
                self.choice, "Open a PSF: the folder of an OME-Zarr", self.choose
            )
        )
        self.choice.setMinimumContentsLength(LEAST_LETTERS)
        self.choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.row = labelled_row(self.label, flowing_row([self.choice, file, folder]))

    def choose(self, path: Path) -> None:
        """Take a file, or the folder of an OME-Zarr."""
        name = path.name if self.paths.get(path.name, path) == path else str(path)
        self.paths[name] = path
        self.choice.add_fixed(name)


class PSFRows(QWidget):
    """Asks for the PSF of each channel.

    What is chosen for a channel is kept by its name: in the next data set it is that channel's
    again, wherever it stands there.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, whose image layers are offered.
    changed : callable
        Called whenever another PSF was chosen.
    align : callable
        Called with the label of each row that is made.
    """

    def __init__(
        self,
        find_viewer: FindViewer,
        changed: Callable[[], None],
        align: Callable[[QLabel], None],
    ) -> None:
        super().__init__()
        self._find_viewer, self._changed, self._align = find_viewer, changed, align
        # Of all channels that were ever shown; channels of one name are told by their number.
        self._known: dict[tuple[str, int], PSFRow] = {}
        self._shown: list[tuple[str, int]] = []
        self._named = True
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.show_channels(())

    @property
    def names(self) -> tuple[str, ...]:
        """The channels' names, if they can be told from each other by them."""
        names = tuple(name for name, _ in self._shown)
        unlike = all(names) and len(set(names)) == len(names)
        return names if self._named and unlike else ()

    @property
    def choices(self) -> list[LayerChoice]:
        """Of the channels that are shown."""
        return [row.choice for row in self._rows]

    @property
    def _rows(self) -> list[PSFRow]:
        return [self._known[key] for key in self._shown]

    def show_channels(self, names: Sequence[str], *, named: bool = True) -> None:
        """Have a row for each channel; what was chosen for one of the same name stays.

        Parameters
        ----------
        names : sequence of str
        named : bool
            Whether these tell a channel in each image; else its number does.
        """
        self._named = named
        for row in self._rows:
            self._column.removeWidget(row.row)
            row.row.hide()
        counts = Counter[str]()
        keys = []
        for name in list(names) or [""]:
            keys.append((name, counts[name]))
            counts[name] += 1
        if self._shown == [UNNAMED] and keys[0] not in self._known:
            # Chosen before it was known what there is.
            self._known[keys[0]] = self._known.pop(UNNAMED)
        self._shown = keys
        for place, (name, number) in enumerate(keys):
            key = (name, number)
            if key not in self._known:
                self._known[key] = PSFRow(self._find_viewer, self._changed)
                self._align(self._known[key].label)
            row = self._known[key]
            row.choice.setItemText(0, SAME if place else NONE)
            row.label.setText(f"PSF of {name}" if name else "PSF")
            self._column.addWidget(row.row)
            row.row.show()

    def choose(self, row: int, path: Path) -> None:
        """Take a file, or the folder of an OME-Zarr, for the PSF of a channel."""
        self._rows[row].choose(path)

    def read(self) -> list[ReadPSF]:
        """Return what gives the PSF of each channel, in the main thread.

        Raises
        ------
        InputError
            One is not chosen, its layer is gone or has no voxel size.
        """
        found: list[ReadPSF] = []
        for row in self._rows:
            layer, fixed = row.choice.layer(), row.choice.fixed
            if isinstance(layer, Image):
                found.append(self._of_layer(layer))
            elif fixed == NONE:
                raise InputError("No PSF is chosen: choose its layer, or its file.")
            elif fixed == SAME:
                found.append(found[0])
            else:
                found.append(_of_file(row.paths[fixed]))
        return found

    def _of_layer(self, layer: Image) -> ReadPSF:
        source = read_image_layer(layer, "a PSF", self._find_viewer())
        note, spacing = note_of_psf(layer), source.recipe.spacing
        if spacing is None:
            raise InputError(
                f"The PSF {layer.name!r} has no voxel size: set the layer's scale and units."
            )
        return lambda: psf_shown(source.data, spacing, note)


def _of_file(path: Path) -> ReadPSF:
    return lambda: read_psf(path)
