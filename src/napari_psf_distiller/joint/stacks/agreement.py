"""Whether the PSFs of several images are one microscope's: judged with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.linearised import SCHUR_FRACTION, Linearised
from napari_psf_distiller.joint.stacks.score import score_test
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId

__all__ = ["Agreement", "Difference", "OwnPSF", "difference_of", "mean_of", "which_agree"]

Floats = NDArray[np.float64]

# PSFs differ if their difference is more than their errors make by this many standard deviations,
# and more than this part of the PSF, relative L2: less harms no mean, and images of one microscope
# at other places, depths or days differ by as much.
MIN_SIGNIFICANCE, MIN_DIFFERENCE = 6.0, 0.05

# What is under way, for people.
PAIRS, OTHERS = "Compare each two stacks' PSFs", "Compare each stack's PSF with the others'"


@dataclass(frozen=True, eq=False)
class OwnPSF:
    """The PSF that one image shows by itself, or several together, and how well.

    Attributes
    ----------
    coefficients : numpy.ndarray
        (coefficients,), in a basis that all images have in common.
    precision : list of numpy.ndarray
        For each of the basis's terms: the inverse of the coefficients' covariance.
    prior : list of numpy.ndarray, optional
        For each term the part of `precision` that was expected before the image was looked at;
        without it the image tells all.
    """

    coefficients: Floats
    precision: list[Floats]
    prior: list[Floats] | None = None

    @property
    def information(self) -> list[Floats]:
        """The part of `precision` that the image tells, for each of the basis's terms."""
        if self.prior is None:
            return self.precision
        return [whole - part for whole, part in zip(self.precision, self.prior, strict=True)]

    @cached_property
    def evidence(self) -> float:
        """How much is known of the PSF, in nats but for a constant."""
        return sum(float(np.linalg.slogdet(term)[1]) for term in self.precision) / 2

    @cached_property
    def said(self) -> list[Floats]:
        """For each term the precision times the coefficients, which add up over images."""
        parts = self.split(self.coefficients)
        return [term @ part for term, part in zip(self.precision, parts, strict=True)]

    @cached_property
    def expected(self) -> list[Floats] | None:
        """For each term the covariance that was expected; None where that was not for all."""
        if self.prior is None or not all(term.any() for term in self.prior):
            return None
        return [_inverse(term) for term in self.prior]

    def scaled(self, factor: float) -> OwnPSF:
        """Return the PSF with so many times its brightness taken away."""
        prior = None if self.prior is None else [factor**2 * term for term in self.prior]
        precision = [factor**2 * term for term in self.precision]
        made = OwnPSF(self.coefficients / factor, precision, prior)
        # Images are scaled for each pair of them, and to find this anew would take long.
        vars(made)["evidence"] = self.evidence + len(self.coefficients) * float(
            np.log(np.abs(factor))
        )
        return made

    def split(self, values: Floats) -> list[Floats]:
        """Return the part of each term in values for all coefficients, along the first axis."""
        return np.split(values, np.cumsum([len(term) for term in self.precision])[:-1])


