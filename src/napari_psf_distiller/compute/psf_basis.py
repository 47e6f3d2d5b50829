"""The functions that a PSF is a sum of, as windows about beads need them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["PSFBasis", "angular_factor"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class PSFBasis(Protocol):
    """Functions of which a PSF is a sum, each a product of one in the plane and one along the axis.

    In the plane they are functions of the distance from the axis, tabulated for each angular order,
    times cos m phi or sin m phi; see `angular_factor`. Along the axis they are waves.
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
        """The angular orders m, 0 first."""

    @property
    def terms(self) -> tuple[tuple[int, bool], ...]:
        """Each angular order with cosine, and with sine (True) where it is not 0."""

    @property
    def columns(self) -> int:
        """Number of functions in the plane, of all terms."""

    @property
    def table_length(self) -> int:
        """Number of rows of each table: distances from the axis."""

    def table(self, order: int) -> Array:
        """Return the values of an order's functions, (table_length, functions)."""

    def table_rows_at(self, across: Floats, along: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Return the tables' row before each place, and the part of the way to the next row.

        Parameters
        ----------
        across, along : numpy.ndarray
            The places along y and x, in micrometres from the axis.
        """


def angular_factor(order: int, sine: bool, angle: Floats) -> Floats:
    """Return how a term depends on the angle about the axis: cos m phi, or sin m phi.

    Parameters
    ----------
    order : int
        The angular order m.
    sine : bool
    angle : numpy.ndarray
        phi, in radians from the x axis.
    """
    factor: Floats = np.sin(order * angle) if sine else np.cos(order * angle)
    return factor
