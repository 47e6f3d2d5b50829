"""The benchmark of conditions: its images are right, and its verdicts."""

import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import fftconvolve

import napari_psf_distiller as psfd

domain = pytest.importorskip("domain", reason="an sdist has no benchmarks")

from conditions.cameras import CAMERAS  # noqa: E402
from conditions.optics import Microscope, intensity, nyquist  # noqa: E402
from conditions.point_spread import psf_of  # noqa: E402
from conditions.scenes import Scene, expose  # noqa: E402
from conditions.scoring import Row, nearest  # noqa: E402
from conditions.table import CASES, COVERAGE, SECTIONS  # noqa: E402
from conditions.verdicts import WARNINGS, cells, coverage, summary, verdict  # noqa: E402

DRY = Microscope(0.8, 1.0, 0.6)
# Coarser than Nyquist's, 0.75 and 0.1875.
COARSE, WINDOW = (0.9, 0.25, 0.25), (21, 31, 31)
ALIKE = "All beads differ alike from the model, by 8 % of their image and 3 times the noise."
FEW = "Only 3 of 3 beads could be used: the PSF is noisy."


def sampled_ball(diameter, step, finer=6):
    """Part of each voxel that a ball fills, its centre in the middle one; sum 1."""
    half = [int(np.ceil(diameter / 2 / s)) for s in step]
    axes = [
        (np.arange((2 * n + 1) * finer) - ((2 * n + 1) * finer - 1) / 2) * s / finer
        for n, s in zip(half, step, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    inside = (z**2 + y**2 + x**2 <= diameter**2 / 4).astype(float)
    blocks = inside.reshape([v for n in half for v in (2 * n + 1, finer)])
    ball = blocks.mean(axis=(1, 3, 5))
    return ball / ball.sum()


@pytest.mark.parametrize("diameter", [0.3, 0.9])
def test_a_beads_image_is_the_sampled_psf_convolved_with_the_ball(diameter):
    parts = 5
    step = tuple(s / parts for s in COARSE)
    fine = psf_of(DRY, step, tuple(parts * n for n in WINDOW), integrating=False)
    point = fine.image(fine.window)
    blurred = fftconvolve(point, sampled_ball(diameter, step), mode="same")
    # Displaced by 1, -2 and 2 fifths of a voxel; a voxel has the light of all its squares.
    blurred = np.roll(blurred, (1, -2, 2), (0, 1, 2))
    n = WINDOW[1]
    pixels = blurred.reshape(-1, n, parts, n, parts).sum(axis=(2, 4))
    # As dense along z as the fine planes.
    planes = parts * pixels[parts // 2 :: parts]
    coarse = psf_of(DRY, COARSE, WINDOW)
    assert coarse.fine == (2, 2, 2)
    found = coarse.of_ball(diameter).image(WINDOW, (0.2, -0.4, 0.4))
    # The windows' tapers are not quite alike; at the sides the rolled one comes in again.
    inner = (slice(2, -2), slice(4, -4), slice(4, -4))
    assert np.abs(found - planes)[inner].max() < 0.01 * planes.max()


@given(st.tuples(*[st.integers(-2, 2)] * 3), st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_a_whole_voxel_more_moves_an_image_by_it(whole, part):
    psf = psf_of(DRY, COARSE, WINDOW)
    still = psf.image(WINDOW, part)
    moved = psf.image(WINDOW, np.add(whole, part))
    rolled = np.roll(still, whole, (0, 1, 2))
    inner = (slice(2, -2),) * 3
    assert moved[inner] == pytest.approx(rolled[inner], abs=1e-9)


def test_the_psf_is_the_packages():
    spacing, shape = (0.9, 0.18, 0.18), (31, 61, 61)
    low = Microscope(0.5, 1.0, 0.6)
    heights = (np.arange(31) - 15) * spacing[0]
    found = intensity(low, heights, 61, spacing[1])
    ours = psfd.simulate_psf(
        shape, spacing, numerical_aperture=0.5, wavelength=0.6, refractive_index=1.0
    )
    assert psfd.fwhm(found, spacing) == pytest.approx(psfd.fwhm(ours, spacing), rel=0.01)


def test_a_point_deep_in_another_medium_is_brightest_in_the_middle_and_uneven():
    deep = Microscope(1.25, 1.518, depth=8.0, sample_index=1.34)
    along, across = nyquist(deep)
    spacing = (0.7 * along, 0.9 * across, 0.9 * across)
    image = psf_of(deep, spacing, (61, 61, 61)).image((61, 61, 61))
    line = image[:, 30, 30] / image.max()
    assert abs(int(line.argmax()) - 30) <= 1
    assert np.abs(line - line[::-1]).max() > 0.1


def test_a_drifting_stage_displaces_planes():
    scene = Scene(
        microscope=DRY,
        spacing=(0.7, 0.18, 0.18),
        shape=(15, 64, 64),
        window=(31, 41, 41),
        beads=1,
        margin=(0.3, 28),
        background=0,
        drift=(0, 2, 0),
    )
    moved = expose(scene, np.random.default_rng(1))
    still = expose(replace(scene, drift=(0, 0, 0)), np.random.default_rng(1))
    # Where a plane and the one at rest are most alike: by so many rows the first one lies lower.
    for plane, (a, b) in enumerate(zip(moved.light, still.light, strict=True)):
        slope = np.gradient(b, axis=0)
        # One step of Gauss and Newton is near it.
        shift = -((a - b) * slope).sum() / (slope**2).sum()
        assert shift == pytest.approx(plane / 7 - 1, abs=0.12)


@pytest.mark.parametrize("name", CAMERAS)
def test_a_cameras_image_is_of_its_seed(name):
    light = np.full((6, 24, 24), 20.0)
    light[2:4, 10:13, 10:13] = 300
    first, again = (CAMERAS[name](light, np.random.default_rng(4)) for _ in range(2))
    assert first.shape == light.shape
    assert np.isfinite(first).all()
    assert np.array_equal(first, again)
    inside, outside = first[2:4, 11, 11].mean(), np.median(first[:4])
    assert inside > outside


def test_the_best_displacement_is_found():
    psf = psf_of(DRY, (0.7, 0.18, 0.18), (31, 61, 61))
    given = 3 * psf.image((25, 41, 41), (0.3, -0.45, 2.2))
    l2, displacement = nearest(given, psf, (21, 33, 33))
    assert l2 < 1e-4
    assert displacement == pytest.approx([0.3, -0.45, 2.2], abs=1e-3)


def test_l2_is_the_relative_norm_of_the_difference():
    psf = psf_of(DRY, (0.7, 0.18, 0.18), (31, 61, 61))
    true = psf.image((21, 33, 33))
    true /= true.sum()
    # What is as uneven as this no displacement makes.
    uneven = np.random.default_rng(2).normal(size=true.shape)
    uneven -= uneven.mean()
    uneven *= 0.2 * np.linalg.norm(true) / np.linalg.norm(uneven)
    l2, _ = nearest(true + uneven, psf, (21, 33, 33))
    assert l2 == pytest.approx(0.2, rel=0.01)


def row(**values):
    usual = {"l2": 0.05, "stated": 0.06, "off": (0.01, 0, 0), "pulls": (1.0, 0, 0), "held": 0.95}
    return Row("e/some", "size", 0, 0.1, **(usual | values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "fine"),
        ({"warnings": (ALIKE,)}, "fine"),
        ({"off": (0.04, 0, 0), "pulls": (3.0, 0, 0)}, "fine"),
        ({"off": (0.02, 0, 0), "pulls": (9.0, 0, 0)}, "fine"),
        ({"off": (0, -0.04, 0), "pulls": (0, -5.0, 0)}, "SILENT"),
        ({"off": (0.04, 0, 0), "pulls": (0, 5.0, 0)}, "fine"),
        ({"off": (0.04, 0, 0), "pulls": (5.0, 0, 0), "warnings": (ALIKE,)}, "loud"),
        ({"off": (0.04, 0, 0), "pulls": (5.0, 0, 0), "warnings": (FEW,)}, "SILENT"),
        ({"off": (0.04, 0, 0), "pulls": (5.0, 0, 0), "warnings": ("A new one.",)}, "loud"),
        ({"l2": 0.09, "stated": 0.02}, "SILENT"),
        ({"l2": 0.09, "stated": 0.02, "warnings": (FEW, ALIKE)}, "loud"),
        ({"l2": 0.12}, "wrong"),
        ({"l2": 0.12, "warnings": (ALIKE,)}, "loud"),
        ({"off": (0, 0, 0.06), "pulls": (0, 0, 2.0)}, "wrong"),
        ({"off": (np.nan, 0, 0), "pulls": (np.nan, 0, 0)}, "fine"),
        ({"refused": "No bead."}, "refused"),
        ({"crashed": "Traceback\nValueError: no"}, "crashed"),
    ],
)
def test_verdicts(values, expected):
    assert verdict(row(**values)) == expected
    assert len(cells(row(**values))) == len(domain.HEADER)


def test_the_summary_counts_verdicts_and_warnings():
    rows = [
        row(),
        row(warnings=(FEW,)),
        row(l2=0.3, warnings=(ALIKE,)),
        row(l2=0.3),
        Row("e/some", "all", 0, 0.1, seconds=9.0, refused="No bead."),
    ]
    text = "\n".join(summary(rows))
    assert "5 rows: fine 2, loud 1, wrong 0, SILENT 1, refused 1, crashed 0" in text
    assert "within its bound: 2 of 4" in text
    assert "where there is harm: 1 of 2" in text
    assert "where there is none: 1 of 2" in text
    assert "9 s" in text


def test_intervals_are_counted_for_each_condition():
    rows = [row(pulls=(1.0, 2.5, 0), held=0.9), row(pulls=(-1.9, -1.9, 3), held=1.0)]
    assert coverage([*rows, row(refused="No bead.", pulls=())])[2] == (
        "| e/some | size | 2 of 3 | 1.00, 0.50, 0.50 | 0.95 |"
    )


def test_rows_are_read_as_they_were_kept(tmp_path):
    rows = [row(warnings=(ALIKE,)), Row("c/dim", "all", 3, 0.1, refused="No bead.")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(domain.kept(each) + "\n" for each in rows), encoding="utf-8")
    found = domain.read(path)
    assert [cells(each) for each in found] == [cells(each) for each in rows]
    assert found[0] == rows[0]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such timer")
def test_a_run_that_takes_too_long_is_stopped():
    with pytest.raises(domain.OutOfTimeError), domain.limited(0.05):
        time.sleep(5)


def test_a_case_becomes_a_row():
    name = "e/one bead, close crop"
    (found,) = domain.rows_of((name, 0, ("size",), 300.0))
    assert found.case == name
    assert not found.crashed
    # One bead, one PSF, or a reason.
    assert found.refused or (found.beads == 1 and 0 < found.l2 < 1)


def test_each_section_has_its_cases():
    assert {name.split("/")[0] for name in CASES} == set(SECTIONS)
    assert len(COVERAGE) == 8


def test_warnings_that_the_verdicts_know_are_in_the_guide(pytestconfig):
    guide = (pytestconfig.rootpath / "docs" / "guide.md").read_text(encoding="utf-8")
    unknown = [words for words, _, _ in WARNINGS if words not in guide]
    assert unknown == []
