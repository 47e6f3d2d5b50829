"""`psf-distiller maps`: a saved PSF over the field, as a table and a picture."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from varying_psfs import changing_with_depth, varying_psf

import napari_psf_distiller as psfd
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.psf.field import Depth

PARTS = [(lambda y, x: 1.2 * x, 1)]


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def psf(tmp_path):
    varying_psf(PARTS).save(tmp_path / "psf.tif")
    return tmp_path / "psf.tif"


def beads_of(tmp_path, **columns):
    rng = np.random.default_rng(1)
    y, x = rng.uniform(5, 34, (2, 30))
    beads = pd.DataFrame({"z": rng.normal(7, 0.2, 30), "y": y, "x": x, "used": True} | columns)
    beads.to_csv(tmp_path / "beads.csv")
    return tmp_path / "beads.csv"


def test_it_writes_a_table_and_a_picture(psf, tmp_path, capsys):
    beads = beads_of(tmp_path)
    assert run("maps", psf, "-o", tmp_path / "out", "--places", 4, "--beads", beads) == 0
    table = pd.read_csv(tmp_path / "out" / "field.csv")
    assert len(table) == 16
    expected = psfd.read_psf(psf).field_maps(4, pd.read_csv(beads)).to_frame()
    pd.testing.assert_frame_equal(table, expected)
    assert (tmp_path / "out" / "field.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    for text in ("field.csv", "field.png", "The PSF changes", "Coma: up to", "The plane of the"):
        assert text in said


def test_with_depth_there_are_a_table_and_a_picture_more(psf, tmp_path, capsys):
    deep = psfd.read_psf(psf)
    assert deep.model is not None
    model = changing_with_depth(deep.model, 0.3, Depth((5.0, 35.0), 40, 0.3))
    dataclasses.replace(deep, model=model).save(tmp_path / "deep.tif")
    assert run("maps", tmp_path / "deep.tif", "-o", tmp_path / "out", "--places", 2) == 0
    table = pd.read_csv(tmp_path / "out" / "depth.csv")
    assert table["z_um"].is_monotonic_increasing
    assert table["fwhm_z_um"].notna().all()
    assert (tmp_path / "out" / "depth.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "depth.csv" in said
    assert "The PSF changes with depth: from" in said


def test_without_the_beads_it_says_that_they_tell_the_focus(psf, tmp_path, capsys):
    assert run("maps", psf, "-o", tmp_path / "out", "--places", 2) == 0
    assert "beads.csv" in capsys.readouterr().out
    assert "focus_um" not in pd.read_csv(tmp_path / "out" / "field.csv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--places", 0), "from 1 to 200"),
        (("--beads", "none.csv"), "cannot be read"),
        (("--beads", "psf.tif"), "no table of beads"),
        (("--beads", "other.csv"), "no column z"),
        (("--beads", "far.csv"), "not those of the PSF"),
        (("--beads", "unsaid.csv"), "True or False"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(psf, tmp_path, capsys, options, said):
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "other.csv")
    beads_of(tmp_path, y=300.0).rename(tmp_path / "far.csv")
    beads_of(tmp_path, used="perhaps").rename(tmp_path / "unsaid.csv")
    name, value = options
    given = tmp_path / value if name == "--beads" else value
    assert run("maps", psf, "-o", tmp_path / "out", name, given) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_psf_without_functions_has_no_maps(tmp_path, capsys):
    array = psfd.simulate_psf((9, 21, 21), (0.3, 0.1, 0.1))
    psfd.PSF(array, (0.3, 0.1, 0.1)).save(tmp_path / "other.tif")
    assert run("maps", tmp_path / "other.tif", "-o", tmp_path / "out") == 2
    assert "no functions" in capsys.readouterr().err


def test_what_is_there_is_replaced_only_if_asked_for(psf, tmp_path, capsys):
    command = ("maps", psf, "-o", tmp_path / "out", "--places", 2)
    assert run(*command) == 0
    assert run(*command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(*command, "--overwrite") == 0
