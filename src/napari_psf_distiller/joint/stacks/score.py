"""Whether a gradient is more than noise makes: chi squared where a change is expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["ScoreTest", "score_test"]

Floats = NDArray[np.float64]

# A change of this part of the whole is what is looked for, relative L2: much smaller ones harm no
# mean, and much larger ones show anyway.
SOUGHT_PART = 0.1


class ScoreTest(NamedTuple):
    """What a gradient tells of a change.

    Attributes
    ----------
    change : float
        Norm of the change that the gradient asks for, without what noise makes of it.
    significance : float
        By how many standard deviations chi squared is above its mean.
    deviations_per_square : float
        By how many standard deviations a change as expected would raise it, over the change's
        squared norm.
    """

    change: float
    significance: float
    deviations_per_square: float


def score_test(
    gradients: Sequence[Floats],
    information: Sequence[Floats],
    expected: Sequence[Floats],
    allowed: Sequence[Floats],
) -> ScoreTest:
    """Tell whether there is a change of unknowns that fall into independent blocks.

    Parameters
    ----------
    gradients : sequence of numpy.ndarray
        For each block, (n,): of the log-likelihood by the change, where there is none.
    information : sequence of numpy.ndarray
        (n, n): the gradient's covariance if there is none.
    expected : sequence of numpy.ndarray
        (n, n): the covariance that a change would have, whose traces add up to the square of the
        norm of the whole.
    allowed : sequence of numpy.ndarray
        (n, changes): changes that do not count.

    Notes
    -----
    Chi squared is weighed by the inverse of the covariance that the change would be known with if
    it were `SOUGHT_PART` of the whole: the likelihood ratio's quadratic form, which is the most
    sensitive to such a change. Its mean and its variance are those of a quadratic form of normal
    values.
    """
    products = [block @ own for block, own in zip(information, allowed, strict=True)]
    whole, wanted = np.concatenate(allowed), np.concatenate(gradients)
    told, moved = whole.T @ np.concatenate(products), whole.T @ wanted
    # Of changes of which nothing is told, there is nothing to take away.
    values, vectors = linalg.eigh(told)
    seen = values > 1e-9 * values.max(initial=0.0)
    roots = vectors[:, seen] / np.sqrt(values[seen])
    taken = [product @ roots for product in products]
    step = roots.T @ moved
    chi_squared = mean = deviation = power = change = by_noise = 0.0
    inner: Floats = np.zeros((roots.shape[1],) * 2)
    for gradient, block, own, out in zip(gradients, information, expected, taken, strict=True):
        left = gradient - out @ step
        weight = _posterior(SOUGHT_PART**2 * own, block)
        weighted, outside = weight @ block, weight @ out
        chi_squared += float(left @ weight @ left)
        mean += float(np.trace(weighted) - (out * outside).sum())
        deviation += float((weighted * weighted.T).sum() - 2 * ((block @ outside) * outside).sum())
        inner = inner + out.T @ outside
        seen_change = block - out @ out.T
        power += float(np.einsum("ij,ji->", weight @ seen_change @ own, seen_change))
        wide = _posterior(own, block)
        guess = wide @ left
        change += float(guess @ guess)
        by_noise += float(np.einsum("ij,ji->", wide @ seen_change, wide))
    deviation = float(np.sqrt(2 * max(deviation + (inner**2).sum(), 1e-300)))
    square = sum(float(np.trace(own)) for own in expected)
    return ScoreTest(
        float(np.sqrt(max(change - by_noise, 0.0))),
        (chi_squared - mean) / deviation,
        power / square / deviation,
    )


def _posterior(expected: Floats, information: Floats) -> Floats:
    """Return the covariance of what was expected with one, and was looked at since."""
    # (1/expected + information)^-1, without the first inverse.
    inner = np.eye(len(expected)) + information @ expected
    solved: Floats = linalg.solve(inner.T, expected, check_finite=False).T
    symmetric: Floats = (solved + solved.T) / 2
    return symmetric
