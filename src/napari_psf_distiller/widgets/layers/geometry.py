"""How a layer is drawn in the world: scale, offset, units, axis labels, turns; and its contrast.

The scale that a layer is drawn with need not be the voxel size that is computed with: a file may
not say it, and then its user types it. Whatever has an image's voxels is drawn as the image is, so
that it lies on it; the voxel size is in its recipe, see `widgets.layers.record`.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pint
from napari.layers import Layer
from napari.utils.transforms import Affine
from numpy.typing import NDArray

__all__ = [
    "beside",
    "full_range",
    "geometry_of",
    "in_true_size",
    "inset",
    "on_finer_voxels",
    "scaled",
    "spacing_of",
    "unit_ratios",
]

# How far beside an image a PSF is drawn, in parts of the image's width.
GAP = 0.05


def geometry_of(layer: Layer, axes: Sequence[int]) -> dict[str, Any]:
    """Return how some axes of a layer lie in the world, as keywords for another layer.

    Parameters
    ----------
    layer : napari.layers.Layer
    axes : sequence of int
        In their order.

    Returns
    -------
    dict
        scale, translate, units, axis_labels; rotate, shear and affine if there are any.
    """
    chosen = list(axes)
    geometry = {
        "scale": tuple(float(layer.scale[axis]) for axis in chosen),
        "translate": tuple(float(layer.translate[axis]) for axis in chosen),
        "units": tuple(layer.units[axis] for axis in chosen),
        "axis_labels": tuple(layer.axis_labels[axis] for axis in chosen),
    }
    turned = {
        "rotate": np.asarray(layer.rotate),
        "shear": _matrix(layer.shear, layer.ndim),
        "affine": layer.affine.affine_matrix,
    }
    for name, matrix in turned.items():
        kept = [*chosen, layer.ndim] if name == "affine" else chosen
        part = matrix[np.ix_(kept, kept)]
        if not np.array_equal(part, np.eye(len(kept))):
            geometry[name] = part
    return geometry


def _matrix(shear: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    """Return a layer's shear as a matrix; napari may give its upper triangle alone."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = shear
    return matrix


def spacing_of(scale: Sequence[float], units: Sequence[Any]) -> tuple[float, ...] | None:
    """Return a layer's scale in micrometres; None if it was never set.

    A scale without a unit of length is taken as micrometres, as most readers and users mean it.

    Parameters
    ----------
    scale : sequence of float
    units : sequence of str or pint.Unit
        One an axis; may be empty.
    """
    registry = pint.get_application_registry()
    lengths = [registry.Quantity(1, unit) for unit in units] or [None] * len(scale)
    known = [unit is not None and unit.check("[length]") for unit in lengths]
    sizes = tuple(
        abs(float(value)) * (unit.to("micrometer").magnitude if is_length else 1.0)
        for value, unit, is_length in zip(scale, lengths, known, strict=True)
    )
    if not any(known) and all(size == 1 for size in sizes):
        return None
    return sizes if all(size > 0 for size in sizes) else None


def scaled(geometry: dict[str, Any], spacing: tuple[float, ...]) -> dict[str, Any]:
    """Return a geometry with another voxel size, in micrometres."""
    # An offset is one of voxels: it changes with their size and its unit.
    offset = tuple(
        t / old * new
        for t, old, new in zip(geometry["translate"], geometry["scale"], spacing, strict=True)
    )
    return geometry | {
        "scale": spacing,
        "translate": offset,
        "units": ("micrometer",) * len(spacing),
    }


def on_finer_voxels(geometry: dict[str, Any], finer: Sequence[float]) -> dict[str, Any]:
    """Return how finer voxels lie on an image: all of a pixel's in its place.

    Parameters
    ----------
    geometry : dict
        Of the image.
    finer : sequence of float
        How many of them one of the image has along each axis; less than 1 of larger ones. Along z,
        the image's plane is that at ``finer // 2`` of its own.
    """
    finest = np.array(finer)
    before = (finest - 1) / 2
    if len(finest) == 3:
        before[0] = finest[0] // 2
    turned = {name: geometry[name] for name in ("rotate", "shear") if name in geometry}
    placed = Affine(scale=geometry["scale"], translate=geometry["translate"], **turned)
    corner = np.ravel(placed(-before / finest))
    return geometry | {
        "scale": tuple(float(size) for size in geometry["scale"] / finest),
        "translate": tuple(float(value) for value in corner),
    }


