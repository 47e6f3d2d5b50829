"""What a user is told of input that the image contradicts."""

import dataclasses
import functools
import warnings

import numpy as np
import pytest

from napari_psf_distiller import (
    InputError,
    JointFit,
    Optics,
    Recipe,
    distill,
    fwhm,
    simulate_beads,
)
from napari_psf_distiller.joint.advice.contradiction import narrower_warnings, wider_warnings
from napari_psf_distiller.joint.misfit.theory_ratios import width_ratios

SPACING = (0.25, 0.09, 0.09)
OPTICS = Optics(1.2, 0.52, 1.33)
# Of the PSF, in voxels.
WINDOW = (15, 25, 25)
# Of widths, in micrometres.
THEORY = (0.63, 0.24, 0.24)
NARROWER, WIDER = "The PSF is narrower than", "The PSF is wider than"
FINER = "The image has finer detail"


@functools.cache
def field(spherical: float = 0.0):
    return simulate_beads(
        (26, 110, 110), SPACING, beads=12, separation=1.8, photons=2e5, spherical=spherical, seed=5
    )


@functools.cache
def distilled(spherical: float = 0.0, spacing=SPACING, optics=OPTICS, diameter=0.1):
    # It holds what is bright: the fit takes a part of the time.
    window = tuple(n * size for n, size in zip(WINDOW, spacing, strict=True))
    fit = JointFit(angular_orders=0, window=window)
    recipe = Recipe(bead_diameter=diameter, optics=optics, device="numpy", distill=fit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return distill(field(spherical).image, spacing, recipe=recipe)


def said(*args, **options) -> str:
    return "\n".join(distilled(*args, **options).warnings)


def test_right_input_is_not_told_to_be_wrong():
    found = said()
    assert [text for text in (NARROWER, WIDER, FINER) if text in found] == []


def test_planes_that_lie_farther_apart_than_given_are_told():
    found = said(spacing=(0.8 * SPACING[0], *SPACING[1:]))
    assert NARROWER in found or FINER in found
    assert "the voxel size" in found
    assert "larger" in found


def test_planes_that_lie_nearer_than_given_are_told_with_aberrations():
    found = said(spacing=(1.3 * SPACING[0], *SPACING[1:]))
    assert WIDER in found
    assert "the voxel size along z is smaller than given" in found
    assert "aberrations" in found


def test_pixels_that_are_smaller_than_given_are_told():
    found = said(spacing=(SPACING[0], 0.113, 0.113))
    assert "the voxel size in the plane is smaller than given" in found
    assert "the bead diameter larger" in found


def test_a_wavelength_that_is_too_long_is_told():
    found = said(optics=dataclasses.replace(OPTICS, wavelength=0.66))
    assert NARROWER in found or FINER in found
    assert "the wavelength shorter" in found


def test_of_an_aberrated_psf_aberrations_are_named():
    found = said(0.12)
    assert NARROWER not in found
    assert FINER not in found
    told = [line for line in found.splitlines() if line.startswith(WIDER)]
    assert all("aberrations" in line for line in told)


def test_optics_that_pass_less_than_beads_show_are_told_with_what_they_show():
    found = said(optics=Optics(0.85, 0.52, 1.33))
    assert f"{FINER} along z than the optics pass, up to" in found
    assert "cycles/µm where they pass 0.62" in found
    assert "numerical aperture is higher than given" in found


def test_auto_goes_beyond_optics_that_the_beads_contradict_and_says_so():
    wrong = Optics(0.85, 0.52, 1.33)
    kept = distilled(optics=wrong)
    freed = distilled(optics=dataclasses.replace(wrong, support="auto"))
    (sentence,) = [text for text in freed.warnings if "support auto" in text]
    assert sentence.startswith("The beads have finer detail than these optics pass")
    assert "along z instead of 0.59" in sentence
    assert FINER not in "\n".join(freed.warnings)
    truth = fwhm(field().psf.astype(np.float32), SPACING)[0]
    assert kept.fwhm[0] > 1.15 * truth
    assert freed.fwhm[0] == pytest.approx(truth, rel=0.05)


def test_auto_keeps_to_optics_that_the_beads_do_not_contradict():
    usual = distilled()
    auto = distilled(optics=dataclasses.replace(OPTICS, support="auto"))
    assert auto.warnings == usual.warnings
    np.testing.assert_array_equal(np.asarray(auto.psf), np.asarray(usual.psf))


@pytest.mark.parametrize("optics", [OPTICS, Optics()], ids=["told", "not told"])
def test_voxels_in_nanometres_are_refused(optics):
    with pytest.raises(InputError, match=r"µm wide.*give the voxel size in micrometres"):
        distilled(spacing=(50.0, 25.0, 25.0), optics=optics)


def test_beads_that_are_smaller_than_given_are_told_with_their_diameter():
    along, across, _ = THEORY
    narrow = (0.98 * along, 0.93 * across, 0.93 * across)
    widths = width_ratios(narrow, (0.002,) * 3, THEORY)
    (told,) = narrower_warnings(widths, OPTICS, 0.2)
    assert "as if the beads were of about 109 nm and not of 200" in told
    assert narrower_warnings(widths, OPTICS, None) == []
    wide = width_ratios((1.02 * along, 1.08 * across, 1.08 * across), (0.002,) * 3, THEORY)
    (told,) = wider_warnings(wide, OPTICS, 0.1)
    assert "the bead diameter larger (about 211 nm)" in told
