from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_psf_distiller as psfd
from napari_psf_distiller import SimulatedBeads
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.beads import isolated, measure_beads
from napari_psf_distiller.measure.proof import (
    Proof,
    background_of,
    beads_in_part,
    prove,
    spread_of,
    write_proof,
)
from napari_psf_distiller.measure.widths import fwhm

# Of the simulated camera: offset and background.
LEVEL = 110.0

# What its window holds does not matter here, but its brightest voxel does.
PSF = np.full((9, 17, 17), 1e-4)
PSF[4, 8, 8] = 0.05
PSF /= PSF.sum()


@pytest.fixture(scope="module")
def beads(field: SimulatedBeads) -> pd.DataFrame:
    return pd.DataFrame(field.centres, columns=list("zyx")).assign(used=True)


def deconvolved(field: SimulatedBeads, **settings: Any) -> Any:
    settings = {
        "iterations": 30,
        "boundary": "circulant",
        "device": "numpy",
        "method": "plain",
    } | settings
    return np.asarray(psfd.deconvolve(field.image, field.psf, **settings))


def test_beads_in_the_margin_of_a_part_are_not_used() -> None:
    centres = [[4.0, 10.0], [4.0, 13.0], [9.4, 19.6], [3.0, 30.0]]
    beads = pd.DataFrame(centres, columns=["y", "x"]).assign(used=[True, True, True, True])
    beads.loc[1, "used"] = False
    # A part with a margin of two voxels.
    here = beads_in_part(beads, (slice(1, 12), slice(8, 23)), (slice(2, 9), slice(2, 13)))
    np.testing.assert_allclose(here[["y", "x"]], np.array(centres) - [1, 8])
    assert list(here["used"]) == [True, False, True, False]


def test_beads_become_narrower_and_brighter(field: SimulatedBeads, beads: pd.DataFrame) -> None:
    sharp = deconvolved(field)
    proof = prove(field.image, sharp, beads, field.psf, (LEVEL, LEVEL), field.spacing)
    assert (len(proof.beads), proof.used, proof.unit) == (8, 8, "um")
    # The beads are small, so each one's image is the PSF.
    for axis, width in zip("zyx", fwhm(field.psf, field.spacing), strict=True):
        before = spread_of(proof.beads[f"fwhm_{axis}_before"])
        after = spread_of(proof.beads[f"fwhm_{axis}_after"])
        assert before.median == pytest.approx(width, rel=0.05)
        assert before.low <= before.median <= before.high
        assert after.median < 0.75 * before.median
    assert (proof.beads["peak_gain"] > 5).all()


@pytest.mark.parametrize("boundary", ["circulant", "noncirculant"])
def test_the_flux_is_that_of_the_beads_and_not_of_the_light_about_them(
    field: SimulatedBeads, beads: pd.DataFrame, boundary: str
) -> None:
    sharp = deconvolved(field, iterations=60, boundary=boundary, method="accelerated")
    sent = field.amplitudes.sum()
    # One with a level that is off by a tenth of what is above it: the background is most of it.
    for level in (LEVEL, LEVEL + 1):
        proof = prove(field.image, sharp, beads, field.psf, (level, level))
        assert proof.unit == "voxels"
        assert len(proof.beads) == 8
        assert proof.flux_before == pytest.approx(sent, rel=0.05)
        assert proof.flux_kept == pytest.approx(1, abs=0.1)
    # The sum of all voxels has more than that: light that lies where no bead is.
    if boundary == "noncirculant":
        above = [image.sum(dtype=float) - image.size * LEVEL for image in (field.image, sharp)]
        assert above[1] > 1.2 * above[0]


def test_a_sentence_says_what_became_of_the_beads_and_whether_that_is_right() -> None:
    table = pd.DataFrame(
        {
            "fwhm_z_before": [0.6, 0.6],
            "fwhm_z_after": [0.3, 0.3],
            "fwhm_y_before": [0.2, 0.2],
            "fwhm_y_after": [0.1, 0.1],
            "fwhm_x_before": [0.2, 0.2],
            "fwhm_x_after": [0.08, 0.08],
            "peak_gain": [40.0, 60.0],
        }
    )
    right = Proof(table, 2, "um", 1000.0, 950.0, 0.0, 0.0)
    assert right.verdict() == (
        "Deconvolved, the beads are narrower by 2.0 x along z and 2.2 x in the plane, 50 x as "
        "bright, and hold 95 % of their light, as they should."
    )
    assert "the rest lies about them" in replace(right, flux_after=600.0).verdict()
    assert "some was made up" in replace(right, flux_after=1300.0).verdict()
    dark = replace(right, flux_before=0.0).verdict()
    assert dark.endswith("their light is not known.")
    as_wide = replace(right, beads=table.assign(fwhm_z_after=0.59))
    assert as_wide.verdict().startswith(
        "This PSF does not sharpen the beads: deconvolved, they are 1.0 x as wide along z and "
        "0.4 x as wide in the plane, 50 x as bright, "
    )
    flat = replace(right, beads=table.drop(columns=["fwhm_z_before", "fwhm_z_after"]))
    assert flat.verdict().startswith("Deconvolved, the beads are narrower by 2.2 x in the plane")


