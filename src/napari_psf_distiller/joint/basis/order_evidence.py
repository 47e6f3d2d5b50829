"""Whether an image shows that its PSF is not the same all around its axis."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.spectrum_prior import floored_variances
from napari_psf_distiller.joint.linearised import Linearised

__all__ = [
    "SCALE_BOUNDS",
    "IndependentCombinations",
    "OrderEvidence",
    "OrderScale",
    "Stack",
    "evidence_of",
    "independent",
    "likeliest_scale",
    "order_evidence",
    "order_precision",
    "order_priors",
    "order_scale",
    "whitened_gradients",
]

Floats = NDArray[np.float64]

# Residuals of beads laid upon each other, and their weights; see `Linearised.stacked_residual`.
Stack = tuple[NDArray[np.float32], NDArray[np.float32]]

# The scales looked at: an order's power, in units of what the envelope lets through.
SCALE_BOUNDS = (1e-6, 1e4)


class OrderScale(NamedTuple):
    """The power of an order's coefficients, in units of what the envelope lets through.

    Attributes
    ----------
    even, odd : float
        The power of the coefficients that are even along z, and of those that are odd. Coma and
        trefoil are nearly even, astigmatism nearly odd; with spherical aberration they are both.
    """

    even: float
    odd: float

    def of(self, odd: NDArray[np.bool_]) -> Floats:
        """Return each coefficient's power, by which of the coefficients are odd."""
        return np.where(odd, self.odd, self.even)


class IndependentCombinations(NamedTuple):
    """What residuals say of combinations of coefficients that are independent of one another.

    Attributes
    ----------
    information : numpy.ndarray
        (combinations,): of coefficients of the prior variance 1.
    gradients : numpy.ndarray
        (..., combinations).
    combinations : numpy.ndarray
        (coefficients, combinations): the coefficients are this times those of the combinations.
    """

    information: Floats
    gradients: Floats
    combinations: Floats


class OrderEvidence(NamedTuple):
    """What residuals say of an order of a PSF that the model does not have.

    Attributes
    ----------
    scale : OrderScale
        The powers that make the residuals likeliest.
    nats : float
        By how much likelier these make the residuals than the lack of the order.
    """

    scale: OrderScale
    nats: float


def order_evidence(
    basis: FourierBessel, state: Linearised, skip: Collection[int] = (0,)
) -> dict[int, OrderEvidence]:
    """Return what the residuals of a model say of orders that its PSF does not have.

    Parameters
    ----------
    basis : FourierBessel
        With the orders to be looked at, and their envelope.
    state : Linearised
        The linearisation of the model whose PSF lacks these orders.
    skip : collection of int
        Orders that are not looked at.

    Notes
    -----
    Empirical Bayes (D. J. C. MacKay, "Bayesian interpolation", Neural Comput. 4, 1992): an order's
    coefficients are normally distributed about 0, within the envelope of the PSF's symmetric part
    (see `FourierBessel.envelope`) and with unknown scales of those that are even along z and of
    those that are odd; the scales that make the residuals likeliest are taken.
    """
    terms = [n for n, (order, _) in enumerate(basis.terms) if order not in skip]
    stack = state.stacked_residual, state.stacked_weight
    whitened = in_turn(partial(whitened_gradients, basis, stack), terms)
    found = {}
    for order in basis.orders:
        if order in skip:
            continue
        data = [
            sides
            for sides, term in zip(whitened, terms, strict=True)
            if basis.terms[term][0] == order
        ]
        found[order] = evidence_of(data)
    return found


def evidence_of(whitened: Sequence[Sequence[IndependentCombinations]]) -> OrderEvidence:
    """Return the evidence for an order by some terms' `whitened_gradients`."""
    (even, even_nats), (odd, odd_nats) = (
        likeliest_scale([(sides[side].information, sides[side].gradients) for sides in whitened])
        for side in (0, 1)
    )
    return OrderEvidence(OrderScale(even, odd), even_nats + odd_nats)


def order_scale(
    expected: Sequence[Floats],
    coefficients: Sequence[Floats],
    precision: Sequence[Floats],
    odd: Sequence[NDArray[np.bool_]],
) -> OrderScale:
    """Return the power of an order that is fitted, in units of what is expected.

    Parameters
    ----------
    expected : sequence of numpy.ndarray
        For each of the order's terms, the coefficients' prior variances.
    coefficients : sequence of numpy.ndarray
        For each term, the coefficients as they were fitted.
    precision : sequence of numpy.ndarray
        For each term, the curvature of half of chi squared with the prior.
    odd : sequence of numpy.ndarray
        For each term, which of the coefficients are odd along z.

    Notes
    -----
    One step of expectation maximisation: the mean of the squared coefficients, in units of the
    expected variances, over what the image says of them, which is their fitted values and what is
    left uncertain (A. P. Dempster, N. M. Laird and D. B. Rubin, J. R. Stat. Soc. B 39, 1977).
    """
    totals, counts = np.zeros(2), np.zeros(2)
    for variances, values, matrix, is_odd in zip(
        expected, coefficients, precision, odd, strict=True
    ):
        posterior_variance = linalg.inv(matrix, check_finite=False).diagonal()
        powers = (values**2 + posterior_variance) / floored_variances(variances)
        for side, members in enumerate((~is_odd, is_odd)):
            totals[side] += float(powers[members].sum())
            counts[side] += int(members.sum())
    even, scale_of_odd = totals / np.maximum(counts, 1)
    return OrderScale(float(even), float(scale_of_odd))


