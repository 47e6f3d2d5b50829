"""The joint model: what it renders, what its linear solution improves, and what counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import (
    APART,
    BAND,
    DIAMETER,
    FLAT_WINDOW,
    SPACING,
    TOGETHER,
    WINDOW,
    basis_of,
    gaussian_coefficients,
    known_field,
    light_of,
    relative_l2,
    scene,
    solved,
    spline_of,
    true_coefficients,
)

from napari_psf_distiller import InputError
from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.joint.model.residual_noise import ResidualNoise
from napari_psf_distiller.joint.model.surroundings import dark_planes
from napari_psf_distiller.progress import finish

# So noisy that no voxel is an outlier: all weigh the same, and the problem is linear.
NOISY = 200.0
seeds = st.integers(0, 2**32 - 1)
layouts = pytest.mark.parametrize("centres", [APART, TOGETHER], ids=["apart", "together"])


def unknowns(model) -> np.ndarray:
    return np.concatenate([model.coefficients, model.background])


def gradient_at(model, values) -> np.ndarray:
    """The gradient with other PSF and background."""
    model.coefficients, model.background = np.split(values, [model.basis.size])
    model.move(model.centres, model.amplitudes)
    return model.linearise().gradient


def psf_error(model, of) -> float:
    """The relative error of the PSF with the sum 1."""
    model.normalise()
    return relative_l2(model.basis.psf(model.coefficients), of.basis.psf(of.coefficients))


def residual_of(model) -> np.ndarray:
    """What the model leaves of the whole image."""
    planes = [
        model.bead_image.background.plane(model.background, z) for z in range(len(model.light))
    ]
    return model.bead_image.intensity.astype(float) - model.light - np.stack(planes)


# What it renders.


@given(seed=seeds)
def test_light_is_the_sum_of_the_beads(seed):
    rng = np.random.default_rng(seed)
    of = scene()
    centres = of.centres + rng.uniform(-3, 3, of.centres.shape)
    amplitudes = rng.uniform(1e3, 1e4, len(centres))
    model = of.model()
    model.move(centres, amplitudes)
    expected = light_of(of.basis, of.coefficients, centres, amplitudes, of.image.shape)
    # Nothing is left where the beads were. Between the tables' places are straight lines.
    assert np.abs(model.light - expected).max() < 3e-3 * expected.max()
    assert relative_l2(model.light, expected) < 2e-3
    model.move(of.centres, of.amplitudes)
    assert relative_l2(model.light, of.image - 10) < 2e-3


@layouts
def test_the_light_is_always_that_of_the_model(centres):
    of = scene(centres)
    model = of.model(coefficients=gaussian_coefficients(of.basis, 1.1))

    def expected() -> np.ndarray:
        fresh = of.model(coefficients=model.coefficients, centres=model.centres)
        fresh.move(model.centres, model.amplitudes)
        return fresh.light

    # Whatever its memory was used for.
    np.testing.assert_array_equal(model.light, expected())
    steps = model.solve(10, 0.0)
    for _ in range(2):
        next(steps)
        np.testing.assert_array_equal(model.light, expected())
    steps.close()
    solved(model)
    np.testing.assert_array_equal(model.light, expected())
    model.coefficients = 2 * model.coefficients
    np.testing.assert_array_equal(model.light, expected())
    model.invalidate_surroundings()
    model.linearise()
    np.testing.assert_array_equal(model.light, expected())
    model.update_noise()
    model.normalise()
    np.testing.assert_array_equal(model.light, expected())


@pytest.mark.parametrize("centre", [(6.0, 20.0, 20.0), (0.0, 1.0, 38.0)], ids=["inside", "corner"])
def test_a_bead_on_a_voxel_is_the_bead_of_the_basis(centre):
    of = scene([centre], [5e3])
    model = of.model()
    (box,) = model.boxes
    low = np.array(centre, int) - np.array(WINDOW) // 2
    part = tuple(slice(b.start - a, b.stop - a) for a, b in zip(low, box, strict=True))
    expected = np.zeros(of.image.shape)
    expected[box] = 5e3 * of.basis.bead(of.coefficients)[part]
    np.testing.assert_allclose(model.light, expected, rtol=0, atol=1e-3 * expected.max())


def test_a_bead_cannot_leave_the_image():
    of = scene([(6.0, 20.0, 20.0)])
    model = of.model()
    model.move(np.array([[-0.5, 39.5, 39.49]]), of.amplitudes)
    np.testing.assert_array_equal(model.nearest, [[0, 39, 39]])
    assert np.isfinite(model.light).all()


@layouts
def test_the_right_model_leaves_nothing(centres):
    of = scene(centres)
    model = of.model()
    for bead, box in enumerate(model.boxes):
        # The background near a bead, too.
        assert np.abs(model.weighted_residual(bead, box)[0]).max() < 3e-3 * of.image.max()
    np.testing.assert_allclose(model.background_at_beads, 10, rtol=1e-5)


def test_the_first_amplitudes_are_about_the_true_ones():
    of = scene([(6.0, 10.0, 10.0), (7.0, 30.0, 11.0)])
    model = JointModel(
        known_field(of.image),
        of.basis,
        HostWindows(of.basis.voxel_functions),
        of.centres,
        of.coefficients,
    )
    np.testing.assert_allclose(model.amplitudes, of.amplitudes, rtol=1e-2)
    assert model.used.all()


@given(seed=seeds)
def test_the_background_near_a_bead_is_its_tangent(seed):
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(-0.3, 0.3, 3)
    of = scene()
    model = of.model(level=lambda points: 20 + points @ slopes)
    for bead, box in enumerate(model.boxes):
        indices = np.indices([part.stop - part.start for part in box])
        points = np.moveaxis(indices, 0, -1) + [part.start for part in box]
        np.testing.assert_allclose(
            model.local_background(bead, box), 20 + points @ slopes, atol=1e-3
        )


# Its linear solution.


@layouts
@given(seed=seeds)
def test_the_curvature_is_symmetric_and_positive(centres, seed):
    rng = np.random.default_rng(seed)
    of = scene(centres)
    model = of.model(deviation=NOISY)
    start = unknowns(model)
    scale = np.where(np.arange(len(start)) < of.basis.size, 1e-3, 1.0)
    one, other = rng.standard_normal((2, len(start))) * scale
    at_start = gradient_at(model, start)
    # With weights that stay the gradient is linear: its change is the matrix times the step.
    times_one = at_start - gradient_at(model, start + one)
    times_other = at_start - gradient_at(model, start + other)
    size = np.sqrt((one @ times_one) * (other @ times_other))
    assert one @ times_one > 0
    assert other @ times_other > 0
    assert abs(other @ times_one - one @ times_other) < 1e-3 * size
    both = at_start - gradient_at(model, start + one - other)
    np.testing.assert_allclose(
        both, times_one - times_other, rtol=0, atol=1e-3 * np.abs(both).max()
    )


@layouts
@pytest.mark.parametrize("most", [1, 4, 100])
def test_what_it_says_it_gained_is_half_the_drop_of_chi_squared(centres, most):
    of = scene(centres)
    model = of.model(deviation=NOISY / 2, coefficients=gaussian_coefficients(of.basis, 1.1))
    model.background = model.background + 3.0
    model.move(model.centres, model.amplitudes)
    model.invalidate_surroundings()
    # Outside the windows only the planes count in which the beads' halo is least.
    counting = np.zeros(of.image.shape, bool)
    counting[dark_planes(model.halo())] = True
    for box in model.boxes:
        counting[box] = True
    before, start = residual_of(model) * counting, unknowns(model)
    first = model.linearise().gradient
    amplitudes = model.amplitudes.copy()
    gains = solved(model, most=most)
    assert 0 < len(gains) <= most
    assert (gains > 0).all()
    after = residual_of(model) * counting
    drop = float((before**2).sum() - (after**2).sum()) / (NOISY / 2) ** 2
    penalty = model.bead_image.background.penalty
    old, new = start[of.basis.size :], model.background
    drop += float(old @ penalty @ old - new @ penalty @ new)
    # The background near a bead is a plane, and of the rest only sums over squares are looked at.
    assert gains.sum() == pytest.approx(drop / 2, rel=0.01)
    # The same by the gradients of before and after, for the scale is the amplitudes' afterwards.
    factor = (model.amplitudes / amplitudes)[0]
    end = np.concatenate([model.coefficients * factor, new])
    model.move(model.centres, amplitudes)
    last = gradient_at(model, end)
    assert gains.sum() == pytest.approx((first + last) @ (end - start) / 2, rel=1e-3)


@layouts
def test_solved_without_noise_the_gradient_is_0_and_the_psf_is_true(centres):
    of = scene(centres)
    model = of.model(coefficients=gaussian_coefficients(of.basis, 1.1))
    first = np.linalg.norm(model.linearise().gradient[: of.basis.size])
    gains = solved(model, times=6)
    assert gains[0] > 1e4
    last = np.linalg.norm(model.linearise().gradient[: of.basis.size])
    assert last < 1e-2 * first
    # There is nothing left that could be gained.
    assert solved(model).sum() < 1e-5 * gains.sum()
    # The scale is the amplitudes', and the PSF's middle as high as it was.
    middle = of.basis.value_at_middle(gaussian_coefficients(of.basis, 1.1), 0.0)
    assert of.basis.value_at_middle(model.coefficients, 0.0) == pytest.approx(middle)
    assert psf_error(model, of) < 0.01
    assert of.basis.total(model.coefficients) == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(model.amplitudes, of.amplitudes, rtol=0.01)
    # Once more gains nothing.
    assert solved(model).sum() < 1e-3 * gains.sum()


def test_normalised_it_says_the_same():
    of = scene()
    model = of.model(coefficients=3 * of.coefficients)
    model.move(of.centres, of.amplitudes / 3)
    model.normalise()
    assert of.basis.total(model.coefficients) == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(model.amplitudes, of.amplitudes)
    assert relative_l2(model.light, of.image - 10) < 2e-3


def test_a_psf_without_light_cannot_be_normalised():
    of = scene()
    model = of.model()
    model.coefficients = -model.coefficients
    with pytest.raises(InputError, match="halo cannot be told from the background"):
        model.normalise()


def test_it_ends_where_little_is_gained():
    of = scene()
    every, few = (
        solved(of.model(coefficients=gaussian_coefficients(of.basis, 1.3)), relative=relative)
        for relative in (0.0, 0.03)
    )
    assert len(few) < len(every)
    np.testing.assert_allclose(few, every[: len(few)])
    assert every[len(few) :].sum() < 0.03 * few.sum()


def test_nothing_is_changed_where_there_is_little_to_gain():
    of = scene()
    model = of.model(coefficients=gaussian_coefficients(of.basis, 1.3))
    before = model.coefficients.copy()
    # Half of chi squared falls by some hundred thousand.
    assert list(model.solve(10, 0.0, worthwhile_nats=1e7)) == []
    np.testing.assert_array_equal(model.coefficients, before)
    assert len(list(model.solve(10, 0.0, worthwhile_nats=1e3))) > 0


def test_in_a_plane():
    of = scene(
        [(0, 10.2, 9.7), (0, 11.4, 30.2), (0, 28.7, 20.1)], shape=(1, 40, 40), window=FLAT_WINDOW
    )
    model = of.model(coefficients=gaussian_coefficients(of.basis, 1.1))
    solved(model, times=3)
    assert psf_error(model, of) < 0.01


def test_a_bead_cut_by_the_border_gives_the_same_psf():
    # What its window has outside the image is not dark: it is not there.
    of = scene([(6.2, 2.3, 37.6)], [5e4])
    model = of.model(coefficients=gaussian_coefficients(of.basis, 1.1))
    solved(model, times=4)
    assert psf_error(model, of) < 0.01


@pytest.mark.parametrize("steep", [0.05, 0.4])
def test_a_slope_of_the_background_is_found(steep):
    slopes = np.random.default_rng(0).uniform(-steep, steep, 3)
    # Of planes in which the beads' halo is least there must be some.
    of = scene(np.add(APART, (8, 0, 0)), shape=(30, 40, 40))
    points = np.moveaxis(np.indices(of.image.shape), 0, -1)
    of = of._replace(image=of.image + points @ slopes)
    # With noise, so that all voxels outside count.
    model = of.model(deviation=3, coefficients=gaussian_coefficients(of.basis, 1.1))
    for _ in range(4):
        solved(model, relative=1e-4, most=60)
        model.invalidate_surroundings()
    at = model.bead_image.background.design_at(of.centres)
    np.testing.assert_allclose(model.background_at_beads, 10 + of.centres @ slopes, atol=0.1)
    np.testing.assert_allclose(at[:, 1:] @ model.background, np.tile(slopes, (4, 1)), atol=0.01)
    assert psf_error(model, of) < 0.02


@pytest.mark.parametrize("which", ["sum", "middle"])
def test_the_variance_is_that_of_the_inverse_curvature(which):
    of = scene([(6.2, 10.1, 12.3), (7.1, 27.7, 28.2)], [2e4, 3e4])
    model = of.model(deviation=NOISY)
    state = model.linearise()
    start = unknowns(model)
    functional = np.zeros(len(start))
    functional[: of.basis.size] = (
        of.basis.sums if which == "sum" else of.basis.profile_gradient(1)[1][WINDOW[1] // 2]
    )
    found = model.variance_of(state, functional)
    at_start = gradient_at(model, start)
    scale = np.where(np.arange(len(start)) < of.basis.size, 1e-2, 10.0)
    columns = [
        (at_start - gradient_at(model, start + scale * unit)) / scale.dot(unit)
        for unit in np.eye(len(start))
    ]
    curvature = np.array(columns)
    curvature = (curvature + curvature.T) / 2
    expected = functional @ np.linalg.solve(curvature, functional)
    assert found == pytest.approx(expected, rel=0.1)


def push_of(model, step) -> np.ndarray:
    """The matrix of half of chi squared times a step, of a model that is linear."""
    start = unknowns(model)
    moved = gradient_at(model, start + step)
    return gradient_at(model, start) - moved


def test_the_precision_is_the_curvature():
    # Of beads on voxels and apart it is that, but for the halo's light between a voxel's places.
    of = scene([(6, 10, 10), (7, 30, 10), (7, 10, 30)])
    model = of.model(deviation=NOISY)
    state = model.linearise()
    size = of.basis.size
    step = np.zeros(len(unknowns(model)))
    step[:size] = 1e-3 * np.random.default_rng(3).standard_normal(size)
    assert relative_l2(state.precision[0] @ step[:size], push_of(model, step)[:size]) < 5e-3


# Windows that lie over one another, as in an image full of beads.
WIDE = (14, 80, 80)
CROWDED = tuple(map(tuple, np.random.default_rng(5).uniform((4, 2, 2), (9, 78, 78), (40, 3))))


@pytest.mark.parametrize(
    "centres", [APART, TOGETHER, CROWDED], ids=["apart", "together", "crowded"]
)
def test_the_backgrounds_precision_and_coupling_are_the_curvature(centres):
    of = scene(np.round(centres), shape=WIDE)
    model = of.model(deviation=NOISY)
    state = model.linearise()
    size = of.basis.size
    step = np.zeros(len(unknowns(model)))
    step[size:] = np.random.default_rng(4).standard_normal(len(step) - size)
    push = push_of(model, step)
    assert relative_l2(state.background_precision @ step[size:], push[size:]) < 1e-5
    # Where windows are cut, slopes in the plane have to do with the PSF too: these it leaves out.
    assert relative_l2(state.coupling.T @ step[size:], push[:size]) < 0.02


# What counts.


def odd_one(of) -> np.ndarray:
    """The image with two beads where the last one was."""
    last, brightness = of.centres[-1], of.amplitudes[-1] / 2
    arguments = of.basis, of.coefficients
    image = of.image - light_of(*arguments, [last], [2 * brightness], of.image.shape)
    places = [last - [0, 1.5, 0.0], last + np.array([0, 1.5, 0.0])]
    return image + light_of(*arguments, places, [brightness] * 2, of.image.shape)


def test_unused_beads_do_not_shape_the_psf():
    of = scene()
    changed = of._replace(image=odd_one(of))
    gradients, errors = {}, {}
    for used in (True, False):
        model = changed.model(coefficients=gaussian_coefficients(of.basis, 1.1))
        model.used[-1] = used
        state = model.linearise()
        gradients[used] = state.gradient[: of.basis.size]
        solved(model, times=4)
        errors[used] = psf_error(model, of)
    assert errors[True] > 0.02
    assert errors[False] < 0.01
    truth = of.model(coefficients=gaussian_coefficients(of.basis, 1.1))
    truth.used[-1] = False
    np.testing.assert_allclose(
        gradients[False], truth.linearise().gradient[: of.basis.size], rtol=1e-6
    )


def test_an_unused_beads_light_is_taken_away():
    of = scene(TOGETHER)
    model = of.model(coefficients=of.coefficients)
    model.used[1] = False
    solved(model, times=2)
    assert psf_error(model, of) < 0.01


@given(seed=seeds)
def test_saturated_voxels_count_for_nothing(seed):
    rng = np.random.default_rng(seed)
    of = scene()
    saturation = float(np.quantile(of.image, 0.995))
    found = []
    for garbage in (False, True):
        image = np.minimum(of.image, saturation)
        high = image >= saturation
        # Between the windows, too.
        high |= rng.random(image.shape) < 0.01 if garbage else False
        if not garbage:
            high |= np.random.default_rng(seed).random(image.shape) < 0.01
        image[high] = saturation + (1e5 * rng.random(high.sum()) if garbage else 0)
        model = of._replace(image=image).model(
            coefficients=gaussian_coefficients(of.basis, 1.1), saturation=saturation
        )
        gains = solved(model, most=10)
        model.invalidate_surroundings()
        found.append((gains, model.coefficients, model.background, model.amplitudes))
        rng = np.random.default_rng(seed)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_psf_below_a_saturated_peak_is_told_by_the_others():
    of = scene(amplitudes=[1e4, 1.2e4, 1e4, 5e4])
    saturation = float(np.float32(0.5 * of.image.max()))
    cut = of._replace(image=np.minimum(of.image, saturation))
    start = 0.8 * of.coefficients + 0.2 * gaussian_coefficients(of.basis, 1.1)
    errors = []
    for known in (saturation, float("inf")):
        model = cut.model(coefficients=start, saturation=known)
        solved(model, times=4)
        errors.append(psf_error(model, of))
    assert errors[0] < 0.05
    assert errors[1] > 4 * errors[0]


def test_hot_pixels_weigh_little():
    of = scene()
    rng = np.random.default_rng(4)
    image = of.image + rng.normal(0, 1, of.image.shape)
    image[tuple(rng.integers(0, of.image.shape, (60, 3)).T)] += 2000
    model = of._replace(image=image).model()
    weights = model.linearise().weights
    for weight, box in zip(weights, model.boxes, strict=True):
        hot = image[box] > of.image[box] + 1000
        assert hot.any()
        assert (weight[hot] < 0.005).all()
        assert np.median(weight[~hot]) == pytest.approx(1, rel=1e-6)
    solved(model, times=3)
    assert psf_error(model, of) < 0.08
    assert model.background_at_beads == pytest.approx(10, abs=0.3)


def test_brighter_voxels_weigh_less():
    of = scene()
    model = of.model(gain=2.0)
    box = model.boxes[0]
    weight = model.linearise().weights[0]
    np.testing.assert_allclose(weight, 1 / (1 + 2 * of.image[box]), rtol=0.02)


# The noise that is left.


@pytest.mark.parametrize("more", [1.0, 3.0])
def test_calibrate_measures_the_noise(more):
    of = scene(amplitudes=[1e4] * 4)
    light, level = np.array([[0, 300]], np.float32), np.full((1, 2), 10, np.float32)
    found = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        image = of.image + rng.normal(0, np.sqrt(4 * more), of.image.shape)
        model = of._replace(image=image).model(deviation=2)
        model.update_noise()
        found.append(model.variance(light, level)[0])
    dark, bright = np.median(found, axis=0)
    assert dark == pytest.approx(4 * more, rel=0.1)
    # Few voxels are so bright.
    assert bright == pytest.approx(4 * more, rel=0.35)


def test_calibrate_measures_what_the_psf_misses():
    of = scene()
    model = of.model(deviation=2, coefficients=gaussian_coefficients(of.basis, 1.1))
    assert model.noise == ResidualNoise()
    model.update_noise()
    assert 0.02 < model.noise.misfit < 1
    light, level = np.full((1, 1), 300, np.float32), np.full((1, 1), 10, np.float32)
    noise = model.noise
    expected = noise.scale * 4 + noise.gain * 300 + (noise.misfit * 300) ** 2
    assert model.variance(light, level).item() == pytest.approx(expected, rel=1e-5)


# More terms.


def turned(model, prior: float) -> None:
    """Let the PSF turn once."""
    basis = basis_of(orders=(0, 1))
    priors = [None, *(prior * np.eye(size) for size in basis.sizes[1:])]
    added = np.zeros(basis.size - model.basis.size)
    coefficients = np.concatenate([model.coefficients, added])
    model.change_basis(basis, HostWindows(basis.voxel_functions), coefficients, priors)


def test_new_terms_change_nothing_by_themselves():
    of = scene(TOGETHER)
    model = of.model()
    before = model.light.copy()
    turned(model, 1.0)
    assert len(model.coefficients) == basis_of(orders=(0, 1)).size
    np.testing.assert_allclose(model.light, before, atol=1e-4 * before.max())


@pytest.mark.parametrize("prior", [1e-3, 1e15], ids=["weak", "strong"])
def test_new_terms_are_told_by_the_image_and_their_prior(prior):
    of = scene()
    basis = basis_of(orders=(0, 1))
    truth = true_coefficients(basis)
    part = basis.split(truth)[1]
    part[:] = 0.02 * np.random.default_rng(1).standard_normal(part.shape) * np.abs(truth).max()
    at = np.round(of.centres)
    image = np.full(of.image.shape, 10.0)
    bead = basis.bead(truth)
    for (z, y, x), amplitude in zip(at.astype(int), of.amplitudes, strict=True):
        image[z - 4 : z + 5, y - 8 : y + 9, x - 8 : x + 9] += amplitude * bead
    model = of._replace(image=image, centres=at).model()
    turned(model, prior)
    solved(model, times=4)
    found = basis.split(model.coefficients)
    if prior < 1:
        assert relative_l2(basis.psf(model.coefficients), basis.psf(truth)) < 0.02
        assert relative_l2(found[1], part) < 0.1
    else:
        assert np.abs(found[1]).max() < 1e-3 * np.abs(part).max()
    assert np.abs(found[2]).max() < 0.1 * np.abs(part).max()


def test_orders_are_expected_as_strong_as_they_are():
    of = scene(np.round(APART))
    envelope = of.basis.envelope(of.coefficients)
    basis = FourierBessel(WINDOW, SPACING, BAND, DIAMETER, (0, 1, 2), envelope, 40)
    truth = basis.fitted(of.basis.psf(of.coefficients))
    scale, terms = 0.1, basis.terms
    rng = np.random.default_rng(3)
    for term in (3, 4):
        deviations = np.sqrt(scale * basis.prior_variances_of(term))
        basis.split(truth)[term][:] = deviations * rng.standard_normal(len(deviations))
    image = np.full(of.image.shape, 10.0)
    for (z, y, x), amplitude in zip(of.centres.astype(int), of.amplitudes, strict=True):
        image[z - 4 : z + 5, y - 8 : y + 9, x - 8 : x + 9] += amplitude * basis.bead(truth)
    image += rng.normal(0, 2, image.shape)
    model = of._replace(image=image).model(deviation=2)
    symmetric = basis.fitted(of.basis.psf(of.coefficients))
    priors = [None, *(1 / basis.prior_variances_of(term) for term in range(1, len(terms)))]
    model.change_basis(basis, HostWindows(basis.voxel_functions), symmetric, priors)
    for _ in range(4):
        model.update_order_priors(finish(model.solve(100, 1e-4)))
    # It is not of those that do not turn.
    assert model.priors[0] is None
    for term, (order, _) in enumerate(terms):
        if order:
            found = 1 / (model.priors[term] * basis.prior_variances_of(term))
            strong = basis.prior_variances_of(term) > 1e-4 * basis.prior_variances_of(term)[0]
            for side in (basis.odd(term), ~basis.odd(term)):
                those = found[side & strong]
                np.testing.assert_allclose(those, those[0])
                if order == 2:
                    assert those[0] == pytest.approx(scale, rel=0.5)
                else:
                    assert those[0] < 0.1 * scale
    assert relative_l2(basis.psf(model.coefficients), basis.psf(truth)) < 0.05


# Anywhere the same.


@pytest.mark.opencl
@layouts
def test_every_device_gives_the_same_psf(opencl_device, centres):
    from napari_psf_distiller.compute.opencl.windows import OpenCLWindows

    of = scene(centres)
    found = []
    for windows in (HostWindows, lambda of: OpenCLWindows(opencl_device, of)):
        model = of.model(windows=windows, coefficients=gaussian_coefficients(of.basis, 1.1))
        solved(model, most=8)
        found.append(of.basis.psf(model.coefficients))
        model.windows.close()
    assert relative_l2(found[1], found[0]) < 1e-4


def test_the_background_of_a_spline_is_its_own():
    # The helper of these tests.
    background = known_field(np.zeros((14, 40, 40))).background
    coefficients = spline_of(background, lambda points: 3 + points @ [0.1, 0.2, -0.1])
    point = np.array([[3.0, 10.0, 20.0]])
    assert background.design_at(point)[0, 0] @ coefficients == pytest.approx(3.3)
