"""Maps of a PSF over the field: widths, angular orders and their directions, the focus."""

import dataclasses
import functools
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joint_fields import basis_of, gaussian_coefficients
from varying_psfs import (
    EXTENT,
    IMAGE_SHAPE,
    SPACING,
    polynomials_of,
    varying_functions,
    varying_psf,
)

import napari_psf_distiller as psfd
from napari_psf_distiller.psf.angular_orders import angular_orders

# Terms of the functions, and how they may depend on the place.
COSINE, SINE, COSINE_2 = 1, 2, 3


def down(y, x):
    return y


def across(y, x):
    return x


def everywhere(y, x):
    return 1.0


def scaled(part, amount):
    return lambda y, x: amount * part(y, x)


def beads_at(places, z, used=True) -> pd.DataFrame:
    y, x = np.asarray(places, float).T
    return pd.DataFrame({"z": z, "y": y, "x": x, "used": used})


def slide(count: int = 60, tilt=(0.0, 0.0), bulge: float = 0.0, noise: float = 0.02, seed: int = 1):
    """Beads on a slide whose height, in micrometres, is of the first and second degree."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(5, 34, (count, 2))
    y, x = (0.1 * (places - 19.5)).T
    height = y * tilt[0] + x * tilt[1] + bulge * (y**2 + x**2) + rng.normal(0, noise, count)
    return beads_at(places, 8 + height / SPACING[0])


@functools.cache
def constant() -> psfd.Result:
    field = psfd.simulate_beads((16, 64, 64), (0.3, 0.1, 0.1), beads=5, seed=1, separation=1.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recipe = psfd.Recipe(optics=psfd.Optics(1.2, 0.52, 1.33), bead_diameter=0.1)
        return psfd.distill(field.image, (0.3, 0.1, 0.1), recipe=recipe, device="numpy")


def turned(part, term, amount):
    """Return what there is of terms in the image turned as `numpy.rot90` turns it."""

    def before(y, x):
        # Rows of the turned image are the columns of the other, from the last to the first.
        return part(x, -y)

    if term == 0:
        return [(scaled(before, amount), 0)]
    # A pattern's angle is a quarter of a turn less.
    order, is_sine = (term + 1) // 2, term % 2 == 0
    angle = -order * np.pi / 2
    cosine, sine = (-np.sin(angle), np.cos(angle)) if is_sine else (np.cos(angle), np.sin(angle))
    return [
        (scaled(before, amount * cosine), 2 * order - 1),
        (scaled(before, amount * sine), 2 * order),
    ]


FUNCTIONS = [everywhere, down, across, lambda y, x: y * x, lambda y, x: y**2, lambda y, x: x**2]
parts = st.lists(
    st.tuples(st.sampled_from(FUNCTIONS), st.integers(0, 4), st.floats(-0.2, 0.2)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(parts=parts)
def test_turning_the_image_turns_the_maps(parts):
    before = [(scaled(part, amount), term) for part, term, amount in parts]
    after = [one for part, term, amount in parts for one in turned(part, term, amount)]
    maps, other = (varying_psf(some, degree=2).field_maps(3) for some in (before, after))
    for axis, own in (("z", "z"), ("y", "x"), ("x", "y")):
        expected = np.rot90(maps.widths[own].values)
        np.testing.assert_allclose(other.widths[axis].values, expected, rtol=1e-3)
    for one, first in zip(other.orders, maps.orders, strict=True):
        np.testing.assert_allclose(one.strength, np.rot90(first.strength), atol=1e-6)
        if one.order:
            strong = one.strength > 1e-3
            turns = one.order * (one.direction - (np.rot90(first.direction) - 90))
            np.testing.assert_allclose(np.cos(np.radians(turns[strong])), 1, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(0, 359), strength=st.floats(0.02, 0.3))
def test_a_pattern_that_is_turned_turns_the_direction(angle, strength):
    # Pure coma across the field, in a direction of its own.
    phi = np.radians(angle)

    def amount(y, x):
        return 0.2 * x + strength

    one = [(amount, COSINE)]
    other = [(scaled(amount, np.cos(phi)), COSINE), (scaled(amount, np.sin(phi)), SINE)]
    places = np.array([[20.0, 10.0], [12.0, 33.0]])
    before, after = (angular_orders(varying_functions(p), places)[1] for p in (one, other))
    np.testing.assert_allclose(after.strength, before.strength, rtol=1e-6)
    turns = np.radians(after.direction - before.direction - angle)
    np.testing.assert_allclose(np.cos(turns), 1, atol=1e-6)


def test_coma_that_points_from_the_middle():
    maps = varying_psf([(scaled(across, 0.2), COSINE), (scaled(down, 0.2), SINE)]).field_maps(3)
    (coma,) = (one for one in maps.orders if one.name == "coma")
    inwards = coma.direction[1, 2] == pytest.approx(180)
    expected = np.array([[225, 270, 315], [180, np.nan, 0], [135, 90, 45]], float)
    off = np.radians(coma.direction - (expected + 180 * inwards))
    np.testing.assert_allclose(np.cos(off)[np.isfinite(expected)], 1, atol=1e-6)
    assert coma.strength[1, 1] < 1e-6
    assert np.isnan(coma.direction[1, 1])
    assert coma.strength[0, 0] == pytest.approx(coma.strength[2, 2])


def test_a_displacement_is_no_coma():
    functions = varying_functions([])
    slopes = functions.amplitudes[0] * functions.radial
    amplitudes = functions.over_field.amplitudes.copy()
    amplitudes[:, COSINE] = np.multiply.outer(0.1 * polynomials_of(across, 1), slopes)
    of_field = dataclasses.replace(functions.over_field, amplitudes=amplitudes)
    moved = dataclasses.replace(functions, over_field=of_field)
    (coma,) = (o for o in angular_orders(moved, np.array([[20.0, 34.0]])) if o.order == 1)
    assert coma.strength[0] < 1e-6


def test_the_tail_of_coma_is_where_the_light_is():
    psf = varying_psf([(scaled(everywhere, 0.3), COSINE)])
    (coma,) = (one for one in psf.field_maps(1).orders if one.order == 1)
    plane = psf.at(20, 20).array[psf.shape[0] // 2].astype(float)
    n = plane.shape[1]
    line = plane[plane.shape[0] // 2]
    x = np.arange(n) - n // 2
    # About the peak, which is in the middle, more light lies towards the tail.
    towards = float((line * x**3).sum())
    assert np.cos(np.radians(coma.direction[0, 0])) * towards > 0


def test_widths_are_those_of_the_psf_of_each_place():
    psf = varying_psf([(scaled(across, 0.1), 0), (scaled(everywhere, 0.1), COSINE_2)])
    maps = psf.field_maps((1, 3))
    assert maps.shape == (1, 3)
    for column, x in enumerate(maps.columns):
        own = psf.at(maps.rows[0], x).fwhm()
        for axis, width in zip("zyx", own, strict=True):
            # Voxels are coarse for a spline through them.
            assert maps.widths[axis].values[0, column] == pytest.approx(width, rel=0.02)
    assert maps.widths["x"].values[0, 0] != pytest.approx(maps.widths["x"].values[0, 2], rel=0.01)
    assert maps.varies


@pytest.mark.parametrize("changes", [True, False])
def test_on_other_voxels_the_places_and_the_focus_are_the_same(changes):
    if changes:
        psf, beads = varying_psf([(scaled(across, 0.1), 0)]), slide(tilt=(0.01, 0.03))
    else:
        psf, beads = constant().psf, slide(tilt=(0.01, 0.03))
    other = psf.evaluate(spacing=(0.4, 0.12, 0.12)).field_maps(2, beads)
    maps = psf.field_maps(2, beads)
    assert other.pixel == maps.pixel == (0.1, 0.1)
    np.testing.assert_allclose(other.focus.values, maps.focus.values, atol=5e-3)
    # Larger pixels make it wider.
    assert (other.widths["x"].values > maps.widths["x"].values).all()


def test_a_psf_of_a_plane():
    field = psfd.simulate_beads((72, 72), (0.1, 0.1), beads=6, seed=1, separation=1.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = psfd.distill(field.image, field.spacing, device="numpy", bead_diameter=0.1)
    maps = result.psf.field_maps(2, result.beads)
    assert list(maps.widths) == ["y", "x"]
    assert maps.widths["y"].values[0, 0] == pytest.approx(result.fwhm[0], rel=0.02)
    assert "one plane" in maps.focus_note
    assert len(maps.to_frame()) == 4


def test_a_psf_of_a_plane_that_changes_tells_no_focus():
    basis = basis_of((1, 25, 25), (0,))
    plane = basis.functions(gaussian_coefficients(basis))
    over_field = dataclasses.replace(
        varying_functions([]).over_field,
        amplitudes=np.multiply.outer([1.0, 0.0, 0.1], plane.amplitudes),
    )
    model = dataclasses.replace(plane, spacing=SPACING, over_field=over_field)
    psf = psfd.PSF(model.evaluate(SPACING, model.window).values[0], SPACING[1:], model=model)
    maps = psf.field_maps(2, slide().drop(columns="z"))
    assert maps.varies
    assert list(maps.widths) == ["y", "x"]
    assert maps.focus is None
    assert "one plane" in maps.focus_note


def test_errors_grow_with_the_polynomials_of_the_place():
    errors = np.array([[0.01, 0.002, 0.003], [0.02, 0.004, 0.005]])
    psf = varying_psf([(scaled(across, 0.1), 0)], width_errors=errors)
    maps, field = psf.field_maps(3), psf.model.over_field
    for row, y in enumerate(maps.rows):
        for column, x in enumerate(maps.columns):
            strengths = field.group_strengths_at(y, x)
            expected = np.sqrt(strengths @ errors**2)
            found = [maps.widths[axis].error[row, column] for axis in "zyx"]
            # In the plane the PSF changes, and where it falls less steeply the errors are larger.
            assert found[0] == pytest.approx(expected[0])
            assert found[1:] == pytest.approx(expected[1:], rel=0.1)
    assert maps.widths["z"].error[1, 1] == pytest.approx(0.01)
    assert maps.widths["z"].error[0, 0] > 0.03


def test_what_noise_has_of_an_order_is_taken_off():
    part = [(scaled(across, 0.4), COSINE)]
    errors = np.array([[0.0, 0.03, 0.02], [0.0, 0.01, 0.01]])
    without, known = (varying_psf(part, order_errors=e).field_maps(3) for e in (None, errors))
    for one, before in zip(known.orders, without.orders, strict=True):
        assert np.isnan(before.strength_error).all()
        noise = one.strength_error * (np.sqrt(2) if one.order else 1)
        expected = np.sqrt(np.maximum(before.strength**2 - noise**2, 0))
        np.testing.assert_allclose(one.strength, expected, atol=1e-12)
    coma, astigmatism = known.orders[1:]
    # Where there is next to nothing it may point anywhere.
    assert np.isnan(coma.direction[1, 1])
    assert (coma.direction_error[:, 0] < 45).all()
    assert (astigmatism.strength == 0).all()
    assert np.isnan(astigmatism.direction).all()


def test_places_are_the_middles_of_equal_parts():
    maps = varying_psf([(scaled(across, 0.1), 0)]).field_maps((2, 4))
    np.testing.assert_allclose(maps.rows, [9.5, 29.5])
    np.testing.assert_allclose(maps.columns, [4.5, 14.5, 24.5, 34.5])
    assert maps.step == (20, 10)
    np.testing.assert_array_equal(maps.covered, [[False, True, True, False]] * 2)


def test_a_psf_that_is_one_has_flat_maps():
    result = constant()
    maps = result.psf.field_maps(4, result.beads)
    assert not maps.varies
    assert "The PSF is one" in maps.sentences()[0]
    for axis, width, theory in zip("zyx", result.fwhm, maps.theory.values(), strict=True):
        assert np.ptp(maps.widths[axis].values) == 0
        assert maps.widths[axis].values[0, 0] == pytest.approx(width, rel=0.02)
        assert theory == pytest.approx(width, rel=0.1)
    assert all(np.ptp(one.strength) < 1e-9 for one in maps.orders)
    assert maps.focus is None
    assert "Too few beads" in maps.focus_note
    assert not maps.covered[0, 0]
    assert maps.covered.any()


def test_the_table(tmp_path):
    maps = varying_psf([(scaled(across, 0.2), COSINE), (scaled(across, 0.1), 0)]).field_maps(
        3, slide()
    )
    frame = maps.to_frame()
    assert len(frame) == 9
    assert {"y", "x_um", "covered", "fwhm_z_um", "fwhm_x_error_um", "focus_um"} <= set(frame)
    assert {"coma", "coma_error", "coma_degrees", "coma_degrees_error"} <= set(frame)
    assert "focus_or_spherical_aberration" in frame
    row = frame.iloc[5]
    assert (row["y"], row["x"]) == (maps.rows[1], maps.columns[2])
    assert row["x_um"] == pytest.approx(0.1 * maps.columns[2])
    assert row["fwhm_z_um"] == maps.widths["z"].values[1, 2]
    maps.write_csv(tmp_path / "field.csv")
    back = pd.read_csv(tmp_path / "field.csv")
    pd.testing.assert_frame_equal(back, frame)


def test_a_psf_says_whether_it_changes():
    psf = varying_psf([(scaled(across, 0.5), COSINE)])
    assert "with functions, changing over the field" in repr(psf)
    assert "changing" not in repr(psf.at(20, 20))


def test_the_sentences():
    said = " ".join(varying_psf([(scaled(across, 0.5), COSINE)]).field_maps(3).sentences())
    assert "changes over the field: FWHM z" in said
    assert "Coma: up to" in said
    assert "beads.csv" in said


def test_a_small_tilt_is_told_with_its_digits():
    said = varying_psf([]).field_maps(2, slide(tilt=(0.01, 0.0), noise=0.002)).sentences()
    (sentence,) = [text for text in said if "tilted" in text]
    found = re.search(r"tilted by (\S+) ± (\S+)° along y", sentence)
    assert float(found[1]) == pytest.approx(np.degrees(0.01), abs=0.1)
    assert 0 < float(found[2]) < 0.05
    assert re.search(r"beads lie 2 nm off it", sentence)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_tilted_slide(seed):
    beads = slide(tilt=(0.01, -0.02), seed=seed)
    beads.loc[3, "z"] += 4
    focus = varying_psf([(scaled(across, 0.0), 0)]).field_maps(3, beads).focus
    for found, error, true in zip(focus.tilt, focus.tilt_error, (0.01, -0.02), strict=True):
        assert abs(found - np.degrees(true)) < 4 * error
        assert error < 0.3
    assert abs(focus.sag) < 4 * focus.sag_error
    assert focus.scatter == pytest.approx(0.02, rel=0.5)
    assert abs(focus.values[1, 1]) < 1e-2


def test_a_curved_field():
    psf = varying_psf([])
    maps = psf.field_maps(3, slide(bulge=0.1, noise=0.005))
    focus = maps.focus
    half = 0.1 * (EXTENT[0][1] - EXTENT[0][0]) / 2
    assert focus.sag == pytest.approx(0.1 * half**2, rel=0.1)
    y, x = (0.1 * (places - 19.5) for places in (maps.rows, maps.columns))
    true = 0.1 * (y[:, None] ** 2 + x**2)
    assert (np.abs(focus.values - true) < 4 * focus.error + 0.01).all()
    assert "above its middle" in " ".join(maps.sentences())
    other = psf.field_maps(3, slide(bulge=-0.1, noise=0.005))
    (sentence,) = [text for text in other.sentences() if "its middle" in text]
    assert re.search(r"its sides lie \d+ ± \d+ nm below its middle", sentence)


def test_the_psf_of_a_place_tells_where_its_beads_are_brightest():
    # A PSF whose peak rises across the field, and beads that the mean PSF was put on: those that
    # look as high are not.
    functions = varying_functions([])
    slopes = functions.waves_along(np.zeros(1), slope=True)[0]
    of_cosine = {
        round(f, 6): part for f, part in zip(functions.waves, functions.amplitudes[0], strict=True)
    }
    change = np.zeros_like(functions.amplitudes[0])
    for k, f in enumerate(functions.waves):
        if f < 0:
            # To the first order a displacement along z adds the derivative.
            change[k] = 0.05 * slopes[k] * of_cosine[round(-f, 6)]
    amplitudes = functions.over_field.amplitudes.copy()
    amplitudes[:, 0] += np.multiply.outer(polynomials_of(across, 1), change)
    of_field = dataclasses.replace(functions.over_field, amplitudes=amplitudes)
    model = dataclasses.replace(functions, over_field=of_field)
    psf = dataclasses.replace(varying_psf([]), model=model)
    focus = psf.field_maps(3, slide(noise=0.0)).focus
    assert abs(focus.tilt[1]) > 0.5
    assert abs(focus.tilt[0]) < 0.05


@pytest.mark.parametrize(
    ("beads", "said"),
    [
        (slide(count=5), "Too few beads"),
        (slide(count=60, noise=2.0), "all depths"),
        (beads_at([[7 + k, 10] for k in range(20)], 8.0), "one line"),
    ],
)
def test_why_there_is_no_map_of_the_focus(beads, said):
    maps = varying_psf([(scaled(across, 0.1), 0)]).field_maps(2, beads)
    assert maps.focus is None
    assert said in maps.focus_note
    assert maps.focus_note in maps.sentences()
    assert "focus_um" not in maps.to_frame()


@pytest.mark.parametrize(
    ("places", "beads", "said"),
    [
        (0, None, "number of places"),
        (2.5, None, "whole number"),
        ((3, 3, 3), None, "one along y and one along x"),
        ("many", None, "must be a number"),
        (3, pd.DataFrame({"z": [1.0], "y": [2.0]}), "no column x"),
        (3, pd.DataFrame({"z": [1.0], "y": ["a"], "x": [2.0], "used": [True]}), "no numbers"),
        (3, beads_at([[300.0, 20.0]], 5.0), "not those of the PSF"),
        (3, slide().assign(stack=[0, 1] * 30), "of several images"),
    ],
)
def test_what_cannot_be_is_said(places, beads, said):
    with pytest.raises(psfd.InputError, match=said):
        varying_psf([]).field_maps(places, beads)


def test_a_psf_without_functions_is_told():
    psf = psfd.PSF(psfd.simulate_psf((15, 31, 31), SPACING), SPACING)
    with pytest.raises(psfd.InputError, match="no functions"):
        psf.field_maps()
    alone = dataclasses.replace(
        varying_psf([]), model=dataclasses.replace(varying_functions([]), over_field=None)
    )
    with pytest.raises(psfd.InputError, match="how large the bead image is"):
        alone.field_maps()


def test_the_bead_image_is_the_fields():
    maps = varying_psf([]).field_maps(2)
    assert maps.image_shape == IMAGE_SHAPE
    assert maps.pixel == (0.1, 0.1)
