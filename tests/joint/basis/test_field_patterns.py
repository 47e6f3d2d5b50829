"""Changes of a PSF that turn with the place in the field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.basis.field_patterns import (
    ChangeKind,
    kind_of,
    turned,
    turned_back,
)
from napari_psf_distiller.psf.polynomials import Pattern, field_patterns

degrees, seeds = st.integers(0, 6), st.integers(0, 2**31)


@given(degree=degrees, seed=seeds)
def test_turning_keeps_lengths_and_has_an_inverse(degree, seed):
    patterns = field_patterns(degree)
    values = np.random.default_rng(seed).standard_normal((len(patterns), 2, 3))
    there = turned(values, patterns)
    np.testing.assert_allclose(np.linalg.norm(there), np.linalg.norm(values))
    np.testing.assert_allclose(turned_back(there, patterns), values, atol=1e-12)
    np.testing.assert_allclose(turned(turned_back(values, patterns), patterns), values, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
@given(angle=st.floats(-7, 7))
def test_what_points_along_the_radius_does_so_at_each_angle(order, angle):
    patterns = field_patterns(order)
    row = patterns.index(Pattern(order, order))
    values = np.zeros((len(patterns), 2))
    values[row, 0] = 1
    assert kind_of(patterns[row], order, False) == ChangeKind(order, order, order, "radial")
    # At a place of this angle, at any distance.
    factors = np.array(
        [np.cos(p.turns * angle) if p.turns >= 0 else np.sin(-p.turns * angle) for p in patterns]
    )
    cosine, sine = factors @ turned_back(values, patterns)
    expected = np.cos(order * angle), np.sin(order * angle)
    np.testing.assert_allclose([cosine, sine], np.array(expected) / np.sqrt(2), atol=1e-12)


def test_which_changes_symmetrical_optics_have():
    kinds = {
        kind_of(pattern, order, sine)
        for pattern in field_patterns(3)
        for order in range(4)
        for sine in (False, True)
    }
    assert {kind for kind in kinds if kind.is_symmetrical and kind.degree} == {
        ChangeKind(0, 2, 0),
        ChangeKind(1, 1, 1, "radial"),
        ChangeKind(1, 3, 1, "radial"),
        ChangeKind(2, 2, 2, "radial"),
        ChangeKind(3, 3, 3, "radial"),
    }
