"""What a user should know of a PSF that changes over the field of view, or with depth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.misfit.field_variation import place_in_words
from napari_psf_distiller.joint.results import JointFitResult
from napari_psf_distiller.psf.angular_orders import aberration_name
from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.psf.functions import FittedFunctions

__all__ = ["field_warnings"]

Floats = NDArray[np.float64]

# PSFs are compared at the middle of the beads, and at so many places along y and x from the first
# beads to the last.
PLACES = 3

# A PSF that changes by less than this, in relative L2 from the middle to its farthest place, is as
# good as constant.
MIN_CHANGE = 0.05


# A place: y, x, and the plane if one counts, in voxels.
_Place = tuple[float, float] | tuple[float, float, float]


class _Change(NamedTuple):
    """How much a PSF changes from one place to another.

    Attributes
    ----------
    relative_l2 : float
        Of the PSF that differs most from that in the middle of the beads.
    place : tuple of float
        Where that is.
    order : int
        The angular order that changes most.
    """

    relative_l2: float
    place: _Place
    order: int

    @property
    def aberration(self) -> str:
        """What a change of this order is called."""
        return aberration_name(self.order)


def field_warnings(fit: JointFitResult) -> list[str]:
    """Return by how much the PSF changes over the field and with depth, and what to do with it.

    Parameters
    ----------
    fit : JointFitResult
    """
    functions, found = fit.functions, []
    over_field = functions.over_field
    if over_field is None:
        return []
    rows, columns = (np.linspace(*along, PLACES).tolist() for along in over_field.extent)
    middle = (rows[PLACES // 2], columns[PLACES // 2])
    change = _change(functions, over_field, middle, [*itertools.product(rows, columns)])
    if change.relative_l2 >= MIN_CHANGE:
        where = place_in_words((0.0, *change.place[:2]), fit.misfit.image_shape)
        found.append(
            f"The PSF changes across the field: it differs by {100 * change.relative_l2:.0f} % "
            f"between the middle of the beads and the {where}, mostly in {change.aberration}. It "
            "was fitted so: a deconvolution takes the PSF of each place, and PSF.at(y, x) is that "
            "of one. The PSF that is shown and saved for other programs is their mean."
        )
    if over_field.depth is not None:
        planes = np.linspace(*over_field.depth.extent, PLACES).tolist()
        deep = [(*middle, plane) for plane in planes]
        change = _change(functions, over_field, deep[PLACES // 2], deep)
        if change.relative_l2 >= MIN_CHANGE:
            found.append(
                f"The PSF changes with depth: it differs by {100 * change.relative_l2:.0f} % "
                f"between planes {deep[PLACES // 2][-1]:.0f} and {change.place[-1]:.0f}, mostly in "
                f"{change.aberration}. It was fitted so: a deconvolution takes the PSF of each "
                "plane, and PSF.at(y, x, z) is that of one. The PSF that is shown and saved for "
                "other programs is their mean."
            )
    return found


def _change(
    functions: FittedFunctions, over_field: PSFField, middle: _Place, places: Sequence[_Place]
) -> _Change:
    """Return how much a PSF changes from the middle to that place where it changes most."""
    expected = _values_at(functions, middle)
    norm = float(np.linalg.norm(expected))
    found = {}
    for place in places:
        values = _values_at(functions, place)
        # How bright a place's PSF is cannot be told from how bright its beads are, and its sum is
        # known as badly as the background: they are compared at the scale at which they agree best.
        scale = float(np.vdot(values, expected) / np.vdot(values, values))
        found[place] = float(np.linalg.norm(scale * values - expected)) / norm, scale
    place = max(found, key=lambda key: found[key][0])
    relative_l2, scale = found[place]
    changed = scale * over_field.amplitudes_at(*place) - over_field.amplitudes_at(*middle)
    orders = np.array([order for order, _ in functions.terms])
    strengths = {}
    for order in set(orders.tolist()):
        own = np.where((orders == order)[:, None, None], changed, 0.0)
        part = replace(functions, amplitudes=own)
        values = part.values(functions.spacing, functions.window, functions.centre)
        strengths[order] = float(np.linalg.norm(values))
    return _Change(relative_l2, place, max(strengths, key=lambda order: strengths[order]))


def _values_at(functions: FittedFunctions, place: _Place) -> Floats:
    """Return the PSF at a place, on the fitted voxels, its brightest in the middle."""
    own = functions.at(*place)
    return own.values(own.spacing, own.window, own.centre)
