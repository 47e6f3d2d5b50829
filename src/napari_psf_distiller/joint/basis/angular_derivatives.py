"""Derivatives in the plane of sums of Bessel functions of several angular orders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["AmplitudesByOrder", "amplitudes_by_order", "plane_slope"]

Floats = NDArray[np.float64]

# For each angular order m the complex amplitudes B of ``Re(B J_m(2 pi k r) exp(i m phi))``,
# (waves, k).
AmplitudesByOrder = dict[int, NDArray[np.complex128]]


def amplitudes_by_order(terms: Sequence[tuple[int, bool]], spectrum: Floats) -> AmplitudesByOrder:
    """Return a spectrum by angular orders, cosine and sine as one complex number.

    Parameters
    ----------
    terms : sequence of (int, bool)
        Each angular order with cosine, and with sine (True); see `FourierBessel.terms`.
    spectrum : numpy.ndarray
        (waves, columns): the terms' functions one after the other; see
        `FourierBessel.bead_spectrum`.
    """
    parts: AmplitudesByOrder = {}
    for (order, sine), part in zip(terms, np.split(spectrum, len(terms), axis=1), strict=True):
        values = part * np.complex128(-1j if sine else 1)
        parts[order] = parts[order] + values if order in parts else values
    return parts


def plane_slope(
    parts: AmplitudesByOrder, radial: Floats, *, sine: bool, scale: float
) -> AmplitudesByOrder:
    """Return the derivative of a sum along an axis in the plane.

    Parameters
    ----------
    parts : dict
        The sum's amplitudes by angular order.
    radial : numpy.ndarray
        (k,): the radial frequencies, in cycles a unit of length.
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
    sloped: AmplitudesByOrder = {}

    def add(order: int, part: NDArray[np.complex128]) -> None:
        sloped[order] = sloped[order] + part if order in sloped else part

    for order, part in parts.items():
        scaled = part * (np.pi * radial * scale)
        if order:
            add(order - 1, before * scaled)
        else:
            # J_{-1} is -J_1, and exp(-i phi) is the conjugate of exp(i phi).
            add(1, -np.conj(before * scaled))
        add(order + 1, after * scaled)
    return sloped
