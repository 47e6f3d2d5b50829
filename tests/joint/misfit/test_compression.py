"""Beads that are the flatter the brighter they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joint_fields import scene

from napari_psf_distiller.joint.misfit.compression import find_compression

WIDTHS = np.array([2.2, 2.3, 2.3])

PLACES = tuple((7.0, 9.3 + 19 * row, 10.1 + 19 * column) for row in range(3) for column in range(3))
AMPLITUDES = 1e4 * np.array([0.6, 1.5, 0.8, 1.2, 1.0, 0.7, 1.4, 0.9, 1.3])


def field(amplitudes=AMPLITUDES):
    return scene(PLACES, amplitudes, shape=(14, 60, 60))


def found(of, image, seed: int = 0):
    rng = np.random.default_rng(seed)
    model = of._replace(image=image + rng.normal(0, 1, image.shape)).model(deviation=1.0)
    return find_compression(model, WIDTHS, range(len(PLACES)))


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_proportional_camera_is_not_accused(seed):
    of = field()
    result = found(of, of.image, seed)
    assert abs(result.missing_fraction) < 0.05
    assert result.p_value > 1e-5


@pytest.mark.parametrize("part", [0.1, 0.25])
def test_missing_light_is_measured(part):
    of = field()
    light = of.image - 10
    top = light[:, :12, :12].max() / AMPLITUDES[0] * AMPLITUDES.mean()
    result = found(of, 10 + light - part * light**2 / top)
    assert result.p_value < 1e-3
    assert result.missing_fraction == pytest.approx(part, rel=0.3)


def test_a_gain_that_grows_is_the_other_sign():
    of = field()
    light = of.image - 10
    result = found(of, 10 + light + 0.1 * light**2 / light.max())
    assert result.missing_fraction < 0
    assert result.p_value > 0.9


def test_few_beads_or_equal_ones_do_not_tell():
    of = field()
    model = of.model()
    assert find_compression(model, WIDTHS, range(5)) is None
    equal = field(np.full(9, 1e4)).model()
    assert find_compression(equal, WIDTHS, range(9)) is None
