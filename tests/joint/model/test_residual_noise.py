"""The noise that a fit's residuals show."""

import numpy as np
import pytest
from joint_fields import known_field

from napari_psf_distiller.joint.model.residual_noise import ResidualNoise, fit_residual_noise


def noise_of(shape: tuple[int, ...], deviation: float) -> ResidualNoise:
    image = 10 + np.random.default_rng(1).normal(0, deviation, shape)
    field = known_field(image, 2.0)
    light, level = np.full(shape, 0.5, np.float32), np.full(shape, 9.5, np.float32)
    box = tuple(slice(0, n) for n in shape)
    return fit_residual_noise(field, light, 1.0, lambda bead: (box, level), [0])


@pytest.mark.parametrize("times", [1.0, 1.5])
def test_it_scales_what_was_known(times):
    found = noise_of((4, 40, 40), 2.0 * times)
    assert found.scale + (found.gain * 0.5 + found.misfit**2 * 0.25) / 4 == pytest.approx(
        times**2, rel=0.1
    )


def test_a_handful_of_voxels_does_not_change_it():
    assert noise_of((1, 3, 4), 2.0) == ResidualNoise()
