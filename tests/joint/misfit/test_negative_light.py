"""Light below 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller import simulate_psf
from napari_psf_distiller.joint.misfit.negative_light import negative_light

PSF = simulate_psf((15, 41, 41), (0.2, 0.08, 0.08))


@given(seed=st.integers(0, 2**32 - 1), part=st.floats(1e-4, 0.05))
def test_noise_is_not_negative(seed, part):
    error = np.full_like(PSF, part * PSF.max())
    noisy = PSF + error * np.random.default_rng(seed).standard_normal(PSF.shape, np.float32)
    found = negative_light(noisy, error)
    # Of 25,000 voxels some three in a thousand lie below.
    assert found.significance < 6
    assert found.part < 0.05


def test_a_dark_ring_is():
    ring = PSF - np.float32(0.9) * np.roll(PSF, 8, 2)
    found = negative_light(ring, np.full_like(PSF, 0.01 * PSF.max()))
    assert found.depth > 0.5
    assert found.significance == pytest.approx(100 * found.depth, rel=0.01)
    assert found.part > 0.1


def test_all_dark_is_nothing():
    assert negative_light(-PSF, PSF).part == 0