class Difference(NamedTuple):
    """By how much two PSFs differ, but for their places and their brightness.

    Attributes
    ----------
    part : float
        Relative L2 norm of the difference, without what the errors make of it.
    significance : float
        By how many standard deviations chi squared of the difference is above its mean.
    least_told : float
        How large `part` would be of a difference that is just significant.
    """

    part: float
    significance: float
    least_told: float = 0.0

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
    least_told : dict of int to float
        Of each that is kept and tells less of the PSF than the others together: from what part on
        a difference from these would have been told, relative L2.
    compared : int
        Where none are kept: one of the two images that differ most clearly; else the first.
    """

    kept: list[int]
    differences: dict[int, Difference]
    least_told: dict[int, float]
    compared: int = 0


def own_psf(coefficients: Floats, state: Linearised, priors: Sequence[Floats | None]) -> OwnPSF:
    """Return a PSF with its precision once the background is free.

    Parameters
    ----------
    coefficients : numpy.ndarray
        (coefficients,)
    state : Linearised
        At these coefficients.
    priors : sequence of (numpy.ndarray or None)
        For each term what was expected, of which the state's precision has its part.
    """
    free = state.precision[0] - SCHUR_FRACTION * state.schur_term
    precision = [free, *state.precision[1:]]
    expected = [
        np.zeros_like(term) if prior is None else np.diag(prior) if prior.ndim == 1 else prior
        for term, prior in zip(precision, priors, strict=True)
    ]
    return OwnPSF(coefficients, precision, expected)


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
    Both images are first taken to show one PSF, that which they tell together. What one of them
    says against it, its gradient there, has a covariance that is known: so chi squared of it has a
    mean and a standard deviation. A difference is looked for where PSFs have their light: where
    they have none, the images tell of noise alone, however much of it there is.

    A PSF that is brighter, or displaced, is the same: beads' amplitudes and centres are found with
    it. So what these change does not count. Images that tell little of the PSF do not differ from
    anything, and `Difference.least_told` says from what part on they would.
    """
    if one.evidence > other.evidence:
        # What a PSF's place and brightness change is told by the one that is known better.
        one, other = other, one
    one = _scaled_to(one, other)
    both = mean_of([one, other])
    gradients, blocks, changes = [], [], other.split(_allowed_changes(basis, both.coefficients))
    for at, own, joint, said in zip(
        one.split(both.coefficients), one.information, both.precision, one.said, strict=True
    ):
        gradients.append(said - own @ at)
        blocks.append(own - own @ linalg.solve(joint, own, assume_a="pos", check_finite=False))
    found = score_test(gradients, blocks, _where_light_is(other, both), changes)
    size = float(np.linalg.norm(both.coefficients))
    least = np.sqrt(MIN_SIGNIFICANCE / found.deviations_per_square) / size
    return Difference(found.change / size, found.significance, float(least))


def mean_of(psfs: Sequence[OwnPSF]) -> OwnPSF:
    """Return what several images tell of one PSF together: their mean, weighed by precision.

    What was expected of the one that is known best counts once.
    """
    best = max(psfs, key=lambda psf: psf.evidence)
    told, said = _told_by(psfs)
    return _mean(told, said, best.prior)


def _told_by(psfs: Sequence[OwnPSF]) -> tuple[list[Floats], list[Floats]]:
    """Return what several images tell, and what they say, of the coefficients of each term."""
    told = [sum(terms) for terms in zip(*(psf.information for psf in psfs), strict=True)]
    said = [sum(vectors) for vectors in zip(*(psf.said for psf in psfs), strict=True)]
    return told, said


def _mean(told: list[Floats], said: list[Floats], prior: list[Floats] | None) -> OwnPSF:
    """Return the PSF of what was told and said of it, and expected."""
    if prior is None:
        precision = told
    else:
        precision = [term + part for term, part in zip(told, prior, strict=True)]
    solved = [
        linalg.solve(term, vector, assume_a="pos", check_finite=False)
        for term, vector in zip(precision, said, strict=True)
    ]
    return OwnPSF(np.concatenate(solved), precision, prior)


