"""What windows about beads ask of the functions that a PSF is a sum of."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["PSFBasis", "angular_factor"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class PSFBasis(Protocol):
    """Functions of which a PSF is a sum: in the plane times along the axis, as tables have them.

    In the plane they are those of the distance from the axis that a table has for each order, times
    how a term turns; see `angular_factor`. Along the axis they are waves.
    """

    @property
    def window(self) -> tuple[int, ...]:
        """(Z, Y, X) voxels."""

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size in micrometres."""

    @property
    def waves(self) -> Floats:
        """One number a wave along the axis."""

    @property
    def orders(self) -> tuple[int, ...]:
        """How often the terms turn in a full turn."""

    @property
    def terms(self) -> tuple[tuple[int, bool], ...]:
        """Each order with cosine, and with sine (True) where it is not 0."""

    @property
    def columns(self) -> int:
        """Number of the terms' functions in the plane."""

    @property
    def table_length(self) -> int:
        """Number of the tables' places."""

    def table(self, order: int) -> Array:
        """Return the values of an order's functions, (places, functions)."""

    def table_rows_at(self, across: Floats, along: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Return in the tables the row before each place, and how far it is on to the next."""


def angular_factor(order: int, sine: bool, angle: Floats) -> Floats:
    """Return how a term depends on the angle about the axis."""
    turn: Floats = np.sin(order * angle) if sine else np.cos(order * angle)
    return turn
