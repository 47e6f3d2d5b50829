"""Derivatives in the plane of sums of Bessel functions that turn about an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Turning", "plane_slope", "turning_parts"]

Floats = NDArray[np.float64]

# Of each order m the complex amplitudes B of ``Re(B J_m(2 pi k r) exp(i m phi))``.
Turning = dict[int, NDArray[np.complex128]]


def turning_parts(terms: Sequence[tuple[int, bool]], amplitudes: Floats) -> Turning:
    """Return a sum's amplitudes by their orders, as complex numbers.

    Parameters
    ----------
    terms : sequence of (int, bool)
        Each order with cosine, and with sine (True); see `FourierBessel.terms`.
    amplitudes : numpy.ndarray
        (waves, columns): the terms' functions one after the other.
    """
    parts: Turning = {}
    for (order, sine), part in zip(terms, np.split(amplitudes, len(terms), axis=1), strict=True):
        turned = part * np.complex128(-1j if sine else 1)
        parts[order] = parts[order] + turned if order in parts else turned
    return parts


def plane_slope(parts: Turning, radial: Floats, *, sine: bool, scale: float) -> Turning:
    """Return the derivative of a sum along an axis in the plane.

    Parameters
    ----------
    parts : dict
        Of the sum.
    radial : numpy.ndarray
        (functions,): the frequencies k, in cycles a unit of length.
    sine : bool
        Along y, where ``sin phi`` is 1; or else along x.
    scale : float
        The derivative is multiplied by this.

    Notes
    -----
    With ``J_m' = (J_{m-1} - J_{m+1}) / 2`` and ``2 m J_m(u) / u = J_{m-1} + J_{m+1}`` (DLMF 10.6.1)
    the derivative of ``J_m(2 pi k r) exp(i m phi)`` along x is ``pi k`` times ``J_{m-1} exp(i (m-1)
    phi) - J_{m+1} exp(i (m+1) phi)``; along y it is ``i pi k`` times their sum.
    """
    before, after = (1j, 1j) if sine else (1.0, -1.0)
    sloped: Turning = {}

    def add(order: int, part: NDArray[np.complex128]) -> None:
        sloped[order] = sloped[order] + part if order in sloped else part

    for order, part in parts.items():
        scaled = part * (np.pi * radial * scale)
        if order:
            add(order - 1, before * scaled)
        else:
            # J_{-1} is -J_1, and who turns backwards is the conjugate of who turns forwards.
            add(1, -np.conj(before * scaled))
        add(order + 1, after * scaled)
    return sloped
