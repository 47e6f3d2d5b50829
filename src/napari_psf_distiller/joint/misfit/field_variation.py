"""Whether beads' shapes change across the field, or with depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.joint.misfit.bead_shapes import BeadShapes
from napari_psf_distiller.measure.widths import profile_width

__all__ = [
    "MAX_PLACE_P_VALUE",
    "MIN_REFUSED_BEADS",
    "Variation",
    "field_variation",
    "place_in_words",
    "refused_by_place",
]

Floats = NDArray[np.float64]

# It is significant below this p-value, all patterns and polynomials together.
MAX_P_VALUE = 1e-4

# Beads, more than the unknowns, that are needed to tell whether there is a law.
MIN_DEGREES_OF_FREEDOM = 6

# Refused beads that are many enough to look at their places; which were refused for their shape
# depends on their place below this p-value.
MIN_REFUSED_BEADS, MAX_PLACE_P_VALUE = 4, 1e-3

# Beads within this part of the way from the image's middle to its sides lie in the middle.
MIDDLE_THIRD = 1 / 3


class Variation(NamedTuple):
    """How a PSF changes from one place to another.

    Attributes
    ----------
    relative_l2 : float
        The beads' relative L2 difference from the mean, in the root mean square, as far as a law
        of their places describes it, less what noise makes of it.
    places : tuple of tuple of float
        The centres of the two beads that differ most, in voxels.
    largest_difference : float
        The relative L2 difference of these two beads.
    axis : int
        The axis along which the widths of these two beads differ most.
    width : float
        By how much they differ along this axis, as a part of the smaller; 0 where that cannot be
        told.
    p_value : float
        Probability that noise alone made as much.
    """

    relative_l2: float
    places: tuple[tuple[float, ...], tuple[float, ...]]
    largest_difference: float
    axis: int
    width: float
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether it is more than chance."""
        return self.p_value < MAX_P_VALUE


def field_variation(
    shapes: BeadShapes,
    centres: Floats,
    image_shape: Sequence[int],
    profiles: Sequence[Floats],
    *,
    depth: bool = False,
) -> Variation | None:
    """Look for a law of the beads' shapes and places.

    Parameters
    ----------
    shapes : BeadShapes
    centres : numpy.ndarray
        (beads, 3), voxels: of the same beads.
    image_shape : sequence of int
    profiles : sequence of numpy.ndarray
        A bead's intensity along lines through its centre along z, y and x.
    depth : bool
        Along z instead of across the field.

    Returns
    -------
    Variation or None
        None where too few beads tell of it.

    Notes
    -----
    Each pattern's coefficients are fitted by polynomials of the place of the first and of the
    second degree, by weighted least squares; F tests against a constant, with the beads' own
    scatter, tell whether the place explains them, times the number of tests (C. E. Bonferroni,
    1936). It must hold without the bead that lies most apart: a false one often does.
    """
    place = 2 * centres / np.maximum(np.array(image_shape) - 1, 1) - 1
    one = np.ones(len(place))
    z, y, x = place[:, 0], place[:, 1], place[:, 2]
    if depth:
        designs = [np.stack([one, z], 1), np.stack([one, z, z**2], 1)]
    else:
        first = np.stack([one, y, x], 1)
        designs = [first, np.column_stack([first, y**2, x**2, x * y])]
    tested = [
        _law_without_extreme(shapes, design)
        for design in designs
        if len(place) > design.shape[1] + MIN_DEGREES_OF_FREEDOM
    ]
    if not tested:
        return None
    p_value, fitted, noise = min(tested, key=lambda test: test[0])
    deviation = fitted - fitted.mean(axis=0)
    relative_l2 = float(np.sqrt(max((deviation**2).sum(axis=1).mean() - noise, 0)))
    distances = np.linalg.norm(deviation[:, None] - deviation[None], axis=2)
    a, b = (int(i) for i in np.unravel_index(distances.argmax(), distances.shape))
    widths = np.array([_widths(shapes, row, profiles) for row in fitted[[a, b]]])
    differences = np.nan_to_num(widths.max(axis=0) / widths.min(axis=0) - 1)
    axis = int(differences.argmax())
    return Variation(
        relative_l2,
        (tuple(centres[a].tolist()), tuple(centres[b].tolist())),
        float(distances[a, b]),
        axis,
        float(differences[axis]),
        min(1.0, p_value * len(tested)),
    )


