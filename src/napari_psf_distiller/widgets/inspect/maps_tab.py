"""The tab of the inspector with the maps of a PSF over the field of view."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from magicgui.widgets import PushButton
from napari.layers import Layer
from qtpy.QtWidgets import QComboBox

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import FITTED_BEADS, beads_from
from napari_psf_distiller.widgets.inspect.field_place import FieldPlace, layer_of_field
from napari_psf_distiller.widgets.inspect.picture import Drawing
from napari_psf_distiller.widgets.layers.field_layers import field_map_layers
from napari_psf_distiller.widgets.layers.lineage import newest_layer, run_of
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.running.background import Background

if TYPE_CHECKING:
    import napari
    from matplotlib.figure import Figure
    from napari.layers import Image

    from napari_psf_distiller.psf.field_maps import FieldMaps
    from napari_psf_distiller.widgets.inspect.subject import Subject

__all__ = ["FieldMapsTab", "Mapped"]

# Inches that a map is saved on.
MAP_PAGE = (3.5, 3.1)

MAPPING = "The field is being mapped."
ONE = (
    "The PSF is the same everywhere in the field, as far as the beads show, or it has lost its "
    "functions: there is nothing to map."
)


class Mapped(NamedTuple):
    """Maps of a PSF, with what they were made of.

    Attributes
    ----------
    subject : Subject
    beads : pandas.DataFrame or None
    maps : FieldMaps
    """

    subject: Subject
    beads: pd.DataFrame | None
    maps: FieldMaps


class FieldMapsTab:
    """Makes the maps of a PSF over its field beside the viewer, and draws the one that is chosen.

    Parameters
    ----------
    on_change : callable
        Called without arguments when there are maps, or another one is chosen, or there are none.

    Attributes
    ----------
    choice : QComboBox
        Which map is shown.
    as_layers : PushButton
        Puts all maps into the viewer.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._mapped: Mapped | None = None
        # What was asked for, and why there is none of it.
        self._asked: Subject | None = None
        self._failure = ""
        self._mapper: Background[Mapped] = Background(self._on_mapped, self._on_failed)
        self.choice = QComboBox()
        self.choice.setEnabled(False)
        self.choice.setAccessibleName("map")
        self.choice.setToolTip("Which map of the PSF over the field is shown.")
        self.choice.activated.connect(self._on_chosen)
        self.as_layers = PushButton(text="As la&yers", gui_only=True, enabled=False)
        self.as_layers.tooltip = (
            "Put the maps onto the bead image as layers, and arrows and lines for the directions."
        )

    @property
    def busy(self) -> bool:
        """Whether maps are being made."""
        return self._mapper.busy

    def maps_of(
        self, subject: Subject, layer: Image | None, viewer: napari.viewer.Viewer | None
    ) -> Mapped:
        """Return the maps of a PSF; where there are none yet, they are asked for.

        Parameters
        ----------
        subject : Subject
        layer : napari.layers.Image or None
            The same.
        viewer : napari.viewer.Viewer or None
            Where the beads are sought that the PSF is from.

        Raises
        ------
        InputError
            The PSF is the same everywhere, or the maps are not there yet.
        """
        psf = subject.varying
        self.as_layers.enabled = False
        if psf is None:
            raise InputError(ONE)
        if self._mapped is not None and self._mapped.subject is subject:
            self.as_layers.enabled = True
            return self._mapped
        if self._asked is not subject:
            self._failure = ""
            self._asked, beads = subject, _beads_of(subject, layer, viewer)
            self._mapper.ask(lambda: Mapped(subject, beads, psf.field_maps(beads=beads)))
        raise InputError(self._failure or MAPPING)

    def drawing(self, mapped: Mapped, place: FieldPlace | None) -> Drawing:
        """Return what draws the map that is chosen, with a place marked."""
        name = self.choice.currentText()

        def draw(figure: Figure, foreground: str) -> str:
            from napari_psf_distiller.figures import draw_field_map

            draw_field_map(
                figure,
                mapped.maps,
                name,
                mapped.beads,
                place=place and place[:2],
                foreground=foreground,
            )
            return "<br>".join(mapped.maps.sentences())

        return Drawing(draw, lambda: MAP_PAGE)

    def add_layers(self, layer: Image | None, viewer: napari.viewer.Viewer | None) -> None:
        """Put the maps into the viewer, each as a layer on the bead image if that is there.

        Parameters
        ----------
        layer : napari.layers.Image or None
            Of the PSF.
        viewer : napari.viewer.Viewer or None
        """
        mapped = self._mapped
        if mapped is None or mapped.subject.field is None or viewer is None:
            return
        image = layer_of_field(viewer, layer, mapped.subject.field)
        for data in field_map_layers(mapped.maps, image):
            viewer.add_layer(Layer.create(*data))

    def place_at(self, figure: Figure | None, left: float, top: float) -> FieldPlace | None:
        """Return which place of the field a click in the drawing of a map is at; None beside it.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or None
        left, top : float
            Of the click, from 0 to 1.
        """
        if figure is None or self._mapped is None:
            return None
        axes, box = figure.axes[0], figure.bbox
        point = (left * box.width, (1 - top) * box.height)
        if not axes.get_window_extent().contains(*point):
            return None
        x, y = axes.transData.inverted().transform(point)
        height, width = self._mapped.maps.pixel
        return FieldPlace(float(y) / height, float(x) / width)

    def _on_mapped(self, mapped: Mapped) -> None:
        from napari_psf_distiller.figures import field_map_names

        self._mapped = mapped
        chosen, names = self.choice.currentText(), field_map_names(mapped.maps)
        self.choice.clear()
        self.choice.addItems(names)
        self.choice.setCurrentIndex(names.index(chosen) if chosen in names else 0)
        self.choice.setEnabled(True)
        self._on_change()

    def _on_failed(self, sentence: str) -> None:
        self._failure = sentence
        self._on_change()

    def _on_chosen(self) -> None:
        self._on_change()


def _beads_of(
    subject: Subject, layer: Image | None, viewer: napari.viewer.Viewer | None
) -> pd.DataFrame | None:
    """Return the beads that a PSF is from, in voxels of their image; None if they are not known."""
    field = subject.field
    run = None if layer is None else run_of(layer)
    if run is None or field is None or viewer is None:
        return None
    points = newest_layer(viewer.layers, StepId.DISTILL, FITTED_BEADS, root=run.root)
    image = layer_of_field(viewer, layer, field)
    if points is None or image is None:
        return None
    try:
        return beads_from(points, read_image_layer(image, viewer=viewer)).table
    except InputError:
        # They were edited so that they are none any more; the maps do without.
        return None
