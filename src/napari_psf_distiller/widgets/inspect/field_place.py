"""A place of the field of view, and where it is in a viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from napari.layers import Image

from napari_psf_distiller.widgets.layers.geometry import geometry_of
from napari_psf_distiller.widgets.layers.lineage import beginning_of, identity
from napari_psf_distiller.widgets.layers.record import voxel_size_noted
from napari_psf_distiller.widgets.layers.region import axes_of_space, full_resolution, voxel_at

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
    z : float or None
        The plane, of a PSF that changes with depth; None is the mean over the depth.
    """

    y: float
    x: float
    z: float | None = None

    def text(self, field: PSFField) -> str:
        """Return it in words, from the middle of the bead image's first voxel."""
        height, width = field.pixel
        in_plane = f"y {self.y * height:.2f}, x {self.x * width:.2f} µm"
        if self.z is None or field.depth is None:
            return in_plane
        return f"z {self.z * field.depth.spacing:.2f}, {in_plane}"

    def is_in(self, field: PSFField) -> bool:
        """Return whether it lies on a voxel of the bead image."""
        places = [*zip((self.y, self.x), field.image_shape, strict=True)]
        if self.z is not None and field.depth is not None:
            places.append((self.z, field.depth.planes))
        return all(-0.5 <= value <= n - 0.5 for value, n in places)


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
    layers = [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, Image) and _plane_of(layer) == field.image_shape
    ]
    beginning = None if psf_layer is None else beginning_of(psf_layer)
    for layer in layers:
        # Whatever scale it is drawn with: a voxel size that was typed counts.
        if identity(layer) == beginning:
            return layer
    return next((layer for layer in layers if _has_pixels_of(layer, field)), None)


def _plane_of(layer: Image) -> tuple[int, ...]:
    """Return the rows and columns of an image; nothing of one that is no bead image."""
    axes = axes_of_space(layer)[-2:]
    if layer.rgb or len(axes) < 2:
        return ()
    shape = np.shape(full_resolution(layer))
    return tuple(int(shape[axis]) for axis in axes)


def _has_pixels_of(layer: Image, field: PSFField) -> bool:
    # Of the file that it is from nothing is read: the cursor does not wait for a disk.
    geometry = geometry_of(layer, axes_of_space(layer))
    size = voxel_size_noted(layer.metadata, geometry["scale"], geometry["units"])
    return size is None or bool(np.allclose(size[-2:], field.pixel, rtol=SAME_SIZE, atol=0))


def place_in(
    layer: Image, viewer: napari.viewer.Viewer, position: Sequence[float], field: PSFField
) -> FieldPlace:
    """Return which place of a layer a position in the viewer's world is.

    Parameters
    ----------
    layer : napari.layers.Image
    viewer : napari.viewer.Viewer
    position : sequence of float
        One value a slider.
    field : PSFField
        Of a PSF that changes with depth the place has a plane.
    """
    voxel = voxel_at(layer, viewer, position)
    *planes, y, x = (float(voxel[axis]) for axis in axes_of_space(layer))
    return FieldPlace(y, x, planes[-1] if planes and field.depth is not None else None)
