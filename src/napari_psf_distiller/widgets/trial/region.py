"""Which region of an image layer is tried: what is shown, a rectangle, the middle, or none."""

import napari
import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.deconvolution.regions import REGION_VOXELS, middle_region
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.layers.layer_choice import FindViewer, LayerChoice
from napari_psf_distiller.widgets.layers.region import axes_of_space, voxel_at
from napari_psf_distiller.widgets.layers.source import Source
from napari_psf_distiller.widgets.prove.region import around, drawn_box
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of

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
            return box_in_view(layer, shape, self._find_viewer())
        return None


def box_in_view(
    layer: Image, shape: tuple[int, ...], viewer: "napari.viewer.Viewer | None" = None
) -> Box:
    """Return the middle of what a viewer shows of an image, with all of its planes.

    Parameters
    ----------
    layer : napari.layers.Image
    shape : tuple of int
        (Z, Y, X) or (Y, X), of its volume.
    viewer : napari.viewer.Viewer, optional
        Of several resolutions, its camera tells the middle: napari has more of these at hand than
        it shows.

    Raises
    ------
    InputError
        Nothing of it is shown.
    """
    axes = list(axes_of_space(layer)[-2:])
    corners = np.asarray(layer.corner_pixels, float)
    if layer.multiscale:
        # They are in voxels of the resolution that is shown.
        factors = np.asarray(layer.downsample_factors[layer.data_level], float)
        corners = np.array([corners[0] * factors, (corners[1] + 1) * factors - 1])
    low, high = corners[:, axes]
    low = np.clip(np.floor(low), 0, shape[-2:]).astype(int)
    high = np.clip(np.ceil(high) + 1, 0, shape[-2:]).astype(int)
    if (high - low < 2).any():
        raise InputError(
            f"The viewer shows nothing of {layer.name!r}: move the view, or choose another region."
        )
    centre = (low + high) / 2
    if layer.multiscale and viewer is not None:
        centre = _camera_at(layer, viewer)[axes]
    within = (*(slice(0, n) for n in shape[:-2]), *map(slice, map(int, low), map(int, high)))
    size = middle_region(tuple(part.stop - part.start for part in within), REGION_VOXELS)
    return around(centre, [part.stop - part.start for part in size], within)


def _camera_at(layer: Image, viewer: "napari.viewer.Viewer") -> NDArray[np.float64]:
    """Return where the middle of the view is, in the layer's voxels."""
    point = np.asarray(viewer.dims.point, float)
    point[list(viewer.dims.displayed[-2:])] = camera_of(viewer).center[-2:]
    return voxel_at(layer, viewer, tuple(point))
