"""Each bead's centre and amplitude, and how well it fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import (
    APART,
    FLAT_WINDOW,
    TOGETHER,
    basis_of,
    light_of,
    scene,
    true_coefficients,
)

from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.joint.locate import MOMENTS, fit_beads, position_steps

seeds = st.integers(0, 2**32 - 1)
WIDTHS = np.array([2.2, 2.3, 2.3])
FLAT = [(0, 10.2, 9.7), (0, 11.4, 30.2), (0, 28.7, 20.1)]


def improve(model, times: int = 1):
    for _ in range(times):
        places = position_steps(model, WIDTHS)
        model.move(model.centres + places.steps[:, 1:], model.amplitudes + places.steps[:, 0])
    return places


# Centres and amplitudes.


@pytest.mark.parametrize("centres", [APART, TOGETHER], ids=["apart", "together"])
@given(seed=seeds)
def test_steps_lead_to_the_true_centre_and_amplitude(centres, seed):
    rng = np.random.default_rng(seed)
    of = scene(centres)
    model = of.model()
    away = rng.uniform(-0.8, 0.8, of.centres.shape)
    model.move(of.centres + away, of.amplitudes * rng.uniform(0.6, 1.6, len(away)))
    improve(model, 8)
    np.testing.assert_allclose(model.centres, of.centres, atol=1e-2)
    np.testing.assert_allclose(model.amplitudes, of.amplitudes, rtol=1e-2)


@given(seed=seeds)
def test_one_step_is_nearly_all_where_little_is_wrong(seed):
    rng = np.random.default_rng(seed)
    of = scene()
    model = of.model()
    away = rng.uniform(-0.1, 0.1, of.centres.shape)
    model.move(of.centres + away, of.amplitudes)
    steps = position_steps(model, WIDTHS).steps
    np.testing.assert_allclose(steps[:, 1:], -away, atol=0.02)
    # It changes nothing itself.
    np.testing.assert_allclose(model.centres, of.centres + away)


def turning(of):
    """Return a model of beads with a PSF that turns, at their true places."""
    basis = basis_of(orders=(0, 1, 2))
    coefficients = true_coefficients(basis)
    parts = basis.split(coefficients)
    rng = np.random.default_rng(8)
    for part in parts[1:]:
        noise = rng.standard_normal(part.size)
        part[:] = 0.2 * np.linalg.norm(parts[0]) * noise / np.linalg.norm(noise)
    model = of.model()
    model.change_basis(basis, HostWindows(basis.voxel_functions), coefficients, [None] * len(parts))
    return model


@given(seed=seeds)
def test_steps_lead_to_the_true_centre_of_what_turns(seed):
    rng = np.random.default_rng(seed)
    of = scene()
    truth = turning(of)
    model = turning(of._replace(image=10 + truth.light.astype(float)))
    away = rng.uniform(-0.3, 0.3, of.centres.shape)
    model.move(of.centres + away, of.amplitudes * rng.uniform(0.8, 1.2, len(away)))
    places = improve(model, 8)
    np.testing.assert_allclose(model.centres, of.centres, atol=1e-2)
    np.testing.assert_allclose(model.amplitudes, of.amplitudes, rtol=1e-2)
    # What would be gained by a bad derivative along one axis would be left.
    assert (places.gains < 1e-2).all()
    moments = fit_beads(model, WIDTHS).moments
    np.testing.assert_allclose(moments, 0, atol=0.01)


def test_slopes_and_second_moments_of_what_turns():
    of = scene()
    truth = turning(of)
    # Two halves of each bead, apart along y and x, have a second moment there and nothing else.
    apart = np.array([0, 0.3, 0.2])
    light = np.zeros(of.image.shape)
    for sign in (-1, 1):
        truth.move(of.centres + sign * apart / 2, of.amplitudes / 2)
        light += truth.light
    model = turning(of._replace(image=10 + light))
    improve(model, 4)
    expected = [0.25 * apart[i] * apart[j] for i, j in MOMENTS]
    found = fit_beads(model, WIDTHS).moments.mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=0.25 * np.linalg.norm(expected))


def test_in_a_plane_beads_stay_in_it():
    of = scene(FLAT, shape=(1, 40, 40), window=FLAT_WINDOW)
    model = of.model()
    model.move(of.centres + np.array([0, 0.4, -0.5]), 1.2 * of.amplitudes)
    places = improve(model, 8)
    assert (places.steps[:, 1] == 0).all()
    np.testing.assert_allclose(model.centres, of.centres, atol=1e-2)
    np.testing.assert_allclose(model.amplitudes, of.amplitudes, rtol=1e-2)


def test_a_step_is_not_longer_than_it_can_be_trusted():
    of = scene()
    model = of.model()
    model.move(of.centres + np.array([0, 1, 0]), of.amplitudes / 5)
    np.testing.assert_allclose(position_steps(model, WIDTHS).steps[:, 2], -0.7)
    model.move(of.centres, 10 * of.amplitudes)
    np.testing.assert_allclose(position_steps(model, WIDTHS).steps[:, 0], -5 * of.amplitudes)
    model.move(of.centres, of.amplitudes / 100)
    np.testing.assert_allclose(position_steps(model, WIDTHS).steps[:, 0], of.amplitudes / 100)


@given(seed=seeds)
def test_saturated_voxels_tell_nothing(seed):
    rng = np.random.default_rng(seed)
    of = scene()
    saturation = float(np.float32(0.5 * of.image.max()))
    found = []
    for more in (0, 1e4):
        high = of.image >= saturation
        image = np.where(high, saturation + more * rng.random(of.image.shape), of.image)
        model = of._replace(image=image).model(saturation=saturation)
        model.move(of.centres + 0.2, of.amplitudes)
        found.append(improve(model, 6))
    np.testing.assert_array_equal(found[0].steps, found[1].steps)
    np.testing.assert_array_equal(found[0].information, found[1].information)
    np.testing.assert_allclose(model.centres, of.centres, atol=1e-2)


# How well they are known.


@pytest.mark.parametrize("flat", [False, True], ids=["3D", "2D"])
def test_information_is_that_of_the_light(flat):
    # In so large a core is all of the window.
    whole = np.full(3, 100.0)
    if flat:
        of = scene(FLAT, shape=(1, 40, 40), window=FLAT_WINDOW)
    else:
        # Off the voxels by less than half, so that the windows stay.
        of = scene([(6.1, 9.8, 10.2), (7.2, 30.1, 9.7)])
    model = of.model(deviation=5, gain=0.5)
    found = position_steps(model, whole).information
    for bead, box in enumerate(model.boxes):
        level = model.local_background(bead, box)
        variance = model.variance(model.light[box], level).astype(float)
        columns = []
        for parameter, h in enumerate((0.01 * of.amplitudes[bead], 0.1, 0.1, 0.1)):
            lights = []
            for sign in (1, -1):
                centres, amplitudes = of.centres.copy(), of.amplitudes.copy()
                if parameter:
                    centres[bead, parameter - 1] += sign * h
                else:
                    amplitudes[bead] += sign * h
                arguments = of.basis, of.coefficients, centres, amplitudes
                lights.append(light_of(*arguments, of.image.shape)[box])
            columns.append((lights[0] - lights[1]).ravel() / (2 * h))
        if flat:
            columns[1][:] = 0
        rows = np.array(columns)
        expected = (rows / variance.ravel()) @ rows.T
        scale = np.sqrt(np.diag(expected))
        limit = 0.02 * np.outer(scale, scale)
        assert (np.abs(found[bead] - expected) <= limit).all()
    assert (found[:, 0, 0] > 0).all()
    np.testing.assert_array_equal(fit_beads(model, whole).information, found)


@pytest.fixture(scope="module")
def noisy():
    """Fits of the same beads in many noisy images, at places found by steps."""
    of = scene(amplitudes=[2e4, 3e4, 2e4, 1e4])
    rng = np.random.default_rng(5)
    found = []
    for _ in range(40):
        image = of.image + rng.normal(0, 4, of.image.shape)
        model = of._replace(image=image).model(deviation=4)
        improve(model, 3)
        fit = fit_beads(model, WIDTHS)
        found.append((model.amplitudes, model.centres, fit))
    return of, found


def test_centres_and_amplitudes_spread_as_their_information_says(noisy):
    of, found = noisy
    values = np.array([np.column_stack([a, c]) for a, c, _ in found])
    off = values - np.column_stack([of.amplitudes, of.centres])
    deviations = np.sqrt([np.linalg.inv(matrix).diagonal() for matrix in found[0][2].information])
    # 160 of each tell a deviation to 6 %.
    pulls = off / deviations
    np.testing.assert_allclose(pulls.std(axis=(0, 1)), 1, atol=0.2)
    np.testing.assert_allclose(pulls.mean(axis=(0, 1)), 0, atol=0.35)


def test_moments_spread_as_their_covariance_says(noisy):
    moments = np.array([fit.moments for *_, fit in noisy[1]])
    covariance = np.array([fit.covariance for *_, fit in noisy[1]])
    np.testing.assert_allclose(covariance, covariance.swapaxes(2, 3), rtol=1e-6)
    distances = np.einsum("nbi,nbij,nbj->nb", moments, np.linalg.inv(covariance), moments)
    # Chi squared distributed, with six degrees of freedom.
    assert distances.mean() == pytest.approx(6, rel=0.2)
    deviations = np.sqrt(covariance.diagonal(axis1=2, axis2=3))
    np.testing.assert_allclose((moments / deviations).std(axis=(0, 1)), 1, atol=0.2)


def test_chi_squared_is_about_1_where_the_model_is_right(noisy):
    chi = np.array([fit.chi_squared for *_, fit in noisy[1]])
    assert chi.mean() == pytest.approx(1, abs=0.05)
    of = noisy[0]
    wrong = of._replace(image=of.image + np.random.default_rng(0).normal(0, 8, of.image.shape))
    model = wrong.model(deviation=4)
    assert fit_beads(model, WIDTHS).chi_squared == pytest.approx(4, rel=0.2)


# Their shape.


# As `simulate_beads` has it, and a grid half as coarse.
COARSE, FINE = (0.3, 0.1, 0.1), (0.15, 0.05, 0.05)


def fitted_pair(displacement, spacing, *, flat: bool = False, share: float = 0.5):
    """Fit one bead to two that lie so far apart, in voxels of the coarse grid."""
    finer = round(COARSE[1] / spacing[1])
    nz, n, window_z, window = 14 * finer, 40 * finer, 8 * finer + 1, 16 * finer + 1
    shape, window = (
        ((1, n, n), (1, window, window)) if flat else ((nz, n, n), (window_z, *[window] * 2))
    )
    middle = np.array([0.0 if flat else nz / 2 - 0.2, n / 2 + 0.1, n / 2 - 0.2])
    places = [
        middle - (1 - share) * finer * displacement,
        middle + share * finer * displacement,
    ]
    of = scene(
        places, [share * 2e4, (1 - share) * 2e4], shape=shape, window=window, spacing=spacing
    )
    model = of.model(deviation=2, centres=[middle])
    model.move(middle[None], np.array([2e4]))
    for _ in range(6):
        steps = position_steps(model, finer * WIDTHS).steps
        model.move(model.centres + steps[:, 1:], model.amplitudes + steps[:, 0])
    fit = fit_beads(model, finer * WIDTHS)
    return fit.moments[0] / finer**2, fit.covariance[0]


def pair_moments(displacement, share: float = 0.5) -> np.ndarray:
    return share * (1 - share) * np.array([displacement[i] * displacement[j] for i, j in MOMENTS])


@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("length", [0.4, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_two_beads_have_the_moments_of_their_displacement(seed, length, share):
    direction = np.random.default_rng(seed).standard_normal(3)
    displacement = length * direction / np.linalg.norm(direction)
    moments, _ = fitted_pair(displacement, FINE, share=share)
    expected = pair_moments(displacement, share)
    # Differences between voxels stand for derivatives, and higher orders are left out.
    limit = 0.25 * np.linalg.norm(expected)
    np.testing.assert_allclose(moments, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("axis", [1, 2])
def test_two_beads_in_a_plane(axis):
    displacement = 0.8 * np.eye(3)[axis]
    moments, covariance = fitted_pair(displacement, FINE, flat=True)
    expected = pair_moments(displacement)
    np.testing.assert_allclose(moments, expected, rtol=0, atol=0.25 * np.linalg.norm(expected))
    along_z = [n for n, pair in enumerate(MOMENTS) if 0 in pair]
    assert (moments[along_z] == 0).all()
    assert (covariance[along_z] == 0).all()
    others = [n for n in range(6) if n not in along_z]
    assert (np.linalg.eigvalsh(covariance[np.ix_(others, others)]) > 0).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_beads_on_a_coarse_grid(axis):
    displacement = 0.6 * np.eye(3)[axis]
    moments, _ = fitted_pair(displacement, COARSE)
    expected = pair_moments(displacement)
    np.testing.assert_allclose(moments, expected, rtol=0, atol=0.25 * np.linalg.norm(expected))


@pytest.mark.parametrize("centres", [APART, TOGETHER], ids=["apart", "together"])
def test_single_beads_have_none(centres):
    of = scene(centres)
    model = of.model()
    fit = fit_beads(model, WIDTHS)
    np.testing.assert_allclose(fit.moments, 0, atol=0.01)
    assert fit.whole.all()
    assert not fit.saturated.any()


# What can be seen of them.


@pytest.mark.parametrize(
    ("centre", "whole"),
    [
        ((6, 20, 20), True),
        ((6, 2, 20), True),
        ((6, 1, 20), True),
        ((6, 0, 20), False),
        ((6, 20, 39), False),
        ((0, 20, 20), False),
        ((13, 20, 20), False),
        ((2, 37, 2), True),
    ],
)
def test_a_core_cut_by_the_border_is_not_whole(centre, whole):
    # Its middle must be seen: a voxel to each side.
    of = scene([np.add(centre, 0.1)])
    model = of.model()
    assert fit_beads(model, WIDTHS).whole[0] == whole


def test_the_middle_of_a_wide_bead_is_wider():
    of = scene([(6.1, 20.1, 1.1)])
    model = of.model()
    assert fit_beads(model, WIDTHS).whole[0]
    assert not fit_beads(model, 3 * WIDTHS).whole[0]


def test_in_a_plane_z_cuts_nothing():
    of = scene([*FLAT, (0, 20.2, 0.3)], shape=(1, 40, 40), window=FLAT_WINDOW)
    model = of.model()
    assert list(fit_beads(model, WIDTHS).whole) == [True, True, True, False]


def test_a_saturated_core_is_seen():
    of = scene(amplitudes=[1e4, 1e4, 3e4, 1e4])
    model = of.model(saturation=0.5 * of.image.max())
    assert list(fit_beads(model, WIDTHS).saturated) == [False, False, True, False]