def which_agree(basis: FourierBessel, psfs: Sequence[OwnPSF]) -> Steps[Agreement]:
    """Return which of some images have one PSF: more than half of them, or none.

    Parameters
    ----------
    basis : FourierBessel
        That their coefficients are of.
    psfs : sequence of OwnPSF
        One an image.

    Yields
    ------
    Progress
        Of each comparison.

    Notes
    -----
    The images that agree best with one of them are looked for first; among these each is then
    compared with all others together, which tell more than any of them does.
    """
    count = len(psfs)
    best = max(psfs, key=lambda psf: psf.evidence)
    psfs = [_scaled_to(psf, best) for psf in psfs]
    couples = [(i, j) for i in range(count) for j in range(i)]
    pairs = {}
    for done, (i, j) in enumerate(couples):
        yield Progress(StepId.DISTILL, done, len(couples), phase=PAIRS)
        pairs[i, j] = difference_of(basis, psfs[i], psfs[j])

    def between(i: int, j: int) -> Difference:
        return pairs[max(i, j), min(i, j)]

    groups = [[j for j in range(count) if j == i or not between(i, j).told] for i in range(count)]
    kept = max(groups, key=lambda group: (len(group), sum(psfs[i].evidence for i in group)))
    compared: dict[int, _FromOthers] = {}
    while len(kept) > 2:
        compared = yield from _from_others(basis, psfs, kept)
        told = {i: one.difference for i, one in compared.items() if one.difference.told}
        if not told:
            break
        kept = [i for i in kept if i != max(told, key=lambda i: told[i].significance)]
    if 2 * len(kept) <= count:
        # The first image may tell too little to differ from any.
        other, one = max(pairs, key=lambda pair: pairs[pair].significance)
        from_one = {i: between(one, i) for i in range(count) if i != one}
        return Agreement([], {i: d for i, d in from_one.items() if d.told or i == other}, {}, one)
    mean = mean_of([psfs[i] for i in kept])
    found = {i: difference_of(basis, psfs[i], mean) for i in range(count) if i not in kept}
    # One that differs from another one of them need not differ from all together.
    alike = [i for i, difference in found.items() if not difference.told]
    kept = sorted([*kept, *alike])
    if len(kept) > 1 and sorted(compared) != kept:
        compared = yield from _from_others(basis, psfs, kept)
    least_told = {i: one.difference.least_told for i, one in compared.items() if one.tells_less}
    differences = {i: found[i] for i in found if i not in alike}
    return Agreement(kept, differences, least_told)


class _FromOthers(NamedTuple):
    """How one image compares with several others together.

    Attributes
    ----------
    difference : Difference
    tells_less : bool
        Whether it tells less of the PSF than they do.
    """

    difference: Difference
    tells_less: bool


def _from_others(
    basis: FourierBessel, psfs: Sequence[OwnPSF], kept: Sequence[int]
) -> Steps[dict[int, _FromOthers]]:
    """Return how each of some images compares with the others of these together."""
    told, said = _told_by([psfs[i] for i in kept])
    found = {}
    for done, i in enumerate(kept):
        yield Progress(StepId.DISTILL, done, len(kept), phase=OTHERS)
        one = psfs[i]
        best = max((psfs[j] for j in kept if j != i), key=lambda psf: psf.evidence)
        others = _mean(
            [whole - part for whole, part in zip(told, one.information, strict=True)],
            [whole - part for whole, part in zip(said, one.said, strict=True)],
            best.prior,
        )
        difference = difference_of(basis, one, others)
        found[i] = _FromOthers(difference, one.evidence < others.evidence)
    return found


def _scaled_to(one: OwnPSF, other: OwnPSF) -> OwnPSF:
    """Return a PSF as bright as another, by its image: brightness belongs to the beads."""
    parts = other.split(other.coefficients)
    said = sum(float(part @ own) for part, own in zip(parts, one.said, strict=True))
    seen = sum(
        float(part @ (term @ part)) for part, term in zip(parts, one.information, strict=True)
    )
    return one.scaled(said / seen)


def _where_light_is(psf: OwnPSF, both: OwnPSF) -> list[Floats]:
    """Return the covariance of a difference as large as the PSF, and with its spectrum."""
    square = float(both.coefficients @ both.coefficients)
    if psf.expected is None:
        return [np.eye(len(term)) * (square / len(both.coefficients)) for term in psf.precision]
    factor = square / sum(float(np.trace(term)) for term in psf.expected)
    return [factor * term for term in psf.expected]


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
