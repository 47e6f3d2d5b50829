"""The beads' light beyond their windows: by theory, in the surroundings, and in a fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joint_fields import APERTURE, INDEX, SPACING, WAVELENGTH, basis_of, known_field, spline_of
from scipy import ndimage

from napari_psf_distiller import JointFit, Optics, Recipe
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.joint.model.far_light import FarLight, light_of_plane, light_profile
from napari_psf_distiller.joint.model.field_model import ConstantField
from napari_psf_distiller.joint.model.positions import BeadPositions
from napari_psf_distiller.joint.model.surroundings import Surroundings
from napari_psf_distiller.joint.pipeline import fit_of_image
from napari_psf_distiller.progress import finish
from napari_psf_distiller.theory import theoretical_psf

OPTICS = Optics(APERTURE, WAVELENGTH, INDEX)
SHAPE, WINDOW = (14, 72, 64), (13, 25, 25)
CENTRES = [(6.2, 20.3, 17.6), (7.8, 50.1, 40.4)]


def positions_of(image, centres=CENTRES, window=WINDOW):
    field = known_field(image)
    basis = basis_of(window)
    return BeadPositions(np.array(centres), basis, field.background, ConstantField())


def far_light(centres=CENTRES, light=(300.0, 500.0), scale=1.0):
    image = np.zeros(SHAPE, np.float32)
    profile = light_profile(SHAPE, SPACING, OPTICS)
    at = positions_of(image, centres)
    return FarLight(profile, at, np.array(light[: len(centres)]), SHAPE, scale), at


def planes_of(far: FarLight) -> np.ndarray:
    return np.stack([far.of_plane(z) for z in range(SHAPE[0])])


def by_theory(at: BeadPositions, light) -> np.ndarray:
    """The same, of the PSF about the nearest voxels, voxel by voxel."""
    psf = theoretical_psf([2 * n + 1 for n in SHAPE], SPACING, OPTICS)
    psf = psf / psf[SHAPE[0]].sum()
    image = np.zeros(SHAPE)
    for nearest, box, amount in zip(at.nearest, at.boxes, light, strict=True):
        part = tuple(slice(n - c, 2 * n - c) for n, c in zip(SHAPE, nearest, strict=True))
        own = amount * psf[part]
        own[box] = 0
        image += own
    return image


def test_a_point_sheds_as_much_light_on_each_plane():
    profile = light_profile((21, 400, 400), (0.2, 0.1, 0.1), OPTICS)
    steps = np.arange(-200, 201.0)
    light = profile.at(slice(None), steps, steps).sum(axis=(1, 2))
    # Away from the focus, where it is smooth.
    np.testing.assert_allclose(light[np.abs(np.arange(41) - 20) > 7], 1, atol=0.03)
    assert (np.diff(profile.within, axis=1) >= 0).all()
    np.testing.assert_allclose(profile.within[20, -1], 1, atol=1e-3)


def test_pixels_need_not_be_square():
    profile = light_profile((9, 200, 400), (0.2, 0.2, 0.1), OPTICS)
    down, across = np.arange(-100, 101.0), np.arange(-200, 201.0)
    light = profile.at(slice(None), down, across)
    np.testing.assert_allclose(light[0].sum(), 1, atol=0.02)
    np.testing.assert_allclose(light[0, 110, 200], light[0, 100, 220])


def test_it_is_what_theory_says_outside_the_windows():
    light = (300.0, 500.0)
    far, at = far_light(light=light)
    found, expected = planes_of(far), by_theory(at, light)
    # Both as means over squares.
    means = [ndimage.uniform_filter(one, (1, 8, 8))[:, 4::8, 4::8] for one in (found, expected)]
    assert np.corrcoef(means[0].ravel(), means[1].ravel())[0, 1] > 0.98
    # To a part of all light of a plane.
    of_planes = (one.sum(axis=(1, 2)) / sum(light) for one in (found, expected))
    np.testing.assert_allclose(*of_planes, atol=0.03)


def test_a_bead_has_none_in_its_own_window():
    far, at = far_light(CENTRES[:1])
    (box,) = at.boxes
    np.testing.assert_allclose(far.about_bead(0, box), 0, atol=1e-5)
    assert planes_of(far).max() > 0.01


def test_in_a_window_it_is_that_of_the_others():
    both, at = far_light()
    other, _ = far_light(CENTRES[1:], light=(500.0,))
    np.testing.assert_allclose(
        both.about_bead(0, at.boxes[0]), planes_of(other)[at.boxes[0]], atol=1e-4
    )
    # A part of it, of every second row.
    z, y, x = at.boxes[0]
    part = (slice(z.start + 2, z.stop - 1), slice(y.start + 3, y.stop - 2, 2), x)
    np.testing.assert_allclose(both.about_bead(0, part), planes_of(other)[part], atol=1e-4)


@given(scale=st.floats(0, 2))
def test_a_scale_multiplies_it(scale):
    far, at = far_light()
    scaled = far.scaled(scale)
    assert scaled.scale == scale
    assert far.scale == 1
    np.testing.assert_allclose(
        scaled.about_bead(1, at.boxes[1]), scale * far.about_bead(1, at.boxes[1]), atol=1e-4
    )
    np.testing.assert_array_equal(planes_of(scaled), planes_of(far))


def test_it_is_another_where_beads_are_brighter_or_elsewhere():
    far, at = far_light()
    profile = light_profile(SHAPE, SPACING, OPTICS)
    light = np.array([300.0, 500.0])
    assert far.is_about(profile, at, light)
    assert far.is_about(profile, at, 1.005 * light)
    assert not far.is_about(profile, at, 1.05 * light)
    image = np.zeros(SHAPE, np.float32)
    assert not far.is_about(profile, positions_of(image, [(6.2, 22.3, 17.6), CENTRES[1]]), light)
    assert not far.is_about(profile, positions_of(image, window=(13, 23, 23)), light)
    assert not far.is_about(profile, positions_of(image, CENTRES[:1]), light[:1])
    assert not far.is_about(
        light_profile(SHAPE, SPACING, Optics(0.9, WAVELENGTH, INDEX)), at, light
    )


@pytest.mark.parametrize("times", [1.0, 2.5])
def test_the_light_of_a_plane_is_told_by_the_planes_in_focus(times):
    profile = light_profile((21, 300, 300), SPACING, OPTICS)
    psf = times * theoretical_psf((21, 301, 301), SPACING, OPTICS)
    plane = psf[10].sum()
    cut = psf[:, 125:176, 130:171].copy()
    assert cut[0].sum() < 0.7 * plane
    assert light_of_plane(cut, profile) == pytest.approx(plane, rel=0.03)


# In the voxels outside the windows.


@settings(max_examples=10)
@given(scale=st.floats(0, 1.4), slope=st.floats(-0.2, 0.2))
def test_its_scale_is_told_outside_the_windows(scale, slope):
    far, at = far_light(light=(3e4, 5e4))
    field = known_field(np.zeros(SHAPE), deviation=0.3)

    def level(points):
        return 20 + slope * points[:, 2]

    background = spline_of(field.background, level)
    planes = [field.background.plane(background, z) for z in range(SHAPE[0])]
    image = np.stack(planes) + scale * planes_of(far)
    field = known_field(image, deviation=0.3)
    counts = np.zeros(SHAPE, np.float32)
    for box in at.boxes:
        counts[box] += 1
    surroundings, halo, found = Surroundings(field), np.ones(SHAPE[0]), far.scaled(scale + 0.05)
    (matrix, vector), found = surroundings.fit(at, background, counts, halo, found)
    assert found is not None
    assert found.scale == pytest.approx(scale, abs=0.02)
    level_found = np.linalg.solve(matrix + field.background.penalty, vector)
    np.testing.assert_allclose(
        field.background.plane(level_found, 7), planes[7], rtol=0.02, atol=0.1
    )
    # Nothing changed: it is not looked for again.
    again = surroundings.fit(at, background, counts, halo, found)
    assert again.far_light is found


# In a fit.


def wide_field(seed: int = 3, beads: int = 9, shape=(24, 96, 96)):
    """An image of beads whose light reaches all over it, and the PSF."""
    rng = np.random.default_rng(seed)
    psf = theoretical_psf([2 * n + 1 for n in shape], SPACING, OPTICS)
    middle = shape[0] // 2
    places = np.c_[
        rng.integers(middle - 2, middle + 3, beads), rng.integers(14, shape[1] - 14, (beads, 2))
    ]
    image = np.full(shape, 20.0)
    for place in places:
        part = tuple(slice(n - c, 2 * n - c) for n, c in zip(shape, place, strict=True))
        image += 4e5 * psf[part]
    noisy = rng.poisson(image) + rng.normal(100, 1.6, shape)
    return noisy.round().astype(np.uint16), psf


def fitted(image, optics=OPTICS, window=None):
    recipe = Recipe(spacing=SPACING, optics=optics, distill=JointFit(window=window))
    return finish(fit_of_image(image, recipe, choose_device("numpy")))


@pytest.mark.parametrize("optics", [OPTICS, Optics()], ids=["optics given", "optics not known"])
@pytest.mark.parametrize("window", [None, (4.0, 2.4, 2.4)], ids=["usual window", "small window"])
def test_dim_voxels_and_the_background_are_right_with_it(optics, window):
    image, psf = wide_field()
    fit = fitted(image, optics, window)
    part = tuple(
        slice(n // 2 - m // 2, n // 2 + m // 2 + 1)
        for n, m in zip(psf.shape, fit.psf.shape, strict=True)
    )
    truth = psf[part] / psf[part].sum()
    dim = truth < 0.002 * truth.max()
    held = np.abs(fit.psf - truth) < 1.96 * fit.psf_error
    assert held[dim].mean() > 0.88
    assert held.mean() > 0.88
    np.testing.assert_allclose(fit.beads["background"], 120, atol=0.6)


@pytest.mark.parametrize(
    "optics",
    [
        Optics(APERTURE, WAVELENGTH, INDEX, microscope="light sheet", sheet=2.0),
        Optics(APERTURE, WAVELENGTH, INDEX, microscope="confocal", excitation=0.488),
    ],
    ids=lambda optics: optics.microscope,
)
def test_a_microscope_that_sections_has_none(optics):
    image, _ = wide_field(beads=4, shape=(20, 64, 64))
    assert fitted(image, optics).state.settings.far_light_optics is None
