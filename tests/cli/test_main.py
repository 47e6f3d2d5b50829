"""`psf-distiller`: what it writes, what it says, and that it never fails with a traceback."""

import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller import Recipe, read_psf, simulate_beads
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.cli.options import given
from napari_psf_distiller.cli.parser import argument_parser
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.io import write_image
from napari_psf_distiller.progress import finish
from napari_psf_distiller.wording import width_text

RESULTS = {"psf.tif", "recipe.json", "beads.csv", "report.html"}
# What only the joint fit gives.
MODELLED = {"psf_error.tif", "residual.tif"}
# What of the output of `demo` does not depend on the machine.
MEASURED = ("FWHM", "Theory", "True")
SPACED = ["--spacing", 0.2, 0.08, 0.08]
HERE = ["--device", "numpy"]
QUICK = [*HERE, "--iterations", "3"]
STEPWISE = [*QUICK, "--stepwise"]

# `demo` has a whole report.
pytestmark = pytest.mark.usefixtures("quick_report")


@pytest.fixture(scope="module")
def field():
    return simulate_beads((24, 64, 64), beads=4, seed=1)


@pytest.fixture
def bare(field, tmp_path):
    """A TIFF without voxel size."""
    path = tmp_path / "bare.tif"
    tifffile.imwrite(path, field.image, photometric="minisblack")
    return path


@pytest.fixture
def sized(field, tmp_path):
    """A TIFF that says how large its voxels are."""
    path = tmp_path / "sized.tif"
    write_image(path, field.image, spacing=field.spacing)
    return path


def run(*arguments):
    return main([str(argument) for argument in arguments])


def warnings_in(text):
    start = "psf-distiller: warning: "
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demonstration's folder, and what it printed and said."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        assert run("demo", "-o", folder, "--device", "numpy") == 0
    return folder, printed.getvalue(), said.getvalue()


# demo


def test_demo_writes_the_image_the_psf_and_the_report_and_says_where(demo):
    folder, printed, _ = demo
    assert {path.name for path in folder.iterdir()} == {*RESULTS, *MODELLED, "beads.tif"}
    for name in (*RESULTS, *MODELLED, "beads.tif"):
        assert str(folder / name) in printed
    assert "Device:   NumPy" in printed
    assert (folder / "report.html").stat().st_size > 50_000
    assert psfd.read_image(folder / "beads.tif").spacing == pytest.approx((0.2, 0.08, 0.08))


def test_the_readme_shows_what_demo_prints(demo):
    readme = Path(__file__).parents[2] / "README.md"
    if not readme.exists():
        pytest.skip("no README here")
    text = readme.read_text(encoding="utf-8")
    (shown,) = re.findall(r"for example of the demonstration:\n\n```\n(.*?)```", text, re.DOTALL)

    def lines(output):
        found = dict(line.split(":", 1) for line in output.splitlines())
        # These depend on the machine, and those on where it was put.
        return {name: text for name, text in found.items() if name in MEASURED}

    assert list(lines(shown)) == list(MEASURED)
    numbers = re.compile(r"\d+(?:\.\d+)?")
    for name, now in lines(demo[1]).items():
        before = lines(shown)[name]
        assert numbers.sub("#", now).split() == numbers.sub("#", before).split()
        assert [*map(float, numbers.findall(now))] == pytest.approx(
            [*map(float, numbers.findall(before))], abs=1.01
        )


def test_demo_compares_the_width_with_the_true_one(demo):
    folder, printed, said = demo
    stored = read_psf(folder / "psf.tif")
    assert stored.array.sum() == pytest.approx(1, abs=1e-4)
    widths = psfd.fwhm(stored.array, stored.spacing)
    true = simulate_beads((64, 96, 96), stored.spacing, beads=1).psf
    expected = psfd.fwhm(true, stored.spacing)
    assert widths == pytest.approx(expected, rel=0.015)
    told, true = (
        re.findall(r"[\d.]+", re.search(rf"^{label}:(.*) nm", printed, re.M)[1])
        for label in ("FWHM", "True")
    )
    assert [float(width) for width in true] == pytest.approx(np.multiply(1000, expected), abs=0.51)
    assert [float(width) for width in told[::2]] == pytest.approx(
        np.multiply(1000, widths), abs=0.51
    )
    assert all(0 < float(error) < 20 for error in told[1::2])
    assert re.search(
        r"^FWHM:     \d+ ± \d+, [\d.]+ ± [\d.]+, [\d.]+ ± [\d.]+ nm \(z, y, x\)$", printed, re.M
    )
    assert warnings_in(said) == []


def test_demo_knows_its_own_optics_and_beads(demo):
    recipe = Recipe.load(demo[0] / "recipe.json")
    assert recipe.optics == psfd.Optics(1.2, 0.52, 1.33)
    assert recipe.bead_diameter == 0.1
    assert recipe.distill.method == "joint"


def test_demo_goes_to_a_folder_of_the_working_one_by_default_and_can_be_replayed(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_psf_distiller.cli.commands.DEMO_SHAPE", (24, 64, 64))
    assert run("demo", "--layout", "gel", "--seed", "5", *HERE) == 0
    folder, again = tmp_path / "psf-distiller-demo", tmp_path / "again"
    assert (folder / "psf.tif").is_file()
    printed = capsys.readouterr()
    assert "psf-distiller-demo" in printed.out
    assert run("replay", folder / "recipe.json", folder / "beads.tif", "-o", again) == 0
    # Nothing to say beyond what was said.
    assert warnings_in(capsys.readouterr().err) == warnings_in(printed.err)
    first, second = read_psf(folder / "psf.tif"), read_psf(again / "psf.tif")
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-6 * first.array.max())


# distill


