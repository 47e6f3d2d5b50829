"""A place of the field of view, and where it is in a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from napari.layers import Image

from napari_psf_distiller.widgets.layers.lineage import beginning_of, identity
from napari_psf_distiller.widgets.layers.region import (
    axes_of_space,
    full_resolution,
    voxel_at,
)
from napari_psf_distiller.widgets.layers.source import voxel_size_of

if TYPE_CHECKING:
    import napari

    from napari_psf_distiller.psf.field import PSFField

__all__ = ["FieldPlace", "layer_of_field", "place_in"]

# Pixels are of one size if they differ by less than this part.
SAME_SIZE = 0.01


class FieldPlace(NamedTuple):
    """A place of the field of view.

    Attributes
    ----------
    y, x : float
        In voxels of the bead image.
    """

    y: float
    x: float

    def text(self, field: PSFField) -> str:
        """Return it in words, from the middle of the bead image's first voxel."""
        height, width = field.pixel
        return f"y {self.y * height:.2f}, x {self.x * width:.2f} µm"

    def is_in(self, field: PSFField) -> bool:
        """Return whether it lies on a voxel of the bead image."""
        return all(
            -0.5 <= value <= n - 0.5 for value, n in zip(self, field.image_shape, strict=True)
        )


def layer_of_field(
    viewer: napari.viewer.Viewer, psf_layer: Image | None, field: PSFField
) -> Image | None:
    """Return the image layer whose voxels tell the places of a PSF's field; None if there is none.

    That which the PSF was distilled from; else the topmost that has the bead image's rows, columns
    and pixels: another image of the same field of view.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    psf_layer : napari.layers.Image or None
        Of the PSF.
    field : PSFField
        How the PSF changes.
    """
    fitting = [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, Image) and _has_voxels_of(layer, field)
    ]
    beginning = None if psf_layer is None else beginning_of(psf_layer)
    for layer in fitting:
        if identity(layer) == beginning:
            return layer
    return next(iter(fitting), None)


def _has_voxels_of(layer: Image, field: PSFField) -> bool:
    axes = axes_of_space(layer)[-2:]
    shape = np.shape(full_resolution(layer))
    if layer.rgb or len(axes) < 2 or tuple(shape[axis] for axis in axes) != field.image_shape:
        return False
    size = voxel_size_of(layer)
    return size is None or bool(np.allclose(size[-2:], field.pixel, rtol=SAME_SIZE, atol=0))


def place_in(layer: Image, viewer: napari.viewer.Viewer, position: Sequence[float]) -> FieldPlace:
    """Return which place of a layer's plane a position in the viewer's world is.

    Parameters
    ----------
    layer : napari.layers.Image
    viewer : napari.viewer.Viewer
    position : sequence of float
        One value a slider.
    """
    voxel = voxel_at(layer, viewer, position)
    y, x = (float(voxel[axis]) for axis in axes_of_space(layer)[-2:])
    return FieldPlace(y, x)
