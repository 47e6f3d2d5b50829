"""The model of several images: their normal equations are summed, and all else is their own."""

import numpy as np
import pytest
from joint_fields import APART, TOGETHER, relative_l2, scene, solved

from napari_psf_distiller.joint.model.stacked_model import StackedModel
from napari_psf_distiller.progress import finish

NOISY = 3.0


@pytest.fixture(scope="module")
def one():
    return scene(APART)


@pytest.fixture(scope="module")
def other():
    return scene(TOGETHER, shape=(14, 44, 52))


def stacked(*scenes, start=None):
    return StackedModel(
        [of.model(coefficients=start, deviation=NOISY + i) for i, of in enumerate(scenes)]
    )


def test_one_image_is_as_a_model_of_it(one):
    alone, model = one.model(deviation=NOISY), stacked(one)
    np.testing.assert_array_equal(model.linearise().gradient, alone.linearise().gradient)
    start = 0.9 * one.coefficients
    alone, model = one.model(coefficients=start, deviation=NOISY), stacked(one, start=start)
    finish(alone.solve(20, 1e-4))
    finish(model.solve(20, 1e-4))
    np.testing.assert_array_equal(model.coefficients, alone.coefficients)


def test_the_psfs_equations_are_summed_and_the_backgrounds_are_not(one, other):
    model = stacked(one, other)
    states = [part.linearise() for part in model.models]
    state, size = model.linearise(), one.basis.size
    np.testing.assert_allclose(
        state.gradient[:size], states[0].gradient[:size] + states[1].gradient[:size], rtol=1e-12
    )
    np.testing.assert_array_equal(
        state.gradient[size:], np.concatenate([part.gradient[size:] for part in states])
    )
    assert len(state.weights) == len(APART) + len(TOGETHER)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_curvature_is_symmetric_and_is_the_gradients_slope(one, other, seed):
    model = stacked(one, other)
    state = model.linearise()
    times = model.curvature_times(state.weights)
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=len(state.gradient)) for _ in range(2))
    assert a @ times(b) == pytest.approx(b @ times(a), rel=1e-4)
    assert a @ times(a) > 0


def test_the_preconditioner_is_about_the_curvatures_inverse(one, other):
    model = stacked(one, other)
    state = model.linearise()
    vector = np.random.default_rng(3).normal(size=len(state.gradient))
    one_step = state.preconditioner(model.curvature_times(state.weights)(vector))
    # Symmetric and positive: conjugate gradients need no more.
    assert vector @ state.preconditioner(vector) > 0
    assert np.isfinite(one_step).all()


def test_priors_count_once(one, other):
    model = stacked(one, other)
    model.update_spectrum_prior()
    prior = model.priors[0]
    assert prior is not None
    assert model.models[1].priors == [None] * len(model.priors)


def test_two_images_give_back_the_psf_that_made_them(one, other):
    start = one.coefficients * np.random.default_rng(4).uniform(0.5, 1.5, one.basis.size)
    model = stacked(one, other, start=start)
    gains = solved(model)
    assert (gains > 0).all()
    found = model.coefficients / model.basis.total(model.coefficients)
    true = one.coefficients / one.basis.total(one.coefficients)
    assert relative_l2(found, true) < 0.02
    first, second = model.models
    np.testing.assert_array_equal(first.parameters, second.parameters)


def test_brightness_belongs_to_the_amplitudes(one):
    bright = one._replace(image=10 + 3 * (one.image - 10), amplitudes=3 * one.amplitudes)
    model = stacked(one, bright)
    solved(model, times=2)
    first, second = model.models
    np.testing.assert_allclose(second.amplitudes, 3 * first.amplitudes, rtol=1e-6)
