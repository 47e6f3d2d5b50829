"""What a joint model does not say of the beads, and how it is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_fields import APART, BAND, DIAMETER, SPACING, scene

from napari_psf_distiller.joint.locate import BeadFit
from napari_psf_distiller.joint.misfit.bead_shapes import BeadShapes, bead_shapes
from napari_psf_distiller.joint.misfit.bead_sizes import size_misfit
from napari_psf_distiller.joint.misfit.common_residual import common_misfit
from napari_psf_distiller.joint.misfit.field_variation import (
    field_variation,
    place_in_words,
    refused_by_place,
)
from napari_psf_distiller.joint.misfit.lean import Lean, asymmetry_left, psf_lean
from napari_psf_distiller.joint.misfit.plane_misfit import plane_misfit
from napari_psf_distiller.joint.misfit.sampling_edge import sampling_edge
from napari_psf_distiller.optics import limited_by_sampling

seeds = st.integers(0, 2**32 - 1)
WIDTHS = np.array([2.2, 2.3, 2.3])
SHAPE = (16, 201, 201)
PROFILES = [np.exp(-0.5 * (np.arange(-10, 11) / 1.4) ** 2)] * 3


def noisy(of, image, seed: int, deviation: float = 3.0):
    """A scene of another image, with noise, and its model."""
    rng = np.random.default_rng(seed)
    changed = of._replace(image=image + rng.normal(0, deviation, image.shape))
    model = changed.model(deviation=deviation)
    return model


# The patterns of single beads.


def test_beads_that_fit_have_no_patterns_but_noise():
    of = scene()
    model = noisy(of, of.image, 1)
    shapes = bead_shapes(model, WIDTHS, [0, 1, 2, 3])
    pulls = shapes.coefficients / np.sqrt(shapes.variances)
    assert np.abs(pulls).max() < 5
    assert (pulls**2).mean() == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("part", [-0.05, 0.05])
def test_patterns_measure_how_much_a_bead_differs(part):
    of = scene()
    # Two beads beside each other along y, as the difference of second order.
    beads = of.image - 10
    widened = beads + part * (np.roll(beads, 1, 1) + np.roll(beads, -1, 1) - 2 * beads)
    model = noisy(of, widened + 10, 1, 0.5)
    shapes = bead_shapes(model, WIDTHS, [0, 1, 2, 3])
    strength = np.linalg.norm(shapes.coefficients, axis=1)
    # Less what a change of the amplitude makes good.
    off = (widened - beads) - beads * ((widened - beads) * beads).sum() / (beads**2).sum()
    expected = np.linalg.norm(off) / np.linalg.norm(beads)
    np.testing.assert_allclose(strength, expected, rtol=0.3)
    width = [order == (0, 2, 0) for order in shapes.orders].index(True)
    assert (np.sign(shapes.coefficients[:, width]) == np.sign(part)).all()


def test_patterns_in_a_plane_lie_in_it():
    of = scene([(0, 10.2, 9.7), (0, 28.7, 20.1)], shape=(1, 40, 40), window=(1, 17, 17))
    shapes = bead_shapes(noisy(of, of.image, 1), np.array([1.0, 2.3, 2.3]), [0, 1])
    assert {order[0] for order in shapes.orders} == {0}
    assert np.isfinite(shapes.coefficients).all()


# Beads' shapes and places.


def shapes_of(coefficients, error: float) -> BeadShapes:
    orders = ((0, 0, 2), (0, 2, 0), (1, 1, 0), (0, 1, 2))
    return BeadShapes(
        np.arange(len(coefficients)),
        orders,
        coefficients,
        np.full(coefficients.shape, error**2),
        2.0,
        np.array([1.4, 1.4, 1.4]),
    )


def places(rng, beads: int):
    return rng.uniform(0, 1, (beads, 3)) * (np.array(SHAPE) - 1)


@given(seed=seeds, error=st.floats(1e-3, 0.2), beads=st.integers(12, 60))
def test_beads_that_are_alike_everywhere_show_no_law(seed, error, beads):
    rng = np.random.default_rng(seed)
    shapes = shapes_of(0.1 + error * rng.normal(size=(beads, 4)), error)
    for depth in (False, True):
        law = field_variation(shapes, places(rng, beads), SHAPE, PROFILES, depth=depth)
        assert law is not None
        # One in ten thousand images is allowed to.
        assert law.p_value > 1e-6
        assert law.relative_l2 < 4 * error


@pytest.mark.parametrize("degree", [1, 2])
@given(seed=seeds)
def test_a_law_is_found_with_its_size(degree, seed):
    rng = np.random.default_rng(seed)
    centres = places(rng, 30)
    along = (centres[:, 2] / 100 - 1) ** degree
    true = np.zeros((30, 4))
    true[:, 0] = 0.2 * along
    law = field_variation(
        shapes_of(true + 0.02 * rng.normal(size=true.shape), 0.02), centres, SHAPE, PROFILES
    )
    assert law is not None
    assert law.significant
    assert law.relative_l2 == pytest.approx(np.std(true[:, 0]), rel=0.3)
    assert law.largest_difference >= 0.8 * np.ptp(true[:, 0])
    assert law.axis == 2
    assert law.width > 0.1


def test_few_beads_tell_no_law():
    rng = np.random.default_rng(0)
    shapes = shapes_of(rng.normal(size=(5, 4)), 1.0)
    assert field_variation(shapes, places(rng, 5), SHAPE, PROFILES) is None


def test_refused_beads_at_the_rim():
    rng = np.random.default_rng(0)
    centres = places(rng, 40)
    rim = np.hypot(centres[:, 1] - 100, centres[:, 2] - 100) > 90
    assert refused_by_place(rim, centres, SHAPE) < 1e-5
    assert refused_by_place(rng.permutation(rim), centres, SHAPE) > 1e-3
    assert refused_by_place(np.zeros(40, bool), centres, SHAPE) == 1


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((3, 100, 100), "middle"),
        ((3, 10, 20), "upper left"),
        ((3, 190, 100), "bottom"),
        ((3, 10, 100), "top"),
        ((3, 100, 199), "right"),
    ],
)
def test_places_in_words(place, words):
    assert place_in_words(place, SHAPE) == words


# Planes.


def test_planes_that_lie_right_are_not_told():
    of = scene()
    found = plane_misfit(noisy(of, of.image, 2), WIDTHS, [0, 1, 2, 3])
    assert found is not None
    assert not found.significant


def test_a_displaced_plane_is_found():
    of = scene()
    image = of.image.copy()
    down = np.roll(image[7], 1, 0)
    image[7] = 0.7 * image[7] + 0.3 * down
    found = plane_misfit(noisy(of, image, 2), WIDTHS, [0, 1, 2, 3])
    assert found is not None
    assert found.significant
    # Of the planes with light one in about three.
    assert 0.1 < found.displaced[0] < 0.3
    assert found.displaced[1] < 0.05


def test_a_brighter_plane_is_found():
    of = scene()
    image = of.image.copy()
    image[7] = 10 + 1.3 * (image[7] - 10)
    found = plane_misfit(noisy(of, image, 2), WIDTHS, [0, 1, 2, 3])
    assert found is not None
    assert found.significant
    assert 0.1 < found.flicker < 0.3


# What all beads have in common.


def common_of(model):
    state = model.linearise()
    shapes = bead_shapes(model, WIDTHS, [0, 1, 2, 3])
    return common_misfit(model.basis, model.coefficients, state, shapes, WIDTHS)


def test_a_model_that_fits_leaves_noise():
    of = scene()
    found = common_of(noisy(of, of.image, 3))
    assert not found.significant
    assert found.ratio == pytest.approx(1, abs=0.1)
    assert min(power.p_value for power in found.beyond) > 1e-3


def test_what_all_beads_have_in_common_is_measured():
    of = scene()
    beads = of.image - 10
    ring = 0.065 * (np.roll(beads, 2, 2) + np.roll(beads, -2, 2) - 2 * beads)
    found = common_of(noisy(of, of.image + ring, 3))
    assert found.significant
    assert found.ratio > 1.5
    assert 0.02 < found.relative_l2 < 0.15


# A PSF that leans.


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.3])
def test_a_psf_leans(slope):
    z, y, x = np.meshgrid(*[np.arange(-n, n + 1) for n in (6, 12, 12)], indexing="ij")
    psf = np.exp(-0.5 * (z**2 + y**2 + (x - slope * z) ** 2) / 1.4**2)
    widths = np.full(3, 1.4 * 2.3548)
    lean = psf_lean(psf, np.full(psf.shape, 1e-3), widths)
    assert lean.slopes == pytest.approx((0, slope), abs=0.01)
    assert lean.part(widths) == pytest.approx(abs(slope), abs=0.01)
    assert (lean.significance > 6) == (slope != 0)


@pytest.mark.parametrize("slope", [0.3, -0.4])
def test_what_a_drift_made_uneven_is_even_once_moved_back(slope):
    z, y, x = (np.arange(n) - n // 2 for n in (15, 31, 31))

    def planes(moved: float) -> np.ndarray:
        along = np.exp(-0.5 * (z / 3.0) ** 2)
        across = [np.exp(-0.5 * np.hypot(y[:, None], x - moved * place) ** 2 / 4) for place in z]
        return along[:, None, None] * np.stack(across)

    widths = np.array([7.1, 4.7, 4.7])
    drifted, upright = planes(slope), planes(0.0)
    lean = Lean((0.0, slope), (0.01, 0.01))
    assert asymmetry_left(drifted, lean, widths) < 0.1
    assert asymmetry_left(upright, lean, widths) == 0
    # A side lobe, as coma makes.
    lobe = drifted + 0.6 * np.roll(upright, 3, axis=1)
    assert asymmetry_left(lobe, lean, widths) > 0.5


def test_beads_that_lean_more_than_the_psf():
    of = scene()
    image = of.image.copy()
    for bead in of.centres:
        middle = round(bead[0])
        for plane in (middle - 1, middle + 1):
            part = image[plane, :, round(bead[2]) - 8 : round(bead[2]) + 9]
            part += 0.1 * (plane - middle) * (np.roll(part, 1, 1) - np.roll(part, -1, 1)) / 2
    lean = common_of(noisy(of, image, 3)).lean
    assert lean.significance > 6
    assert 0.03 < lean.slopes[1] < 0.15
    assert abs(lean.slopes[0]) < 0.02


# Sampling.


@pytest.mark.parametrize(("width", "coarse"), [(1.4, False), (0.45, True)])
def test_a_spectrum_that_does_not_end(width, coarse):
    axes = np.ix_(*[np.exp(-0.5 * ((np.arange(n) - n // 2) / width) ** 2) for n in (21, 31, 31)])
    psf = axes[0] * axes[1] * axes[2]
    edge = sampling_edge(psf, np.full(psf.shape, 1e-9))
    assert all((end > 0.2) == coarse for end in edge)
    # What the errors make as much of says nothing.
    assert sampling_edge(psf, np.full(psf.shape, 1.0)) == (0.0, 0.0, 0.0)


def test_a_band_that_the_voxels_limit():
    assert limited_by_sampling(BAND, SPACING) == (False, False)
    assert limited_by_sampling(BAND._replace(axial=0.45 / 0.3, lateral=4.8), SPACING) == (
        True,
        True,
    )


# Sizes.


def fit_of(moments) -> BeadFit:
    beads = len(moments)
    excess = np.zeros((beads, 6))
    # Of y and x, in squared voxels.
    excess[:, 1:3] = np.asarray(moments)[:, None] / np.square(SPACING[1:])
    covariance = np.tile(np.diag(np.full(6, 0.02**2)), (beads, 1, 1))
    none = np.zeros(beads, bool)
    return BeadFit(
        np.ones(beads), excess, covariance, np.tile(np.eye(4), (beads, 1, 1)), ~none, none
    )


def sizes_of(moments, amplitudes, reasons):
    of = scene(centres=[*APART] * 3, amplitudes=amplitudes)
    model = of.model()
    return size_misfit(model, fit_of(moments), np.array(reasons, "U16"))


def test_smaller_beads_among_larger_ones():
    # A ball's moment is a twentieth of its squared diameter.
    difference = (0.2**2 - DIAMETER**2) / 20
    reasons = [""] * 8 + ["touching"] * 4
    found = sizes_of([0.0] * 8 + [-difference] * 4, [8e4] * 8 + [1e4] * 4, reasons)
    assert found is not None
    assert found.narrower_count == 4
    assert found.brightness_ratio == pytest.approx(8)
    assert found.larger(DIAMETER) == pytest.approx(0.2)


def test_clumped_beads_are_not_smaller_ones():
    reasons = [""] * 8 + ["touching"] * 4
    assert sizes_of([0.0] * 8 + [2e-3] * 4, [1e4] * 8 + [2e4] * 4, reasons) is None
    assert sizes_of([0.0] * 12, [1e4] * 12, [""] * 12) is None
