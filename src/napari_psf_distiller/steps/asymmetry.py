"""Whether an image shows that its PSF is not the same all around its axis."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.steps.linearised import Linearised

__all__ = ["OrderEvidence", "order_evidence", "order_scale"]

Floats = NDArray[np.float64]

# The scales looked at: an order's power, in units of what the envelope lets through.
RANGE = (1e-6, 1e4)


class OrderEvidence(NamedTuple):
    """What residuals say of an order of a PSF that the model does not have.

    Attributes
    ----------
    scale : float
        The power that makes the residuals likeliest, in units of what is expected,
    nats : float
        and by how much likelier than none it makes them.
    """

    scale: float
    nats: float


def order_evidence(
    basis: FourierBessel, state: Linearised, known: Collection[int] = (0,)
) -> dict[int, OrderEvidence]:
    """Return what the residuals of a model say of orders that its PSF does not have.

    Parameters
    ----------
    basis : FourierBessel
        With the orders to be looked at, and what is expected of them.
    state : Linearised
        Of the model with a PSF without these orders.
    known : collection of int
        Orders that are not looked at.

    Notes
    -----
    Empirical Bayes (D. J. C. MacKay, "Bayesian interpolation", Neural Comput. 4, 1992): an order's
    coefficients are normally distributed about 0, within the envelope of the PSF's symmetric part
    (see `FourierBessel.envelope`) and with an unknown scale; the scale that makes the residuals
    likeliest is taken. What is even and what is odd along z are expected to be alike.
    """
    terms = [n for n, (order, _) in enumerate(basis.terms) if order not in known]
    whitened = in_turn(partial(_whitened, basis, state), terms)
    low, high = np.log(RANGE[0]), np.log(RANGE[1])
    found = {}
    for order in basis.orders:
        if order in known:
            continue
        data = [
            part
            for part, term in zip(whitened, terms, strict=True)
            if basis.terms[term][0] == order
        ]
        best = optimize.minimize_scalar(
            partial(_minus_evidence, data=data), bounds=(low, high), method="bounded"
        )
        found[order] = OrderEvidence(float(np.exp(best.x)), -float(best.fun))
    return found


def order_scale(
    expected: Sequence[Floats], coefficients: Sequence[Floats], precision: Sequence[Floats]
) -> float:
    """Return the power of an order that is fitted, in units of what is expected.

    Parameters
    ----------
    expected : sequence of numpy.ndarray
        Of each of the order's terms, the variances that are expected.
    coefficients : sequence of numpy.ndarray
        Of each, as they were fitted.
    precision : sequence of numpy.ndarray
        Of each, the matrix of half of chi squared with the prior.

    Notes
    -----
    One step of expectation maximisation: the mean of the squared coefficients, in units of the
    expected variances, over what the image says of them, which is their fitted values and what is
    left uncertain (A. P. Dempster, N. M. Laird and D. B. Rubin, J. R. Stat. Soc. B 39, 1977).
    """
    total, count = 0.0, 0
    for variances, values, matrix in zip(expected, coefficients, precision, strict=True):
        kept = variances > 0
        inverse = linalg.inv(matrix, check_finite=False).diagonal()
        total += float(((values**2 + inverse)[kept] / variances[kept]).sum())
        count += int(kept.sum())
    return total / count


def _minus_evidence(logarithm: float, data: list[tuple[Floats, Floats]]) -> float:
    """Return by how many nats less likely the residuals are with a scale than without any."""
    scale = float(np.exp(logarithm))
    return sum(
        float(np.log1p(scale * known).sum() - (push**2 * scale / (1 + scale * known)).sum()) / 2
        for known, push in data
    )


def _whitened(basis: FourierBessel, state: Linearised, term: int) -> tuple[Floats, Floats]:
    """Return what is known of a term's expected combinations, and the residuals' push on them."""
    deviations = np.sqrt(basis.variances(term))
    matrix = basis.hessian(state.density, term) * deviations[:, None] * deviations
    known, turned = np.linalg.eigh(matrix)
    push = turned.T @ (deviations * basis.bead_adjoint(state.residual, term))
    return np.maximum(known, 0), push
