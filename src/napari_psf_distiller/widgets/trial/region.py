"""Which region of an image layer is tried: what is shown, a rectangle, the middle, or none."""

import numpy as np
from napari.layers import Image, Shapes

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.deconvolution.regions import REGION_VOXELS, middle_region
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.layers.layer_choice import FindViewer, LayerChoice
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


class RegionChoice(LayerChoice):
    """Offers the regions of an image, and the shapes layers there are when it is opened.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, or None.
    """

    def __init__(self, find_viewer: FindViewer) -> None:
        super().__init__(find_viewer, Shapes, (DETAIL, VIEW, MIDDLE))
        self.setToolTip(TOOLTIP)
        self.setAccessibleName("region")

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
        drawn = self.layer()
        if isinstance(drawn, Shapes):
            return drawn_box(drawn, image)
        if self.fixed == MIDDLE:
            return middle_region(shape)
        if self.fixed == VIEW:
            return box_in_view(layer, shape)
        return None


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
