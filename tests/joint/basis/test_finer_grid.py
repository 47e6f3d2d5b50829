"""A PSF on a finer grid than the voxels of the image that it is fitted to."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.optics import Band
from napari_psf_distiller.psf import FittedFunctions

BAND = Band(6.0, 1.5)

# The image's window and spacing, and how many voxels of the grid are one of its.
GRIDS = {
    "twice": ((5, 9, 9), (0.3, 0.15, 0.15), (1, 2, 2), (0,)),
    "three times": ((5, 7, 7), (0.3, 0.24, 0.24), (1, 3, 3), (0,)),
    "along z": ((5, 9, 9), (0.6, 0.08, 0.08), (2, 1, 1), (0,)),
    "uneven": ((3, 9, 7), (0.5, 0.15, 0.2), (2, 2, 3), (0,)),
    "turning": ((3, 9, 9), (0.3, 0.15, 0.15), (1, 2, 2), (0, 1, 2)),
    "plane": ((1, 9, 9), (1.0, 0.15, 0.15), (1, 2, 2), (0,)),
}
names = st.sampled_from(list(GRIDS))
seeds = st.integers(0, 2**32 - 1)


@functools.cache
def basis(name: str, diameter: float = 0.2) -> FourierBessel:
    window, spacing, sampling, orders = GRIDS[name]
    envelope = None
    if orders != (0,):
        still = FourierBessel(window, spacing, BAND, sampling=sampling)
        z, y, x = (np.arange(n) - n // 2 for n in still.shape)
        blob = np.exp(-(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) / 8)
        envelope = still.envelope(still.fitted(blob))
    return FourierBessel(window, spacing, BAND, diameter, orders, envelope, 60, sampling)


def functions_of(of: FourierBessel, coefficients) -> FittedFunctions:
    return FittedFunctions(
        waves=of.waves,
        radial=of.radial,
        terms=of.terms,
        amplitudes=np.array(of.psf_amplitudes(coefficients)),
        spacing=of.grid_spacing,
        window=of.shape,
        centre=(0.0, 0.0, 0.0),
    )


def relative_l2(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@given(name=names, seed=seeds)
def test_the_spectrum_of_a_bead_and_its_adjoint(name, seed):
    of, rng = basis(name), np.random.default_rng(seed)
    coefficients = rng.standard_normal(of.size)
    spectrum = rng.standard_normal(of.bead_spectrum(coefficients).shape)
    one = np.vdot(of.bead_spectrum(coefficients), spectrum)
    other = np.vdot(coefficients, of.bead_spectrum_adjoint(spectrum))
    scale = np.linalg.norm(of.bead_spectrum(coefficients)) * np.linalg.norm(spectrum)
    assert abs(one - other) < 1e-10 * scale


@pytest.mark.parametrize("name", GRIDS)
def test_on_its_own_grid_a_psf_is_the_sum_of_its_functions(name):
    of = basis(name)
    coefficients = np.random.default_rng(1).standard_normal(of.size)
    own = functions_of(of, coefficients).values(of.grid_spacing, of.shape, (0, 0, 0))
    np.testing.assert_allclose(of.psf(coefficients), own, atol=1e-9 * np.abs(own).max())


@pytest.mark.parametrize("name", GRIDS)
def test_the_images_voxels_take_the_light_of_several_of_the_grids(name):
    of = basis(name)
    coefficients = np.random.default_rng(2).standard_normal(of.size)
    exact = functions_of(of, coefficients).values(of.spacing, of.window, (0, 0, 0))
    # Filters' cosines of less than 0.2 % are left out.
    assert relative_l2(of.on_voxels.psf(coefficients), exact) < 5e-3


@pytest.mark.parametrize("factor", [3, 5])
def test_a_pixel_is_the_mean_of_the_grids_pixels_in_it(factor):
    # Of an odd number of them one lies in the middle.
    of = FourierBessel((1, 7, 7), (1.0, 0.24, 0.24), Band(4.0, 1.0), sampling=(1, factor, factor))
    y = (np.arange(of.shape[1]) - of.shape[1] // 2) * of.grid_spacing[1]
    coefficients = of.fitted(np.exp(-(y[:, None] ** 2 + y**2) / 0.02)[None])
    fine, n = of.psf(coefficients)[0], of.window[1]
    means = fine.reshape(n, factor, n, factor).mean(axis=(1, 3))
    assert relative_l2(of.on_voxels.psf(coefficients)[0], means) < 2e-3


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("displacement", [0.0, 0.3])
def test_light_in_windows_is_the_beads_image(name, displacement):
    of = basis(name)
    functions = of.voxel_functions
    coefficients = np.random.default_rng(3).standard_normal(of.size)
    shift = np.array([0.31, -0.43]) if displacement else np.zeros(2)
    windows = HostWindows(functions)
    windows.set_displacements(shift[None])
    windows.set_spectrum(of.bead_spectrum(coefficients))
    along = displacement if of.window[0] > 1 else 0.0
    found = windows.light(functions.waves_at(along)[None], 0)[0]
    ball = functions_of(of, coefficients)
    ball = FittedFunctions(**{**vars(ball), "amplitudes": ball.amplitudes * of.ball})
    centre = -np.array([along, *shift]) * of.spacing
    assert relative_l2(found, ball.values(of.spacing, of.window, centre)) < 1e-2
    if not displacement:
        assert relative_l2(found, of.bead(coefficients)) < 5e-3


@pytest.mark.parametrize("name", GRIDS)
def test_variance_and_lines_on_the_images_voxels(name):
    of = basis(name)
    seen, rng = of.on_voxels, np.random.default_rng(4)
    jacobian = np.stack([seen.psf(unit, 0.2).ravel() for unit in np.eye(of.size)], axis=1)
    factors = [rng.standard_normal((size, size)) for size in of.sizes]
    expected = np.zeros(len(jacobian))
    for part, factor in zip(of.split(jacobian.T), factors, strict=True):
        expected += ((part.T @ factor) ** 2).sum(axis=1)
    found = seen.variance(factors, 0.2)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6, atol=1e-9 * expected.max())
    coefficients = rng.standard_normal(of.size)
    psf = seen.psf(coefficients, 0.2)
    through = [n // 2 - (n > 5) for n in seen.shape]
    for axis in range(3):
        positions, values_at = seen.profile_gradient(axis, 0.2, through)
        line = psf[tuple(slice(None) if a == axis else c for a, c in enumerate(through))]
        np.testing.assert_allclose(values_at @ coefficients, line, atol=1e-9 * np.abs(psf).max())
        assert list(positions) == list(np.arange(len(line)) - len(line) // 2)


@pytest.mark.parametrize("name", GRIDS)
def test_the_sum_is_that_of_the_images_voxels(name):
    of = FourierBessel(*GRIDS[name][:2], BAND, sampling=GRIDS[name][2])
    z, y, x = (
        (np.arange(n) - n // 2) * size for n, size in zip(of.shape, of.grid_spacing, strict=True)
    )
    blob = np.exp(-(z[:, None, None] ** 2) / 0.35 - (y[:, None] ** 2 + x**2) / 0.02)
    coefficients = of.fitted(blob)
    assert of.total(coefficients) == pytest.approx(of.on_voxels.psf(coefficients).sum(), rel=0.05)
