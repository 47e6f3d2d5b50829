"""What the image's file says of the microscope, in a widget: filled in, or told if it differs."""

import logging
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import napari
import numpy as np
from magicgui.widgets import FunctionGui, PushButton
from napari.layers import Image
from napari.utils.notifications import show_info

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import VENDOR_ENDINGS, StoredMicroscope, optics_text, read_microscope
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.widgets.layers.choices import viewer_of
from napari_psf_distiller.widgets.layers.file_part import file_part_of
from napari_psf_distiller.widgets.layers.lineage import identity
from napari_psf_distiller.widgets.layers.region import axes_of_space, shown_region
from napari_psf_distiller.widgets.layers.voxel_size import draw_as_its_file_says
from napari_psf_distiller.widgets.microscope.fields import MicroscopeFields
from napari_psf_distiller.widgets.microscope.marks import MARK
from napari_psf_distiller.widgets.microscope.noted import SOURCE, noted_in
from napari_psf_distiller.widgets.parts.docks import when_docked
from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.widgets.running.background import Background

__all__ = ["FileMicroscope"]

# Of others nothing is known but what the layer says.
READABLE = (".tif", ".tiff", ".zarr", *VENDOR_ENDINGS)

# What a layer may say besides, as a sample does.
BEAD_DIAMETER = "bead_diameter"

# How an axis of channels is labelled.
CHANNEL = frozenset({"c", "ch", "channel", "channels"})


class Asked(NamedTuple):
    """What a file is asked about.

    Attributes
    ----------
    layer : str
        The identity of the layer that was opened from it.
    path : str
        "" of a layer that was opened from no file that can be asked.
    channel : int or None
        The number of the channel that is shown.
    place, length : int
        Where the viewer stands on the one axis that may be that of the channels or of time, and how
        long it is; 0 where there is none.
    """

    layer: str = ""
    path: str = ""
    channel: int | None = None
    place: int = 0
    length: int = 0


logger = logging.getLogger(__name__)


