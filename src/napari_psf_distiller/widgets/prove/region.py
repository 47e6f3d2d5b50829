"""Which part of the image Prove PSF looks at: a rectangle, the selected bead, or the brightest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Points, Shapes
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.length_units import micrometres_in
from napari_psf_distiller.widgets.layers.geometry import geometry_of, unit_ratios
from napari_psf_distiller.widgets.layers.source import Source

__all__ = ["Drawn", "around", "drawn_box", "drawn_in", "moved", "offset_of", "selected_centre"]

# A layer lies on an image's voxels if it is off them by less than this part of one.
OFF = 0.01


@dataclass(frozen=True, eq=False)
class Drawn:
    """A shape as it was drawn, taken in the main thread.

    Attributes
    ----------
    layer : str
        The name of its layer.
    corners : numpy.ndarray
        (N, 2): y and x of its corners in the world.
    units : tuple of str
        Of y and x.
    on_voxels : bool
        Whether the world has a voxel for its unit there: the layer has the scale 1 and no unit of
        length, as one has that was drawn on an image without a voxel size.
    """

    layer: str
    corners: NDArray[np.float64]
    units: tuple[str, ...]
    on_voxels: bool

    def box(self, geometry: dict[str, Any], shape: tuple[int, ...], name: str) -> Box:
        """Return what it frames in an image; it reaches over all planes.

        Parameters
        ----------
        geometry : dict
            How the image lies in the world: its scale, translate and units.
        shape : tuple of int
            (Z, Y, X) or (Y, X).
        name : str
            Of the image.

        Raises
        ------
        InputError
            It lies outside the image.
        """
        onto, start = (np.array(geometry[key][-2:], float) for key in ("scale", "translate"))
        unit = unit_ratios(self.units, geometry["units"][-2:])
        voxels = (self.corners * unit - start) / onto
        low = np.clip(np.floor(voxels.min(axis=0) + 0.5), 0, None).astype(int)
        high = np.clip(np.floor(voxels.max(axis=0) + 0.5) + 1, None, shape[-2:]).astype(int)
        if (high - low < 2).any():
            raise InputError(
                f"The region in {self.layer!r} frames nothing of the image {name!r}; draw a "
                "rectangle on the image."
            )
        return (*map(slice, [0] * (len(shape) - 2), shape[:-2]), *map(slice, low, high))


def drawn_in(layer: Shapes) -> Drawn:
    """Return the selected shape of a layer, or its last one.

    Raises
    ------
    InputError
        There is no shape.
    """
    if len(layer.data) == 0:
        raise InputError(
            f"The shapes layer {layer.name!r} is empty: draw a rectangle around some beads, or "
            "choose no region."
        )
    index = max(layer.selected_data) if layer.selected_data else len(layer.data) - 1
    own = geometry_of(layer, range(layer.ndim))
    scale, offset = (np.array(own[name][-2:], float) for name in ("scale", "translate"))
    corners = np.asarray(layer.data[index], float)[:, -2:] * scale + offset
    units = tuple(str(unit) for unit in own["units"][-2:])
    on_voxels = bool((scale == 1).all()) and not any(map(micrometres_in, units))
    return Drawn(layer.name, corners, units, on_voxels)


def drawn_box(layer: Shapes, image: Source) -> Box:
    """Return what the selected shape of a layer, or its last one, frames in an image.

    It reaches over all planes.

    Raises
    ------
    InputError
        There is no shape, or it lies outside the image.
    """
    return drawn_in(layer).box(image.geometry, np.shape(image.data), image.name)


def selected_centre(
    layer: Points | None, centres: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the centre of the bead that is selected in a points layer, if one is.

    Parameters
    ----------
    layer : napari.layers.Points or None
    centres : numpy.ndarray
        (N, axes): of its points when they were read, in voxels of the image.
    """
    if layer is None or not layer.selected_data:
        return None
    index = min(layer.selected_data)
    if index >= len(centres):
        return None
    centre: NDArray[np.float64] = centres[index]
    return centre


def around(centre: NDArray[np.float64], size: Sequence[int], within: Box) -> Box:
    """Return a square about a bead, over all planes of a box; at its border it is moved inside."""
    box = list(within)
    for axis in (-2, -1):
        part = within[axis]
        n = min(size[axis], part.stop - part.start)
        low = int(np.clip(round(centre[axis]) - n // 2, part.start, part.stop - n))
        box[axis] = slice(low, low + n)
    return tuple(box)


def moved(geometry: dict[str, Any], box: Box) -> dict[str, Any]:
    """Return the geometry of what a box cuts out of a layer, so that it lies on it."""
    turned = {name: geometry[name] for name in ("rotate", "shear") if name in geometry}
    placed = Affine(scale=geometry["scale"], translate=geometry["translate"], **turned)
    corner = placed(np.array([part.start for part in box], float))
    return geometry | {"translate": tuple(float(value) for value in np.ravel(corner))}


def offset_of(layer: Source, image: Source) -> Box:
    """Return which part of an image another layer lies on.

    Raises
    ------
    InputError
        It has other voxels, lies between them, or reaches beyond the image.
    """
    shape, whole = np.shape(layer.data), np.shape(image.data)
    if layer.finer != image.finer:
        raise InputError(
            f"The layer {layer.name!r} has not the voxels of {image.name!r}; choose one that was "
            "deconvolved on them, or none to deconvolve it now."
        )
    sentence = (
        f"The layer {layer.name!r} does not lie on the voxels of {image.name!r}; choose one that "
        "was made from it, or none to deconvolve it now."
    )
    if len(shape) != len(whole) or not np.allclose(
        layer.geometry["scale"], image.geometry["scale"], rtol=OFF
    ):
        raise InputError(sentence)
    apart = np.subtract(layer.geometry["translate"], image.geometry["translate"])
    places = apart / np.array(image.geometry["scale"])
    low = np.round(places).astype(int)
    box = tuple(slice(int(n), int(n) + m) for n, m in zip(low, shape, strict=True))
    if (np.abs(places - low) > OFF).any() or any(
        part.start < 0 or part.stop > n for part, n in zip(box, whole, strict=True)
    ):
        raise InputError(sentence)
    return box