def in_true_size(geometry: dict[str, Any], spacing: tuple[float, ...] | None) -> dict[str, Any]:
    """Return how a PSF is drawn: in its true size, but nowhere yet, and not turned.

    Parameters
    ----------
    geometry : dict
        Of the image that it comes from.
    spacing : tuple of float or None
        Its voxel size in micrometres; None leaves the image's scale.
    """
    own = {name: geometry[name] for name in ("scale", "units", "axis_labels")}
    if spacing is None or spacing_of(own["scale"], own["units"]) == spacing:
        return own
    own["scale"] = spacing
    # napari warns of a layer whose units do not go with the others'. Without any it draws
    # micrometres as what they are, and the PSF's voxel size is in its recipe.
    if _are_lengths(own["units"]):
        own["units"] = ("micrometer",) * len(spacing)
    return own


def _are_lengths(units: Sequence[Any]) -> bool:
    registry = pint.get_application_registry()
    return any(registry.Quantity(1, unit).check("[length]") for unit in units)


def unit_ratios(units: Sequence[Any], others: Sequence[Any]) -> NDArray[np.float64]:
    """Return how many of the other unit one of the units is, on each axis; 1 if it cannot be.

    Parameters
    ----------
    units, others : sequence of str or pint.Unit
        One an axis.
    """
    registry = pint.get_application_registry()
    pairs = [
        (registry.Quantity(1, unit), registry.Quantity(1, other))
        for unit, other in zip(units, others, strict=True)
    ]
    return np.array(
        [(a / b).to("").magnitude if a.check(b.dimensionality) else 1.0 for a, b in pairs]
    )


def full_range(image: NDArray[Any]) -> tuple[float, float]:
    """Return the contrast limits that show all of an image, the lower below the upper.

    Left to itself napari looks at a few planes of a large image alone, and does so in the main
    thread: where the beads are in focus in another, they come out white.
    """
    low, high = float(np.min(image)), float(np.max(image))
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0
    return low, high if low < high else low + 1.0


def beside(
    image: dict[str, Any],
    spacing: tuple[float, ...] | None,
    shape: Sequence[int],
    psf: NDArray[np.float32],
) -> tuple[float, ...]:
    """Return the offset that puts a PSF to the right of an image, with its middle plane as its.

    So it hides nothing, and both are in focus where a viewer begins; see `inset`.

    Parameters
    ----------
    image : dict
        The image's geometry, which may be turned.
    spacing : tuple of float or None
        The voxel size that is computed with, in micrometres.
    shape : sequence of int
        Of the image.
    psf : numpy.ndarray
    """
    own = in_true_size(image, spacing)
    offset = inset(image, spacing, shape, psf)
    parts = {
        name: image[name] for name in ("scale", "translate", "rotate", "shear") if name in image
    }
    ends = [(-0.5, n - 0.5) for n in shape[-2:]]
    middle = [((n - 1) // 2,) for n in shape[:-2]]
    corners = np.array(list(itertools.product(*middle, *ends)))
    placed = Affine(**parts)(corners)
    if "affine" in image:
        placed = Affine(affine_matrix=image["affine"])(placed)
    placed = placed * unit_ratios(image["units"], own["units"])
    low, high = placed.min(axis=0), placed.max(axis=0)
    height, width = own["scale"][-2:]
    gap = GAP * (high[-1] - low[-1])
    return *offset[:-2], float(low[-2] + height / 2), float(high[-1] + gap + width / 2)


def inset(
    image: dict[str, Any],
    spacing: tuple[float, ...] | None,
    shape: Sequence[int],
    psf: NDArray[np.float32],
) -> tuple[float, ...]:
    """Return the offset that puts a PSF into an image's corner, with its middle plane as its.

    So it is in focus where a viewer begins. The PSF is drawn in its true size, see `in_true_size`.

    Parameters
    ----------
    image : dict
        The image's geometry.
    spacing : tuple of float or None
        The voxel size that is computed with, in micrometres.
    shape : sequence of int
        Of the image.
    psf : numpy.ndarray
    """
    own = in_true_size(image, spacing)
    corner = np.array(image["translate"], float)
    if psf.ndim == 3:
        corner[0] += (shape[0] - 1) // 2 * image["scale"][0]
    offset = corner * unit_ratios(image["units"], own["units"])
    if psf.ndim == 3:
        offset[0] -= psf.shape[0] // 2 * own["scale"][0]
    return tuple(float(value) for value in offset)