def order_priors(
    basis: FourierBessel, coefficients: Floats, precision: Sequence[Floats]
) -> list[Floats | None]:
    """Return the prior precision of the terms of each angular order beyond 0, by its fit.

    Parameters
    ----------
    basis : FourierBessel
        With an envelope.
    coefficients : numpy.ndarray
        (coefficients,): of the PSF, as it was fitted.
    precision : sequence of numpy.ndarray
        For each term, the curvature with the priors of before; see `Linearised`.

    Returns
    -------
    list of numpy.ndarray
        For each term but that of order 0 the coefficients' precision, (coefficients of the term,);
        see `order_scale`.
    """
    parts = basis.split(coefficients)
    priors: list[Floats | None] = []
    for order in basis.orders:
        if order == 0:
            continue
        terms = [n for n, (of, _) in enumerate(basis.terms) if of == order]
        expected = [basis.prior_variances_of(term) for term in terms]
        odd = [basis.odd(term) for term in terms]
        scale = order_scale(expected, [parts[n] for n in terms], [precision[n] for n in terms], odd)
        priors += [
            order_precision(variances, is_odd, scale)
            for variances, is_odd in zip(expected, odd, strict=True)
        ]
    return priors


def order_precision(variances: Floats, odd: NDArray[np.bool_], scale: OrderScale) -> Floats:
    """Return the prior precision of a term's coefficients.

    Parameters
    ----------
    variances : numpy.ndarray
        (coefficients,): the prior variances; see `FourierBessel.prior_variances_of`.
    odd : numpy.ndarray
        bool, (coefficients,): which are odd along z.
    scale : OrderScale
    """
    precision: Floats = 1 / (
        np.maximum(scale.of(odd), SCALE_BOUNDS[0]) * floored_variances(variances)
    )
    return precision


def likeliest_scale(data: list[tuple[Floats, Floats]]) -> tuple[float, float]:
    """Return the scale that makes the residuals likeliest, and by how many nats it does."""
    low, high = np.log(SCALE_BOUNDS[0]), np.log(SCALE_BOUNDS[1])
    best = optimize.minimize_scalar(
        partial(_negative_evidence, data=data), bounds=(low, high), method="bounded"
    )
    return float(np.exp(best.x)), -float(best.fun)


def _negative_evidence(logarithm: float, data: list[tuple[Floats, Floats]]) -> float:
    """Return minus the evidence for a scale's logarithm, in nats: see the method's formula."""
    scale = float(np.exp(logarithm))
    return sum(
        float(
            np.log1p(scale * information).sum()
            - (gradient**2 * scale / (1 + scale * information)).sum()
        )
        / 2
        for information, gradient in data
    )


def whitened_gradients(
    basis: FourierBessel, stack: Stack, term: int
) -> list[IndependentCombinations]:
    """Return the information and the gradient of a term's combinations, made independent.

    First of those that are even along z, then of those that are odd; each of prior variance 1.
    """
    residual, weight = stack
    return whitened_sides(
        basis,
        term,
        basis.bead_functions.hessian(weight, term),
        basis.bead_functions.adjoint(residual, term),
    )


def whitened_sides(
    basis: FourierBessel, term: int, matrix: Floats, gradients: Floats
) -> list[IndependentCombinations]:
    """Return information and gradients of a term's combinations, made independent.

    First of those that are even along z, then of those that are odd; each of prior variance 1.

    Parameters
    ----------
    basis : FourierBessel
        With an envelope.
    term : int
    matrix : numpy.ndarray
        (coefficients of the term, the same): their information.
    gradients : numpy.ndarray
        (..., coefficients of the term).
    """
    deviations, odd = np.sqrt(basis.prior_variances_of(term)), basis.odd(term)
    scaled = np.diag(deviations)
    return [independent(matrix, gradients, scaled[:, side]) for side in (~odd, odd)]


def independent(matrix: Floats, gradients: Floats, root: Floats) -> IndependentCombinations:
    """Return what residuals say of the combinations of coefficients that they tell independently.

    Parameters
    ----------
    matrix : numpy.ndarray
        (coefficients, the same): their information.
    gradients : numpy.ndarray
        (..., coefficients).
    root : numpy.ndarray
        (coefficients, columns): R with the coefficients' prior covariance R R^T.
    """
    information, vectors = np.linalg.eigh(root.T @ matrix @ root)
    combinations = root @ vectors
    return IndependentCombinations(
        np.maximum(information, 0), gradients @ combinations, combinations
    )
