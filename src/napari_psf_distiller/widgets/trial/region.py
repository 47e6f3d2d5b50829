"""Which region of an image layer is tried: what is shown, a rectangle, the middle, or none."""

from collections.abc import Callable

import napari
import numpy as np
from napari.layers import Image, Shapes
from qtpy.QtWidgets import QComboBox

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.deconvolution.regions import REGION_VOXELS, middle_region
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.layers.lineage import identity
from napari_psf_distiller.widgets.layers.region import axes_of_space
from napari_psf_distiller.widgets.layers.source import Source
from napari_psf_distiller.widgets.prove.region import drawn_box

__all__ = ["DETAIL", "MIDDLE", "VIEW", "RegionChoice", "box_in_view"]

DETAIL, VIEW, MIDDLE = "where most detail is", "middle of the view", "middle of the image"

TOOLTIP = (
    "Which part of the image is tried: where it has the most bright detail in focus; the middle of "
    "what the viewer shows; the image's middle; or the rectangle of a shapes layer. All planes, "
    "but for the first."
)

FindViewer = Callable[[], "napari.viewer.Viewer | None"]


class RegionChoice(QComboBox):
    """Offers the regions of an image, and the shapes layers there are when it is opened.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, or None.
    """

    def __init__(self, find_viewer: FindViewer) -> None:
        super().__init__()
        self._find_viewer = find_viewer
        self.setToolTip(TOOLTIP)
        self.setAccessibleName("region")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        for name in (DETAIL, VIEW, MIDDLE):
            self.addItem(name, "")

    def showPopup(self) -> None:  # noqa: N802
        """Offer the shapes layers that there are now."""
        self.offer_shapes()
        super().showPopup()

    def offer_shapes(self) -> None:
        """Offer the shapes layers that there are now; what is chosen stays."""
        chosen, text = self.currentData(), self.currentText()
        while self.count() > 3:
            self.removeItem(3)
        for layer in self._shapes():
            self.addItem(layer.name, identity(layer))
        place = self.findData(chosen) if chosen else self.findText(text)
        self.setCurrentIndex(max(place, 0))

    def box(self, layer: Image, image: Source) -> Box | None:
        """Return the region that is chosen, or None for that with the most detail.

        Parameters
        ----------
        layer : napari.layers.Image
        image : Source
            As it was read.

        Raises
        ------
        InputError
            The shapes layer is gone or empty, or what is shown is nothing of the image.
        """
        shape = np.shape(image.data)
        chosen = self.currentText() if not self.currentData() else ""
        if chosen == DETAIL:
            return None
        if chosen == MIDDLE:
            return middle_region(shape)
        if chosen == VIEW:
            return box_in_view(layer, shape)
        shapes = [one for one in self._shapes() if identity(one) == self.currentData()]
        if not shapes:
            raise InputError(
                f"The shapes layer {self.currentText()!r} is gone: choose another region."
            )
        return drawn_box(shapes[0], image)

    def _shapes(self) -> list[Shapes]:
        viewer = self._find_viewer()
        found = viewer.layers if viewer is not None else ()
        return [layer for layer in found if isinstance(layer, Shapes)]


def box_in_view(layer: Image, shape: tuple[int, ...]) -> Box:
    """Return the middle of what a viewer shows of an image, with all of its planes.

    Parameters
    ----------
    layer : napari.layers.Image
    shape : tuple of int
        (Z, Y, X) or (Y, X), of its volume.

    Raises
    ------
    InputError
        Nothing of it is shown.
    """
    axes = list(axes_of_space(layer)[-2:])
    low, high = np.asarray(layer.corner_pixels)[:, axes]
    low = np.clip(low, 0, shape[-2:])
    high = np.clip(high + 1, 0, shape[-2:])
    if (high - low < 2).any():
        raise InputError(
            f"The viewer shows nothing of {layer.name!r}: move the view, or choose another region."
        )
    within = (*shape[:-2], *(int(n) for n in high - low))
    middle = middle_region(within, REGION_VOXELS)
    return (
        *middle[:-2],
        *(
            slice(part.start + int(first), part.stop + int(first))
            for part, first in zip(middle[-2:], low, strict=True)
        ),
    )
