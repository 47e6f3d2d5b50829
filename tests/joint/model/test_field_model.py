"""A PSF that depends on the place: a field model of a few lines goes through the joint model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import (
    APART,
    basis_of,
    gaussian_coefficients,
    known_field,
    light_of,
    relative_l2,
    solved,
    true_coefficients,
)

from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.joint.locate import fit_beads, position_steps
from napari_psf_distiller.joint.model.field_model import ConstantField, FieldModel
from napari_psf_distiller.joint.model.model import JointModel

SHAPE = (14, 40, 64)
# Windows of 9 x 17 x 17 about these do not touch.
CENTRES = np.array([*APART, (6.4, 10.2, 53.6), (7.2, 30.4, 52.1)])
AMPLITUDES = 1e4 * (1 + 0.15 * np.arange(len(CENTRES)))
seeds = st.integers(0, 2**32 - 1)


class TwoSides(FieldModel):
    """One PSF on the left, another on the right."""

    modes = 2

    def weights(self, centres):
        left = centres[:, 2] < 25
        return np.stack([left, ~left], axis=1).astype(float)


class LinearInX(FieldModel):
    """A PSF that changes linearly along x."""

    modes = 2

    def weights(self, centres):
        return np.stack([np.ones(len(centres)), (centres[:, 2] - 32) / 32], axis=1)


models = pytest.mark.parametrize("field_model", [TwoSides(), LinearInX()], ids=["two", "linear"])


def parameters_of(field_model):
    """A narrow PSF and what a wide one adds, or a narrow and a wide one."""
    basis = basis_of()
    narrow, wide = true_coefficients(basis), gaussian_coefficients(basis, 1.3)
    second = wide if isinstance(field_model, TwoSides) else 0.3 * (wide - narrow)
    return np.stack([narrow, second])


def image_of(field_model, parameters):
    """Beads of which each has the PSF of its place, one after the other."""
    image = np.full(SHAPE, 10.0)
    coefficients = field_model.coefficients_at(parameters, CENTRES)
    for own, centre, amplitude in zip(coefficients, CENTRES, AMPLITUDES, strict=True):
        image += light_of(basis_of(), own, [centre], [amplitude], SHAPE)
    return image


def model_of(field_model, parameters, image, *, deviation=1.0) -> JointModel:
    basis = basis_of()
    model = JointModel(
        known_field(image, deviation),
        basis,
        HostWindows(basis.voxel_functions),
        CENTRES,
        parameters.copy(),
        field_model,
    )
    model.move(CENTRES, AMPLITUDES.copy())
    model.invalidate_surroundings()
    return model


@given(seed=seeds)
@models
def test_the_gradient_by_the_parameters_is_the_adjoint(field_model, seed):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 40, (7, 3))
    parameters, gradients = rng.standard_normal((2, 5)), rng.standard_normal((7, 5))
    one = np.vdot(field_model.coefficients_at(parameters, centres), gradients)
    assert one == pytest.approx(np.vdot(parameters, field_model.adjoint(gradients, centres)))


def test_without_a_field_model_the_psf_is_the_same_everywhere():
    model = model_of(None, true_coefficients(basis_of()), np.full(SHAPE, 10.0))
    assert isinstance(model.field_model, ConstantField)
    np.testing.assert_array_equal(model.parameters, model.coefficients[None])


@models
def test_each_bead_has_the_psf_of_its_place(field_model):
    parameters = parameters_of(field_model)
    image = image_of(field_model, parameters)
    model = model_of(field_model, parameters, image)
    assert relative_l2(model.light, image - 10) < 2e-3
    # A constant PSF does not say it.
    mean = model_of(None, model.coefficients, image)
    assert relative_l2(mean.light, image - 10) > 0.03


@models
def test_the_gradient_is_the_slope_of_chi_squared(field_model):
    parameters = parameters_of(field_model)
    image = image_of(field_model, parameters)
    noise = 200.0  # So much that no voxel is an outlier.
    start = parameters + 0.02 * parameters[::-1]
    state = model_of(field_model, start, image, deviation=noise).linearise()
    rng = np.random.default_rng(2)
    step = rng.standard_normal(start.shape) * np.abs(start).max() * 1e-3

    def half_chi_squared(values):
        model = model_of(field_model, values, image, deviation=noise)
        residuals = [model.weighted_residual(bead, box) for bead, box in enumerate(model.boxes)]
        return sum(float((r.astype(float) ** 2 * w).sum()) for r, w in residuals) / 2

    slope = half_chi_squared(start - step) - half_chi_squared(start + step)
    assert state.gradient[: start.size] @ step.ravel() == pytest.approx(slope / 2, rel=1e-3)


@models
def test_the_parameters_are_found(field_model):
    truth = parameters_of(field_model)
    image = image_of(field_model, truth)
    # It begins with the same PSF everywhere.
    start = np.stack([truth[0], truth[0] if isinstance(field_model, TwoSides) else 0 * truth[0]])
    model = model_of(field_model, start, image)
    gains = solved(model, times=4)
    assert gains[0] > 100
    assert solved(model).sum() < 1e-3 * gains.sum()
    basis = basis_of()
    scale = model.amplitudes[0] / AMPLITUDES[0]
    for found, true in zip(
        field_model.coefficients_at(model.parameters * scale, CENTRES),
        field_model.coefficients_at(truth, CENTRES),
        strict=True,
    ):
        assert relative_l2(basis.psf(found), basis.psf(true)) < 0.02


@models
def test_beads_are_placed_and_judged_with_their_own_psf(field_model):
    parameters = parameters_of(field_model)
    image = image_of(field_model, parameters)
    widths = np.full(3, 3.0)
    own = model_of(field_model, parameters, image)
    np.testing.assert_allclose(position_steps(own, widths).steps[:, 1:], 0, atol=0.01)
    same = model_of(None, own.coefficients, image)
    assert (
        fit_beads(own, widths).chi_squared.max() < 0.1 * fit_beads(same, widths).chi_squared.max()
    )
    moved = np.add(CENTRES, (0.1, -0.15, 0.2))
    own.move(moved, own.amplitudes)
    np.testing.assert_allclose(position_steps(own, widths).steps[:, 1:], CENTRES - moved, atol=0.05)


def test_coefficients_of_a_psf_that_depends_on_the_place_cannot_be_set():
    parameters = parameters_of(TwoSides())
    model = model_of(TwoSides(), parameters, np.full(SHAPE, 10.0))
    with pytest.raises(ValueError, match="depends on the place"):
        model.coefficients = parameters[0]