class FileMicroscope:
    """Fills in what the image says of the microscope, where nobody said anything else.

    It is asked of its file, and of a layer without one, such as a sample, of its metadata.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``image``.
    fields : MicroscopeFields

    Attributes
    ----------
    notice : Notice
        What is to be known of the microscope: that the fields cannot be so together, what the file
        says otherwise, and what it filled in.
    use : PushButton
        Takes what the file says.
    """

    def __init__(self, gui: FunctionGui[Any, Any], fields: MicroscopeFields) -> None:
        self._gui, self._fields = gui, fields
        self._asked = Asked()
        self._shown = True
        self._stored = StoredMicroscope()
        self._background: Background[tuple[Asked, StoredMicroscope]] = Background(
            self._on_read, self._on_failure
        )
        self.notice = Notice()
        self.use = PushButton(
            text="Use what the file says",
            tooltip="Take what the image's file says of the microscope for what is filled in.",
            name="use_file",
            gui_only=True,
            visible=False,
        )
        self.use.changed.connect(lambda _: self._take())
        fields.changed.connect(self.tell)
        gui.image.changed.connect(self.look)
        if hasattr(gui, "voxel_size"):
            gui.voxel_size.changed.connect(self._on_voxel_size)
        if hasattr(gui, BEAD_DIAMETER):
            gui[BEAD_DIAMETER].changed.connect(self._on_bead_diameter)
        when_docked(gui, self.look)
        # A file is still being read when the viewer is closed soon.
        gui.native.destroyed.connect(self._background.cancel)

    def look(self, _: Any = None) -> None:
        """Read the file of the image that is chosen, if it is another one or another channel."""
        asked = _asked(self._gui.image.value, viewer_of(self._gui))
        if asked == self._asked:
            return
        self._asked, self._stored = asked, StoredMicroscope()
        self._fields.forget_file()
        self._forget_bead_diameter()
        layer = self._gui.image.value
        if asked.path:
            self._background.ask(lambda: (asked, _read(asked)))
        elif layer is not None:
            self._stored = noted_in(layer.metadata)
            self.fill()
        self.tell()

    def fill(self) -> None:
        """Fill in what nobody gave, if it can be so together."""
        found = self._stored.beside(self._fields.kind, self._fields.given)
        if found and not self._can_be(found):
            # What an earlier session gave was of another microscope.
            self._fields.empty_remembered()
            if not self._can_be(found):
                # Then it is told what the file says otherwise.
                found = {}
        self._fields.fill(found, self._stored.sources)
        self._fill_voxel_size()
        self._fill_bead_diameter()
        self.tell()

    def remember(self) -> None:
        """Take what stands in the fields for answers of an earlier session.

        What the image says counts before them.
        """
        self._fields.remember()
        asked = getattr(self._gui, BEAD_DIAMETER, None)
        if asked is not None and asked.value and BEAD_DIAMETER not in self._fields.marks.names:
            self._fields.remembered[BEAD_DIAMETER] = asked.value
        self.fill()

    def _can_be(self, found: dict[str, Any]) -> bool:
        try:
            Optics(**self._fields.values(Optics) | found)
        except InputError:
            return False
        return True

    def _fill_bead_diameter(self, *, anew: bool = False) -> None:
        """Take the diameter that the layer says, where nobody said one or another is wanted."""
        diameter, asked = self._stored.bead_diameter, getattr(self._gui, BEAD_DIAMETER, None)
        remembered = self._fields.remembered.get(BEAD_DIAMETER)
        given = asked is not None and asked.value not in (0, remembered)
        if diameter is None or asked is None or (given and not anew):
            return
        asked.value = diameter
        if remembered is not None:
            self._fields.remembered[BEAD_DIAMETER] = remembered
        self._fields.marks.mark(BEAD_DIAMETER, SOURCE)

    def _forget_bead_diameter(self) -> None:
        """Empty the diameter that another layer said."""
        if BEAD_DIAMETER in self._fields.marks.names:
            remembered = self._fields.remembered.get(BEAD_DIAMETER)
            self._fields.marks.unmark(BEAD_DIAMETER)
            self._gui[BEAD_DIAMETER].value = remembered or 0.0
            if remembered is not None:
                self._fields.remembered[BEAD_DIAMETER] = remembered

    def _fill_voxel_size(self) -> None:
        """Take the file's voxel size where neither the layer nor anybody says one."""
        spacing, layer = self._stored.spacing, self._gui.image.value
        asked = getattr(self._gui, "voxel_size", None)
        if spacing is None or asked is None or layer is None or any(asked.value):
            return
        if len(axes_of_space(layer)) == len(spacing):
            sizes = ((0.0,) * 3 + spacing)[-3:]
            asked.value = sizes
            if draw_as_its_file_says(layer, sizes, viewer_of(self._gui)):
                show_info(f"{layer.name}: drawn with the voxel size that its file says.")
            # Now that nothing changes it any more.
            self._fields.marks.mark("voxel_size", "The image's file")

    def tell(self) -> None:
        """Say what is to be known of the microscope, below its fields."""
        path, lines, wrong = self._asked.path, [], False
        file_name = Path(path).name
        name = escape(file_name or SOURCE.lower(), quote=False)
        other: dict[str, Any] = {}
        try:
            optics = self._fields.optics()
        except InputError as error:
            lines, wrong = [escape(str(error), quote=False)], True
        else:
            other = self._stored.contradicted(optics, self._fields.given)
        said = [optics_text(other)] if other else []
        if self._says_other_diameter():
            said.append(f"bead diameter {self._stored.bead_diameter:g} µm")
        if said:
            who = name if file_name else SOURCE
            lines.append(f"{who} says otherwise: {', '.join(said)}.")
        if self._fields.marks.names:
            lines.append(f"{MARK} as {name} says")
        # Where it lies is known, and the sentences are long.
        notes = (note.replace(path, file_name) if path else note for note in self._stored.notes)
        lines += [escape(note, quote=False) for note in notes]
        self.use.visible = self._shown and bool(said)
        self.notice.say("<br>".join(lines) if self._shown else "", to_do=wrong or bool(said))

    def show(self, shown: bool) -> None:
        """Show what there is to say, or hide it where the microscope does not count."""
        self._shown = shown
        self.tell()

    def _take(self) -> None:
        """Take all that the file says, whatever was filled in."""
        self._fields.fill(self._stored.beside(self._fields.kind, ()), self._stored.sources)
        self._fill_bead_diameter(anew=True)
        self.tell()

    def _says_other_diameter(self) -> bool:
        diameter, asked = self._stored.bead_diameter, getattr(self._gui, BEAD_DIAMETER, None)
        return diameter is not None and asked is not None and asked.value not in (0, diameter)

    @property
    def contradicted(self) -> bool:
        """Whether the image says something else than what is given."""
        return self.use.visible

    def _on_bead_diameter(self, _: Any) -> None:
        self._fields.marks.unmark(BEAD_DIAMETER)
        self._fields.remembered.pop(BEAD_DIAMETER, None)
        self.tell()

    def _on_voxel_size(self, _: Any) -> None:
        self._fields.marks.unmark("voxel_size")
        self.tell()

    def _on_read(self, read: tuple[Asked, StoredMicroscope]) -> None:
        asked, stored = read
        if asked == self._asked:
            self._stored = stored
            self.fill()

    def _on_failure(self, sentence: str) -> None:
        # Its image is in the viewer, so that nothing is lost but what the file might have said.
        logger.debug("nothing is known of the microscope from the file: %s", sentence)


def _asked(layer: Image | None, viewer: "napari.viewer.Viewer | None") -> Asked:
    """Return what is to be asked about a layer."""
    part = file_part_of(layer) if layer is not None else None
    if layer is not None and part is not None:
        return Asked(identity(layer), part.path, part.channel)
    path = layer.source.path if layer is not None else None
    if layer is None or path is None or not path.lower().endswith(READABLE):
        return Asked(identity(layer) if layer is not None else "")
    asked = Asked(identity(layer), path)
    try:
        chosen = shown_region(layer, viewer).chosen
    except InputError:
        return asked
    for label, place in chosen.items():
        if label.strip().lower() in CHANNEL:
            return asked._replace(channel=place)
    if len(chosen) != 1:
        return asked
    ((label, place),) = chosen.items()
    axis = [str(one) for one in layer.axis_labels].index(label)
    return asked._replace(place=place, length=int(np.shape(layer.data)[axis]))


def _read(asked: Asked) -> StoredMicroscope:
    """Read what a file says of the channel that is shown, as far as it can be told which that is.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    stored = read_microscope(asked.path, asked.channel)
    # napari's reader gives axes no names; a time series of several channels has one more.
    if asked.channel is None and 1 < stored.channels == asked.length:
        return read_microscope(asked.path, asked.place)
    return stored
