"""What beads say of changes of their PSF with the place."""

from functools import cache

import numpy as np
import pytest

from napari_psf_distiller.joint.basis.field_evidence import BeadGradients, FieldEvidence
from napari_psf_distiller.joint.basis.field_patterns import ChangeKind, kind_of, turned_back
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.optics import Band
from napari_psf_distiller.psf.polynomials import field_patterns, field_polynomials

SPACING, BAND, WINDOW = (0.25, 0.1, 0.1), Band(4.0, 1.4), (7, 13, 13)
PATTERNS = field_patterns(3)
EXTENT = ((0.0, 200.0), (0.0, 300.0))
# Of all beads together, in units of what a coefficient is expected to be.
INFORMATION = 1e4


def envelope(basis: FourierBessel):
    z, y, x = (np.arange(n) - n // 2 for n in WINDOW)
    shape = np.exp(-((z[:, None, None] / 2) ** 2) - (y[:, None] ** 2 + x**2) / 9)
    return basis.envelope(basis.fitted(shape))


@cache
def basis() -> FourierBessel:
    symmetric = FourierBessel(WINDOW, SPACING, BAND)
    return FourierBessel(
        WINDOW, SPACING, BAND, 0.02, (0, 1, 2), envelope(symmetric), 40, alike=True
    )


def gradients(of: FourierBessel, changes, beads: int = 60, seed: int = 0):
    """Return what beads at random places say of a PSF that changes so, and the polynomials there.

    Of each kind the power of the coefficients is given, in units of what is expected.
    """
    rng = np.random.default_rng(seed)
    places = rng.uniform((0, 0), (200, 300), (beads, 2))
    weights = field_polynomials(3, EXTENT, places)
    shares = rng.uniform(0.5, 1.5, beads)
    shares /= shares.sum()
    weight = np.full(WINDOW, INFORMATION, np.float32)
    terms = []
    for order in (0, 1, 2):
        members = [n for n, (number, _) in enumerate(of.terms) if number == order]
        size = of.sizes[members[0]]
        deviations = np.sqrt(of.prior_variances_of(members[0])) if order else np.full(size, 0.05)
        values = np.zeros((len(PATTERNS), len(members), size))
        for row, pattern in enumerate(PATTERNS):
            for column in range(len(members)):
                power = changes.get(kind_of(pattern, order, bool(column)), 0.0)
                values[row, column] = np.sqrt(power) * deviations * rng.standard_normal(size)
        own = np.tensordot(weights, turned_back(values, PATTERNS) if order else values, axes=1)
        for column, term in enumerate(members):
            hessian = of.bead_functions.hessian(weight, term)
            root = np.linalg.cholesky(hessian + 1e-9 * np.trace(hessian) * np.eye(size))
            noise = rng.standard_normal((beads, size)) @ root.T
            noise *= np.sqrt(shares)[:, None]
            terms.append(shares[:, None] * (own[:, column] @ hessian) + noise)
    return BeadGradients(terms, shares, weight), weights


# That a kind must have.
NATS = 20.0


def evidence_of(changes, known=None, **options):
    of = basis()
    beads, weights = gradients(of, changes, **options)
    return FieldEvidence(of, envelope(of), beads, PATTERNS, weights, known or {}, lambda _: True)


def all_found(changes, known=None, **options):
    return evidence_of(changes, known, **options).kinds(NATS)


def found(changes, known=None, **options):
    """Return what has evidence, without the next terms of a series."""
    every = all_found(changes, known, **options)
    return {kind: one for kind, one in every.items() if one.nats > NATS}


@pytest.mark.parametrize("seed", range(3))
def test_noise_asks_for_nothing(seed):
    assert all_found({}, seed=seed) == {}


@pytest.mark.parametrize(
    "kind",
    [
        ChangeKind(1, 1, 1, "radial"),
        ChangeKind(1, 2, 0),
        ChangeKind(1, 3, -1),
        ChangeKind(2, 2, 2, "radial"),
        ChangeKind(2, 2, 2, "sideways"),
        ChangeKind(0, 1, 1),
        ChangeKind(0, 2, 0),
    ],
)
def test_a_change_is_found_as_what_it_is(kind):
    evidence = found({kind: 1.0})
    assert list(evidence) == [kind]
    assert evidence[kind].nats > 100
    if kind.order:
        assert evidence[kind].scale.even == pytest.approx(1, rel=0.5)


def test_two_changes_are_told_apart():
    strong, weak = ChangeKind(1, 1, 1, "radial"), ChangeKind(1, 3, 1, "radial")
    assert list(found({strong: 1.0, weak: 0.3})) == [strong, weak]


def test_what_is_weak_beside_a_strong_change_waits_for_it():
    strong, other = ChangeKind(1, 1, 1, "radial"), ChangeKind(1, 2, 0)
    first = found({strong: 1.0, other: 0.01})
    assert list(first) == [strong]
    # The strong one is fitted now: nothing of it is left.
    second = found({other: 0.01}, {strong: first[strong].scale})
    assert list(second) == [other]


def test_a_series_of_symmetrical_optics_goes_on():
    radial, other = ChangeKind(1, 1, 1, "radial"), ChangeKind(1, 1, -1)
    assert list(all_found({radial: 1.0})) == [radial, ChangeKind(1, 3, 1, "radial")]
    assert list(all_found({other: 1.0})) == [other]


@pytest.mark.parametrize("kind", [ChangeKind(1, 2, 0), ChangeKind(2, 2, 2, "radial")])
def test_what_is_left_out_is_expected_as_strong_as_it_is(kind):
    of, power = basis(), 0.0005
    term = [order for order, _ in of.terms].index(kind.order)
    expected, found, count = of.prior_variances_of(term).sum(), [], 0
    for seed in range(4):
        evidence = evidence_of({kind: power}, seed=seed)
        # Too little for it to be fitted.
        assert kind not in evidence.kinds(NATS)
        own = next(one for one in evidence.left_out() if one.kind == kind)
        found.append(np.trace(own.squares))
        count = own.changes
    assert np.mean(found) == pytest.approx(count * power * expected, rel=0.5)


def test_where_there_is_noise_alone_next_to_nothing_is_left_out():
    of = basis()
    for one in evidence_of({}).left_out():
        if one.kind.order:
            term = [order for order, _ in of.terms].index(one.kind.order)
            expected = one.changes * of.prior_variances_of(term).sum()
            assert np.trace(one.squares) < 0.0005 * expected
