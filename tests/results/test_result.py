"""A result: its files are those of the command line, and it says what people want to know first."""

import dataclasses
import json
import os
import warnings

import numpy as np
import pandas
import pytest
from varying_psfs import varying_psf

import napari_psf_distiller as psfd
from napari_psf_distiller import InputError, Recipe, Result
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import write_image

FILES = {"psf.tif", "recipe.json", "beads.csv", "report.html", "psf_error.tif", "residual.tif"}


@pytest.fixture(scope="module")
def field():
    return psfd.simulate_beads((24, 64, 64), beads=4, seed=1)


def distilled(image, spacing, **options) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)  # the field is small
        return psfd.distill(image, spacing, device="numpy", **options)


@pytest.fixture(scope="module")
def result(field) -> Result:
    return distilled(field.image.astype(np.float32), field.spacing, bead_diameter=0.1)


@pytest.fixture(autouse=True)
def quick_report(monkeypatch):
    """Leave the report's pictures out, which other tests have."""

    def write_report(path, image, result, *, title):
        path.write_text(f"{title} {np.shape(image)}", encoding="utf-8")

    monkeypatch.setattr("napari_psf_distiller.figures.report.write_report", write_report)


def test_it_is_saved_as_the_command_line_does(field, result, tmp_path):
    write_image(tmp_path / "beads.tif", field.image, spacing=field.spacing)
    options = ["--bead-diameter", "0.1", "--device", "numpy"]
    command = ["distill", tmp_path / "beads.tif", "-o", tmp_path / "shell", *options]
    assert main([str(part) for part in command]) == 0
    # All is the same but when it was made.
    made = psfd.Recipe.load(tmp_path / "shell/recipe.json").provenance
    record = dataclasses.replace(result.recipe.provenance, time=made.time)
    recipe = dataclasses.replace(result.recipe, provenance=record)
    named = dataclasses.replace(result, recipe=recipe).described(image_name="beads.tif")
    named.save(tmp_path / "python", title="PSF from beads.tif")
    for folder in ("python", "shell"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == FILES
    for name in ("beads.csv", "report.html", "recipe.json"):
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("python", "shell"))
        assert one == other, name
    for name in ("psf.tif", "psf_error.tif", "residual.tif"):
        one, other = (psfd.read_image(tmp_path / folder / name) for folder in ("python", "shell"))
        np.testing.assert_array_equal(one.image, other.image)
        assert one.spacing == other.spacing
    stored = psfd.read_psf(tmp_path / "python/psf.tif")
    np.testing.assert_array_equal(stored.error, result.psf.error)


def varying(result):
    """The same, with a PSF that changes over the field."""
    shape = result.image.shape[-2:]
    psf = varying_psf([(lambda y, x: 0.4 * x, 1)], image_shape=shape)
    return dataclasses.replace(result, psf=psf)


def test_the_maps_of_a_psf_that_changes_are_saved_and_go_with_it(result, tmp_path):
    changes = varying(result)
    assert result.maps is None
    assert changes.maps is changes.maps
    assert changes.maps.varies
    changes.save(tmp_path)
    table = pandas.read_csv(tmp_path / "field.csv")
    pandas.testing.assert_frame_equal(table, changes.maps.to_frame())
    assert (tmp_path / "field.png").stat().st_size > 10_000
    # Of a PSF that is one no maps are left of another.
    with pytest.raises(InputError, match="exists already"):
        result.save(tmp_path)
    result.save(tmp_path, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_maps_that_another_put_there_are_not_replaced(result, tmp_path):
    (tmp_path / "field.csv").write_text("mine")
    with pytest.raises(InputError, match=r"field.csv exists already"):
        result.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["field.csv"]


def test_a_failure_leaves_the_maps_of_before(result, tmp_path, monkeypatch):
    varying(result).save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    link = os.link

    def link_but_one(source, target):
        if target.name == "residual.tif":
            raise FileExistsError
        link(source, target)

    monkeypatch.setattr(os, "link", link_but_one)
    with pytest.raises(InputError, match="another program"):
        result.save(tmp_path, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ome_and_the_stepwise_way(field, tmp_path):
    recipe = dataclasses.replace(Recipe.stepwise(), device="numpy")
    result = distilled(field.image, field.spacing, recipe=recipe)
    result.save(tmp_path / "out", ome=True)
    names = {"psf.ome.tif", "recipe.json", "beads.csv", "report.html"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert (result.psf_error, result.psf.model) == (None, None)


def test_what_is_there_is_not_replaced_unless_asked_for(result, tmp_path):
    result.save(tmp_path)
    (tmp_path / "beads.csv").write_text("mine")
    with pytest.raises(InputError, match=r"exists already; .* give overwrite=True to replace it"):
        result.save(tmp_path)
    assert (tmp_path / "beads.csv").read_text() == "mine"
    result.save(tmp_path, overwrite=True)
    assert len(pandas.read_csv(tmp_path / "beads.csv")) == len(result.beads)
    with pytest.raises(InputError, match="does not exist"):
        result.save(tmp_path / "a" / "b")


def test_the_summary_says_widths_beads_and_warnings(result):
    lines = result.summary().splitlines()
    assert lines[0].startswith("PSF:     23 x 43 x 43 voxels of 0.2 x 0.08 x 0.08 µm")
    assert lines[1].startswith("FWHM:    z ")
    assert lines[1].count("±") == 3
    assert lines[2].startswith("Beads:   4 of 4 used")
    assert lines[3].startswith("Device:  NumPy, float32, ")
    assert lines[4:] == [f"Warning: {warning}" for warning in result.warnings]
    assert result.warnings
    assert result.summary() in repr(result)


def test_a_notebook_shows_the_psf_and_the_warnings(result):
    html = result._repr_html_()
    assert html.count("data:image/png") == 2
    assert "4 of 4 used" in html
    assert html.count("Warning:") == len(result.warnings)


def test_the_psf_has_what_the_result_has(field, result):
    assert (result.spacing, result.fwhm) == (result.psf.spacing, result.psf.fwhm())
    assert result.psf_error is result.psf.error
    assert result.psf.recipe == result.recipe
    np.testing.assert_array_equal(result.image, field.image)
    assert json.loads(result.recipe.to_json())["recipe"]["provenance"] is not None
