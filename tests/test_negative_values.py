"""Arrays without negative values."""

import numpy as np
import pytest
from gaussians import gaussian
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_psf_distiller.negative_values import without_negative_values

arrays = hnp.arrays(
    np.float64, hnp.array_shapes(max_dims=3, max_side=9), elements=st.floats(-1e3, 1e3)
)


@given(arrays, st.sampled_from([None, 0.5, 2.3]))
def test_nothing_is_negative_and_light_is_hardly_added(values, reach):
    lengths = None if reach is None else (reach,) * values.ndim
    found = without_negative_values(values, lengths)
    assert found.shape == values.shape
    assert found.min() >= 0
    cut_off = np.maximum(values, 0)
    if values.sum() > 0:
        assert values.sum() * (1 - 1e-9) <= found.sum() <= cut_off.sum() * (1 + 1e-9)
    else:
        np.testing.assert_array_equal(found, cut_off)


@given(arrays)
def test_what_is_nowhere_negative_stays_as_it_is(values):
    np.testing.assert_array_equal(without_negative_values(np.abs(values)), np.abs(values))


@pytest.mark.parametrize("shape", [(15, 33, 33), (41, 41)])
def test_noise_without_light_adds_none(shape):
    light = gaussian(shape, (1.5,) * len(shape))
    light /= light.sum()
    noise = np.random.default_rng(7).normal(0, 0.002 * light.max(), shape)
    noise -= noise.mean()
    found = without_negative_values(light + noise)
    away = light < 1e-3 * light.max()
    cut_off = np.maximum(light + noise, 0)
    # Of what cutting off alone leaves.
    assert abs(found[away].sum() - light[away].sum()) < 0.2 * cut_off[away].sum()
    assert np.linalg.norm(found - light) < np.linalg.norm(noise)


def test_faint_light_below_the_noise_stays():
    values = np.random.default_rng(8).normal(0, 1.0, (20, 40, 40))
    values[:, :20] += 0.5
    found = without_negative_values(values)
    ratio = found[:, :20].sum() / values[:, :20].sum()
    assert ratio == pytest.approx(1, abs=0.1)
