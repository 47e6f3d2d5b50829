"""Beads in a gel whose PSF changes with depth, from the image to the PSF of a plane."""

import dataclasses
import functools
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from aperture_fields import SPACING, bead_image, off, psf_of

import napari_psf_distiller as psfd

SHAPE = (60, 100, 100)
RECIPE = psfd.Recipe(optics=psfd.Optics(1.2, 0.52, 1.33), device="numpy")
# Of the aperture, from the first plane to the last.
CHANGE = 0.35
# Of the PSF, in micrometres: as much as the beads have light in.
WINDOW = (5.0, 2.6, 2.6)
PLANES = (12, 30, 47)


def aperture_at(z: float) -> float:
    return 1.0 + CHANGE * (z / SHAPE[0] - 0.5)


@functools.cache
def gel(change: bool = True, seed: int = 1):
    """Beads in rows of four, each at another depth, whose aperture changes with it."""
    rng = np.random.default_rng(seed)
    planes = rng.permutation(np.linspace(10, 49, 16)).round().astype(int).tolist()
    beads = [
        ((z, 15 + 23 * (bead // 4), 15 + 23 * (bead % 4)), aperture_at(z if change else 30))
        for bead, z in enumerate(planes)
    ]
    return bead_image(SHAPE, beads, rng)


@functools.cache
def distilled(change: bool = True, **changes) -> psfd.Result:
    recipe = dataclasses.replace(RECIPE, distill=psfd.JointFit(window=WINDOW, **changes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return psfd.distill(gel(change), SPACING, recipe=recipe)


@pytest.mark.parametrize("plane", PLANES)
def test_the_psf_of_each_plane(plane):
    psf = distilled().psf
    own = psf.at(50, 50, plane)
    constant = distilled(over_field="constant").psf
    assert off(own, aperture_at(plane)) < 0.06
    if plane != 30:
        assert off(constant, aperture_at(plane)) > 2 * off(own, aperture_at(plane))
    assert own.error.shape == own.shape
    assert (own.error > 0).all()
    # Over the field it is one.
    np.testing.assert_allclose(psf.at(20, 80).array, psf.at(50, 50).array, atol=1e-7)


def test_what_is_said_of_it():
    said = "\n".join(distilled().warnings)
    percent = re.search(r"changes with depth: it differs by (\d+) % between planes 30 and", said)
    assert 5 < int(percent[1]) < 60
    assert "PSF.at(y, x, z)" in said
    assert "across the field" not in said


def test_a_psf_that_is_the_same_in_all_planes_is_found_so():
    result = distilled(change=False)
    assert result.psf.model.over_field is None
    assert not any("with depth" in warning for warning in result.warnings)


def test_a_file_keeps_the_psfs_of_all_planes(tmp_path):
    psf = distilled().psf
    psf.save(tmp_path / "psf.tif")
    back = psfd.read_psf(tmp_path / "psf.tif")
    one, other = psf.at(40, 30, 20), back.at(40, 30, 20)
    np.testing.assert_allclose(other.array, one.array, atol=1e-6 * one.array.max())
    np.testing.assert_allclose(other.error, one.error, rtol=1e-4)


def test_above_all_beads_it_is_said_to_be_extrapolated():
    with pytest.warns(psfd.DistillerWarning, match=r"At z 1, .* is extrapolated"):
        distilled().psf.at(50, 50, 1)


def test_a_deconvolution_takes_the_psf_of_each_plane():
    result = distilled()
    done = psfd.deconvolve(gel(), result.psf, 10, device="numpy")
    mean = psfd.deconvolve(gel(), result.psf, 10, device="numpy", over_field="mean")
    assert any("eigen-PSFs" in note for note in done.notes)
    # The light of a bead near the first or the last plane comes nearer to its place.
    beads = result.beads[result.beads["used"]]
    ends = beads[(beads["z"] - 30).abs() > 12]
    spread: dict[str, list[float]] = {"own": [], "mean": []}
    for name, array in (("own", done.array), ("mean", mean.array)):
        for z, y, x in ends[["z", "y", "x"]].round().astype(int).to_numpy():
            box = array[z - 6 : z + 7, y - 9 : y + 10, x - 9 : x + 10]
            spread[name].append(float(box.max() / box.sum()))
    assert np.mean(spread["own"]) > np.mean(spread["mean"])


def test_an_image_of_another_thickness_needs_its_place():
    psf = distilled().psf
    thin = gel()[:50].astype(np.float32)
    with pytest.raises(psfd.InputError, match=r"18 micrometres along z; this image has 15\b"):
        psfd.deconvolve(thin, psf, 3, device="numpy")
    placed = psfd.deconvolve(thin, psf, 3, device="numpy", over_field="placed")
    assert placed.shape == thin.shape
    with pytest.raises(psfd.InputError, match="above or below"):
        psfd.deconvolve(thin, psf, 3, device="numpy", over_field="placed", field_z=50.0)


def test_the_widths_in_each_depth(tmp_path):
    result = distilled()
    profile = result.psf.depth_profile(30)
    assert profile is not None
    np.testing.assert_allclose(profile.depths, profile.planes * SPACING[0])
    told = profile.covered
    assert 15 < told.sum() < 30
    for plane, width, error in zip(
        profile.planes[told], profile.widths["z"][told], profile.errors["z"][told], strict=True
    ):
        true = psfd.fwhm(psf_of(aperture_at(plane)), SPACING)[0]
        assert width == pytest.approx(true, abs=max(4 * error, 0.03 * true))
    assert "with depth: from" in profile.sentence()
    with pytest.raises(psfd.InputError, match="number of places"):
        result.psf.depth_profile(0)
    # Over the field nothing changes: there are no maps.
    assert result.maps is None
    assert not result.psf.field_maps(3).varies
    result.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "depth.csv")
    assert list(table) == list(profile.to_frame())
    assert (tmp_path / "out" / "depth.png").stat().st_size > 5_000
    assert not (tmp_path / "out" / "field.csv").exists()
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The PSF in each depth" in report
    assert profile.sentence()[:30] in report
    assert distilled(change=False).psf.depth_profile() is None
