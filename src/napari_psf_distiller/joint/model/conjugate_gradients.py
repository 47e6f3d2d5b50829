"""Conjugate gradients, told by how much they lower the quadratic form."""

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
    preconditioned: Linear,
    target: Floats,
    *,
    most: int,
    relative: float,
    least: float,
    enough: float = 0.0,
) -> Generator[Descent, None, None]:
    """Solve ``matrix @ step = target`` for a symmetric, positive definite matrix.

    SciPy's solver ends by the residual's norm, which says nothing of what there is to gain, and it
    cannot be stopped between two iterations.

    Parameters
    ----------
    times : callable
        The matrix times a vector.
    preconditioned : callable
        About the inverse of the matrix times a vector; symmetric and positive definite.
    target : numpy.ndarray
        float64, (unknowns,).
    most : int
        Iterations.
    relative : float
        It ends where, by the preconditioner, less than this part of what was gained is left;
    least : float
        or less than this.
    enough : float
        It does not begin where less than this is there to gain.

    Yields
    ------
    Descended
    """
    step, remaining = np.zeros_like(target), target.copy()
    direction = preconditioned(remaining)
    slope, gained = float(remaining @ direction), 0.0
    if slope / 2 < enough:
        return
    for _ in range(most):
        # What is left to gain is half of the slope if the preconditioner is right.
        if slope / 2 <= max(least, relative * gained):
            return
        push = times(direction)
        length = slope / float(direction @ push)
        step += length * direction
        remaining -= length * push
        gain = length * slope / 2
        gained += gain
        yield Descent(step, gain)
        towards = preconditioned(remaining)
        after = float(remaining @ towards)
        direction = towards + after / slope * direction
        slope = after
