"""The functions of one angular order in a PSF's sum, without their angular factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_COMBINATIONS", "Term", "products"]

Floats = NDArray[np.float64]

# Combinations of functions with a smaller singular value than this, relative to the largest, are
# left out: in the window they are all but 0. What is faint along z may be bright half a voxel
# beyond the window's ends, where displaced beads' windows reach: as long as there is much of it,
# fits to dim beads do not converge.
MIN_LATERAL_SINGULAR, MIN_AXIAL_SINGULAR = 1e-3, 5e-3

# Of a term with an envelope, combinations are left out whose prior variance is less than this part
# of the largest.
MIN_COMBINATION_VARIANCE_RATIO = 1e-7

# Combinations that are kept of each term, at most.
MAX_COMBINATIONS = 500

# They are looked for among this many times as many products of a function of z and one of the
# plane.
PRODUCTS_PER_COMBINATION = 1.6


class Term:
    """The functions of one order, as combinations that are orthonormal.

    Parameters
    ----------
    waves : numpy.ndarray
        (Z, waves): along the window's axis.
    bessel : numpy.ndarray
        (rings, radial): along the distance from the axis.
    weights : numpy.ndarray
        (rings,): each ring's sum of the squared angular factor; see `Rings.weights`.
    envelope : numpy.ndarray, optional
        (Z, rings): the prior variance of the term's values there; of a plane and its mirror image
        along z the mean counts. The coefficients are then those of the combinations with the
        largest prior variance; without an envelope, of all.
    most : int
        Combinations that are kept with an envelope, at most.

    Attributes
    ----------
    ring_weights : numpy.ndarray
        (rings,): the weights.
    axial : numpy.ndarray
        (waves, axial combinations): how waves combine to orthonormal functions along the axis.
    lateral : numpy.ndarray
        (radial, lateral combinations): how Bessel functions combine to orthonormal ones.
    axial_values : numpy.ndarray
        (Z, axial combinations): the values of these along the window's axis.
    ring_values : numpy.ndarray
        (rings, lateral combinations): the values of these on the rings.
    size : int
        Number of coefficients.
    prior_variances : numpy.ndarray or None
        (size,): the coefficients' prior variances by the envelope, the largest first; they are
        independent. None without an envelope.
    odd : numpy.ndarray or None
        bool, (size,): which coefficients are of combinations that are odd along z; the others are
        even. None without an envelope.
    """

    def __init__(
        self,
        waves: Floats,
        bessel: Floats,
        weights: Floats,
        envelope: Floats | None = None,
        most: int = MAX_COMBINATIONS,
    ) -> None:
        self._waves, self._bessel, self.ring_weights = waves, bessel, weights
        self.axial = _combinations(waves, MIN_AXIAL_SINGULAR)
        self.lateral = _combinations(np.sqrt(weights)[:, None] * bessel, MIN_LATERAL_SINGULAR)
        self._evaluate()
        self.prior_variances: Floats | None = None
        self.odd: NDArray[np.bool_] | None = None
        self._mixing: Floats | None = None
        self.size = self.axial.shape[1] * self.lateral.shape[1]
        if envelope is not None:
            self._select_within(envelope, most)

    def _evaluate(self) -> None:
        self.axial_values = self._waves @ self.axial
        self.ring_values = self._bessel @ self.lateral

    def _select_within(self, envelope: Floats, most: int) -> None:
        """Keep the combinations that have most of what an envelope lets through.

        Those that are even along z and those that are odd are kept apart, as most aberrations have
        only one of them.
        """
        inside = (envelope + envelope[::-1]) / 2 * self.ring_weights
        odd = (self._waves * self._waves[::-1]).sum(axis=0) < 0
        sides = [_combinations(self._waves[:, part], MIN_AXIAL_SINGULAR) for part in (~odd, odd)]
        self.axial = np.zeros((len(odd), sum(side.shape[1] for side in sides)))
        along = inside.sum(axis=1)
        first = 0
        for part, side in zip((~odd, odd), sides, strict=True):
            values = self._waves[:, part] @ side
            _, axes = np.linalg.eigh((values.T * along) @ values)
            self.axial[part, first : first + side.shape[1]] = side @ axes
            first += side.shape[1]
        across = self.ring_values
        _, axes = np.linalg.eigh((across.T * inside.sum(axis=0)) @ across)
        self.lateral = self.lateral @ axes
        self._evaluate()
        # By functions of z and of the plane that the envelope tells apart, most of what it lets
        # through is in few of their products.
        strength = (self.axial_values**2).T @ inside @ self.ring_values**2
        count = min(strength.size, round(PRODUCTS_PER_COMBINATION * most))
        chosen = strength >= np.sort(strength, axis=None)[-count]
        parts = [chosen.any(axis=1), chosen.any(axis=0)]
        is_odd = (np.arange(first) >= sides[0].shape[1])[parts[0]]
        self.axial, self.lateral = self.axial[:, parts[0]], self.lateral[:, parts[1]]
        self._evaluate()
        places = np.flatnonzero(chosen[np.ix_(*parts)])
        place_is_odd = np.repeat(is_odd, parts[1].sum())[places]
        matrix = self.products(inside)
        mixed = np.zeros((len(matrix), len(places)))
        values = np.zeros(len(places))
        for part in (~place_is_odd, place_is_odd):
            own = np.flatnonzero(part)
            values[own], vectors = np.linalg.eigh(matrix[np.ix_(places[own], places[own])])
            mixed[np.ix_(places[own], own)] = vectors
        best = np.argsort(-values, kind="stable")[:most]
        best = best[values[best] > MIN_COMBINATION_VARIANCE_RATIO * values.max()]
        self._mixing, self.prior_variances = mixed[:, best], values[best]
        self.odd = place_is_odd[best]
        self.size = len(best)

    def products(self, weights: Floats) -> Floats:
        """Return the expanded combinations' products over the window, (expanded, expanded).

        Parameters
        ----------
        weights : numpy.ndarray
            (Z, rings): each ring's sum of the voxels' weights.
        """
        return products(
            weights, (self.axial_values, self.ring_values), (self.axial_values, self.ring_values)
        )

    def envelope_covariance(self, envelope: Floats) -> Floats:
        """Return the coefficients' covariance where values vary independently within an envelope.

        Parameters
        ----------
        envelope : numpy.ndarray
            (Z, rings): the variance of the term's values there; of a plane and its mirror image
            along z the mean counts.

        Returns
        -------
        numpy.ndarray
            (size, size).
        """
        inside = (envelope + envelope[::-1]) / 2 * self.ring_weights
        return self.congruent(self.products(inside))

    def expanded(self, coefficients: Floats) -> Floats:
        """Return coefficients, (size,), as a matrix: along the axis, in the plane."""
        whole = coefficients if self._mixing is None else self._mixing @ coefficients
        return whole.reshape(self.axial.shape[1], self.lateral.shape[1])

    def reduced(self, matrices: Floats) -> Floats:
        """Return the adjoint of `expanded`: of (..., along the axis, in the plane), (..., size)."""
        whole = matrices.reshape(*matrices.shape[:-2], -1)
        reduced: Floats = whole if self._mixing is None else whole @ self._mixing
        return reduced

    def congruent(self, matrix: Floats) -> Floats:
        """Return a matrix of the expanded coefficients as one of the coefficients."""
        if self._mixing is None:
            return matrix
        congruent: Floats = self._mixing.T @ matrix @ self._mixing
        return congruent

    def variance(self, waves: Floats, factor: Floats, places: Floats | None = None) -> Floats:
        """Return the variance of the term's values, without its angular factor.

        Parameters
        ----------
        waves : numpy.ndarray
            (planes, waves): along some planes.
        factor : numpy.ndarray
            (size, columns): R with the covariance of the coefficients ``R R^T``.
        places : numpy.ndarray, optional
            (places, lateral combinations): the values of the lateral combinations at other places
            than the rings.

        Returns
        -------
        numpy.ndarray
            (planes, rings), or (planes, places).
        """
        along, rings = waves @ self.axial, self.ring_values if places is None else places
        (planes, high), wide = along.shape, rings.shape[1]
        whole = factor if self._mixing is None else self._mixing @ factor
        covariance = (whole @ whole.T).reshape(high, wide, high, wide).transpose(0, 2, 1, 3)
        pairs = (along[:, :, None] * along[:, None, :]).reshape(planes, -1)
        across = (pairs @ covariance.reshape(high * high, -1)).reshape(planes, wide, wide)
        # A sum of squares, of which rounding may leave less than nothing.
        variance = [np.maximum(((rings @ plane) * rings).sum(axis=1), 0) for plane in across]
        return np.stack(variance)

    def covariance(self, power: Floats) -> Floats:
        """Return the coefficients' covariance by a spectrum, (size, size).

        Parameters
        ----------
        power : numpy.ndarray
            (waves, radial): the variance of each function's amplitude, which are independent.
        """
        return self.congruent(self._covariance(power))

    def _covariance(self, power: Floats) -> Floats:
        along, across = self._projected()
        high, wide = len(along), len(across)
        squares = (along[:, None] * along).reshape(high * high, -1)
        squares_too = (across[:, None] * across).reshape(wide * wide, -1)
        pairs = (squares @ power @ squares_too.T).reshape(high, high, wide, wide)
        covariance: Floats = pairs.transpose(0, 2, 1, 3).reshape(high * wide, high * wide)
        return covariance

    def _projected(self) -> tuple[Floats, Floats]:
        """Return the functions' products with the combinations: along the axis, in the plane."""
        return self.axial_values.T @ self._waves, (
            self.ring_weights[:, None] * self.ring_values
        ).T @ self._bessel


def products(weights: Floats, one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> Floats:
    """Return the weighted products of functions that are products of two.

    Parameters
    ----------
    weights : numpy.ndarray
        (Z, rings).
    one, other : tuple of numpy.ndarray
        The functions' values along the axis, (Z, high), and in the plane, (rings, wide).

    Returns
    -------
    numpy.ndarray
        (high * wide, high * wide).
    """
    (along, across), (along_too, across_too) = one, other
    high, wide = along.shape[1], across.shape[1]
    left = (along[:, :, None] * along_too[:, None, :]).reshape(len(along), -1)
    right = (across[:, :, None] * across_too[:, None, :]).reshape(len(across), -1)
    pairs = (left.T @ (weights @ right)).reshape(high, high, wide, wide)
    matrix: Floats = pairs.transpose(0, 2, 1, 3).reshape((high * wide,) * 2)
    return matrix


def _combinations(functions: Floats, least: float) -> Floats:
    """Return how the columns combine to orthonormal ones, leaving out what is all but 0."""
    if functions.shape[1] == 0:
        return np.zeros((0, 0))
    _, values, right = np.linalg.svd(functions, full_matrices=False)
    kept = values > least * values[0]
    combined: Floats = right[kept].T / values[kept]
    return combined
