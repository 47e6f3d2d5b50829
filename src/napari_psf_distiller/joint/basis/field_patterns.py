"""How changes of a PSF with the place in the field turn with the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.psf.polynomials import Pattern

__all__ = ["ChangeKind", "Direction", "cosine_and_sine_rows", "kind_of", "turned", "turned_back"]

Floats = NDArray[np.float64]

Direction = Literal["any", "radial", "sideways"]

SQRT_2 = 2**0.5


class ChangeKind(NamedTuple):
    """Changes of a PSF over the field whose strength is one number.

    Attributes
    ----------
    order : int
        The angular order of the PSF.
    degree : int
        Of the polynomial of the place.
    turns : int
        How often the change turns about the PSF's axis, `order` times, as the place goes around
        the middle of the field; negative against it. Of order 0, how often it changes to and fro.
    direction : {"any", "radial", "sideways"}
        Where the change turns as the place does, whether it points along the radius, as all that
        optics do that are symmetrical about their axis, or at right angles to that.
    depth : int
        The degree of the polynomial of the depth.
    """

    order: int
    degree: int
    turns: int
    direction: Direction = "any"
    depth: int = 0

    @property
    def is_symmetrical(self) -> bool:
        """Whether optics that are symmetrical about their axis have such changes."""
        return self.turns == self.order and self.direction != "sideways"

    @property
    def before(self) -> ChangeKind | None:
        """The term before this one in the series of a symmetrical change; None of the first."""
        if not self.is_symmetrical:
            return None
        if self.depth and not self.degree:
            return self._replace(depth=self.depth - 1) if self.depth > 1 else None
        lowest = max(self.turns, 1)
        return self._replace(degree=self.degree - 2) if self.degree - 2 >= lowest else None


def kind_of(pattern: Pattern, order: int, sine: bool) -> ChangeKind:
    """Return of which kind a change is.

    Parameters
    ----------
    pattern : Pattern
    order, sine : int, bool
        The angular order of the PSF, and whether it is the second of the two that `turned` has in
        place of its cosine and sine.
    """
    degree, turns, depth = pattern
    if order == 0:
        return ChangeKind(0, degree, abs(turns), depth=depth)
    if turns == order:
        return ChangeKind(order, degree, turns, "sideways" if sine else "radial", depth)
    return ChangeKind(order, degree, turns, depth=depth)


def cosine_and_sine_rows(patterns: Sequence[Pattern]) -> list[tuple[int, int]]:
    """Return where each pattern with a cosine stands, and the same with a sine."""
    return [
        (row, patterns.index(Pattern(degree, -turns, depth)))
        for row, (degree, turns, depth) in enumerate(patterns)
        if turns > 0
    ]


def turned(values: Floats, patterns: Sequence[Pattern]) -> Floats:
    """Return the strengths of changes as those of functions that turn with the place.

    Take a pattern of l turns, its cosine and its sine, and an angular order m of the PSF, its
    cosine and its sine. Of their four products two are the same PSF at each angle of the place,
    turned l / m times as far as the place about the field's middle: one that points along the
    radius, in place of the cosines, and one at right angles. The other two turn against it, in
    place of the sines of the pattern. Optics that are symmetrical about their axis have l = m and
    the first one alone.

    Parameters
    ----------
    values : numpy.ndarray
        (patterns, 2, ...): of the order's cosine and sine.
    patterns : sequence of Pattern

    Returns
    -------
    numpy.ndarray
        Of the same shape.
    """
    found = values.copy()
    for row, other in cosine_and_sine_rows(patterns):
        (a, b), (c, d) = values[row], values[other]
        found[row] = (a + d) / SQRT_2, (b - c) / SQRT_2
        found[other] = (a - d) / SQRT_2, (b + c) / SQRT_2
    return found


def turned_back(values: Floats, patterns: Sequence[Pattern]) -> Floats:
    """Return the inverse of `turned`, which is also its adjoint."""
    found = values.copy()
    for row, other in cosine_and_sine_rows(patterns):
        (a, b), (c, d) = values[row], values[other]
        found[row] = (a + c) / SQRT_2, (b + d) / SQRT_2
        found[other] = (d - b) / SQRT_2, (a - c) / SQRT_2
    return found
