"""Sums of Bessel functions and waves, against what they are said to be."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import relative_l2, seeds
from scipy import special

from napari_psf_distiller.compute.fourier_bessel import (
    STEPS,
    Band,
    FourierBessel,
    ball_form_factor,
)

BAND = Band(3.0, 1.0)

# Window, spacing, orders. The rows of the uneven ones are neither as many nor as wide as columns.
BASES = {
    "round": ((9, 15, 15), (0.3, 0.1, 0.1), (0,)),
    "uneven": ((7, 13, 17), (0.25, 0.12, 0.1), (0,)),
    "plane": ((1, 15, 15), (1.0, 0.1, 0.1), (0,)),
    "turning": ((7, 13, 13), (0.3, 0.1, 0.1), (0, 1, 2)),
    "turning plane": ((1, 13, 13), (1.0, 0.1, 0.1), (0, 1, 2)),
}
names = st.sampled_from(list(BASES))


@functools.cache
def basis(name: str, diameter: float = 0.0) -> FourierBessel:
    window, spacing, orders = BASES[name]
    return FourierBessel(window, spacing, BAND, diameter, orders)


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
    assert of.columns == 5 * len(of.radial)
    assert of.size == sum(part.size for part in of.split(some(of)))
    assert [part.shape for part in of.split(some(of))] == list(of.shapes)
    assert (of.radial.min(), of.radial.max()) == (0, BAND.lateral)
    assert (of.waves.min(), of.waves.max()) == (-BAND.axial, BAND.axial)
    assert list(basis("plane").waves) == [0]


@given(name=names, seed=seeds, diameter=st.sampled_from([0.0, 0.3]))
def test_amplitudes_and_their_adjoint(name, seed, diameter):
    of = basis(name, diameter)
    coefficients = some(of, seed)
    amplitudes = np.random.default_rng(seed + 1).standard_normal((len(of.waves), of.columns))
    one = np.vdot(of.amplitudes(coefficients), amplitudes)
    other = np.vdot(coefficients, of.amplitudes_adjoint(amplitudes))
    size = np.linalg.norm(of.amplitudes(coefficients)) * np.linalg.norm(amplitudes)
    assert abs(one - other) <= 1e-12 * size


@pytest.mark.parametrize("name", BASES)
def test_a_psf_is_the_sum_of_its_functions(name):
    of = basis(name)
    coefficients = some(of)
    found = of.psf(coefficients)
    expected = at(of, of.amplitudes(coefficients), *voxels(of))
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
        values = at(point, point.amplitudes(coefficients), z + dz, np.hypot(y, x), np.arctan2(y, x))
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
    root = of.spread([of.waves_at(-0.5), of.waves_at(0.5)])
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
    np.testing.assert_allclose(of.waves_at(1.0)[1:], of.waves_at(0.0)[:-1], atol=1e-12)
    z = (np.arange(of.window[0]) - of.window[0] // 2 - 0.3)[:, None] * of.spacing[0]
    phase = 2 * np.pi * of.waves * z
    expected = np.where(of.waves < 0, np.sin(phase), np.cos(phase))
    np.testing.assert_allclose(of.waves_at(0.3), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["uneven", "plane"])
@pytest.mark.parametrize("displacement", [-0.4, 0.0, 0.25])
def test_the_derivative_of_waves(name, displacement):
    of, h = basis(name), 1e-5
    difference = (of.waves_at(displacement + h) - of.waves_at(displacement - h)) / (2 * h)
    places = np.arange(of.window[0]) - of.window[0] // 2 - displacement
    found = of.waves_along(places, derivative=True)
    np.testing.assert_allclose(found, difference, atol=1e-8)


@pytest.mark.parametrize("name", ["uneven", "turning"])
def test_tables_and_slopes(name):
    of, h = basis(name), 8
    assert of.step == pytest.approx(0.1 / STEPS)
    places = np.arange(len(of.tables[0])) * of.step
    # They reach as far as a displaced window's corner.
    corner = [(n // 2 + 0.5) * s for n, s in zip(of.window[1:], of.spacing[1:], strict=True)]
    assert places[-1] >= np.hypot(*corner) + of.step
    for order, table in zip(of.orders, of.tables, strict=True):
        expected = special.jv(order, 2 * np.pi * places[:, None] * of.radial)
        np.testing.assert_allclose(table, expected, atol=1e-6)
    table = of.tables[0].astype(float)
    difference = (table[2 * h :] - table[: -2 * h]) / (2 * h * of.step)
    np.testing.assert_allclose(of.slopes[h:-h], difference, atol=2e-3 * 2 * np.pi * BAND.lateral)


# Statistics.


@pytest.mark.parametrize("diameter", [0.0, 0.4])
@pytest.mark.parametrize("name", ["uneven", "plane", "turning"])
def test_hessian_is_the_weighted_normal_matrix(name, diameter):
    of = basis(name, diameter)
    z, r, _ = voxels(of)
    weights = (1 + 0.5 * np.sin(z)) / (0.1 + r**2)
    matrix = jacobian(of, of.bead)
    ends = np.cumsum([0, *(a * b for a, b in of.shapes)])
    for term, (start, stop) in enumerate(itertools.pairwise(ends)):
        part = matrix[:, start:stop]
        expected = part.T @ (weights.ravel()[:, None] * part)
        assert relative_l2(of.hessian(weights, term), expected) <= 1e-3


@pytest.mark.parametrize("name", ["uneven", "turning"])
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
    spread = of.spread([of.waves_at(d) for d in displacements])
    ends = np.cumsum([0, *(a * b for a, b in of.shapes)])
    for term, (start, stop) in enumerate(itertools.pairwise(ends)):
        found = of.hessian(weights, term, spread)
        # A point is taken for a tiny ball.
        assert relative_l2(found, mean[start:stop, start:stop]) <= 1e-6
        # The functions that rise beyond the window's ends are brighter there.
        assert np.trace(found) > 1.2 * np.trace(of.hessian(weights, term))
    np.testing.assert_allclose(of.spread([of.waves_at(0.0)] * 2), np.eye(len(spread)), atol=1e-9)


@pytest.mark.parametrize("name", ["uneven", "plane", "turning"])
def test_hessian_and_adjoint_by_other_numbers(name):
    of = basis(name, 0.4)
    z, r, _ = voxels(of)
    weights = (1 + 0.5 * np.sin(z)) / (0.1 + r**2)
    rng = np.random.default_rng(3)
    for term, (along, across) in enumerate(of.shapes):
        axial = rng.normal(size=(along, 3))
        lateral = rng.normal(size=(across, 2))
        both = np.kron(axial, lateral)
        expected = both.T @ of.hessian(weights, term) @ both
        assert relative_l2(of.hessian(weights, term, axial, lateral), expected) <= 1e-9
        expected = both.T @ of.bead_adjoint(weights, term)
        assert relative_l2(of.bead_adjoint(weights, term, axial, lateral), expected) <= 1e-9


def test_bead_adjoint_of_displaced_beads_goes_with_the_hessian():
    of = basis("uneven")
    weights = np.abs(some(of)).sum() * np.ones(of.window)
    spread = of.spread([of.waves_at(d) for d in (-0.3, 0.2)])
    # The weights times the bead of a displaced sum of functions, seen by the same functions.
    coefficients = some(of)
    moved = (spread @ of.split(coefficients)[0]).ravel()
    found = of.bead_adjoint(weights * of.bead(moved), 0, spread)
    expected = of.hessian(weights, 0, spread) @ coefficients
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


@pytest.mark.parametrize("name", ["uneven", "plane", "turning"])
def test_variance_is_that_of_the_coefficients(name):
    of, rng = basis(name), np.random.default_rng(4)
    factors = [rng.standard_normal((a * b, 3)) for a, b in of.shapes]
    matrix, expected, start = jacobian(of, of.psf), np.zeros(of.window), 0
    for factor in factors:
        part = matrix[:, start : start + len(factor)]
        covariance = factor @ factor.T
        expected += ((part @ covariance) * part).sum(axis=1).reshape(of.window)
        start += len(factor)
    assert relative_l2(of.variance(factors), expected) <= 1e-8