def _law_without_extreme(shapes: BeadShapes, design: Floats) -> tuple[float, Floats, float]:
    """Return `_polynomial_law`, its p-value that without the bead whose place weighs most."""
    p_value, fitted, noise = _polynomial_law(shapes, design)
    root, _ = np.linalg.qr(design)
    others = np.delete(np.arange(len(design)), int((root**2).sum(axis=1).argmax()))
    return max(p_value, _polynomial_law(shapes.some(others), design[others])[0]), fitted, noise


def _polynomial_law(shapes: BeadShapes, design: Floats) -> tuple[float, Floats, float]:
    """Return a law's p-value, what it says of each bead, and noise's part in that."""
    beads, unknowns = design.shape
    fitted = np.zeros_like(shapes.coefficients)
    p_values, noise = [], 0.0
    for column, values in enumerate(shapes.coefficients.T):
        variance = shapes.variances[:, column]
        own_variance = max(float(np.var(values) - np.median(variance)), 0.0)
        weight = 1 / np.sqrt(variance + own_variance)
        rows = design * weight[:, None]
        solution = np.linalg.lstsq(rows, values * weight, rcond=None)[0]
        left = float((((values - design @ solution) * weight) ** 2).sum())
        level = float(np.average(values, weights=weight**2))
        without = float((((values - level) * weight) ** 2).sum())
        degrees_of_freedom = beads - unknowns
        ratio = max(without - left, 0) / (unknowns - 1) / max(left / degrees_of_freedom, 1e-300)
        p_values.append(float(stats.f.sf(ratio, unknowns - 1, degrees_of_freedom)))
        fitted[:, column] = design @ solution
        scatter = float(((values - fitted[:, column]) ** 2).sum()) / degrees_of_freedom
        noise += scatter * (unknowns - 1) / beads
    return min(p_values) * len(p_values), fitted, noise


def _widths(shapes: BeadShapes, row: Floats, profiles: Sequence[Floats]) -> list[float]:
    """Return the full widths at half maximum of a bead of some shape; NaN where there is none."""
    found = []
    for axis, profile in enumerate(profiles):
        places = np.arange(len(profile)) - len(profile) // 2
        changed = profile / profile.max() + shapes.profile(row, axis, places.astype(np.float64))
        found.append(profile_width(changed) if len(profile) >= 4 else float("nan"))
    return found


def refused_by_place(
    refused: NDArray[np.bool_],
    centres: Floats,
    image_shape: Sequence[int],
    *,
    depth: bool = False,
) -> float:
    """Return the probability that beads were refused regardless of where in the plane they lie.

    Parameters
    ----------
    refused : numpy.ndarray
        bool, (beads,).
    centres : numpy.ndarray
        (beads, 3), voxels.
    image_shape : sequence of int
    depth : bool
        Regardless of how deep they lie instead.
    """
    place = 2 * centres / np.maximum(np.array(image_shape) - 1, 1) - 1
    one, (z, y, x) = np.ones(len(place)), place.T
    design = np.column_stack([one, z, z**2] if depth else [one, y, x, y**2 + x**2])
    unknowns = design.shape[1] - 1
    degrees_of_freedom = len(place) - design.shape[1]
    if degrees_of_freedom < MIN_DEGREES_OF_FREEDOM or refused.all() or not refused.any():
        return 1.0
    values = refused.astype(np.float64)
    deviation = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    left, without = float((deviation**2).sum()), float(((values - values.mean()) ** 2).sum())
    ratio = (without - left) / unknowns / max(left / degrees_of_freedom, 1e-300)
    return float(stats.f.sf(ratio, unknowns, degrees_of_freedom))


def place_in_words(centre: Sequence[float], image_shape: Sequence[int]) -> str:
    """Return where in the plane of an image a place lies, as the image is shown."""
    y, x = (2 * centre[axis] / max(image_shape[axis] - 1, 1) - 1 for axis in (1, 2))
    vertical = "" if abs(y) < MIDDLE_THIRD else ("upper" if y < 0 else "lower")
    horizontal = "" if abs(x) < MIDDLE_THIRD else ("left" if x < 0 else "right")
    if vertical and horizontal:
        return f"{vertical} {horizontal}"
    if vertical:
        return "top" if vertical == "upper" else "bottom"
    return horizontal or "middle"
