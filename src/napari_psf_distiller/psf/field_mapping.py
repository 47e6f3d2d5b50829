"""Mapping a PSF over the field of view: from its functions and its beads to `FieldMaps`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.beads import AXES, bead_voxels, centres_of
from napari_psf_distiller.checks import check_whole
from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.psf.angular_orders import angular_orders
from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.psf.field_maps import FieldMap, FieldMaps, FocusMap
from napari_psf_distiller.psf.focus_surface import focus_surface
from napari_psf_distiller.psf.functions import FittedFunctions
from napari_psf_distiller.psf.local_shape import local_shapes, local_width_errors
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.theory import theoretical_widths

__all__ = ["map_field"]

Floats = NDArray[np.float64]

# Nobody looks at more places along an axis.
MOST_PLACES = 200

# Beads that lie off a surface by more than this part of the PSF's width along z, as a standard
# deviation, are not on one.
MOST_SCATTER = 1.0


def map_field(
    functions: FittedFunctions,
    spacing: tuple[float, ...],
    image_shape: tuple[int, int],
    image_spacing: tuple[float, ...],
    places: int | tuple[int, int],
    beads: pd.DataFrame | None,
    optics: Optics | None,
) -> FieldMaps:
    """Return the maps of a PSF; see `PSF.field_maps`.

    Parameters
    ----------
    functions : FittedFunctions
    spacing : tuple of float
        Of the PSF's voxels, (z, y, x) or (y, x) in micrometres.
    image_shape : tuple of int
        (Y, X) of the bead image.
    image_spacing : tuple of float
        Of its voxels, (z, y, x) or (y, x) in micrometres.
    places, beads
        See `PSF.field_maps`.
    optics : Optics or None
        For the theory's widths.
    """
    of_field, axes = functions.over_field, AXES[-len(spacing) :]
    pixel = (image_spacing[-2], image_spacing[-1])
    used = None if beads is None else _used_centres(beads, axes, image_shape)
    rows, columns = _middles(image_shape, _counts(places))
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
    flat = grid.reshape(-1, 2)
    # Of a PSF that is the same everywhere one place tells of all.
    shapes = local_shapes(functions, spacing[-2:], flat if of_field else flat[:1])
    widths = np.array([shape.widths[-len(axes) :] for shape in shapes]).T
    widths = np.broadcast_to(widths, (len(axes), len(flat)))
    known = local_width_errors(functions, spacing[-2:], flat, shapes)
    errors = np.full(widths.shape, np.nan) if known is None else known[:, -len(axes) :].T
    focus, note = _focus(functions, spacing[-2:], used, grid, image_spacing, widths[0])
    theory = theoretical_widths(optics, spacing) if optics is not None else (None,) * len(axes)
    return FieldMaps(
        rows=rows,
        columns=columns,
        image_shape=image_shape,
        pixel=pixel,
        covered=_covered(of_field, used, flat).reshape(grid.shape[:2]),
        varies=of_field is not None and of_field.degree > 0,
        widths={
            axis: FieldMap(value.reshape(grid.shape[:2]), error.reshape(grid.shape[:2]))
            for axis, value, error in zip(axes, widths, errors, strict=True)
        },
        theory={axis: width for axis, width in zip(axes, theory, strict=True) if width is not None},
        orders=angular_orders(functions, grid),
        focus=focus,
        focus_note=note,
    )


def _counts(places: int | tuple[int, int]) -> tuple[int, int]:
    """Return how many places there are along y and x."""
    pair = tuple(places) if isinstance(places, tuple | list) else (places, places)
    if len(pair) != 2:
        raise InputError(
            f"The places are {shown(places)}; they must be a number of them along both axes, or "
            "one along y and one along x."
        )
    rows, columns = (check_whole(n, "number of places", 1, MOST_PLACES) for n in pair)
    return rows, columns


def _middles(image_shape: tuple[int, int], counts: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the middles of equal parts of an image along y and along x, in voxels."""
    rows, columns = (
        (np.arange(count) + 0.5) * n / count - 0.5
        for n, count in zip(image_shape, counts, strict=True)
    )
    return rows, columns


