"""Derivatives in the plane, against differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import seeds
from scipy import special

from napari_psf_distiller.joint.basis.angular_derivatives import (
    AmplitudesByOrder,
    amplitudes_by_order,
    plane_slope,
)

RADIAL = np.linspace(0, 2.0, 6)
# Orders of a sum; each but 0 has cosine and sine.
ORDERS = st.sampled_from([(0,), (0, 1), (0, 1, 2), (0, 2, 5), (0, 3, 4, 12)])


def terms_of(orders):
    return [(m, sine) for m in orders for sine in ((False, True) if m else (False,))]


def value(parts: AmplitudesByOrder, y, x):
    """Return a sum at places, (waves, places), by its orders."""
    r, angle = np.hypot(y, x), np.arctan2(y, x)
    total = 0.0
    for order, part in parts.items():
        disc = special.jv(order, 2 * np.pi * RADIAL[:, None] * r) * np.exp(1j * order * angle)
        total = total + (part @ disc).real
    return total


def some(orders, seed: int, waves: int = 3):
    rng = np.random.default_rng(seed)
    terms = terms_of(orders)
    amplitudes = rng.standard_normal((waves, len(terms) * len(RADIAL)))
    return terms, amplitudes, rng.uniform(-1, 1, (2, 20))


@given(orders=ORDERS, seed=seeds)
def test_parts_are_the_same_sum(orders, seed):
    terms, amplitudes, (y, x) = some(orders, seed)
    r, angle = np.hypot(y, x), np.arctan2(y, x)
    columns = [
        special.jv(m, 2 * np.pi * k * r) * (np.sin(m * angle) if sine else np.cos(m * angle))
        for m, sine in terms
        for k in RADIAL
    ]
    parts = amplitudes_by_order(terms, amplitudes)
    assert tuple(parts) == orders
    np.testing.assert_allclose(value(parts, y, x), amplitudes @ np.array(columns), atol=1e-10)


@given(orders=ORDERS, seed=seeds, scale=st.floats(0.1, 3))
def test_slopes_are_differences(orders, seed, scale):
    terms, amplitudes, (y, x) = some(orders, seed)
    parts, h = amplitudes_by_order(terms, amplitudes), 1e-5
    for sine, (dy, dx) in ((True, (h, 0)), (False, (0, h))):
        found = plane_slope(parts, RADIAL, sine=sine, scale=scale)
        difference = value(parts, y + dy, x + dx) - value(parts, y - dy, x - dx)
        expected = scale * difference / (2 * h)
        np.testing.assert_allclose(value(found, y, x), expected, atol=1e-5 * len(terms))


@given(orders=ORDERS, seed=seeds)
def test_it_does_not_matter_which_slope_comes_first(orders, seed):
    terms, amplitudes, (y, x) = some(orders, seed)
    parts = amplitudes_by_order(terms, amplitudes)
    down = plane_slope(parts, RADIAL, sine=True, scale=1.0)
    right = plane_slope(parts, RADIAL, sine=False, scale=1.0)
    one = value(plane_slope(down, RADIAL, sine=False, scale=1.0), y, x)
    other = value(plane_slope(right, RADIAL, sine=True, scale=1.0), y, x)
    np.testing.assert_allclose(one, other, atol=1e-9 * (1 + np.abs(one).max()))


def test_the_slope_on_the_axis_is_that_of_one_turn():
    # Of what does not turn it is 0; what turns once is all there is.
    terms, amplitudes, _ = some((0, 1, 2), 3)
    parts = amplitudes_by_order(terms, amplitudes)
    cosine, sine = np.split(amplitudes, 5, axis=1)[1:3]
    for along_y, part in ((False, cosine), (True, sine)):
        found = value(plane_slope(parts, RADIAL, sine=along_y, scale=1.0), np.zeros(1), np.zeros(1))
        assert found[:, 0] == pytest.approx(part @ (np.pi * RADIAL))
