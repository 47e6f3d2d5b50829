"""Whether beads' shapes change across the field, or with depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.joint.misfit.bead_shapes import BeadShapes
from napari_psf_distiller.measure.widths import profile_width

__all__ = ["Variation", "field_variation", "place_in_words", "refused_by_place"]

Floats = NDArray[np.float64]

# It is not chance if it is less likely than this, all patterns and polynomials together.
CHANCE = 1e-4

# So many beads more than unknowns tell whether there is a law.
SPARE_BEADS = 6

# Beads within so much of the middle, from -1 to 1 across the image, lie in the middle.
MIDDLE = 1 / 3


class Variation(NamedTuple):
    """How a PSF changes from one place to another.

    Attributes
    ----------
    harm : float
        The beads' relative L2 difference from the mean, in the root of the mean square, as far as
        their places tell it, less what noise makes of it.
    places : tuple of tuple of float
        The centres of the two beads that differ most, in voxels.
    apart : float
        Their relative L2 difference.
    axis : int
        Along which the widths of these two differ most,
    width : float
        and by how much, as a part of the smaller; 0 where that cannot be told.
    chance : float
        Probability that noise alone made as much.
    """

    harm: float
    places: tuple[tuple[float, ...], tuple[float, ...]]
    apart: float
    axis: int
    width: float
    chance: float

    @property
    def significant(self) -> bool:
        """Whether it is not chance."""
        return self.chance < CHANCE


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
        A bead's, through its centre along z, y and x.
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
        _without_one(shapes, design)
        for design in designs
        if len(place) > design.shape[1] + SPARE_BEADS
    ]
    if not tested:
        return None
    chance, fitted, noise = min(tested, key=lambda test: test[0])
    off = fitted - fitted.mean(axis=0)
    harm = float(np.sqrt(max((off**2).sum(axis=1).mean() - noise, 0)))
    distances = np.linalg.norm(off[:, None] - off[None], axis=2)
    a, b = (int(i) for i in np.unravel_index(distances.argmax(), distances.shape))
    widths = np.array([_widths(shapes, row, profiles) for row in fitted[[a, b]]])
    differences = np.nan_to_num(widths.max(axis=0) / widths.min(axis=0) - 1)
    axis = int(differences.argmax())
    return Variation(
        harm,
        (tuple(centres[a].tolist()), tuple(centres[b].tolist())),
        float(distances[a, b]),
        axis,
        float(differences[axis]),
        min(1.0, chance * len(tested)),
    )


def _without_one(shapes: BeadShapes, design: Floats) -> tuple[float, Floats, float]:
    """Return the same as `_law`, which a single bead must not make: the one that is most apart."""
    chance, fitted, noise = _law(shapes, design)
    root, _ = np.linalg.qr(design)
    others = np.delete(np.arange(len(design)), int((root**2).sum(axis=1).argmax()))
    return max(chance, _law(shapes.some(others), design[others])[0]), fitted, noise


def _law(shapes: BeadShapes, design: Floats) -> tuple[float, Floats, float]:
    """Return how likely a law is by chance, what it says of each bead, and noise's part in that."""
    beads, unknowns = design.shape
    fitted = np.zeros_like(shapes.coefficients)
    chances, noise = [], 0.0
    for column, values in enumerate(shapes.coefficients.T):
        variance = shapes.variances[:, column]
        own = max(float(np.var(values) - np.median(variance)), 0.0)
        weight = 1 / np.sqrt(variance + own)
        rows = design * weight[:, None]
        solution = np.linalg.lstsq(rows, values * weight, rcond=None)[0]
        left = float((((values - design @ solution) * weight) ** 2).sum())
        level = float(np.average(values, weights=weight**2))
        without = float((((values - level) * weight) ** 2).sum())
        freedom = beads - unknowns
        ratio = max(without - left, 0) / (unknowns - 1) / max(left / freedom, 1e-300)
        chances.append(float(stats.f.sf(ratio, unknowns - 1, freedom)))
        fitted[:, column] = design @ solution
        scatter = float(((values - fitted[:, column]) ** 2).sum()) / freedom
        noise += scatter * (unknowns - 1) / beads
    return min(chances) * len(chances), fitted, noise


def _widths(shapes: BeadShapes, row: Floats, profiles: Sequence[Floats]) -> list[float]:
    """Return the full widths at half maximum of a bead of some shape; NaN where there is none."""
    found = []
    for axis, profile in enumerate(profiles):
        places = np.arange(len(profile)) - len(profile) // 2
        changed = profile / profile.max() + shapes.profile(row, axis, places.astype(np.float64))
        found.append(profile_width(changed) if len(profile) >= 4 else float("nan"))
    return found


def refused_by_place(
    refused: NDArray[np.bool_], centres: Floats, image_shape: Sequence[int]
) -> float:
    """Return the probability that beads were refused regardless of where in the plane they lie.

    Parameters
    ----------
    refused : numpy.ndarray
        bool, (beads,).
    centres : numpy.ndarray
        (beads, 3), voxels.
    image_shape : sequence of int
    """
    place = 2 * centres / np.maximum(np.array(image_shape) - 1, 1) - 1
    y, x = place[:, 1], place[:, 2]
    design = np.column_stack([np.ones(len(y)), y, x, y**2 + x**2])
    freedom = len(y) - design.shape[1]
    if freedom < SPARE_BEADS or refused.all() or not refused.any():
        return 1.0
    values = refused.astype(np.float64)
    off = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    left, without = float((off**2).sum()), float(((values - values.mean()) ** 2).sum())
    ratio = (without - left) / 3 / max(left / freedom, 1e-300)
    return float(stats.f.sf(ratio, 3, freedom))


def place_in_words(centre: Sequence[float], image_shape: Sequence[int]) -> str:
    """Return where in the plane of an image a place lies, as the image is shown."""
    y, x = (2 * centre[axis] / max(image_shape[axis] - 1, 1) - 1 for axis in (1, 2))
    vertical = "" if abs(y) < MIDDLE else ("upper" if y < 0 else "lower")
    horizontal = "" if abs(x) < MIDDLE else ("left" if x < 0 else "right")
    if vertical and horizontal:
        return f"{vertical} {horizontal}"
    if vertical:
        return "top" if vertical == "upper" else "bottom"
    return horizontal or "middle"
