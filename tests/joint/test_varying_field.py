"""Bead fields whose PSF changes with the place, from the image to the PSF of a place."""

import dataclasses
import functools
import warnings

import numpy as np
import pytest
from aperture_fields import SPACING, bead_image, off, psf_of

import napari_psf_distiller as psfd
from napari_psf_distiller.joint.pipeline import joint_step
from napari_psf_distiller.progress import finish

SHAPE = (18, 100, 100)
OPTICS = psfd.Optics(1.2, 0.52, 1.33)
# Of the aperture, from the left side to the right.
CHANGE = 0.3
# Of the PSF, in micrometres: as much as the beads have light in.
FIT = psfd.JointFit(window=(5.0, 2.6, 2.6))
RECIPE = psfd.Recipe(optics=OPTICS, device="numpy", distill=FIT)


def aperture_at(x: float) -> float:
    return 1.05 + CHANGE * (x / SHAPE[2] - 0.5)


@functools.cache
def varying(rows: int = 4, seed: int = 1):
    """A field of beads in rows of four, whose aperture changes from left to right."""
    rng = np.random.default_rng(seed)
    beads = (
        ((int(rng.integers(8, 10)), 15 + 23 * row, 15 + 23 * column), aperture_at(15 + 23 * column))
        for column in range(4)
        for row in range(rows)
    )
    return bead_image(SHAPE, beads, rng)


@functools.cache
def distilled(rows: int = 4, **changes) -> psfd.Result:
    recipe = dataclasses.replace(RECIPE, distill=dataclasses.replace(FIT, **changes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return psfd.distill(varying(rows), SPACING, recipe=recipe)


@pytest.mark.parametrize("x", [18, 50, 82])
def test_the_psf_of_each_place(x):
    result = distilled()
    own = result.psf.at(50, x)
    constant = distilled(over_field="constant").psf
    assert off(own, aperture_at(x)) < 0.08
    if x != 50:
        assert off(constant, aperture_at(x)) > 2 * off(own, aperture_at(x))
    assert own.error.shape == own.shape
    assert (own.error > 0).all()


def test_what_is_said_of_it():
    said = "\n".join(distilled().warnings)
    assert "The PSF changes across the field: it differs by" in said
    assert "PSF.at(y, x)" in said
    assert "mostly in focus or spherical aberration" in said
    mean = "\n".join(distilled(over_field="constant").warnings)
    assert "PSF.at" not in mean
    assert distilled(over_field="constant").psf.at(50, 20) is distilled(over_field="constant").psf


def test_a_file_keeps_the_psfs_of_all_places(tmp_path):
    psf = distilled().psf
    for name in ("psf.tif", "psf.npz"):
        psf.save(tmp_path / name)
        back = psfd.read_psf(tmp_path / name)
        one, other = psf.at(40, 30), back.at(40, 30)
        np.testing.assert_allclose(other.array, one.array, atol=1e-6 * one.array.max())
        np.testing.assert_allclose(other.error, one.error, rtol=1e-4)


def test_beyond_the_beads_it_is_said_to_be_extrapolated():
    psf = distilled().psf
    with pytest.warns(psfd.DistillerWarning, match="extrapolated"):
        far = psf.at(50, 99)
    assert far.error.mean() > psf.at(50, 50).error.mean()


FIT_RECIPE = dataclasses.replace(RECIPE, spacing=SPACING)


def test_the_field_ends_with_the_beads_that_are_used():
    beads = distilled().beads.copy()
    beads.loc[beads["y"] > 70, "used"] = False
    fit = finish(joint_step(varying(), beads, FIT_RECIPE))
    used = fit.beads[fit.beads["used"]]
    assert len(used) < len(fit.beads)
    for axis, ends in zip("yx", fit.over_field.extent, strict=True):
        assert ends == pytest.approx((used[axis].min(), used[axis].max()), abs=0.1)


def test_a_fit_that_goes_on_fits_the_changes_on():
    before = finish(joint_step(varying(), distilled().beads, FIT_RECIPE))
    beads = before.beads.copy()
    beads.loc[beads.index[-1:], "used"] = False
    again = finish(joint_step(varying(), beads, FIT_RECIPE, before=before))
    # Without their strengths the changes would be held as they were.
    assert before.state.fitted.field_scales
    assert again.state.fitted.field_scales.keys() == before.state.fitted.field_scales.keys()
    changes = (fit.over_field.amplitudes[1:] for fit in (before, again))
    assert not np.array_equal(*changes)


def test_few_beads_do_not_invent_a_change():
    assert distilled(rows=2).psf.at(17, 20) is distilled(rows=2).psf


@pytest.mark.parametrize("seed", [3, 4])
def test_a_psf_that_is_the_same_everywhere_is_found_to_be_so(seed):
    field = psfd.simulate_beads((18, 90, 90), SPACING, beads=14, seed=seed, separation=1.2)
    # In the window that is found: these beads have light beyond one that is given so small.
    recipe = dataclasses.replace(RECIPE, bead_diameter=0.1, distill=psfd.JointFit())
    result = psfd.distill(field.image, SPACING, recipe=recipe)
    assert result.psf.model.over_field is None
    assert result.psf.at(10, 10) is result.psf


def test_beads_that_are_held_out_fit_as_well():
    result = distilled(held_out=0.25, window=None)
    beads = result.beads
    held_out = beads[beads["reason"] == "held out"]
    assert len(held_out) == 4
    assert not held_out["used"].any()
    # Their places and brightness are fitted all the same.
    assert (held_out["amplitude"] > 1e4).all()
    used = beads.loc[beads["used"], "chi_squared"]
    assert held_out["chi_squared"].median() < 1.3 * used.median()
    assert not any("held out" in warning for warning in result.warnings)


def test_beads_that_are_held_out_say_where_the_psf_does_not_hold():
    rng = np.random.default_rng(8)
    image = np.full((18, 120, 120), 10.0)
    half = np.array([8, 13, 13])
    # Every fourth bead, which is held out, is wider than the others.
    for number in range(16):
        y, x, z = 15 + 30 * (number // 4), 15 + 30 * (number % 4), 9
        low, high = np.array([z, y, x]) - half, np.array([z, y, x]) + half + 1
        a, b = np.maximum(low, 0), np.minimum(high, image.shape)
        here = tuple(slice(*pair) for pair in zip(a, b, strict=True))
        there = tuple(slice(*pair) for pair in zip(a - low, b - low, strict=True))
        # The brightest bead is the first in the table, where it counts what a filter passes: of
        # wider ones more.
        wide = number % 4 == 3
        psf, light = psf_of(1.0 if wide else 1.15), 3e3 * 0.94**number * (0.79 if wide else 1)
        image[here] += light * psf[there] / psf.max()
    image = np.round(rng.poisson(image) + rng.normal(100, 1.6, image.shape)).astype(np.uint16)
    fit = dataclasses.replace(FIT, held_out=0.25, judge=False, over_field="constant")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        psfd.distill(image, SPACING, recipe=dataclasses.replace(RECIPE, distill=fit))
    assert any("beads that were held out differ from the model by" in str(w.message) for w in said)
