"""Whether a PSF explains its beads: noise is no structure, and a wrong PSF leaves one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.bead_fits import BeadFits, fit_beads_steps
from napari_psf_distiller.measure.beads import widths_of
from napari_psf_distiller.measure.noise import noise_model
from napari_psf_distiller.measure.structure import (
    Structure,
    psf_structure_steps,
    residual_structure,
)
from napari_psf_distiller.progress import finish

PSF = np.full((9, 17, 17), 1e-4)
PSF[4, 8, 8] = 0.05
PSF /= PSF.sum()


def psf_structure(*given: Any, **keywords: Any) -> Structure:
    return finish(psf_structure_steps(*given, **keywords))


def fit_beads(*given: Any, **keywords: Any) -> BeadFits:
    return finish(fit_beads_steps(*given, **keywords))


def test_noise_alone_leaves_no_structure() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 7, (12, 80, 90)).astype(np.float32)
    beads = pd.DataFrame(
        {"z": [6.0, 6], "y": [20.0, 50], "x": [20.0, 60], "used": True, "chi_squared": [1.0, 3.0]}
    )
    widths = np.array([3.0, 3.0, 3.0])
    found = residual_structure(noise, beads, widths, noise, PSF)
    assert found.beads == 2
    assert found.common is None
    assert found.cores == pytest.approx(np.sqrt(2))
    assert found.elsewhere == pytest.approx(1, abs=0.03)
    # What is left at the beads is none of elsewhere; a slope is.
    noise[:, 18:23, 18:23] += 1000
    assert residual_structure(noise, beads, widths, noise, PSF).elsewhere == pytest.approx(
        1, abs=0.03
    )
    noise += np.linspace(-40, 40, 90)
    assert residual_structure(noise, beads, widths, noise, PSF).elsewhere > 2
    assert found.held_out == 0
    tested = beads.assign(used=[True, False], reason=["", "held out"])
    held = residual_structure(noise, tested, widths, noise, PSF)
    assert (held.beads, held.held_out) == (1, 1)
    assert (held.cores, held.held_out_cores) == pytest.approx((1, np.sqrt(3)))
    flat = residual_structure(noise[0], beads.drop(columns="z"), widths[1:], noise[0], PSF[4])
    assert flat.elsewhere > 2
    with pytest.raises(InputError, match="chi squared"):
        residual_structure(noise, beads.assign(chi_squared=np.nan), widths, noise, PSF)


def test_what_all_beads_share_is_structure_though_each_alone_seems_noise() -> None:
    rng = np.random.default_rng(4)
    places = rng.uniform((4, 12, 12), (8, 148, 148), (40, 3))
    beads = pd.DataFrame(places, columns=list("zyx")).assign(
        used=True, chi_squared=1.0, amplitude=rng.uniform(0.8, 1.2, 40) * 1000
    )
    widths = np.array([3.0, 4.0, 4.0])
    grid = np.indices((12, 160, 160))
    light = np.full((12, 160, 160), 40.0)
    fault = np.zeros_like(light)
    for place, amplitude in zip(places, beads["amplitude"], strict=True):
        z, y, x = (each - at for each, at in zip(grid, place, strict=True))
        peak = amplitude * PSF.max()
        blob = peak * np.exp(-0.5 * ((z / 1.3) ** 2 + (y**2 + x**2) / 1.7**2))
        light += blob
        fault += 0.06 * y * blob
    image = rng.poisson(light).astype(np.float32)
    clean = residual_structure((image - light).astype(np.float32), beads, widths, image, PSF)
    assert clean.common is not None
    assert not clean.common.structured
    spoilt = residual_structure(
        (image - light + fault).astype(np.float32), beads, widths, image, PSF
    )
    assert spoilt.common is not None
    assert spoilt.common.structured
    assert spoilt.common.described().startswith("a dipole of ")
    assert "coma" in spoilt.common.described()
    # The largest of 0.06 y exp(-y^2 / 2 / 1.7^2) is 0.062.
    assert spoilt.common.patterns[0].size == pytest.approx(0.062, rel=0.35)


@pytest.fixture(scope="module")
def beads_of_light() -> psfd.SimulatedBeads:
    return psfd.simulate_beads((28, 160, 160), beads=18, bead_diameter=0.2, photons=3e5, seed=3)


def left_by(field: psfd.SimulatedBeads, psf: np.ndarray, **values: Any) -> Structure:
    # Whoever found the beads was off by some tenths of a voxel.
    off = np.random.default_rng(0).normal(0, 0.2, field.centres.shape)
    beads = pd.DataFrame(field.centres + off, columns=list("zyx")).assign(used=True)
    given = {"spacing": field.spacing, "bead_diameter": field.bead_diameter} | values
    return psf_structure(field.image, psf, beads, widths_of(psf), **given)


def simulated(field: psfd.SimulatedBeads, **optics: Any) -> np.ndarray:
    psf = psfd.simulate_psf(field.psf.shape, field.spacing, **optics)
    return psf / psf.sum()


def leaning(psf: np.ndarray, voxels: float) -> np.ndarray:
    """Return a PSF that is displaced by so many voxels from plane to plane."""
    frequency = np.fft.fftfreq(psf.shape[-1])
    depth = np.arange(len(psf)) - len(psf) // 2
    phase = np.exp(-2j * np.pi * frequency * voxels * depth[:, None])[:, None]
    moved = np.maximum(np.fft.ifft(np.fft.fft(psf) * phase).real, 0)
    return moved / moved.sum()


def test_the_right_psf_leaves_noise_of_beads_whose_light_overlaps(beads_of_light) -> None:
    found = left_by(beads_of_light, beads_of_light.psf)
    assert found.fitted
    assert found.common is not None
    assert not found.common.structured
    assert found.cores == pytest.approx(1, abs=0.05)
    assert 0 < found.common.visible < 0.03
    sentence = found.verdict()
    assert sentence.startswith("Residual of this PSF, fitted to each bead: ")
    assert f"of {found.beads} beads: noise, no structure. A fault of the PSF" in sentence


def test_a_wrong_psf_leaves_a_structure_of_its_kind_whoever_made_it(beads_of_light) -> None:
    field = beads_of_light
    wrong = {
        "wide": (simulated(field, wavelength=0.52 * 1.03), "rings"),
        "NA": (simulated(field, numerical_aperture=1.1), "rings"),
        "aberrated": (simulated(field, spherical=0.1), "rings"),
        "leaning": (leaning(field.psf, 0.1), "dipole"),
    }
    for psf, name in wrong.values():
        common = left_by(field, psf).common
        assert common is not None
        assert common.structured
        assert common.patterns[0].name == name
        assert "false detail of about this size" in common.described()
    points = left_by(field, field.psf, bead_diameter=0.0).common
    assert points is not None
    assert "bead size" in points.described()


def test_a_faint_structure_is_clear_around_the_axis_where_no_voxel_shows_it() -> None:
    dim = psfd.simulate_beads((28, 160, 160), beads=18, photons=4e4, seed=4)
    common = left_by(dim, leaning(dim.psf, 0.1)).common
    assert common is not None
    assert common.core < common.core_limit
    assert [order.number for order in common.orders if order.significant] == [1]
    assert common.patterns[0].name == "dipole"
    assert "around the axis" in common.described()


def test_a_psf_of_a_plane_and_one_that_changes_from_bead_to_bead() -> None:
    field = psfd.simulate_beads((160, 160), (0.08, 0.08), beads=12, photons=1e5, seed=2)
    beads = pd.DataFrame(field.centres, columns=list("yx")).assign(used=True)
    widths = widths_of(field.psf)
    given = (field.image, field.psf, beads, widths, field.spacing, field.bead_diameter)
    one = psf_structure(*given)
    assert one.common is not None
    assert not one.common.structured
    other = psf_structure(*given, lambda _: field.psf)
    assert other.cores == one.cores


def test_beads_to_which_no_psf_can_be_fitted_are_told_of(beads_of_light) -> None:
    field = beads_of_light
    beads = pd.DataFrame(field.centres, columns=list("zyx")).assign(used=False)
    widths = widths_of(field.psf)
    with pytest.raises(InputError, match="No used bead stands alone"):
        psf_structure(field.image, field.psf, beads, widths)
    dark = np.full(field.image.shape, 100) - np.random.default_rng(0).poisson(field.image)
    clean = np.full(field.image.shape, 100.0)
    clean[14, 80, 80] = 200
    with pytest.raises(InputError, match="no noise"):
        psf_structure(clean, field.psf, beads.assign(used=True), widths)
    with pytest.raises(InputError, match="fitted to none"):
        psf_structure(dark, field.psf, beads.assign(used=True), widths)


def test_beads_whose_light_reaches_none_that_is_told_of_are_not_fitted(beads_of_light) -> None:
    field = beads_of_light
    psf = field.psf[4:-4, 20:-20, 20:-20]
    widths, noise = widths_of(psf), noise_model(field.image)
    alone = np.zeros(len(field.centres), bool)
    alone[0] = True
    far = np.abs(field.centres - field.centres[0])[:, 1:].max(axis=1) > 40
    assert far.any()
    given = {"spacing": field.spacing, "bead_diameter": field.bead_diameter}
    every = fit_beads(field.image, psf, field.centres, widths, noise, alone=alone, **given)
    near = fit_beads(
        field.image, psf, field.centres[~far], widths, noise, alone=alone[~far], **given
    )
    np.testing.assert_array_equal(every.residual, near.residual)
    assert every.peaks == near.peaks
    with pytest.raises(InputError, match="no bead"):
        fit_beads(field.image, psf, field.centres[:0], widths, noise)


def test_the_fits_are_counted_so_that_they_can_be_cancelled(beads_of_light) -> None:
    field = beads_of_light
    beads = pd.DataFrame(field.centres, columns=list("zyx")).assign(used=True)
    steps = psf_structure_steps(field.image, field.psf, beads, widths_of(field.psf))
    first, second = next(steps), next(steps)
    assert (first.iteration, second.iteration) == (1, 2)
    assert second.total > len(beads)
    steps.close()
