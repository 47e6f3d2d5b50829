"""Whether an image shows that its PSF changes with the place, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.field_patterns import (
    ChangeKind,
    kind_of,
    turned_back,
)
from napari_psf_distiller.joint.basis.field_priors import FieldScales
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import (
    SCALE_BOUNDS,
    IndependentCombinations,
    OrderEvidence,
    OrderScale,
    independent,
    likeliest_scale,
    whitened_sides,
)
from napari_psf_distiller.psf.polynomials import Pattern

__all__ = ["BeadGradients", "FieldEvidence", "LeftOut"]

Floats = NDArray[np.float64]

# Combinations of the functions of order 0 that the evidence looks at: those of the largest variance
# within the envelope.
SYMMETRIC_COMBINATIONS = 100

# Changes must have at least this part of the largest evidence: those that optics have which are
# symmetrical about their axis, and others. What the model lacks as long as a strong change is not
# fitted looks like many weak ones; where it is, they can be looked at again.
SYMMETRICAL_PART, OTHER_PART = 0.01, 0.1


class BeadGradients(NamedTuple):
    """What a model leaves of each bead, by the PSF's coefficients.

    Attributes
    ----------
    terms : list of numpy.ndarray
        For each term of a basis, (beads, coefficients): the gradient of the likelihood.
    shares : numpy.ndarray
        (beads,): each bead's part of the information of all.
    stacked_weight : numpy.ndarray
        float32, of the window's shape; see `Linearised.stacked_weight`.
    """

    terms: list[Floats]
    shares: Floats
    stacked_weight: NDArray[np.float32]


class FieldEvidence:
    """What the residuals of a model show of changes of its PSF with the place.

    Parameters
    ----------
    basis : FourierBessel
        With the orders to be looked at, and their envelope; an order's terms alike.
    envelope : numpy.ndarray
        (Z, rings): see `FourierBessel.envelope`.
    beads : BeadGradients
        In this basis.
    patterns : sequence of Pattern
        The first one of degree 0; with each of positive turns that of the negative.
    weights : numpy.ndarray
        (beads, patterns): the patterns' values at the beads.
    known : mapping
        Changes that the model has.
    may_be : callable
        Whether changes of a kind are looked for.

    Notes
    -----
    As in `order_evidence`, the coefficients of changes of a kind are normally distributed about 0
    within the envelope, with a scale of those that are even along z, and one of those that are odd
    (of order 0: one scale), and the likeliest scale is taken. Beads lie on no even grid, so that
    one kind's changes look in part like another's: the kind with most evidence is taken first, and
    the others are looked at again given that (forward selection).
    """

    def __init__(
        self,
        basis: FourierBessel,
        envelope: Floats,
        beads: BeadGradients,
        patterns: Sequence[Pattern],
        weights: Floats,
        known: FieldScales,
        may_be: Callable[[ChangeKind], bool],
    ) -> None:
        self._orders = [
            _Order(order, basis, envelope, beads, patterns, weights, known, may_be)
            for order in basis.orders
        ]

    def kinds(self, least_nats: float) -> dict[ChangeKind, OrderEvidence]:
        """Return the changes that the model does not have and should.

        Parameters
        ----------
        least_nats : float
            Evidence that a kind must have.

        Returns
        -------
        dict
            By the kind of the change; those of optics that are symmetrical about their axis with
            the next of their series, see `ChangeKind.before`, however little evidence it has.
        """
        evidence = {order: order.evidence() for order in self._orders}
        found: dict[ChangeKind, OrderEvidence] = {}
        while True:
            largest = max((one.nats for one in found.values()), default=0.0)
            best = max(
                (
                    (one.nats, order.number, kind, order)
                    for order, of_kinds in evidence.items()
                    for kind, one in of_kinds.items()
                    if one.nats > least_nats
                    and one.nats
                    > (SYMMETRICAL_PART if kind.is_symmetrical else OTHER_PART) * largest
                ),
                default=None,
            )
            if best is None:
                break
            _, _, kind, order = best
            found[kind] = evidence[order][kind]
            order.scales[kind] = found[kind].scale
            evidence[order] = order.evidence()
        # A series goes on: what its next term is worth is little where beads are, but not beyond.
        shown = set(found)
        for of_kinds in evidence.values():
            for kind, one in of_kinds.items():
                if kind.before in shown:
                    found[kind] = one
        return found

    def left_out(self) -> list[LeftOut]:
        """Return what the PSF may change by beyond what the model has."""
        return [one for order in self._orders for one in order.left_out()]


class LeftOut(NamedTuple):
    """What is to be expected of changes of a kind that a model does not have.

    Attributes
    ----------
    kind : ChangeKind
    changes : int
        Number of changes of this kind: of their patterns, as cosine and as sine.
    squares : numpy.ndarray
        (coefficients of the order's term, the same): the mean products of the coefficients of
        these changes together.
    """

    kind: ChangeKind
    changes: int
    squares: Floats


class _Order:
    """What beads say of changes of an angular order.

    Attributes
    ----------
    number : int
        The order.
    scales : dict
        Changes that are taken as given, and how strong they are.
    """

    def __init__(
        self,
        number: int,
        basis: FourierBessel,
        envelope: Floats,
        beads: BeadGradients,
        patterns: Sequence[Pattern],
        weights: Floats,
        known: FieldScales,
        may_be: Callable[[ChangeKind], bool],
    ) -> None:
        self.number, self._may_be = number, may_be
        design, self._kinds = _design(patterns, weights, number)
        shares = beads.shares if number == 0 else np.repeat(beads.shares, 2)
        self._gram = (design.T * shares) @ design
        self._sides = [
            side._replace(gradients=design.T @ side.gradients)
            for side in _observations(basis, envelope, beads, number)
        ]
        # The mean PSF is fitted: what is not orthogonal to it tells nothing.
        self.scales = {ChangeKind(number, 0, 0): OrderScale(SCALE_BOUNDS[1], SCALE_BOUNDS[1])}
        self.scales |= {kind: scale for kind, scale in known.items() if kind.order == number}

    def evidence(self) -> dict[ChangeKind, OrderEvidence]:
        """Return the evidence for changes that are not given, each by itself."""
        found = {}
        for kind in self._others():
            scales, nats = zip(*(_likeliest(*told) for told in self._told_of(kind)), strict=True)
            # Of order 0 there is one side, which is both.
            found[kind] = OrderEvidence(OrderScale(scales[0], scales[-1]), sum(nats))
        return found

    def left_out(self) -> Iterator[LeftOut]:
        """Return what is to be expected of changes that are not given, each kind by itself."""
        for kind in self._others():
            squares = np.zeros((len(self._sides[0].combinations),) * 2)
            for side, (information, gradients) in zip(
                self._sides, self._told_of(kind), strict=True
            ):
                scale, _ = _likeliest(information, gradients)
                variances = scale / (1 + scale * information)
                expected = ((gradients * variances) ** 2 + variances).sum(axis=1)
                squares += (side.combinations * expected) @ side.combinations.T
            yield LeftOut(kind, self._kinds.count(kind), squares)

    def _others(self) -> list[ChangeKind]:
        """Return the kinds of changes that are looked at and not given."""
        return [
            kind
            for kind in dict.fromkeys(self._kinds)
            if kind not in self.scales and self._may_be(kind)
        ]

    def _told_of(self, kind: ChangeKind) -> Iterator[tuple[Floats, Floats]]:
        """Return of each side what is told of changes of a kind, beyond what is told of the given.

        Yields
        ------
        information, gradients : numpy.ndarray
            (combinations, changes): of changes that are independent of one another.
        """
        own = [column for column, of in enumerate(self._kinds) if of == kind]
        given = [column for column, of in enumerate(self._kinds) if of in self.scales]
        for number, side in enumerate(self._sides):
            information, gradients = side.information[:, None, None], side.gradients
            variances = [self.scales[self._kinds[column]][number] for column in given]
            precision = information * self._gram[np.ix_(given, given)]
            precision[:, range(len(given)), range(len(given))] += 1 / np.maximum(
                variances, SCALE_BOUNDS[0]
            )
            coupling = information * self._gram[np.ix_(given, own)]
            solved = np.linalg.solve(precision, coupling).swapaxes(1, 2)
            matrix = information * self._gram[np.ix_(own, own)] - solved @ coupling
            gradient = gradients[own].T - (solved @ gradients[given].T[..., None])[..., 0]
            values, vectors = np.linalg.eigh(matrix)
            turned = (vectors.swapaxes(1, 2) @ gradient[..., None])[..., 0]
            yield np.maximum(values, 0), turned


def _likeliest(information: Floats, gradients: Floats) -> tuple[float, float]:
    """Return the likeliest scale of changes, and by how many nats it is; see `_Order`."""
    return likeliest_scale([(information.ravel(), gradients.ravel())])


def _observations(
    basis: FourierBessel, envelope: Floats, beads: BeadGradients, order: int
) -> list[IndependentCombinations]:
    """Return what the beads say of an order: of order 0, else of even and of odd functions.

    An observation is a bead; of orders beyond 0 its cosine and then its sine.
    """
    weight = beads.stacked_weight
    terms = [n for n, (of, _) in enumerate(basis.terms) if of == order]
    gradients = np.stack([beads.terms[term] for term in terms], axis=1)
    gradients = gradients.reshape(-1, gradients.shape[-1])
    if order == 0:
        root = _symmetric_root(basis, envelope)
        return [independent(basis.bead_functions.hessian(weight, 0), gradients, root)]
    matrix = np.mean([basis.bead_functions.hessian(weight, term) for term in terms], axis=0)
    # Cosine and sine are alike.
    return whitened_sides(basis, terms[0], matrix, gradients)


def _symmetric_root(basis: FourierBessel, envelope: Floats) -> Floats:
    """Return the combinations of order 0 of the largest variance, scaled to the variance 1."""
    variances, vectors = np.linalg.eigh(basis.parts[0].envelope_covariance(envelope))
    deviations = np.sqrt(np.maximum(variances[-SYMMETRIC_COMBINATIONS:], 0))
    root: Floats = vectors[:, -SYMMETRIC_COMBINATIONS:] * deviations
    return root


def _design(
    patterns: Sequence[Pattern], weights: Floats, order: int
) -> tuple[Floats, list[ChangeKind]]:
    """Return how changes act on beads, (observations, changes), and of which kind each one is."""
    if order == 0:
        return weights, [kind_of(pattern, 0, False) for pattern in patterns]
    count = len(patterns)
    # A change of the strength 1 each, of each pattern, as cosine and as sine.
    changes = np.eye(2 * count).reshape(count, 2, -1)
    own = np.tensordot(weights, turned_back(changes, patterns), axes=1)
    kinds = [kind_of(pattern, order, sine) for pattern in patterns for sine in (False, True)]
    return own.reshape(2 * len(weights), -1), kinds
