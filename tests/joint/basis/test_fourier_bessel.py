"""Sums of Bessel functions and waves, against what they are said to be."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import relative_l2, seeds
from scipy import special

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.rings import Rings
from napari_psf_distiller.joint.basis.voxel_functions import (
    TABLE_STEPS_PER_PIXEL,
    VoxelFunctions,
)
from napari_psf_distiller.optics import Band, ball_form_factor

BAND = Band(3.0, 1.0)

# Window, spacing, orders. The rows of the uneven ones are neither as many nor as wide as columns.
BASES = {
    "round": ((9, 15, 15), (0.3, 0.1, 0.1), (0,)),
    "uneven": ((7, 13, 17), (0.25, 0.12, 0.1), (0,)),
    "plane": ((1, 15, 15), (1.0, 0.1, 0.1), (0,)),
    "turning": ((7, 13, 13), (0.3, 0.1, 0.1), (0, 1, 2)),
    "turning plane": ((1, 13, 13), (1.0, 0.1, 0.1), (0, 1, 2)),
    "within an envelope": ((7, 13, 13), (0.3, 0.1, 0.1), (0, 1, 2)),
}
names = st.sampled_from(list(BASES))
# Of each order that turns, so many coefficients within an envelope.
FEW = 20


@functools.cache
def basis(name: str, diameter: float = 0.0) -> FourierBessel:
    window, spacing, orders = BASES[name]
    envelope = None
    if name == "within an envelope":
        still = FourierBessel(window, spacing, BAND)
        z, r, _ = voxels(still)
        envelope = still.envelope(still.fitted(np.exp(-((r / 0.25) ** 2) - (z / 0.8) ** 2)))
    return FourierBessel(window, spacing, BAND, diameter, orders, envelope, FEW)


def voxels(of: FourierBessel):
    """Return z, and r and the angle about the optical axis, of a window's voxels."""
    z, y, x = ((np.arange(n) - n // 2) * s for n, s in zip(of.window, of.spacing, strict=True))
    y, x = y[:, None], x[None]
    return z[:, None, None], np.sqrt(y**2 + x**2)[None], np.arctan2(y, x)[None]


def at(of: FourierBessel, amplitudes, z, r, angle):
    """Return the sum with these amplitudes at some places, function by function."""
    result = np.zeros(np.broadcast_shapes(np.shape(z), np.shape(r), np.shape(angle)))
    columns = [(m, sine, k) for m, sine in of.terms for k in of.radial]
    for row, f in zip(amplitudes, of.waves, strict=True):
        wave = np.sin(2 * np.pi * f * z) if f < 0 else np.cos(2 * np.pi * f * z)
        for amplitude, (m, sine, k) in zip(row, columns, strict=True):
            turn = np.sin(m * angle) if sine else np.cos(m * angle)
            result = result + amplitude * wave * special.jv(m, 2 * np.pi * k * r) * turn
    return result


def seen(of: FourierBessel) -> VoxelFunctions:
    """Return what an image's voxels see of a PSF's functions."""
    return of.voxel_functions


def some(of: FourierBessel, seed: int = 0):
    """Return coefficients."""
    return np.random.default_rng(seed).standard_normal(of.size)


def jacobian(of: FourierBessel, image):
    """Return the derivative of an image, which is linear, by the coefficients: (voxels, size)."""
    return np.stack([image(unit).ravel() for unit in np.eye(of.size)], axis=1)


# The ball.


def test_the_ball_passes_all_light():
    assert ball_form_factor(np.zeros(1), 0.2) == pytest.approx(1, abs=1e-6)
    assert ball_form_factor(np.array([1e5]), 0.0) == pytest.approx(1, abs=1e-6)


def test_the_ball_at_low_frequencies():
    # The second moment: along each axis a fifth of the squared radius.
    frequency, diameter = np.geomspace(1e-3, 0.05, 20), 0.5
    expected = 1 - (2 * np.pi * frequency) ** 2 * (diameter / 2) ** 2 / 10
    np.testing.assert_allclose(ball_form_factor(frequency, diameter), expected, atol=5e-7)


def test_the_ball_is_the_transform_of_a_sphere_cut_in_discs():
    radius, frequency = 0.3, np.linspace(0, 6, 30)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    disc = 0.75 * (1 - nodes**2) * weights
    expected = np.cos(2 * np.pi * np.outer(frequency, radius * nodes)) @ disc
    np.testing.assert_allclose(ball_form_factor(frequency, 2 * radius), expected, atol=1e-6)


# The coefficients, and what they tell.


def test_what_a_basis_has():
    of = basis("turning")
    assert of.terms == ((0, False), (1, False), (1, True), (2, False), (2, True))
    assert seen(of).columns == 5 * len(of.radial)
    assert of.size == sum(part.size for part in of.split(some(of)))
    assert [part.size for part in of.split(some(of))] == list(of.sizes)
    assert basis("within an envelope").sizes == (of.sizes[0], *[FEW] * 4)
    assert (of.radial.min(), of.radial.max()) == (0, BAND.lateral)
    assert (of.waves.min(), of.waves.max()) == (-BAND.axial, BAND.axial)
    assert list(basis("plane").waves) == [0]


@given(name=names, seed=seeds, diameter=st.sampled_from([0.0, 0.3]))
def test_amplitudes_and_their_adjoint(name, seed, diameter):
    of = basis(name, diameter)
    coefficients = some(of, seed)
    amplitudes = np.random.default_rng(seed + 1).standard_normal((len(of.waves), seen(of).columns))
    one = np.vdot(of.bead_spectrum(coefficients), amplitudes)
    other = np.vdot(coefficients, of.bead_spectrum_adjoint(amplitudes))
    size = np.linalg.norm(of.bead_spectrum(coefficients)) * np.linalg.norm(amplitudes)
    assert abs(one - other) <= 1e-12 * size


@pytest.mark.parametrize("name", BASES)
def test_a_psf_is_the_sum_of_its_functions(name):
    of = basis(name)
    coefficients = some(of)
    found = of.psf(coefficients)
    expected = at(of, of.bead_spectrum(coefficients), *voxels(of))
    assert relative_l2(found, expected) <= 1e-6


@pytest.mark.parametrize("name", BASES)
def test_a_point_like_bead_looks_like_the_psf(name):
    of = basis(name)
    assert relative_l2(of.bead(some(of)), of.psf(some(of))) <= 1e-6


@pytest.mark.parametrize("name", ["uneven", "turning", "turning plane"])
def test_a_bead_is_the_psf_convolved_with_a_ball(name):
    # The mean over places in the ball, by Gauss's nodes: of the functions, not of the voxels.
    diameter = 0.4
    of = basis(name, diameter)
    coefficients = some(of)
    nodes, weights = np.polynomial.legendre.leggauss(10)
    radius, r_weights = (nodes + 1) * diameter / 4, weights * (nodes + 1) ** 2
    azimuth = 2 * np.pi * np.arange(16) / 16
    rho, u, phi = np.meshgrid(radius, nodes, azimuth, indexing="ij")
    weight = np.broadcast_to((r_weights[:, None] * weights)[..., None], rho.shape)
    weight = weight / weight.sum()
    dz, dy, dx = rho * u, *(rho * np.sqrt(1 - u**2) * turn(phi) for turn in (np.sin, np.cos))
    point = basis(name)
    found, expected = [], []
    for voxel in [(0, 0, 0), (1, -3, 2), (-2, 1, 4), (2, 5, -5)]:
        index = tuple((n // 2 + v) % n for n, v in zip(of.window, voxel, strict=True))
        z, y, x = ((i - n // 2) * s for i, n, s in zip(index, of.window, of.spacing, strict=True))
        y, x = y + dy, x + dx
        values = at(
            point, point.bead_spectrum(coefficients), z + dz, np.hypot(y, x), np.arctan2(y, x)
        )
        expected.append((values * weight).sum())
        found.append(of.bead(coefficients)[index])
    assert relative_l2(found, expected) <= 1e-4
    # It is not the PSF.
    assert relative_l2(of.bead(coefficients), of.psf(coefficients)) > 0.05


@pytest.mark.parametrize("name", BASES)
def test_total_is_the_sum_over_the_window(name):
    of = basis(name)
    psf = of.psf(some(of))
    assert of.total(some(of)) == pytest.approx(psf.sum(), abs=1e-10 * np.abs(psf).sum())


@pytest.mark.parametrize("name", BASES)
def test_sums_are_orthonormal_and_fitted_finds_them(name):
    of = basis(name)
    matrix = jacobian(of, of.psf)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(of.size), atol=1e-8)
    np.testing.assert_allclose(of.fitted(of.psf(some(of))), some(of), atol=1e-8)
    array = np.random.default_rng(1).standard_normal(of.window)
    np.testing.assert_allclose(of.fitted(array), matrix.T @ array.ravel(), atol=1e-8)


@pytest.mark.parametrize("name", BASES)
def test_a_psf_is_the_same_in_its_own_functions(name):
    of = basis(name)
    np.testing.assert_allclose(of.projected(of, some(of)), some(of), atol=1e-8)


def test_orders_that_are_not_orthogonal_on_pixels_do_not_mix():
    # On a square grid one turn and three have products, as have three and nine.
    window, spacing, _ = BASES["turning"]
    few, many = (
        FourierBessel(window, spacing, BAND, 0.0, orders) for orders in ((0, 3), (0, 1, 3, 9))
    )
    psf = few.psf(some(few))
    found = many.projected(few, some(few))
    assert relative_l2(many.psf(found), psf) <= 1e-9
    assert relative_l2(few.projected(many, found), some(few)) <= 1e-9
    # All functions together find that which they add up to in other ones too.
    assert relative_l2(many.psf(many.fitted(psf)), psf) > 1e-3


@pytest.mark.parametrize("planes", [-2, 1])
def test_a_psf_is_displaced_by_planes(planes):
    of = basis("turning")
    coefficients = some(of)
    moved = np.roll(of.psf(coefficients), planes, axis=0)
    moved[slice(None, planes) if planes > 0 else slice(planes, None)] = 0
    # As near as a sum of these functions comes.
    found = of.psf(of.projected(of, coefficients, planes))
    assert relative_l2(found, of.psf(of.fitted(moved))) < 0.02


@pytest.mark.parametrize("name", [name for name in BASES if name != "within an envelope"])
def test_fitted_reproduces_what_the_band_passes(name):
    of = basis(name)
    rng = np.random.default_rng(3)
    z, r, angle = voxels(of)
    array = np.zeros(of.window)
    # Frequencies that are not the basis's.
    for m, sine in of.terms:
        turn = np.sin(m * angle) if sine else np.cos(m * angle)
        for k, f, phase in rng.uniform(0, (BAND.lateral, BAND.axial, 6), (5, 3)):
            wave = np.cos(2 * np.pi * f * z + phase) if of.window[0] > 1 else 1
            array += rng.standard_normal() * special.jv(m, 2 * np.pi * k * r) * wave * turn
    assert relative_l2(of.psf(of.fitted(array)), array) <= 1e-3


def test_fitted_reproduces_an_airy_pattern():
    of = basis("round")
    z, r, _ = voxels(of)
    v = np.maximum(np.pi * BAND.lateral * r, 1e-9)
    array = (2 * special.j1(v) / v) ** 2 * (1 + np.cos(2 * np.pi * 0.7 * z + 0.4))
    assert relative_l2(of.psf(of.fitted(array)), array) <= 1e-3


@pytest.mark.parametrize("planes", [9, 15, 21, 31, 51])
def test_displaced_functions_are_hardly_brighter(planes):
    # What is faint in the window and bright beyond its ends would be told by noise.
    of = FourierBessel((planes, 21, 21), (0.2, 0.08, 0.08), Band(4.7, 1.53))
    root = of.bead_functions.displacement_gram_root(
        of.bead_functions.displacement_gram([seen(of).waves_at(-0.5), seen(of).waves_at(0.5)]),
        0,
    )
    assert np.linalg.eigvalsh(root).max() < 8


def test_what_the_band_stops_is_left_out():
    of = FourierBessel((1, 41, 41), (1.0, 0.1, 0.1), Band(1.5, 0.0))
    _, r, _ = voxels(of)
    array = special.j0(2 * np.pi * 2.5 * r) * np.exp(-((r / 1.0) ** 2))
    assert np.linalg.norm(of.fitted(array)) < 0.02 * np.linalg.norm(array)


# Displaced, and derivatives.


@pytest.mark.parametrize("name", ["uneven", "turning"])
def test_waves_are_displaced_by_voxels(name):
    of = basis(name)
    np.testing.assert_allclose(seen(of).waves_at(1.0)[1:], seen(of).waves_at(0.0)[:-1], atol=1e-12)
    z = (np.arange(of.window[0]) - of.window[0] // 2 - 0.3)[:, None] * of.spacing[0]
    phase = 2 * np.pi * of.waves * z
    expected = np.where(of.waves < 0, np.sin(phase), np.cos(phase))
    np.testing.assert_allclose(seen(of).waves_at(0.3), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["uneven", "plane"])
@pytest.mark.parametrize("displacement", [-0.4, 0.0, 0.25])
def test_the_derivative_of_waves(name, displacement):
    of, h = basis(name), 1e-5
    difference = (seen(of).waves_at(displacement + h) - seen(of).waves_at(displacement - h)) / (
        2 * h
    )
    places = np.arange(of.window[0]) - of.window[0] // 2 - displacement
    found = seen(of).waves_along(places, derivative=True)
    np.testing.assert_allclose(found, difference, atol=1e-8)


@pytest.mark.parametrize("name", ["uneven", "turning"])
def test_tables(name):
    of = basis(name)
    assert seen(of).step == pytest.approx(0.1 / TABLE_STEPS_PER_PIXEL)
    places = np.arange(seen(of).table_length) * seen(of).step
    # They reach as far as a displaced window's corner, and a place further.
    corner = [(n // 2 + 0.5) * s for n, s in zip(of.window[1:], of.spacing[1:], strict=True)]
    assert places[-1] >= np.hypot(*corner) + seen(of).step
    # Those of an order that it does not have, too: a derivative has one more.
    for order in (0, 1, 2, 3):
        expected = special.jv(order, 2 * np.pi * places[:, None] * of.radial)
        np.testing.assert_allclose(seen(of).table(order), expected, atol=1e-6)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 6, 12])
def test_straight_lines_in_tables(order):
    # With the highest frequency that voxels can sample.
    of = FourierBessel((1, 31, 31), (1.0, 0.1, 0.12), Band(0.5 / 0.12, 0.0))
    across, along = np.random.default_rng(order).uniform(-1.5, 1.5, (2, 10_000))
    rows, part = seen(of).table_rows_at(across, along)
    assert ((part >= 0) & (part < 1)).all()
    np.testing.assert_allclose((rows + part) * seen(of).step, np.hypot(across, along), atol=1e-12)
    table, part = seen(of).table(order).astype(float), part[:, None]
    found = table[rows] * (1 - part) + table[rows + 1] * part
    expected = special.jv(order, 2 * np.pi * np.hypot(across, along)[:, None] * of.radial)
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


# Statistics.


@pytest.mark.parametrize("diameter", [0.0, 0.4])
@pytest.mark.parametrize("name", ["uneven", "plane", "turning", "within an envelope"])
def test_hessian_is_the_weighted_normal_matrix(name, diameter):
    of = basis(name, diameter)
    z, r, _ = voxels(of)
    weights = (1 + 0.5 * np.sin(z)) / (0.1 + r**2)
    matrix = jacobian(of, of.bead)
    ends = np.cumsum([0, *of.sizes])
    for term, (start, stop) in enumerate(itertools.pairwise(ends)):
        part = matrix[:, start:stop]
        expected = part.T @ (weights.ravel()[:, None] * part)
        assert relative_l2(of.bead_functions.hessian(weights, term), expected) <= 1e-3


@pytest.mark.parametrize("name", ["uneven", "turning", "within an envelope"])
def test_hessian_of_displaced_beads(name):
    # Exact where the weights are the same all along z and a bead is a point.
    of = basis(name)
    _, r, _ = voxels(of)
    weights = 1 / (0.1 + r**2) * np.ones(of.window)
    displacements = np.array([-0.45, 0.1, 0.4])
    jacobians = [
        jacobian(of, lambda coefficients, d=d: of.psf(coefficients, d)) for d in displacements
    ]
    mean = np.mean([j.T @ (weights.ravel()[:, None] * j) for j in jacobians], axis=0)
    displaced = of.bead_functions.displacement_gram([seen(of).waves_at(d) for d in displacements])
    ends = np.cumsum([0, *of.sizes])
    for term, (start, stop) in enumerate(itertools.pairwise(ends)):
        found = of.bead_functions.hessian(weights, term, displaced)
        # A point is taken for a tiny ball.
        assert relative_l2(found, mean[start:stop, start:stop]) <= 1e-6
        # The functions that rise beyond the window's ends are brighter there.
        assert np.trace(found) > 1.2 * np.trace(of.bead_functions.hessian(weights, term))
        root = of.bead_functions.displacement_gram_root(
            of.bead_functions.displacement_gram([seen(of).waves_at(0.0)] * 2), term
        )
        np.testing.assert_allclose(root, np.eye(len(root)), atol=1e-9)


@given(name=names, seed=seeds, first=st.sampled_from([0, 1]))
def test_the_adjoints_of_all_terms_together(name, seed, first):
    of = basis(name, 0.3)
    planes = slice(min(first, of.shape[0] - 1), None, 2)
    array = np.zeros(of.shape)
    array[planes] = np.random.default_rng(seed).standard_normal(array[planes].shape)
    found = of.bead_functions.adjoints(array, planes)
    for term, part in enumerate(found):
        np.testing.assert_allclose(
            part, of.bead_functions.adjoint(array, term), rtol=1e-9, atol=1e-9
        )


@given(name=names, seed=seeds, diameter=st.sampled_from([0.0, 0.3]))
def test_a_bead_and_its_adjoint(name, seed, diameter):
    of = basis(name, diameter)
    array = np.random.default_rng(seed + 1).standard_normal(of.window)
    adjoint = [of.bead_functions.adjoint(array, term) for term in range(len(of.terms))]
    assert tuple(part.size for part in adjoint) == of.sizes
    coefficients = some(of, seed)
    bead = of.bead(coefficients)
    off = np.vdot(bead, array) - coefficients @ np.concatenate(adjoint)
    # The ball is few products of functions.
    assert abs(off) <= 1e-3 * np.linalg.norm(bead) * np.linalg.norm(array)


@pytest.mark.parametrize("name", ["uneven", "plane", "within an envelope"])
def test_the_adjoint_of_many_arrays(name):
    of, rng = basis(name, 0.4), np.random.default_rng(2)
    array, planes = rng.standard_normal(of.window), rng.standard_normal((3, of.window[0]))
    displaced = of.bead_functions.displacement_gram([seen(of).waves_at(d) for d in (-0.3, 0.2)])
    for term in range(len(of.terms)):
        found = of.bead_functions.adjoint(array, term, displaced, planes)
        assert found.shape == (3, of.sizes[term])
        for row, factors in zip(found, planes, strict=True):
            expected = of.bead_functions.adjoint(array * factors[:, None, None], term, displaced)
            np.testing.assert_allclose(row, expected, atol=1e-9 * np.abs(found).max())


def test_bead_adjoint_of_displaced_beads_goes_with_the_hessian():
    of = basis("uneven")
    weights = np.abs(some(of)).sum() * np.ones(of.window)
    displaced = of.bead_functions.displacement_gram([seen(of).waves_at(d) for d in (-0.3, 0.2)])
    # The weights times the bead of a displaced sum of functions, seen by the same functions.
    coefficients = some(of)
    root = of.bead_functions.displacement_gram_root(displaced, 0)
    moved = (root @ of.split(coefficients)[0].reshape(len(root), -1)).ravel()
    found = of.bead_functions.adjoint(weights * of.bead(moved), 0, displaced)
    expected = of.bead_functions.hessian(weights, 0, displaced) @ coefficients
    assert relative_l2(found, expected) <= 1e-3


@pytest.mark.parametrize("name", BASES)
def test_the_profile_and_its_derivative(name):
    of = basis(name)
    psf = of.psf(some(of))
    for axis in range(3):
        positions, gradient = of.profile_gradient(axis)
        line = tuple(slice(None) if a == axis else n // 2 for a, n in enumerate(of.window))
        np.testing.assert_allclose(gradient @ some(of), psf[line], atol=1e-8)
        n = of.window[axis]
        np.testing.assert_array_equal(positions, np.arange(n) - n // 2)


@pytest.mark.parametrize("name", BASES)
def test_a_profile_through_any_voxel_of_a_displaced_psf(name):
    of = basis(name)
    displacement = 0.0 if of.window[0] == 1 else 0.3
    psf = of.psf(some(of), displacement)
    voxel = tuple(n // 3 for n in of.window)
    for axis in range(3):
        _, gradient = of.profile_gradient(axis, displacement, voxel)
        line = tuple(slice(None) if a == axis else place for a, place in enumerate(voxel))
        np.testing.assert_allclose(gradient @ some(of), psf[line], atol=1e-8)


@pytest.mark.parametrize("name", ["uneven", "plane", "turning", "within an envelope"])
def test_variance_is_that_of_the_coefficients(name):
    of, rng = basis(name), np.random.default_rng(4)
    factors = [rng.standard_normal((size, 3)) for size in of.sizes]
    matrix, expected, start = jacobian(of, of.psf), np.zeros(of.window), 0
    for factor in factors:
        part = matrix[:, start : start + len(factor)]
        covariance = factor @ factor.T
        expected += ((part @ covariance) * part).sum(axis=1).reshape(of.window)
        start += len(factor)
    assert relative_l2(of.variance(factors), expected) <= 1e-8


# What is expected of a PSF's parts.


def test_the_orders_that_turn_are_expected_within_the_envelope():
    of = basis("within an envelope")
    with pytest.raises(ValueError, match="made without an envelope"):
        of.prior_variances_of(0)
    matrix = jacobian(of, of.psf)
    ends = np.cumsum([0, *of.sizes])
    still = FourierBessel(of.window, of.spacing, BAND)
    z, r, _ = voxels(still)
    envelope = still.envelope(still.fitted(np.exp(-((r / 0.25) ** 2) - (z / 0.8) ** 2)))
    rings = Rings(of.window[1:], of.spacing[1:])
    inside = rings.planes(envelope).ravel()[:, None]
    for term in range(1, len(of.terms)):
        part = matrix[:, ends[term] : ends[term + 1]]
        expected = np.diag(of.prior_variances_of(term))
        np.testing.assert_allclose(part.T @ (inside * part), expected, atol=1e-8 * expected.max())


def speckle(seed: int, shape, spacing, orders: int):
    """Return an image that is nowhere negative, from a pupil with any phases, within a band."""
    rng = np.random.default_rng(seed)
    z, y, x = ((np.arange(n) - n // 2) * s for n, s in zip(shape, spacing, strict=True))
    count = 40
    radius = np.sqrt(rng.uniform(0, 1, count)) * BAND.lateral / 2
    angle = rng.uniform(0, 2 * np.pi, count)
    # Along z within half of the band to each side, so that the square is within it.
    along = rng.uniform(-0.5, 0.5, count) * BAND.axial * (len(z) > 1)
    waves = np.exp(2j * np.pi * np.outer(radius * np.sin(angle), y))
    waves_too = np.exp(2j * np.pi * np.outer(radius * np.cos(angle), x))
    axial = np.exp(2j * np.pi * np.outer(along, z))
    # Phases that turn slowly about the axis make a focus; others a speckle pattern.
    phases = rng.normal(0, 1, orders) @ np.cos(np.outer(np.arange(orders), angle))
    return np.abs(np.einsum("c,cz,cy,cx->zyx", np.exp(1j * phases), axial, waves, waves_too)) ** 2


@given(seed=seeds, name=st.sampled_from(["turning", "turning plane"]), orders=st.integers(1, 6))
def test_what_turns_is_within_the_envelope(seed, name, orders):
    # Of what is nowhere negative no order is more than twice the mean around the axis. The
    # envelope is the mean's square, but for its dark rings.
    of = basis(name)
    coefficients = of.fitted(speckle(seed, of.window, of.spacing, orders))
    limit = 4 * Rings(of.window[1:], of.spacing[1:]).planes(of.envelope(coefficients))
    assert (limit >= 0).all()
    parts = of.split(coefficients)
    for order in (1, 2):
        alone = [
            part if turns == order else 0 * part
            for part, (turns, _) in zip(parts, of.terms, strict=True)
        ]
        square = of.psf(np.concatenate(alone)) ** 2
        assert square.sum() <= limit.sum()
        assert (square <= 2 * limit + 1e-2 * limit.max()).all()


@pytest.mark.parametrize("name", ["uneven", "plane", "turning"])
def test_the_envelope_is_the_square_of_the_mean_around_the_axis(name):
    of = basis(name)
    z, r, _ = voxels(of)
    # So smooth that no neighbourhood matters.
    mean = (1 + 0.1 * np.cos(2 * np.pi * 0.05 * z)) * special.j0(2 * np.pi * 0.1 * r)
    envelope = of.envelope(of.fitted(mean * np.ones(of.window)))
    assert relative_l2(Rings(of.window[1:], of.spacing[1:]).planes(envelope), mean**2) <= 0.05


@pytest.mark.parametrize("name", ["uneven", "turning", "within an envelope"])
def test_power_is_the_squares_of_the_amplitudes(name):
    of = basis(name)
    power = of.power(some(of))
    assert power.shape == (len(of.waves), len(of.radial))
    np.testing.assert_allclose(power, power[::-1])
    squares = np.split(of.bead_spectrum(some(of)) ** 2, len(of.terms), axis=1)
    # Smoothing and making it symmetric moves power, but keeps it.
    assert power.sum() == pytest.approx(sum(part.sum() for part in squares), rel=1e-5)
    np.testing.assert_allclose(of.power(2 * some(of)), 4 * power)


@pytest.mark.parametrize("name", ["uneven", "plane", "turning", "within an envelope"])
def test_covariance_is_that_of_independent_amplitudes(name):
    of = basis(name)
    rng = np.random.default_rng(6)
    power = rng.uniform(0, 1, (len(of.waves), len(of.radial)))
    _, r, angle = voxels(of)
    ends, matrix = np.cumsum([0, *of.sizes]), jacobian(of, of.psf)
    for term, (m, sine) in enumerate(of.terms):
        turn = np.sin(m * angle) if sine else np.cos(m * angle)
        disc = special.jv(m, 2 * np.pi * r.ravel()[:, None] * of.radial) * turn.ravel()[:, None]
        functions = np.einsum("zf,pk->zpfk", seen(of).waves_at(0.0), disc)
        functions = functions.reshape(-1, power.size)
        projected = matrix[:, ends[term] : ends[term + 1]].T @ functions
        expected = (projected * power.ravel()) @ projected.T
        assert relative_l2(of.covariance(power, term), expected) <= 1e-6
