"""Conjugate gradients that know by how much they lower the quadratic form."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Descent", "conjugate_gradients"]

Floats = NDArray[np.float64]
Linear = Callable[[Floats], Floats]


class Descent(NamedTuple):
    """An iteration's result.

    Attributes
    ----------
    step : numpy.ndarray
        The solution so far; the iterations that follow change it in place.
    gain : float
        By how much the iteration lowered half of the quadratic form.
    """

    step: Floats
    gain: float


def conjugate_gradients(
    times: Linear,
    preconditioner: Linear,
    target: Floats,
    *,
    max_iterations: int,
    relative_gain: float,
    least_gain: float,
    worthwhile_gain: float = 0.0,
) -> Generator[Descent, None, None]:
    """Solve ``matrix @ step = target`` for a symmetric, positive definite matrix.

    SciPy's solver ends by the residual's norm, which says nothing of what there is to gain, and it
    cannot be stopped between two iterations.

    Parameters
    ----------
    times : callable
        The matrix times a vector.
    preconditioner : callable
        About the inverse of the matrix times a vector; symmetric and positive definite.
    target : numpy.ndarray
        float64, (unknowns,).
    max_iterations : int
    relative_gain : float
        It ends where, by the preconditioner, less than this part of what was gained is left.
    least_gain : float
        It ends where, by the preconditioner, less than this is left to gain.
    worthwhile_gain : float
        It does not begin where less than this is there to gain.

    Yields
    ------
    Descent

    Examples
    --------
    >>> matrix = np.diag([1.0, 2.0])
    >>> (*_, last) = conjugate_gradients(
    ...     lambda x: matrix @ x,
    ...     lambda x: x,
    ...     np.array([3.0, 4.0]),
    ...     max_iterations=5,
    ...     relative_gain=0.0,
    ...     least_gain=1e-12,
    ... )
    >>> last.step.round(6)
    array([3., 2.])
    """
    step, remaining = np.zeros_like(target), target
    direction = preconditioner(remaining)
    slope, gained = float(remaining @ direction), 0.0
    if slope / 2 < worthwhile_gain:
        return
    for _ in range(max_iterations):
        # What is left to gain is half of the slope if the preconditioner is right.
        if slope / 2 <= max(least_gain, relative_gain * gained):
            return
        product = times(direction)
        length = slope / float(direction @ product)
        step += length * direction
        # Anew: the preconditioner may have given the array itself, as direction.
        remaining = remaining - length * product
        gain = length * slope / 2
        gained += gain
        yield Descent(step, gain)
        preconditioned = preconditioner(remaining)
        new_slope = float(remaining @ preconditioned)
        direction = preconditioned + new_slope / slope * direction
        slope = new_slope