def test_distill_gives_what_the_function_gives(field, sized, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("distill", sized, "-o", out, *HERE) == 0
    # As the file has it.
    image = psfd.read_image(sized).image
    with pytest.warns(psfd.DistillerWarning):
        expected = psfd.distill(image, field.spacing, device="numpy")
    stored = read_psf(out / "psf.tif")
    np.testing.assert_array_equal(stored.array, expected.psf)
    assert stored.recipe == Recipe.load(out / "recipe.json") == expected.recipe
    for name in ("psf_error", "residual"):
        written = psfd.read_image(out / f"{name}.tif")
        np.testing.assert_array_equal(written.image, getattr(expected, name))
        assert written.image.dtype == np.float32
        assert written.spacing == pytest.approx(field.spacing)
    beads = pd.read_csv(out / "beads.csv", index_col="bead", keep_default_na=False)
    pd.testing.assert_frame_equal(beads, expected.beads, check_dtype=False)
    printed = capsys.readouterr()
    assert warnings_in(printed.err) == list(expected.warnings)
    lines = printed.out.splitlines()
    assert f"Errors:   {out / 'psf_error.tif'}" in lines
    assert f"Residual: {out / 'residual.tif'}" in lines
    assert "Device:   NumPy, float32" in lines
    widths = ", ".join(
        width_text(width, error, unit="")
        for width, error in zip(expected.fwhm, expected.fwhm_error, strict=True)
    )
    assert "±" in widths
    assert f"FWHM:     {widths} nm (z, y, x)" in lines
    assert "sized.tif" in (out / "report.html").read_text()


def test_stepwise_gives_what_the_function_gives(field, sized, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("distill", sized, "-o", out, *STEPWISE) == 0
    recipe = dataclasses.replace(Recipe.stepwise(), distill=psfd.RichardsonLucy(iterations=3))
    with pytest.warns(psfd.DistillerWarning):
        expected = psfd.distill(field.image, field.spacing, recipe=recipe, device="numpy")
    np.testing.assert_array_equal(read_psf(out / "psf.tif").array, expected.psf)
    # It knows neither errors nor what a model would leave.
    assert {path.name for path in out.iterdir()} == RESULTS
    printed = capsys.readouterr()
    assert warnings_in(printed.err) == list(expected.warnings)
    widths = ", ".join(f"{1000 * width:.0f}" for width in expected.fwhm)
    assert f"FWHM:     {widths} nm (z, y, x)" in printed.out.splitlines()
    assert "sized.tif" in (out / "report.html").read_text()


def test_which_beads_are_not_used_is_told(field, tmp_path, capsys):
    first = int(field.centres[:, 2].argmin())
    path, out = tmp_path / "cut.tif", tmp_path / "out"
    # Through the leftmost bead, behind its middle.
    behind = int(field.centres[first, 2]) + 1
    write_image(path, field.image[:, :, behind:], spacing=field.spacing)
    assert run("distill", path, "-o", out, *HERE) == 0
    beads = pd.read_csv(out / "beads.csv", keep_default_na=False)
    counts = beads.loc[~beads["used"], "reason"].value_counts()
    assert counts["border"] == 1
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    used = f"{int(beads['used'].sum())} of {len(beads)} used"
    line = f"Beads:    {out / 'beads.csv'} ({used}; not used: {reasons})"
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("option", "value"), [("--over-field", "constant"), ("--held-out", "0.25")]
)
def test_some_options_are_for_the_joint_fit_only(sized, tmp_path, capsys, option, value):
    out = tmp_path / "out"
    assert run("distill", sized, "-o", out, *HERE, option, value) == 0
    fit = Recipe.load(out / "recipe.json").distill
    assert str(getattr(fit, option.strip("-").replace("-", "_"))) == value
    capsys.readouterr()
    options = [*HERE, "--stepwise", option, value]
    assert run("distill", sized, "-o", tmp_path / "other", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"psf-distiller: error: {option} is for the joint fit")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("with_recipe", [False, True])
def test_iterations_are_of_richardson_lucy_only(with_recipe, sized, tmp_path, capsys):
    options = []
    if with_recipe:
        Recipe().save(tmp_path / "joint.json")
        options = ["--recipe", tmp_path / "joint.json"]
    assert run("distill", sized, "-o", tmp_path / "out", *QUICK, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("psf-distiller: error: --iterations is for Richardson-Lucy")
    assert "--stepwise" in line
    assert not (tmp_path / "out").exists()


def test_stepwise_recipes_take_iterations(sized, tmp_path):
    path, out = tmp_path / "stepwise.json", tmp_path / "out"
    parts = {"method": "threshold"}, {"method": "richardson-lucy", "iterations": 20}
    path.write_text(document(dict(zip(("find_beads", "distill"), parts, strict=True))))
    assert run("distill", sized, "-o", out, "--recipe", path, *QUICK) == 0
    made = Recipe.load(out / "recipe.json")
    assert (made.distill.method, made.distill.iterations) == ("richardson-lucy", 3)
    assert {path.name for path in out.iterdir()} == RESULTS


def test_spacing_given_counts_before_the_files(field, sized, tmp_path, capsys):
    spacing = ["--spacing", 0.3, 0.1, 0.1]
    assert run("distill", sized, "-o", tmp_path / "out", *spacing, *STEPWISE) == 0
    assert read_psf(tmp_path / "out/psf.tif").spacing == (0.3, 0.1, 0.1)
    assert any("voxel sizes differ" in text for text in warnings_in(capsys.readouterr().err))


def test_spacing_of_the_recipe_counts_where_the_file_has_none(bare, tmp_path):
    recipe = tmp_path / "recipe.json"
    dataclasses.replace(Recipe.stepwise(), spacing=(0.25, 0.09, 0.09)).save(recipe)
    assert run("distill", bare, "-o", tmp_path / "out", "--recipe", recipe, *QUICK) == 0
    assert read_psf(tmp_path / "out/psf.tif").spacing == (0.25, 0.09, 0.09)


def test_options_reach_the_recipe(bare, tmp_path):
    out = tmp_path / "out"
    options = [*SPACED, "--bead-diameter", 0.1, "--notebook", *QUICK]
    options += ["--na", 1.2, "--wavelength", 0.52, "--refractive-index", 1.33]
    options += ["--camera-offset", 100, "--camera-gain", 0.5, "--saturation", 4095]
    options += ["--microscope", "confocal", "--excitation", 0.488, "--pinhole", 1.2]
    options += ["--support", "data"]
    assert run("distill", bare, "-o", out, *options) == 0
    recipe = Recipe.load(out / "recipe.json")
    assert recipe.bead_diameter == 0.1
    scanned = {"microscope": "confocal", "excitation": 0.488, "pinhole": 1.2}
    assert recipe.optics == psfd.Optics(1.2, 0.52, 1.33, support="data", **scanned)
    assert recipe.camera == psfd.Camera(100.0, 0.5, 4095.0)
    assert recipe.preprocess == Recipe.notebook().preprocess
    assert (recipe.distill.iterations, recipe.device) == (3, "numpy")


def test_options_not_given_leave_the_recipe_as_it_is(sized, tmp_path):
    path = tmp_path / "recipe.json"
    recipe = dataclasses.replace(
        Recipe.stepwise(),
        bead_diameter=0.17,
        device="numpy",
        optics=psfd.Optics(numerical_aperture=0.95),
        camera=psfd.Camera(offset=99, gain=2),
        distill=psfd.RichardsonLucy(iterations=2),
    )
    recipe.save(path)
    options = ["--recipe", path, "--na", "1.1", "--camera-gain", "0.7"]
    assert run("distill", sized, "-o", tmp_path / "out", *options) == 0
    made = Recipe.load(tmp_path / "out/recipe.json")
    assert (made.bead_diameter, made.device, made.distill) == (0.17, "numpy", recipe.distill)
    assert made.optics == psfd.Optics(numerical_aperture=1.1)
    assert made.camera == psfd.Camera(offset=99, gain=0.7)


def test_what_is_known_of_optics_and_camera_counts(field, sized, tmp_path):
    known = ["--bead-diameter", 0.1, "--na", 1.2, "--wavelength", 0.52, "--refractive-index", 1.33]
    # Of the brightest bead.
    level = int(field.image.max())
    known += ["--camera-offset", 100, "--camera-gain", 1, "--saturation", level]
    out = tmp_path / "out"
    assert run("distill", sized, "-o", out, *known, *HERE) == 0
    recipe = Recipe(
        bead_diameter=0.1,
        optics=psfd.Optics(1.2, 0.52, 1.33),
        camera=psfd.Camera(100.0, 1.0, float(level)),
    )
    image = psfd.read_image(sized).image
    with pytest.warns(psfd.DistillerWarning):
        expected = psfd.distill(image, field.spacing, recipe=recipe, device="numpy")
    assert (expected.beads["reason"] == "saturated").any()
    np.testing.assert_array_equal(read_psf(out / "psf.tif").array, expected.psf)


def test_a_2d_image_is_distilled(tmp_path):
    field = simulate_beads((96, 96), (0.08, 0.08), beads=6, seed=2)
    path = tmp_path / "flat.tif"
    tifffile.imwrite(path, field.image, photometric="minisblack")
    spacing = ["--spacing", "0.08", "0.08"]
    assert run("distill", path, "-o", tmp_path / "stepwise", *spacing, *STEPWISE) == 0
    assert read_psf(tmp_path / "stepwise/psf.tif").array.shape == (65, 65)
    out = tmp_path / "joint"
    assert run("distill", path, "-o", out, *spacing, *HERE) == 0
    psf = read_psf(out / "psf.tif").array
    assert psf.ndim == 2
    assert psfd.read_image(out / "psf_error.tif").image.shape == psf.shape
    assert psfd.read_image(out / "residual.tif").image.shape == (96, 96)


def test_the_images_can_be_ome_tiff(field, sized, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("distill", sized, "-o", out, "--ome", *HERE) == 0
    images = {"psf.ome.tif", "psf_error.ome.tif", "residual.ome.tif"}
    assert {path.name for path in out.iterdir()} == RESULTS - {"psf.tif"} | images
    assert read_psf(out / "psf.ome.tif").recipe == Recipe.load(out / "recipe.json")
    printed = capsys.readouterr().out
    for name in images:
        assert str(out / name) in printed
        with tifffile.TiffFile(out / name) as tiff:
            assert tiff.is_ome
        assert psfd.read_image(out / name).spacing == pytest.approx(field.spacing)


def test_results_are_replaced_only_if_asked(sized, tmp_path, capsys):
    (tmp_path / "recipe.json").write_text("mine")
    assert run("distill", sized, "-o", tmp_path, *STEPWISE) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "recipe.json").read_text() == "mine"
    assert not (tmp_path / "psf.tif").exists()
    assert run("distill", sized, "-o", tmp_path, "--overwrite", *STEPWISE) == 0
    assert Recipe.load(tmp_path / "recipe.json").distill.iterations == 3
    assert {path.name for path in tmp_path.iterdir()} == {*RESULTS, "sized.tif"}


def test_an_input_is_never_replaced(sized, tmp_path, capsys):
    psf = tmp_path / "psf.tif"
    sized.rename(psf)
    before = psf.read_bytes()
    assert run("distill", psf, "-o", tmp_path, "--overwrite", *STEPWISE) == 2
    assert "one of the inputs" in capsys.readouterr().err
    assert psf.read_bytes() == before


def test_a_failure_on_the_way_leaves_earlier_results_alone(sized, bare, tmp_path):
    out = tmp_path / "out"
    assert run("distill", sized, "-o", out, *STEPWISE) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run("distill", bare, "-o", out, "--overwrite", *STEPWISE) == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# deconvolve


def test_deconvolve_gives_what_the_function_gives(field, sized, tmp_path, capsys):
    psf, out = tmp_path / "psf.tif", tmp_path / "out.tif"
    kernel = field.psf[10:31, 15:36, 15:36].astype(np.float32)
    psfd.PSF(kernel, spacing=field.spacing).save(psf)
    options = ["--boundary", "circulant", "--method", "plain", *QUICK]
    assert run("deconvolve", sized, psf, "-o", out, *options) == 0
    stored = psfd.read_image(out)
    expected = psfd.deconvolve(field.image, kernel, 3, "circulant", "numpy", method="plain")
    np.testing.assert_array_equal(stored.image, expected)
    assert stored.spacing == pytest.approx(field.spacing)
    printed = capsys.readouterr()
    assert str(out) in printed.out
    assert "Done:   3 plain iterations\n" in printed.out
    assert "NumPy" in printed.out
    assert warnings_in(printed.err) == []


@pytest.fixture
def kernel(field, tmp_path):
    """A small PSF, and its file."""
    array = field.psf[10:21, 21:42, 21:42].astype(np.float32)
    psfd.PSF(array, spacing=field.spacing).save(tmp_path / "kernel.tif")
    return array, tmp_path / "kernel.tif"


def test_without_a_number_it_stops_by_itself_and_says_when(field, sized, kernel, tmp_path, capsys):
    array, psf = kernel
    out = tmp_path / "out.tif"
    assert run("deconvolve", sized, psf, "-o", out, "--device", "numpy") == 0
    expected = finish(deconvolve_step(field.image, array, Recipe(device="numpy")))
    np.testing.assert_array_equal(psfd.read_image(out).image, expected.array)
    printed = capsys.readouterr()
    line = f"Done:   {expected.iterations} accelerated iterations (automatic)"
    assert line in printed.out.splitlines()
    assert f"Device: {expected.device}" in printed.out.splitlines()
    assert re.search(
        r"^psf-distiller: Count iterations \(needs .* on NumPy\) \.\.\.$", printed.err, re.M
    )


@pytest.fixture
def coarse(field, sized, tmp_path):
    """The image with pixels twice as large, and its file."""
    planes, rows, columns = field.image.shape
    binned = field.image.reshape(planes, rows // 2, 2, columns // 2, 2).sum(axis=(2, 4))
    spacing = field.spacing[0], 2 * field.spacing[1], 2 * field.spacing[2]
    write_image(tmp_path / "coarse.tif", binned.astype(np.uint16), spacing=spacing)
    return binned, spacing, tmp_path / "coarse.tif"


def test_a_result_on_finer_voxels(field, coarse, kernel, tmp_path, capsys):
    image, spacing, path = coarse
    array, psf = kernel
    assert run("deconvolve", path, psf, "-o", tmp_path / "out.tif", *QUICK, "--finer", 2) == 0
    stored = psfd.read_image(tmp_path / "out.tif")
    known = psfd.PSF(array, field.spacing)
    expected = psfd.deconvolve(image, known, 3, device="numpy", spacing=spacing, finer=2)
    np.testing.assert_allclose(stored.image, expected, rtol=1e-5)
    assert stored.image.shape == field.image.shape
    assert stored.spacing == pytest.approx(field.spacing)
    printed = capsys.readouterr()
    sizes = " x ".join(f"{size:g}" for size in field.spacing)
    assert re.search(f"^Voxels: .*, of {sizes} micrometres$", printed.out, re.M)
    assert warnings_in(printed.err) == []


def test_a_finer_result_says_where_its_first_voxel_lies(coarse, kernel, tmp_path):
    _, spacing, path = coarse
    place = -spacing[1] / 4
    for name in ("out.tif", "out.ome.tif"):
        out = tmp_path / name
        assert run("deconvolve", path, kernel[1], "-o", out, *QUICK, "--finer", 2) == 0
        assert psfd.read_image(out).spacing == pytest.approx((0.2, 0.08, 0.08))
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        about = tiff.imagej_metadata
    # ImageJ takes the number of voxels before the origin.
    assert (about["xorigin"], about["yorigin"]) == (0.5, 0.5)
    assert about["zorigin"] == 0
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        planes = re.findall("<Plane .*?>", tiff.ome_metadata)
    assert len(planes) == len(coarse[0])
    for n, plane in enumerate(planes):
        found = dict(re.findall(r'(Position\w+)="(.*?)"', plane))
        assert float(found["PositionX"]) == float(found["PositionY"]) == pytest.approx(place)
        assert float(found["PositionZ"]) == pytest.approx(n * spacing[0])
        assert found["PositionXUnit"] == "µm"


def test_an_image_is_not_deconvolved_with_itself(sized, tmp_path, capsys):
    assert run("deconvolve", sized, sized, "-o", tmp_path / "out.tif", *QUICK) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "is hardly a PSF, but perhaps the image itself" in error
    assert not (tmp_path / "out.tif").exists()


def test_what_has_finer_voxels_is_told_and_what_cannot_be_is_refused(
    coarse, sized, kernel, tmp_path, capsys
):
    _, _, path = coarse
    out = tmp_path / "out.tif"
    assert run("deconvolve", path, kernel[1], "-o", out, *QUICK) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.endswith("The PSF has finer voxels: choose finer 2 for a result on them.")
    bare = tmp_path / "bare.tif"
    tifffile.imwrite(bare, psfd.read_image(path).image, photometric="minisblack")
    for image, options, words in (
        (bare, ["--finer", 2], "does not say its voxel size"),
        (sized, ["--finer", 2], "a PSF without functions cannot be had on other voxels"),
        (path, ["--finer", 3], "a PSF without functions cannot be had on other voxels"),
        (path, ["--finer", 1.5], "'1.5' is not a whole number"),
        (path, ["--finer", 0], "Deconvolve.finer is 0"),
        (path, ["--finer", 2, "--finer-z", 99], "Deconvolve.finer_z is 99"),
    ):
        other = tmp_path / "other.tif"
        code = run("deconvolve", image, kernel[1], "-o", other, *QUICK, *options)
        assert code == 2
        assert words in capsys.readouterr().err
        assert not other.exists()


def test_every_option_reaches_the_deconvolution(field, sized, kernel, tmp_path):
    array, psf = kernel
    counting = np.ones(field.image.shape, np.uint8)
    counting[:, :10] = 0
    tifffile.imwrite(tmp_path / "mask.tif", 255 * counting, photometric="minisblack")
    options: dict[str, Any] = {"--total-variation": 0.01, "--background": 80, "--saturation": 300}
    options |= {"--mask": tmp_path / "mask.tif", "--fft": "scipy", "--memory": 1}
    given = [*QUICK, *(part for pair in options.items() for part in pair)]
    assert run("deconvolve", sized, psf, "-o", tmp_path / "out.tif", *given) == 0
    settings = psfd.Deconvolve(
        iterations=3, total_variation=0.01, background=80.0, saturation=300.0
    )
    recipe = Recipe(
        device="numpy", fft="scipy", memory=1.0, spacing=field.spacing, deconvolve=settings
    )
    expected = finish(deconvolve_step(field.image, array, recipe, mask=counting)).array
    result = psfd.read_image(tmp_path / "out.tif").image
    np.testing.assert_array_equal(result, expected)
    # None of them is without effect.
    for name in ("--total-variation", "--background", "--saturation", "--mask"):
        rest = [part for pair in options.items() if pair[0] != name for part in pair]
        other = tmp_path / f"without{name}.tif"
        assert run("deconvolve", sized, psf, "-o", other, *QUICK, *rest) == 0
        assert not np.array_equal(psfd.read_image(other).image, result)


def test_little_memory_is_tiles_and_both_are_told(field, sized, tmp_path, capsys):
    psf = tmp_path / "psf.tif"
    psfd.PSF(field.psf[14:17, 29:34, 29:34], spacing=field.spacing).save(psf)
    options = [*QUICK, "--memory", 0.0022]
    assert run("deconvolve", sized, psf, "-o", tmp_path / "out.tif", *options) == 0
    printed = capsys.readouterr()
    (line,) = (text for text in printed.err.splitlines() if "needs" in text)
    assert line.startswith("psf-distiller: Deconvolve (needs ")
    assert line.endswith(" tiles) ...")
    assert printed.out.splitlines()[-1].endswith(" tiles")


def test_what_the_result_warns_of_is_told(field, kernel, tmp_path, capsys):
    path = tmp_path / "filtered.tif"
    filtered = ndimage.uniform_filter(field.image.astype(np.float32), 5)
    write_image(path, filtered, spacing=field.spacing)
    options = ["-o", tmp_path / "out.tif", "--device", "numpy"]
    assert run("deconvolve", path, kernel[1], *options) == 0
    assert any("when to stop" in text for text in warnings_in(capsys.readouterr().err))


WRONG: dict[str, tuple[list[Any], str]] = {
    "no iteration": (["--iterations", 0], "iterations is 0"),
    "negative memory": (["--memory", -1], "memory is -1.0; it should be greater than 0"),
    "no memory": (["--memory", 0.00001], "allow more memory"),
    "endless memory": (["--memory", "1e300"], "memory"),
    "memory in words": (["--memory", "much"], "'much' is no number"),
    "unknown FFT": (["--fft", "slow"], "invalid choice: 'slow'"),
    "another device's FFT": (["--fft", "vkfft"], "There is no FFT 'vkfft' with NumPy"),
    "unknown method": (["--method", "fast"], "invalid choice: 'fast'"),
    "total variation of 1": (["--total-variation", 1], "it should be less than 0.166"),
    "negative background": (["--background", -1], "background is -1.0"),
    "all saturated": (["--saturation", 0], "saturation of 0"),
    "saturation that is no number": (["--saturation", "nan"], "'nan' is no number"),
    "no mask": (["--mask", "no.tif"], "no file"),
    "mask of another shape": (["--mask", "wide.tif"], "shape (24, 64, 65)"),
    "mask of two axes": (["--mask", "flat.tif", "--saturation", 300], "shape (64, 64)"),
    "empty mask": (["--mask", "empty.tif"], "no voxel"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_are_one_sentence_and_nothing_is_written(
    name, sized, kernel, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for mask, array in (
        ("wide.tif", np.ones((24, 64, 65), np.uint8)),
        ("flat.tif", np.ones((64, 64), np.uint8)),
        ("empty.tif", np.zeros((24, 64, 64), np.uint8)),
    ):
        tifffile.imwrite(mask, array, photometric="minisblack")
    before = sorted(tmp_path.rglob("*"))
    options, words = WRONG[name]
    assert run("deconvolve", sized, kernel[1], "-o", "out.tif", "--device", "numpy", *options) == 2
    printed = capsys.readouterr()
    (line,) = (text for text in printed.err.splitlines() if not text.endswith(" ..."))
    assert line.startswith("psf-distiller: error: ")
    assert words in line
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_mask_is_never_replaced(sized, kernel, tmp_path, capsys):
    mask = tmp_path / "mask.tif"
    tifffile.imwrite(mask, np.ones((24, 64, 64), np.uint8), photometric="minisblack")
    options = ["--mask", mask, "--overwrite", *QUICK]
    assert run("deconvolve", sized, kernel[1], "-o", mask, *options) == 2
    assert "one of the inputs" in capsys.readouterr().err


def test_fft_and_memory_reach_the_recipe_of_a_psf(sized, tmp_path):
    options = ["--fft", "scipy", "--memory", 2]
    assert run("distill", sized, "-o", tmp_path / "out", *STEPWISE, *options) == 0
    path = tmp_path / "out" / "recipe.json"
    recipe = Recipe.load(path)
    assert (recipe.fft, recipe.memory) == ("scipy", 2.0)
    assert "FFT scipy" in recipe.provenance.device
    assert run("replay", path, sized, "-o", tmp_path / "again", "--memory", 3) == 0
    again = Recipe.load(tmp_path / "again" / "recipe.json")
    assert (again.fft, again.memory) == ("scipy", 3.0)


def test_a_psf_with_another_voxel_size_is_interpolated_or_refused(field, sized, tmp_path, capsys):
    psf, out = tmp_path / "psf.tif", tmp_path / "out.tif"
    kernel = field.psf[10:31, 15:36, 15:36]
    psfd.PSF(kernel, spacing=(0.2, 0.08, 0.0805)).save(psf)
    assert run("deconvolve", sized, psf, "-o", out, *QUICK) == 0
    printed = capsys.readouterr()
    assert warnings_in(printed.err) == []
    assert "Note:" not in printed.out
    other = psfd.PSF(kernel, spacing=(0.2, 0.08, 0.082))
    other.save(psf)
    assert run("deconvolve", sized, psf, "-o", tmp_path / "no.tif", *QUICK) == 2
    assert "0.082" in capsys.readouterr().err
    assert not (tmp_path / "no.tif").exists()
    again = [*QUICK, "--overwrite", "--interpolate"]
    assert run("deconvolve", sized, psf, "-o", out, *again) == 0
    assert "Note:   The PSF was interpolated on the image's voxels" in capsys.readouterr().out
    expected = psfd.deconvolve(
        field.image, other, 3, device="numpy", spacing=field.spacing, interpolate=True
    )
    np.testing.assert_allclose(psfd.read_image(out).image, expected, rtol=1e-5)


def test_the_spacing_of_an_image_to_deconvolve_can_be_given(field, bare, kernel, tmp_path, capsys):
    out = tmp_path / "out.tif"
    assert run("deconvolve", bare, kernel[1], "-o", out, *QUICK) == 0
    assert "Note:   The image's voxel size is not known" in capsys.readouterr().out
    size = [0.2, 0.08, 0.1]
    again = [*QUICK, "--overwrite", "--spacing", *size]
    assert run("deconvolve", bare, kernel[1], "-o", out, *again) == 2
    assert "the image has such of 0.2 x 0.08 x 0.1" in capsys.readouterr().err
    assert run("deconvolve", bare, kernel[1], "-o", out, *again, "--interpolate") == 0
    assert psfd.read_image(out).spacing == pytest.approx(tuple(size))


def test_a_psf_larger_than_the_image_is_told(field, sized, tmp_path, capsys):
    psf = tmp_path / "psf.tif"
    psfd.PSF(np.pad(field.psf, 5), spacing=field.spacing).save(psf)
    assert run("deconvolve", sized, psf, "-o", tmp_path / "out.tif", *QUICK) == 0
    assert any("larger than the image" in text for text in warnings_in(capsys.readouterr().err))


@pytest.mark.parametrize("name", ["out.png", "sized.tif", "folder.tif", "no/such/out.tif"])
def test_an_output_that_cannot_be_is_refused(field, sized, tmp_path, name, capsys):
    (tmp_path / "folder.tif").mkdir()
    psf = tmp_path / "psf.tif"
    psfd.PSF(field.psf, spacing=field.spacing).save(psf)
    before = sorted(tmp_path.rglob("*")), sized.read_bytes()
    assert run("deconvolve", sized, psf, "-o", tmp_path / name, "--overwrite", *QUICK) == 2
    assert "Deconvolve" not in capsys.readouterr().err
    assert (sorted(tmp_path.rglob("*")), sized.read_bytes()) == before


# export


def test_export_saves_a_psf_as_another_file(demo, tmp_path, capsys):
    out = tmp_path / "psf.ome.tif"
    assert run("export", demo[0] / "psf.tif", "-o", out) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"PSF:    {out} (OME-TIFF)"
    one, other = read_psf(demo[0] / "psf.tif"), read_psf(out)
    np.testing.assert_array_equal(other, one)
    np.testing.assert_array_equal(other.error, one.error)
    assert other.recipe == one.recipe
    assert run("export", demo[0] / "psf.tif", "-o", out) == 2
    assert "exists already" in capsys.readouterr().err
    assert run("export", demo[0] / "psf.tif", "-o", out, "--overwrite") == 0


def test_export_evaluates_it_on_other_voxels(demo, tmp_path, capsys):
    out = tmp_path / "fine.tif"
    assert run("export", demo[0] / "psf.tif", "-o", out, "--spacing", 0.1, 0.05, 0.05) == 0
    expected = read_psf(demo[0] / "psf.tif").evaluate((0.1, 0.05, 0.05), with_error=True)
    np.testing.assert_array_equal(read_psf(out), expected)
    np.testing.assert_array_equal(read_psf(out).error, expected.error)
    size = " x ".join(map(str, expected.shape))
    assert f"Voxels: {size} of 0.1 x 0.05 x 0.05 µm\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("psf.xyz", (), "must end in .tif, .tiff, .ome.tif, .ome.tiff, .plain.tif"),
        ("psf.tif", ("--spacing", 0.1, 0.1, 0.1), "give --interpolate"),
        ("psf.tif", ("--spacing", 0.1, 0.1, "--interpolate"), "has 2 values"),
        ("psf.tif", ("--tails", "continued"), "Only a PSF of the joint fit"),
        ("no/way/psf.tif", (), "does not exist"),
        ("kernel.tif", ("--overwrite",), "is one of the inputs"),
    ],
)
def test_what_cannot_be_exported_is_one_line(field, tmp_path, capsys, name, options, words):
    psf = tmp_path / "kernel.tif"
    psfd.PSF(field.psf, spacing=field.spacing).save(psf)
    assert run("export", psf, "-o", tmp_path / name, *options) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kernel.tif"]


def test_a_psf_goes_on_beyond_its_window_if_asked_to(demo, tmp_path, capsys):
    psf, out = demo[0] / "psf.tif", tmp_path / "deep.tif"
    assert run("export", psf, "-o", out, "--shape", 121, 81, 81, "--tails", "continued") == 0
    assert "121 x 81 x 81 of" in capsys.readouterr().out
    assert not read_psf(out).measured.all()
    assert run("export", out, "-o", tmp_path / "less.tif", "--tails", "none") == 0
    assert read_psf(tmp_path / "less.tif").measured is None
    image = np.random.default_rng(0).poisson(9, (8, 20, 20)).astype(np.float32)
    write_image(tmp_path / "small.tif", image, spacing=read_psf(psf).spacing)
    options = ("--tails", "continued", "--iterations", 2, "--device", "numpy")
    capsys.readouterr()
    assert run("deconvolve", tmp_path / "small.tif", psf, "-o", tmp_path / "d.tif", *options) == 0
    said = capsys.readouterr()
    assert "The PSF was continued as theory says" in said.out
    assert "larger than the image" not in said.err


def test_export_interpolates_if_asked_to(field, tmp_path):
    psf, out = tmp_path / "kernel.tif", tmp_path / "fine.tif"
    psfd.PSF(field.psf, spacing=field.spacing).save(psf)
    assert run("export", psf, "-o", out, "--spacing", 0.1, 0.04, 0.04, "--interpolate") == 0
    assert read_psf(out).spacing == (0.1, 0.04, 0.04)


# replay


@pytest.fixture
def recorded(sized, tmp_path, capsys):
    """A recipe with the record of a run on `sized`."""
    assert run("distill", sized, "-o", tmp_path / "out", *STEPWISE) == 0
    capsys.readouterr()
    return tmp_path / "out" / "recipe.json"


# What differs from one machine, or one run, to the next.
SECONDS = re.compile(r"\d+\.\d s$", re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_the_readme_shows_what_the_demonstration_prints(demo):
    readme = Path(__file__).parents[2] / "README.md"
    text = readme.read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(Image: .*?)^```", text, re.MULTILINE | re.DOTALL)
    folder, printed, _ = demo
    made = printed.replace(str(folder), "psf-distiller-demo")
    shown, made = (SECONDS.sub("... s", text) for text in (shown, made))
    # Word for word; of a width the last digit may differ, as other processors round.
    assert NUMBER.sub("0", shown) == NUMBER.sub("0", made)
    for one, other in zip(NUMBER.findall(shown), NUMBER.findall(made), strict=True):
        assert float(one) == pytest.approx(float(other), rel=2e-3, abs=0.11)


def test_a_note_is_kept_with_the_psf_and_not_repeated(sized, tmp_path):
    out, again = tmp_path / "out", tmp_path / "again"
    note = ["--note", "A. Person, new oil"]
    assert run("distill", sized, "-o", out, *STEPWISE, *note) == 0
    made = read_psf(out / "psf.tif").recipe.provenance
    assert (made.note, made.image_name, made.microscope) == ("A. Person, new oil", "sized.tif", "")
    # It was of the other run.
    assert run("replay", out / "recipe.json", sized, "-o", again, *HERE) == 0
    assert read_psf(again / "psf.tif").recipe.provenance.note == ""


def test_replay_gives_the_same_psf_and_nothing_to_say(recorded, sized, tmp_path, capsys):
    again = tmp_path / "again"
    assert run("replay", recorded, sized, "-o", again) == 0
    first, second = read_psf(recorded.parent / "psf.tif"), read_psf(again / "psf.tif")
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-6 * first.array.max())
    assert second.recipe == first.recipe
    told = warnings_in(capsys.readouterr().err)
    assert not any("recipe" in text for text in told)


def test_replay_repeats_a_joint_fit(sized, tmp_path, capsys):
    first, again = tmp_path / "first", tmp_path / "again"
    assert run("distill", sized, "-o", first, *HERE) == 0
    told = warnings_in(capsys.readouterr().err)
    assert run("replay", first / "recipe.json", sized, "-o", again) == 0
    # Nothing to say beyond what was said.
    assert warnings_in(capsys.readouterr().err) == told
    assert {path.name for path in again.iterdir()} == RESULTS | MODELLED
    for name in ("psf.tif", "psf_error.tif", "residual.tif"):
        images = [psfd.read_image(folder / name).image for folder in (first, again)]
        np.testing.assert_array_equal(*images)
    assert (again / "beads.csv").read_text() == (first / "beads.csv").read_text()


def test_replay_says_if_the_image_is_another_one(field, recorded, tmp_path, capsys):
    other = tmp_path / "other.tif"
    write_image(other, field.image[::-1], spacing=field.spacing)
    assert run("replay", recorded, other, "-o", tmp_path / "again") == 0
    told = warnings_in(capsys.readouterr().err)
    assert "is not the image that the recipe was made from" in told[0]


def test_replay_says_if_the_device_differs(recorded, sized, tmp_path, capsys):
    document = json.loads(recorded.read_text())
    document["recipe"]["provenance"]["device"] = "Old card, FFT vkfft, float32"
    recorded.write_text(json.dumps(document))
    assert run("replay", recorded, sized, "-o", tmp_path / "again", "--device", "numpy") == 0
    told = warnings_in(capsys.readouterr().err)
    assert "Old card" in told[-1]
    assert "NumPy" in told[-1]


def test_replay_of_a_recipe_without_a_record_says_so(sized, tmp_path, capsys):
    recipe = tmp_path / "recipe.json"
    settings = psfd.RichardsonLucy(iterations=2)
    dataclasses.replace(Recipe.stepwise(), device="numpy", distill=settings).save(recipe)
    assert run("replay", recipe, sized, "-o", tmp_path / "again") == 0
    assert "does not say which image" in warnings_in(capsys.readouterr().err)[0]


# devices, help


def test_devices_lists_every_device_and_what_auto_takes(capsys):
    assert run("devices") == 0
    printed = capsys.readouterr().out
    for device in psfd.devices():
        (line,) = (text for text in printed.splitlines() if text.startswith(f"{device.name}  "))
        assert device.kind in line.split()
        assert ("yes" if device.usable else "no") in line.split()
        assert device.why_not in line
        fft = open_engine(device.name).fft if device.usable else ""
        assert (f"{fft} (auto)" in line) == device.usable
    assert "scipy" in line
    assert "first usable OpenCL GPU" in printed
    assert f"Here 'auto' takes {open_engine().description}." in printed


def test_version_and_help(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"psf-distiller {psfd.__version__}\n"
    for command in ("demo", "distill", "deconvolve", "replay", "devices"):
        assert run(command, "--help") == 0
        assert "usage: psf-distiller" in capsys.readouterr().out


def test_the_command_line_needs_neither_napari_nor_qt_nor_a_plot():
    code = (
        "import sys; from napari_psf_distiller.cli.main import main; main(['devices'])\n"
        "print({'napari', 'qtpy', 'PyQt6', 'matplotlib', 'magicgui'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


# bad input


def with_recipe(text):
    def arguments(path):
        recipe = path.with_name("recipe.json")
        recipe.write_text(text, encoding="utf-8")
        return ["distill", path, "--recipe", recipe]

    return arguments


def with_image(make):
    def arguments(path):
        image = make(tifffile.imread(path).astype(np.float32))
        tifffile.imwrite(path, image, photometric="minisblack")
        return ["distill", path, *SPACED]

    return arguments


def truncated(path):
    write_image(path, tifffile.imread(path), spacing=None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return ["distill", path, *SPACED]


def document(recipe, version=1):
    head = {"format": "napari-psf-distiller recipe", "version": version}
    return json.dumps(head | {"recipe": recipe})


BAD = {
    "missing file": (lambda p: ["distill", p.with_name("no.tif"), *SPACED], "no file"),
    "truncated TIFF": (truncated, "cut short"),
    "no TIFF": (lambda p: p.write_text("text") and ["distill", p, *SPACED], "TIFF"),
    "no voxel size": (lambda p: ["distill", p], "voxel size is not known"),
    "zero spacing": (lambda p: ["distill", p, "--spacing", 0, 0.1, 0.1], "voxel size"),
    "spacing of one": (lambda p: ["distill", p, "--spacing", 0.1], "--spacing takes 3"),
    "spacing of two": (lambda p: ["distill", p, "--spacing", 0.1, 0.1], "3 axes"),
    "spacing in words": (lambda p: ["distill", p, "--spacing", "a", 1, 1], "'a' is no number"),
    "zero gain": (lambda p: ["distill", p, *SPACED, "--camera-gain", 0], "gain"),
    "offset in words": (lambda p: ["distill", p, "--camera-offset", "low"], "'low' is no number"),
    "endless saturation": (lambda p: ["distill", p, *SPACED, "--saturation", "inf"], "saturation"),
    "aperture of more than the index": (
        lambda p: [
            *("distill", p, *SPACED, "--na", 1.4),
            *("--wavelength", 0.5, "--refractive-index", 1.33),
        ],
        "always less than the refractive index",
    ),
    "zero diameter": (
        lambda p: ["distill", p, *SPACED, "--bead-diameter", 0],
        "bead diameter is 0",
    ),
    "zero iterations": (
        lambda p: ["distill", p, *SPACED, "--stepwise", "--iterations", 0],
        "iterations is 0",
    ),
    "iterations of the joint fit": (
        lambda p: ["distill", p, *SPACED, "--iterations", 30],
        "--iterations is for Richardson-Lucy",
    ),
    "no recipe": (lambda p: ["distill", p, "--recipe", p.with_name("no.json")], "cannot be read"),
    "unknown field": (with_recipe(document({"colour": "red"})), "unknown field 'colour'"),
    "wrong type": (
        with_recipe(document({"distill": {"method": "richardson-lucy", "iterations": "ten"}})),
        "iterations",
    ),
    "future version": (with_recipe(document({}, 99)), "version 99"),
    "no JSON": (with_recipe("{"), "not valid JSON"),
    "both ways": (lambda p: ["distill", p, "--notebook", "--stepwise"], "not allowed with"),
    "both recipes": (lambda p: ["distill", p, "--notebook", "--recipe", "x"], "not allowed with"),
    "unknown device": (lambda p: ["distill", p, *SPACED, "--device", "abacus"], "'abacus'"),
    "constant image": (with_image(np.zeros_like), "constant"),
    "NaN image": (with_image(lambda a: np.where(a == a.max(), np.nan, a)), "NaN"),
    "4D stack": (with_image(lambda a: np.stack([a, a])), "Choose one time point"),
    "replay of no recipe": (lambda p: ["replay", p, p], "cannot be read"),
    "replay without spacing": (
        lambda p: Recipe().save(p.with_name("r.json")) or ["replay", p.with_name("r.json"), p],
        "voxel size is not known",
    ),
    "demo of another layout": (lambda p: ["demo", "--layout", "cube"], "invalid choice"),
    "demo of a negative seed": (lambda p: ["demo", "--seed=-1"], "whole number"),
    "demo with iterations": (lambda p: ["demo", "--iterations", 3], "--iterations"),
    "unknown option": (lambda p: ["distill", p, "--fast"], "--fast"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(name, bare, tmp_path, capsys):
    make, sentence = BAD[name]
    arguments = make(bare)
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "out"
    assert run(*arguments, "-o", out) == 2
    printed = capsys.readouterr()
    (line,) = (text for text in printed.err.splitlines() if "warning" not in text)
    assert line.startswith("psf-distiller: error: ")
    assert sentence in line
    assert printed.out == ""
    assert sorted(tmp_path.rglob("*")) == before


OUTPUTS = {
    "parent missing": "no/such",
    "parent is a file": "bare.tif/out",
    "is a file": "bare.tif",
}


@pytest.mark.parametrize("command", ["demo", "distill", "replay"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_folder_that_cannot_be_is_told_before_computing(
    command, name, bare, tmp_path, capsys
):
    recipe = tmp_path / "recipe.json"
    Recipe(spacing=(0.2, 0.08, 0.08)).save(recipe)
    inputs = {"demo": [], "distill": [bare, *SPACED], "replay": [recipe, bare]}[command]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(command, *inputs, "-o", tmp_path / OUTPUTS[name]) == 2
    lines = [text for text in capsys.readouterr().err.splitlines() if "warning" not in text]
    assert len(lines) == 1
    assert lines[0].startswith("psf-distiller: error: ")
    assert "output folder" in lines[0]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that nobody can write to")
@pytest.mark.parametrize("folder", ["/proc", "/proc/psf"])
def test_an_output_folder_that_cannot_be_written_is_told_before_computing(folder, bare, capsys):
    assert run("distill", bare, *SPACED, "-o", folder) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"output folder {folder} cannot be written" in line


def test_no_command_is_an_error(capsys):
    assert run() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_too_little_memory_is_one_sentence(sized, tmp_path, monkeypatch, capsys):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("napari_psf_distiller.cli.bead_stacks.distill_steps_of", exhausted)
    assert run("distill", sized, "-o", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "not enough memory" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another Ctrl-C")
def test_ctrl_c_ends_with_one_line_and_nothing_half_written(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "napari_psf_distiller.cli", "demo", "-o", str(out)]
    command += HERE
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "Distil PSF" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
        assert process.stdout.read() == ""
    assert rest.splitlines() == ["psf-distiller: interrupted; nothing was written."]
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_sees_bars_and_anything_else_a_line_a_step(sized, tmp_path, monkeypatch):
    class Screen(io.StringIO):
        looked_at = False

        def isatty(self):
            return self.looked_at

    for looked_at in (True, False):
        screen = Screen()
        screen.looked_at = looked_at
        monkeypatch.setattr(sys, "stderr", screen)
        assert run("distill", sized, "-o", tmp_path / f"out{looked_at}", *STEPWISE) == 0
        assert ("3/3" in screen.getvalue()) == looked_at
        assert ("psf-distiller: Preprocess beads ..." in screen.getvalue()) != looked_at
        # What it needs, both see.
        assert "psf-distiller: Distil PSF (needs " in screen.getvalue()


# what other programs and signals do


@pytest.mark.parametrize("link", [True, False])
def test_results_that_another_run_wrote_meanwhile_stay(sized, tmp_path, monkeypatch, capsys, link):
    out = tmp_path / "out"

    def meanwhile(*_, **__):
        (out / "recipe.json").write_text("another run's")
        return report(*_, **__)

    if not link:
        monkeypatch.setattr(os, "link", lambda *_: raise_(OSError(95, "not supported")))
    report = sys.modules["napari_psf_distiller.figures.report"].write_report
    monkeypatch.setattr("napari_psf_distiller.figures.report.write_report", meanwhile)
    assert run("distill", sized, "-o", out, *STEPWISE) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert "recipe.json was made by another program meanwhile" in line
    assert [path.name for path in out.iterdir()] == ["recipe.json"]
    assert (out / "recipe.json").read_text() == "another run's"
    monkeypatch.setattr("napari_psf_distiller.figures.report.write_report", report)
    assert run("distill", sized, "-o", out, *STEPWISE, "--overwrite") == 0
    assert {path.name for path in out.iterdir()} == RESULTS
    assert Recipe.load(out / "recipe.json").provenance is not None


def raise_(error):
    raise error


def test_two_runs_at_once_leave_the_results_of_one(sized, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "napari_psf_distiller.cli", "distill", str(sized)]
    command += ["-o", str(out), *HERE, "--stepwise", "--iterations"]
    runs = [
        subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for n in (2, 3)
    ]
    said = [process.communicate(timeout=120)[1].decode() for process in runs]
    codes = [process.returncode for process in runs]
    assert sorted(codes) == [0, 2], said
    winner = (2, 3)[codes.index(0)]
    assert Recipe.load(out / "recipe.json").distill.iterations == winner
    assert read_psf(out / "psf.tif").recipe.distill.iterations == winner
    assert {path.name for path in out.iterdir()} == RESULTS


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes")
def test_a_pipe_is_not_replaced(field, kernel, sized, tmp_path, capsys):
    os.mkfifo(tmp_path / "out.tif")
    for more in ([], ["--overwrite"]):
        assert run("deconvolve", sized, kernel[1], "-o", tmp_path / "out.tif", *QUICK, *more) == 2
        assert "a pipe or a device" in capsys.readouterr().err
    assert (tmp_path / "out.tif").is_fifo()


@pytest.mark.parametrize("length", [239, 255])
def test_long_names_work(sized, kernel, tmp_path, length):
    path = tmp_path / ("n" * (length - 4) + ".tif")
    assert run("deconvolve", sized, kernel[1], "-o", path, *QUICK) == 0
    assert path.exists()


@pytest.mark.parametrize("command", ["distill", "deconvolve"])
def test_names_that_are_too_long_are_said(sized, kernel, tmp_path, capsys, command):
    inputs = {"distill": [sized], "deconvolve": [sized, kernel[1]]}[command]
    end = {"distill": "", "deconvolve": ".tif"}[command]
    assert run(command, *inputs, "-o", tmp_path / ("n" * 300 + end), *HERE) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert "too long" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_with_one_line_and_leaves_nothing(tmp_path, name):
    command = [sys.executable, "-m", "napari_psf_distiller.cli", "demo", "-o"]
    command += [str(tmp_path / "out"), *HERE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "Distil PSF" in line:
                break
        process.send_signal(getattr(signal, name))
        rest = process.stderr.read()
        assert process.wait(30) == 128 + getattr(signal, name)
    assert rest.splitlines() == [f"psf-distiller: ended by {name}; nothing was written."]
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_expected_is_one_line(sized, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("napari_psf_distiller.cli.bead_stacks.distill_steps_of", lambda *_: 1 / 0)
    assert run("distill", sized, "-o", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "unexpected, ZeroDivisionError: division by zero. Please report it." in line
    assert not (tmp_path / "out").exists()


def test_handlers_of_signals_are_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run("--version") == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another Ctrl-C")
@pytest.mark.parametrize("when", ["pandas", "napari_psf_distiller.cli.commands"])
def test_ctrl_c_while_it_starts_is_one_line(tmp_path, when):
    program = tmp_path / "psf-distiller"
    program.write_text(
        "import os, signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {when!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from napari_psf_distiller.cli.main import main\n"
        "sys.exit(main(['devices']))\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "psf-distiller: interrupted; nothing was written.\n"
    assert done.stdout == ""


def test_importing_the_package_leaves_ctrl_c_to_other_programs():
    code = (
        "import signal, napari_psf_distiller\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("emission", ["520nm", "520 nm", "0,52", ".52", "5.2e-1"])
def test_a_length_may_have_a_unit(emission):
    asked = ["distill", "beads.tif", "-o", "out", "--wavelength", emission]
    arguments = argument_parser().parse_args([*asked, "--spacing", "200 nm", "0,1", "80nm"])
    assert given(arguments, "optics")["wavelength"] == 0.52
    assert arguments.spacing == [0.2, 0.1, 0.08]


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--wavelength", "520", "520 nm is 0.52"),
        ("--bead-diameter", "200", "200 nm is 0.2"),
        ("--na", "145", "(1.45?)"),
        ("--na", "520 nm", "it has no unit"),
        ("--refractive-index", "1.5.1", "is not one number"),
    ],
)
def test_what_is_in_another_unit_is_one_sentence(option, text, words, bare, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("distill", bare, "-o", out, *SPACED, option, text) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"psf-distiller: error: argument {option}: ")
    assert words in line
    assert not out.exists()