def test_an_image_is_as_sharp_as_itself() -> None:
    field = psfd.simulate_beads((24, 72, 80), beads=8, separation=1.2, seed=1)
    beads = pd.DataFrame(field.centres, columns=list("zyx")).assign(used=True)
    image = field.image.astype(float)
    itself = prove(image, image, beads, field.psf, (LEVEL, LEVEL))
    # The PSF spreads most of the light, and nothing gathered it.
    assert itself.flux_kept < 0.5
    proof = prove(image, 3 * (image - LEVEL), beads, field.psf, (LEVEL, 0))
    np.testing.assert_allclose(proof.beads["fwhm_x_after"], proof.beads["fwhm_x_before"])
    np.testing.assert_allclose(proof.beads["peak_gain"], 3)
    assert proof.flux_kept == pytest.approx(3 * itself.flux_kept)


@given(
    width=st.floats(2.5, 6), height=st.floats(1, 1e4), level=st.floats(0, 1e3), at=st.floats(-1, 1)
)
def test_the_width_of_a_gaussian_is_its_own(
    width: float, height: float, level: float, at: float
) -> None:
    y, x = np.indices((41, 41)) - 20 - at / 2
    squares = y**2 / width**2 + x**2 / (1.2 * width) ** 2
    image = level + height * np.exp(-4 * np.log(2) * squares)
    found, peaks = measure_beads(
        image, np.array([[20 + at / 2] * 2]), np.array([width, 1.2 * width]), level
    )
    np.testing.assert_allclose(found, [[width, 1.2 * width]], rtol=0.02)
    assert 0.85 * height < peaks[0] <= 1.001 * height


def test_what_cannot_be_measured_is_not_a_number() -> None:
    image = np.zeros((40, 40))
    image[20, :] = 1
    centres = np.array([[20.0, 20.0], [50.0, 3.0], [0.0, 0.0]])
    found, peaks = measure_beads(image, centres, np.array([3.0, 3.0]))
    # A line has no end, and none is in the corner or outside.
    assert np.isfinite(found[0, 0])
    assert np.isnan(found[0, 1])
    assert np.isnan(found[1:]).all()
    assert np.isnan(peaks[1])


def test_a_bead_near_another_is_not_isolated() -> None:
    centres = np.array([[0.0, 0.0], [0.0, 12.0], [30.0, 0.0], [30.0, 9.0]])
    assert list(isolated(centres, np.array([3.0, 3.0]))) == [True, True, False, False]
    assert list(isolated(centres, np.array([3.0, 2.0]))) == [True, True, True, True]
    assert list(isolated(centres[:1], np.array([3.0, 3.0]))) == [True]


def test_only_used_beads_are_measured_and_the_others_count_as_neighbours(
    field: SimulatedBeads, beads: pd.DataFrame
) -> None:
    beads = beads.copy()
    beads.loc[0, "used"] = False
    near = beads.loc[[1]].assign(y=beads.loc[1, "y"] + 3, used=False)
    beads = pd.concat([beads, near], ignore_index=True)
    proof = prove(field.image, field.image, beads, field.psf, (LEVEL, LEVEL))
    assert list(proof.beads.index) == list(range(2, 8))
    assert proof.used == 7


def test_what_cannot_be_proven_is_told_in_a_sentence(
    field: SimulatedBeads, beads: pd.DataFrame
) -> None:
    psf = field.psf
    image, levels = field.image, (LEVEL, LEVEL)
    with pytest.raises(InputError, match="must be the same"):
        prove(image, image[1:], beads, psf, levels)
    with pytest.raises(InputError, match="No used bead lies here"):
        prove(image, image, beads.assign(used=False), psf, levels)
    with pytest.raises(InputError, match="None of the 8 used beads here stands alone"):
        prove(image, image, beads, np.ones(image.shape), levels)
    with pytest.raises(InputError, match="do not fall to half"):
        prove(image, image, beads, psf, (-1e4, -1e4))


def test_the_background_is_the_beads_or_the_median(field: SimulatedBeads) -> None:
    assert background_of(field.image) == pytest.approx(LEVEL, abs=5)
    known = pd.DataFrame({"used": [True, True, False], "background": [90.0, np.nan, 7.0]})
    assert background_of(field.image, known) == 90
    assert background_of(field.image, known.assign(used=False)) == background_of(field.image)


def test_the_table_has_a_row_a_quantity_and_bead(
    field: SimulatedBeads, beads: pd.DataFrame, tmp_path: Path
) -> None:
    proof = prove(field.image, deconvolved(field), beads, field.psf, (LEVEL, LEVEL))
    write_proof(tmp_path / "proof.csv", proof)
    table = pd.read_csv(tmp_path / "proof.csv")
    assert set(table["quantity"]) == {"fwhm_z", "fwhm_y", "fwhm_x", "peak", "flux"}
    assert len(table) == 4 * (3 + 8) + 1
    rows = table.set_index(["quantity", "bead"])
    flux = rows.loc[("flux", "all")]
    assert flux["after_over_before"] == pytest.approx(proof.flux_kept, rel=1e-4)
    shown = rows.loc[("fwhm_z", "median")]
    assert shown["before"] == pytest.approx(proof.beads["fwhm_z_before"].median(), rel=1e-4)
    assert shown["unit"] == "voxels"
    with pytest.raises(InputError, match="does not exist"):
        write_proof(tmp_path / "nowhere" / "proof.csv", proof)
