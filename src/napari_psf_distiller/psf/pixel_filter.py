"""What pixels of one size see of light that is known on pixels of another size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TermLink", "pixel_cosines", "pixel_links"]

Floats = NDArray[np.float64]
Terms = Sequence[tuple[int, bool]]

# On a circle of frequencies the pixels' filter is written as cosines of the direction: of up to so
# many turns, and more for larger pixels.
TURNS = 32


class TermLink(NamedTuple):
    """What a term of a PSF adds to a term of what other pixels see.

    Attributes
    ----------
    source : int
        The PSF's term, by its place in the list.
    target : (int, bool)
        The other's angular order, and whether it is a sine.
    factor : numpy.ndarray
        (radial,): by which each function's amplitude is multiplied.
    """

    source: int
    target: tuple[int, bool]
    factor: Floats


def pixel_cosines(
    radial: Floats, own: Sequence[float], spacing: Sequence[float], least: float
) -> dict[int, Floats]:
    """Return the ratio of what two pixels pass, as cosines of the direction.

    Parameters
    ----------
    radial : numpy.ndarray
        Frequencies in cycles a micrometre, the largest last.
    own, spacing : sequence of float
        (y, x) of the pixels that are divided by, and of those that are multiplied with.
    least : float
        Cosines that are nowhere more than this part of 1 are left out.

    Returns
    -------
    dict
        ``n: (radial,)``, with n even: the ratio is the sum of these times ``cos(n theta)``.

    Notes
    -----
    A pixel that takes all light that falls on it multiplies a frequency by ``sinc(k_y a) sinc(k_x
    b)``, with ``sinc(u) = sin(pi u) / (pi u)`` (J. W. Goodman, Introduction to Fourier Optics).
    """
    (y, x), (own_y, own_x) = spacing, own
    largest = radial[-1] * max(y, x, own_y, own_x)
    directions = 2 * (TURNS + math.ceil(2 * np.pi * largest))
    theta = np.arange(directions) * (2 * np.pi / directions)
    ky, kx = (radial[:, None] * turn(theta) for turn in (np.sin, np.cos))
    ratio = np.sinc(ky * y) * np.sinc(kx * x) / (np.sinc(ky * own_y) * np.sinc(kx * own_x))
    cosines = np.fft.rfft(ratio, axis=1).real / directions
    found = {0: cosines[:, 0]}
    for n in range(2, directions // 2, 2):
        if 2 * np.abs(cosines[:, n]).max() > least:
            found[n] = 2 * cosines[:, n]
    return found


def pixel_links(terms: Terms, cosines: dict[int, Floats]) -> list[TermLink]:
    """Return which terms of what other pixels see each term of a PSF adds to.

    Parameters
    ----------
    terms : sequence of (int, bool)
        The PSF's angular orders, and whether each is a sine.
    cosines : dict
        See `pixel_cosines`.

    Notes
    -----
    A function of the order m is the sum of plane waves from all directions, those from theta times
    ``cos(m theta)``. The pixels' filter is even along y and along x: a sum of ``cos(n theta)`` with
    even n turns one of the order m into those of the orders m + n and m - n.
    """
    links = []
    for source, (order, sine) in enumerate(terms):
        for n, factor in cosines.items():
            if n == 0:
                links.append(TermLink(source, (order, sine), factor))
                continue
            # Of J_m, i^m comes with each plane wave; and J_-m cos(-m phi) is as J_m's, times
            # (-1)^m.
            each = factor / 2 * (-1) ** (n // 2)
            links.append(TermLink(source, (order + n, sine), each))
            lower = order - n
            if sine and lower == 0:
                continue
            sign = 1
            if lower < 0:
                sign = (-1) ** abs(lower) * (-1 if sine else 1)
            links.append(TermLink(source, (abs(lower), sine), sign * each))
    return links
