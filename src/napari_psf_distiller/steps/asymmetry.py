"""Whether an image shows that its PSF is not the same all around its axis."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.compute.threads import in_turn
from napari_psf_distiller.steps.linearised import Linearised
from napari_psf_distiller.steps.spectrum_prior import spectrum_prior

__all__ = ["turning_priors"]

Floats = NDArray[np.float64]

# The evidence looks at so many combinations of functions, those that the prior expects most from.
MOST_COMBINATIONS = 200

# The evidence must speak for an order by so many nats: what is less changes the PSF by less than
# its noise, and beads that lie in each other's light can feign it.
SIGNIFICANT = 50.0

# Places and amplitudes have taken up some of what turns before it is looked for: its variance is
# more than is left to be seen by about this factor.
TAKEN_UP = 4.0

# The standard deviations looked at, as parts of the PSF.
RANGE = (1e-4, 1.0)


def turning_priors(
    basis: FourierBessel, coefficients: Floats, state: Linearised, *, all_orders: bool = False
) -> dict[tuple[int, bool], Floats]:
    """Return which orders of a PSF the residuals ask for, and the prior of their coefficients.

    Parameters
    ----------
    basis : FourierBessel
        With the orders to be looked at.
    coefficients : numpy.ndarray
        Of a PSF without any but the order 0; the others are 0.
    state : Linearised
        Of the model with that PSF.
    all_orders : bool
        Take all orders, however weak the evidence.

    Returns
    -------
    dict of (int, bool) to numpy.ndarray
        For both terms, cosine and sine, of each order taken the precision of its coefficients,
        (coefficients, coefficients).

    Notes
    -----
    Empirical Bayes (D. J. C. MacKay, "Bayesian interpolation", Neural Comput. 4, 1992): an order's
    coefficients are normally distributed about 0, with the spectrum of the PSF's symmetric part and
    an unknown scale; the scale that makes the residuals likeliest is taken, if it makes them
    likelier than none does.
    """
    found: dict[tuple[int, bool], Floats] = {}
    turning = [n for n, (turns, _) in enumerate(basis.terms) if turns]
    whitened = in_turn(partial(_whitened, basis, coefficients, state), turning)
    for order in basis.orders:
        if order == 0:
            continue
        terms = [n for n in turning if basis.terms[n][0] == order]
        data = [whitened[turning.index(n)] for n in terms]
        low, high = (float(np.log(scale)) for scale in RANGE)
        best = optimize.minimize_scalar(
            partial(_minus_evidence, data=data), bounds=(low, high), method="bounded"
        )
        if -float(best.fun) < SIGNIFICANT and not all_orders:
            continue
        for term in terms:
            power = float(np.exp(2 * best.x)) * TAKEN_UP
            found[basis.terms[term]] = spectrum_prior(basis, coefficients, term, power)
    return found


def _minus_evidence(logarithm: float, data: list[tuple[Floats, Floats]]) -> float:
    """Return by how many nats less likely the residuals are with a scale than without any."""
    scale = float(np.exp(2 * logarithm))
    return sum(
        float(np.log1p(scale * known).sum() - (push**2 * scale / (1 + scale * known)).sum()) / 2
        for known, push in data
    )


def _whitened(
    basis: FourierBessel, coefficients: Floats, state: Linearised, term: int
) -> tuple[Floats, Floats]:
    """Return what is known of the prior's own combinations, and the residuals' push on them."""
    values, vectors = [], []
    for matrix in basis.alike(coefficients, term):
        eigenvalues, eigenvectors = np.linalg.eigh(matrix)
        values.append(np.maximum(np.asarray(eigenvalues, np.float64), 0))
        vectors.append(eigenvectors)
    expected = np.multiply.outer(*values)
    least = np.sort(expected, axis=None)[-MOST_COMBINATIONS:][0]
    kept = expected >= least
    # The rest of the axial and of the lateral ones is in none that is kept.
    parts = [kept.any(axis=1), kept.any(axis=0)]
    axial, lateral = (vector[:, part] for vector, part in zip(vectors, parts, strict=True))
    chosen = np.flatnonzero(kept[np.ix_(*parts)])
    deviations = np.sqrt(expected[kept])
    matrix = basis.hessian(state.density, term, axial, lateral)[np.ix_(chosen, chosen)]
    known, turned = np.linalg.eigh(matrix * deviations[:, None] * deviations)
    push = turned.T @ (
        deviations * basis.bead_adjoint(state.residual, term, axial, lateral)[chosen]
    )
    return np.maximum(known, 0), push
