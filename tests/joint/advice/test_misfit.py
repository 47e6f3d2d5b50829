"""What a user is told of beads that the joint fit's model does not describe."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from napari_psf_distiller import JointFit, Optics, Recipe, distill, simulate_beads, simulate_psf
from napari_psf_distiller.joint.advice.misfit import misfit_warnings, spacing_warnings
from napari_psf_distiller.joint.basis.beyond_band import PowerBeyond
from napari_psf_distiller.joint.misfit.bead_sizes import SizeMisfit
from napari_psf_distiller.joint.misfit.common_residual import CommonMisfit
from napari_psf_distiller.joint.misfit.compression import Compression
from napari_psf_distiller.joint.misfit.field_variation import Variation
from napari_psf_distiller.joint.misfit.lean import Lean
from napari_psf_distiller.joint.misfit.plane_misfit import PlaneMisfit
from napari_psf_distiller.joint.misfit.summary import Misfit

SPACING = (0.3, 0.1, 0.1)
OPTICS = Optics(1.2, 0.52, 1.33)
SHAPE = (22, 110, 110)
# Of the PSF, in voxels.
WINDOW = (15, 21, 21)


def beads_of(seed: int, **options):
    """A small field of fourteen beads."""
    options = {"beads": 14, "bead_diameter": 0.1, "separation": 1.6, "photons": 1e5} | options
    return simulate_beads(SHAPE, SPACING, seed=seed, **options)


def told(image, spacing=SPACING, optics=OPTICS, over_field="auto") -> str:
    # It holds what is bright: the fit takes a part of the time.
    window = tuple(float(n * size) for n, size in zip(WINDOW, spacing, strict=True))
    fit = JointFit(over_field=over_field, window=window)
    recipe = Recipe(bead_diameter=0.1, optics=optics, distill=fit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = distill(image, spacing, recipe=recipe)
    return "\n".join(result.warnings)


def varying(change: float, seed: int):
    """A field whose aperture changes from left to right."""
    rng = np.random.default_rng(seed)
    image = np.full(SHAPE, 10.0)
    half = np.array([10, 16, 16])
    for column in range(4):
        x = 18 + 24 * column
        aperture = 1.1 + change * (x / SHAPE[2] - 0.5)
        psf = simulate_psf((21, 33, 33), SPACING, numerical_aperture=aperture)
        for row in range(4):
            y, z = 18 + 24 * row, int(rng.integers(9, 13))
            low, high = np.array([z, y, x]) - half, np.array([z, y, x]) + half + 1
            a, b = np.maximum(low, 0), np.minimum(high, SHAPE)
            here = tuple(slice(*pair) for pair in zip(a, b, strict=True))
            there = tuple(slice(*pair) for pair in zip(a - low, b - low, strict=True))
            image[here] += 1e5 * rng.uniform(0.8, 1.2) * psf[there]
    return np.round(rng.poisson(image) + rng.normal(100, 1.6, SHAPE)).astype(np.uint16)


NEVER = ("changes across", "changes with depth", "differ alike", "finer detail", "displaced")


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("optics", [OPTICS, Optics()], ids=["told", "not told"])
def test_nothing_is_said_of_a_good_field(seed, optics):
    said = told(beads_of(seed).image, optics=optics)
    assert [text for text in NEVER if text in said] == []


def test_a_psf_that_changes_across_the_field_is_told():
    said = told(varying(0.3, 1), over_field="constant")
    assert "The PSF changes across the field" in said
    assert "The PSF is a mean" in said
    assert "left" in said
    assert "right" in said


def test_optics_that_the_image_contradicts_are_told():
    assert "finer detail along z" in told(beads_of(3).image, optics=Optics(0.9, 0.52, 1.33))


def test_a_voxel_size_in_another_order_is_told():
    said = told(beads_of(3).image, spacing=SPACING[::-1], optics=Optics())
    assert "times as wide along x as along y" in said
    assert "Give it as z, y, x." in said


def binned(image):
    """Return an image above its camera's offset, as pixels see it that are twice as large."""
    planes, ny, nx = image.shape
    sums = (image.astype(float) - 100).reshape(planes, ny // 2, 2, nx // 2, 2).sum(axis=(2, 4))
    return (sums + 100).round().astype(np.uint16)


def test_pixels_that_are_too_large_do_no_harm_where_beads_tell_what_is_finer():
    fine = beads_of(4, beads=30, separation=1.0)
    said = told(binned(fine.image), (0.3, 0.2, 0.2), Optics())
    assert "too large" not in said


def test_pixels_that_are_too_large_are_told_without_the_optics():
    # All beads lie alike within their pixels.
    one = simulate_beads(
        (22, 36, 36), SPACING, beads=1, bead_diameter=0.1, photons=1e5, background=0, read_noise=0
    )
    light = np.tile(binned(one.image).astype(float) - 100, (1, 4, 4)).clip(0)
    rng = np.random.default_rng(1)
    image = rng.poisson(light + 20) + rng.normal(100, 1.6, light.shape)
    said = told(image.round().astype(np.uint16), (0.3, 0.2, 0.2), Optics())
    assert "too large for the microscope" in said
    assert "y, x" in said


# Each sentence.

NOTHING = PowerBeyond(1.0, 1.0, 2.0, 2.0)
UPRIGHT = Lean((0.0, 0.0), (0.01, 0.01))

GOOD = Misfit(
    image_shape=SHAPE,
    common=CommonMisfit(0.0, 1.0, 1.0, (NOTHING, NOTHING), UPRIGHT),
    across=None,
    along=None,
    refused_p_value=1.0,
    planes=None,
    compression=None,
    sizes=None,
    lean=UPRIGHT,
    lean_fraction=0.0,
    asymmetry_left=0.0,
    spectrum_at_limit=(0.05, 0.01, 0.01),
    limited_by_sampling=(True, True),
    phase_coverage=(1.0, 1.0, 1.0),
)


def table(used: int, touching: int = 0) -> pd.DataFrame:
    reasons = [""] * used + ["touching"] * touching
    return pd.DataFrame({"used": [not reason for reason in reasons], "reason": reasons})


def sentences(
    beads=None, *, diameter=0.1, optics=True, undersampled=False, **changed
) -> tuple[str, ...]:
    misfit = dataclasses.replace(GOOD, **changed)
    table_of = table(20) if beads is None else beads
    return misfit_warnings(misfit, table_of, diameter, optics=optics, undersampled=undersampled)


def variation(**changed) -> Variation:
    apart = ((4.0, 10.0, 10.0), (15.0, 100.0, 100.0))
    return Variation(0.1, apart, 0.3, 2, 0.12, 1e-8)._replace(**changed)


def test_good_beads_need_no_word():
    assert sentences() == ()
    assert sentences(table(16, 5)) == ()


@pytest.mark.parametrize("changed", [{"p_value": 0.01}, {"relative_l2": 0.01}])
def test_what_is_chance_or_harmless_needs_no_word(changed):
    assert sentences(across=variation(**changed), along=variation(**changed)) == ()


def test_width_and_places_of_a_change_are_told():
    (across,) = sentences(across=variation())
    assert "its width along x differs by 12 %" in across
    assert "between the upper left and the lower right" in across
    (whole,) = sentences(across=variation(width=0.01))
    assert "it differs by 30 % between" in whole
    (along,) = sentences(along=variation())
    assert "between planes 4 and 15" in along


def test_what_beads_have_in_common_is_told_with_its_cause():
    common = CommonMisfit(0.12, 2.0, 0.0, (PowerBeyond(9.0, 0.0, 1.5, 2.1), NOTHING), UPRIGHT)
    (optics,) = sentences(common=common)
    assert "finer detail along z than the optics pass" in optics
    assert "12 %" in optics
    # The voxels have had their sentence.
    assert sentences(common=common, undersampled=True) == ()
    (alike,) = sentences(common=common._replace(beyond=(NOTHING, NOTHING)))
    assert "by 12 % of their image and 2.0 times the noise" in alike
    (coarse,) = sentences(
        common=common._replace(beyond=(NOTHING, PowerBeyond(2.0, 0.0, 4.0, 4.6))), optics=False
    )
    assert "along y, x: they are too large" in coarse


def test_flatter_bright_beads_are_told():
    (found,) = sentences(compression=Compression(0.2, 1e-4))
    assert "20 % of the light is missing at the peak of a mean one" in found
    for changed in (Compression(0.05, 1e-9), Compression(0.2, 0.01), Compression(-0.3, 1.0)):
        assert sentences(compression=changed) == ()
    # Two sizes explain it.
    both = sentences(compression=Compression(0.2, 1e-4), sizes=SizeMisfit(12, 0.0015, 8.0))
    assert len(both) == 1


def test_two_sizes_are_told_with_both():
    found = SizeMisfit(12, 0.0015, 8.0)
    (known,) = sentences(table(13, 12), sizes=found)
    assert "12 of 25 beads are narrower and 8.0 times dimmer" in known
    assert "if 100 nm is the smaller one, the PSF was made from beads of about 200 nm" in known
    (unknown,) = sentences(table(13, 12), sizes=found, diameter=None)
    assert "nm" not in unknown


def test_many_refused_beads_are_told():
    (many,) = sentences(table(10, 12))
    assert "12 of 22 beads were refused for their shape: they are clumped" in many
    (placed,) = sentences(table(20, 6), refused_p_value=1e-5)
    assert "depends on their place in the field" in placed


def test_planes_are_told():
    (moved,) = sentences(planes=PlaneMisfit((0.5, 0.2), 0.0, 0.3, 0.0))
    assert "by 0.50 voxels along y and 0.20 along x" in moved
    (flicker,) = sentences(planes=PlaneMisfit((0.0, 0.0), 0.2, 0.0, 0.0))
    assert "brightness varies by 20 %" in flicker
    assert sentences(planes=PlaneMisfit((0.1, 0.1), 0.01, 0.05, 0.0)) == ()


def test_beads_that_lean_are_told():
    leaning = Lean((0.3, -0.1), (0.01, 0.01))
    (said,) = sentences(lean=leaning, lean_fraction=0.3)
    assert "lean by 0.30 voxels along y and -0.10 along x" in said
    assert sentences(lean=leaning, lean_fraction=0.05) == ()
    assert sentences(lean=leaning._replace(errors=(0.1, 0.1)), lean_fraction=0.3) == ()


def test_the_order_of_a_voxel_size():
    round_ones = (3.0, 3.1, 3.2)
    assert spacing_warnings(round_ones, (0.2, 0.08, 0.08)) == ()
    (said,) = spacing_warnings(round_ones, (0.08, 0.08, 0.2))
    assert "2.6 times as wide along x as along y" in said
    # Of an image that is out of round whatever the order.
    assert spacing_warnings((3.0, 3.0, 6.0), (0.2, 0.08, 0.08)) == ()
    assert spacing_warnings((3.0, 6.0), (0.08, 0.08)) == ()