def _used_centres(beads: pd.DataFrame, axes: Sequence[str], image_shape: tuple[int, int]) -> Floats:
    """Return the centres of the beads that shaped a PSF, in voxels."""
    missing = [name for name in (*axes, "used") if name not in beads]
    if missing:
        raise InputError(
            f"The table of the beads has no column {missing[0]}: give that of the distilled PSF, "
            "result.beads or beads.csv."
        )
    if "stack" in beads and beads["stack"].nunique() > 1:
        raise InputError(
            "The beads are those of several images, which need not lie alike: give those of one, "
            "result.beads_in_image or the rows of one stack."
        )
    used = beads["used"]
    if not used.isin([True, False]).all():
        raise InputError(
            "The column used of the table of the beads does not say True or False of each: give "
            "the table as it was made."
        )
    try:
        centres = centres_of(beads[used.astype(bool)])
    except (TypeError, ValueError):
        raise InputError(
            "The beads' centres are no numbers: give the table as it was made."
        ) from None
    try:
        bead_voxels(centres[:, -2:], image_shape)
    except InputError as error:
        raise InputError(
            f"The beads are not those of the PSF, whose bead image has {image_shape[0]} x "
            f"{image_shape[1]} voxels in the plane. {error}"
        ) from None
    return centres


def _covered(of_field: PSFField | None, used: Floats | None, places: Floats) -> NDArray[np.bool_]:
    """Return which places lie among the beads; all of them where no bead is known."""
    if of_field is not None:
        return np.array([of_field.is_covered(y, x) for y, x in places.tolist()])
    if used is None or len(used) == 0:
        return np.ones(len(places), bool)
    low, high = used[:, -2:].min(axis=0), used[:, -2:].max(axis=0)
    covered: NDArray[np.bool_] = ((places >= low) & (places <= high)).all(axis=1)
    return covered


def _focus(
    functions: FittedFunctions,
    pixel: tuple[float, ...],
    used: Floats | None,
    grid: Floats,
    image_spacing: tuple[float, ...],
    widths: Floats,
) -> tuple[FocusMap | None, str]:
    """Return where beads on a slide are in focus, or why that cannot be told."""
    if len(image_spacing) == 2:
        return None, "An image of one plane does not tell where the PSF is in focus."
    if used is None:
        return None, ("The beads tell where the PSF is in focus: give their table, beads.csv, too.")
    shapes = local_shapes(functions, pixel, used[:, 1:], widths=False)
    # A bead is brightest where the PSF of its place is, and not where the mean PSF would be.
    moved = np.array([shape.peak[0] - functions.centre[0] for shape in shapes])
    places, heights = used[:, 1:] * image_spacing[1:], used[:, 0] * image_spacing[0] + moved
    low, high = (places.min(axis=0), places.max(axis=0)) if len(places) else (np.zeros(2),) * 2
    middle, half = (low + high) / 2, (high - low) / 2
    surface = focus_surface(places, heights, (float(middle[0]), float(middle[1])))
    if surface is None:
        return None, (
            "Too few beads tell where the PSF is in focus: at least 9 are needed that do not lie "
            f"on one line, and {len(used)} are used."
        )
    known = widths[np.isfinite(widths)]
    if len(known) and surface.scatter > MOST_SCATTER * float(np.median(known)):
        return None, (
            f"The beads lie at all depths ({surface.scatter:.1f} µm off any surface, as a standard "
            "deviation), as in a gel, so that they do not tell where the PSF is in focus: use "
            "beads on a slide."
        )
    values, error = surface.heights(grid * image_spacing[1:])
    tilt, tilt_error = surface.tilt()
    sag = surface.sag((float(half[0]), float(half[1]))) if surface.is_curved else (np.nan, np.nan)
    return FocusMap(values, error, tilt, tilt_error, *sag, surface.scatter), ""
