"""Whether the PSFs of several images are one microscope's: judged with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.linearised import SCHUR_FRACTION, Linearised

__all__ = ["Agreement", "Difference", "OwnPSF", "difference_of", "mean_of", "which_agree"]

Floats = NDArray[np.float64]

# PSFs differ if their difference is more than their errors make by this many standard deviations,
# and more than this part of the PSF, relative L2: less harms no mean, and images of one microscope
# at other places, depths or days differ by as much.
MIN_SIGNIFICANCE, MIN_DIFFERENCE = 6.0, 0.05


class OwnPSF(NamedTuple):
    """The PSF that one image shows by itself, or several together, and how well.

    Attributes
    ----------
    coefficients : numpy.ndarray
        (coefficients,), in a basis that all images have in common.
    precision : list of numpy.ndarray
        For each of the basis's terms: the inverse of the coefficients' covariance.
    """

    coefficients: Floats
    precision: list[Floats]


class Difference(NamedTuple):
    """By how much two PSFs differ, but for their places and their brightness.

    Attributes
    ----------
    part : float
        Relative L2 norm of the difference, without what the errors make of it.
    significance : float
        By how many standard deviations chi squared of the difference is above its mean.
    """

    part: float
    significance: float

    @property
    def told(self) -> bool:
        """Whether the PSFs are different ones."""
        return self.part > MIN_DIFFERENCE and self.significance > MIN_SIGNIFICANCE


class Agreement(NamedTuple):
    """Which of some images have the same PSF.

    Attributes
    ----------
    kept : list of int
        The images that agree; empty where no more than half of them do.
    differences : dict of int to Difference
        Of each of the others from the PSF of those that are kept. Where none are, of those that
        differ from the image `compared`.
    compared : int
        Where none are kept: one of the two images that differ most clearly; else the first.
    """

    kept: list[int]
    differences: dict[int, Difference]
    compared: int = 0


def own_psf(coefficients: Floats, state: Linearised) -> OwnPSF:
    """Return a PSF with its precision once the background is free.

    Parameters
    ----------
    coefficients : numpy.ndarray
        (coefficients,)
    state : Linearised
        At these coefficients.
    """
    free = state.precision[0] - SCHUR_FRACTION * state.schur_term
    return OwnPSF(coefficients, [free, *state.precision[1:]])


def difference_of(basis: FourierBessel, one: OwnPSF, other: OwnPSF) -> Difference:
    """Return by how much two PSFs differ.

    Parameters
    ----------
    basis : FourierBessel
        That their coefficients are of.
    one, other : OwnPSF
        Of different images.

    Notes
    -----
    A PSF that is brighter, or displaced, is the same: beads' amplitudes and centres are found with
    it. So the difference is told beside these, by generalised least squares. Images that tell
    little of the PSF have large errors, with which they do not differ from anything.
    """
    one = _scaled_to(one, other)
    if _evidence(one) > _evidence(other):
        # What a PSF's place and brightness change is told by the one that is known better.
        one, other = _scaled_to(other, one), one
    allowed = _allowed_changes(basis, other.coefficients)
    covariance = [
        _inverse(a) + _inverse(b) for a, b in zip(one.precision, other.precision, strict=True)
    ]
    whole = linalg.block_diag(*covariance)
    factor = linalg.cho_factor(whole, check_finite=False)
    change = one.coefficients - other.coefficients
    weighted = linalg.cho_solve(factor, allowed, check_finite=False)
    moved, *_ = np.linalg.lstsq(weighted.T @ allowed, weighted.T @ change, rcond=None)
    left = change - allowed @ moved
    chi_squared = float(left @ linalg.cho_solve(factor, left, check_finite=False))
    free = len(left) - allowed.shape[1]
    by_errors = float(np.trace(whole))
    part = np.sqrt(max(float(left @ left) - by_errors, 0.0)) / np.linalg.norm(other.coefficients)
    return Difference(float(part), (chi_squared - free) / np.sqrt(2 * free))


def mean_of(psfs: Sequence[OwnPSF]) -> OwnPSF:
    """Return what several images tell of one PSF together: their mean, weighed by precision."""
    precision = [
        np.sum(term, axis=0) for term in zip(*(psf.precision for psf in psfs), strict=True)
    ]
    ends = np.cumsum([len(term) for term in precision])[:-1]
    weighed = [
        np.sum([p.precision[i] @ np.split(p.coefficients, ends)[i] for p in psfs], axis=0)
        for i in range(len(precision))
    ]
    solved = [
        linalg.solve(term, vector, assume_a="pos", check_finite=False)
        for term, vector in zip(precision, weighed, strict=True)
    ]
    return OwnPSF(np.concatenate(solved), precision)


def which_agree(basis: FourierBessel, psfs: Sequence[OwnPSF]) -> Agreement:
    """Return which of some images have one PSF: more than half of them, or none.

    Parameters
    ----------
    basis : FourierBessel
        That their coefficients are of.
    psfs : sequence of OwnPSF
        One an image.

    Notes
    -----
    The images that agree best with one of them are looked for first; among these each is then
    compared with all others together, which tell more than any of them does.
    """
    count = len(psfs)
    psfs = [_scaled_to(psf, psfs[0]) for psf in psfs]
    pairs = {(i, j): difference_of(basis, psfs[i], psfs[j]) for i in range(count) for j in range(i)}

    def between(i: int, j: int) -> Difference:
        return pairs[max(i, j), min(i, j)]

    groups = [[j for j in range(count) if j == i or not between(i, j).told] for i in range(count)]
    kept = max(groups, key=lambda group: (len(group), sum(_evidence(psfs[i]) for i in group)))
    while len(kept) > 2:
        found = {i: difference_of(basis, psfs[i], _others(psfs, kept, i)) for i in kept}
        told = [i for i in kept if found[i].told]
        if not told:
            break
        kept = [i for i in kept if i != max(told, key=lambda i: found[i].significance)]
    if 2 * len(kept) <= count:
        # The first image may tell too little to differ from any.
        other, one = max(pairs, key=lambda pair: pairs[pair].significance)
        from_one = {i: between(one, i) for i in range(count) if i != one}
        return Agreement([], {i: d for i, d in from_one.items() if d.told or i == other}, one)
    mean = mean_of([psfs[i] for i in kept])
    found = {i: difference_of(basis, psfs[i], mean) for i in range(count) if i not in kept}
    # One that differs from another one of them need not differ from all together.
    alike = [i for i, difference in found.items() if not difference.told]
    return Agreement(sorted([*kept, *alike]), {i: found[i] for i in found if i not in alike})


def _others(psfs: Sequence[OwnPSF], kept: Sequence[int], but: int) -> OwnPSF:
    return mean_of([psfs[i] for i in kept if i != but])


def _scaled_to(one: OwnPSF, other: OwnPSF) -> OwnPSF:
    """Return a PSF as bright as another: brightness belongs to the beads."""
    factor = float(other.coefficients @ one.coefficients) / float(
        other.coefficients @ other.coefficients
    )
    return OwnPSF(one.coefficients / factor, [factor**2 * term for term in one.precision])


def _evidence(psf: OwnPSF) -> float:
    """Return how much is known of a PSF, in nats but for a constant."""
    return sum(float(np.linalg.slogdet(term)[1]) for term in psf.precision) / 2


def _inverse(precision: Floats) -> Floats:
    identity = np.eye(len(precision))
    inverse: Floats = linalg.solve(precision, identity, assume_a="pos", check_finite=False)
    return inverse


def _allowed_changes(basis: FourierBessel, coefficients: Floats) -> Floats:
    """Return how a PSF's coefficients change with its brightness and its place, (size, changes)."""
    psf = basis.psf(coefficients)
    changes = [coefficients]
    for axis, n in enumerate(psf.shape):
        # One that is the same all around its axis lies on it.
        if n > 1 and (axis == 0 or len(basis.terms) > 1):
            changes.append(basis.fitted(np.gradient(psf, axis=axis)))
    return np.stack([change / np.linalg.norm(change) for change in changes], axis=1)
