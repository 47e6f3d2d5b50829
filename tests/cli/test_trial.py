"""`psf-distiller try`: the files it writes, what it prints, and what it refuses."""

import argparse
import re

import numpy as np
import pytest
import tifffile
import zarr

import napari_psf_distiller as psfd
from napari_psf_distiller import Deconvolve
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.cli.trial import region_of, settings_of
from napari_psf_distiller.datasets.ome_zarr import ImageLayout, create_image
from napari_psf_distiller.io import read_image, write_image

SPACING = (0.2, 0.08, 0.08)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an image, a data set of two channels, and a PSF."""
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(1).poisson(30, (6, 60, 70)).astype(np.float32)
    values[2:4, 20:22, 30:32] += 500
    write_image("cells.tif", values, spacing=SPACING)
    layout = ImageLayout(tuple("czyx"), (2, *values.shape), "f4", SPACING, ("a", "b"), "0.5")
    create_image("cells.zarr", layout, "cells")
    zarr.open_group("cells.zarr", mode="r+")["0"][...] = np.stack([values, values[:, ::-1]])
    psfd.PSF(psfd.simulate_psf((5, 7, 7), SPACING), SPACING).save("psf.tif")
    return tmp_path


def tried(image, *arguments):
    return main(["try", image, "psf.tif", *arguments, "--device", "numpy"])


def test_it_writes_each_result_as_a_channel_and_a_picture(here, capsys):
    region = ["--region", ":,10:50,20:60"]
    ways = ["--iterations", "3", "5", "--total-variation", "0.002"]
    assert tried("cells.tif", "-o", "trial.tif", *region, *ways) == 0
    names = ["measured", "automatic", "3 iterations", "5 iterations"]
    names.append("3 iterations, total variation 0.002")
    with tifffile.TiffFile("trial.tif") as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape) == ("ZCYX", (6, 5, 40, 40))
        assert tiff.imagej_metadata["Labels"][:5] == names
        assert tiff.imagej_metadata["spacing"] == SPACING[0]
        stored = series.asarray()
    image = tifffile.imread("cells.tif")
    np.testing.assert_array_equal(stored[:, 0], image[:, 10:50, 20:60])
    expected = psfd.deconvolve(image, psfd.read_psf("psf.tif"), 5, device="numpy")
    np.testing.assert_allclose(stored[:, 3], np.asarray(expected)[:, 10:50, 20:60], rtol=0.01)
    assert (here / "trial.png").stat().st_size > 1000
    printed = capsys.readouterr().out
    assert "Region: 0:6,10:50,20:60" in printed
    for name in names[1:]:
        assert name in printed


def test_the_files_say_where_the_region_lies(here):
    region = ["--region", "2:6,10:50,20:60", "--iterations", "1"]
    assert tried("cells.tif", "-o", "trial.tif", *region) == 0
    with tifffile.TiffFile("trial.tif") as tiff:
        about = tiff.imagej_metadata
    # ImageJ takes the number of voxels before the origin.
    assert [about[f"{axis}origin"] for axis in "zyx"] == [-2, -10, -20]
    assert tried("cells.zarr", "-o", "finer.ome.tif", *region, "--finer", "2", "--interpolate") == 0
    with tifffile.TiffFile("finer.ome.tif") as tiff:
        planes = re.findall(r"<Plane [^>]*>", tiff.ome_metadata)
        (series,) = tiff.series
        assert (series.axes, len(planes)) == ("ZCYX", 4 * series.shape[1])
    for plane in planes:
        found = dict(re.findall(r'(\w+)="(.*?)"', plane))
        assert float(found["PositionZ"]) == pytest.approx((2 + int(found["TheZ"])) * 0.2)
        # The first of two voxels in the place of one.
        assert float(found["PositionY"]) == pytest.approx(10 * 0.08 - 0.02)
        assert float(found["PositionX"]) == pytest.approx(20 * 0.08 - 0.02)


def test_a_channel_of_a_data_set_is_tried(here, capsys):
    options = ["--channel", "b", "--region", ":,0:60,0:70", "--iterations", "2"]
    assert tried("cells.zarr", "-o", "trial.ome.tif", *options) == 0
    with tifffile.TiffFile("trial.ome.tif") as tiff:
        measured = tiff.series[0].asarray()[:, 0]
        assert 'Name="2 iterations"' in tiff.ome_metadata
    image = tifffile.imread("cells.tif")
    np.testing.assert_array_equal(measured, image[:, ::-1])
    assert (here / "trial.png").exists()


def test_finer_voxels_are_those_of_all_channels(here):
    options = ["--finer", "2", "--interpolate", "--region", "0:6,0:20,0:24", "--iterations", "1"]
    assert tried("cells.tif", "-o", "trial.ome.tif", *options) == 0
    with tifffile.TiffFile("trial.ome.tif") as tiff:
        assert tiff.series[0].shape == (6, 3, 40, 48)
        assert 'PhysicalSizeX="0.04"' in tiff.ome_metadata


def test_a_plane_is_tried_too(here):
    plane = np.random.default_rng(1).poisson(30, (60, 70)).astype(np.float32)
    write_image("plane.tif", plane, spacing=SPACING[1:])
    psfd.PSF(psfd.simulate_psf((7, 7), SPACING[1:]), SPACING[1:]).save("psf.tif")
    options = ["--region", "0:20,0:24", "--iterations", "1"]
    assert tried("plane.tif", "-o", "trial.tif", *options) == 0
    assert tifffile.imread("trial.tif").shape == (3, 20, 24)


def test_a_spacing_that_the_file_contradicts_is_told_as_by_deconvolve(here, capsys):
    ways = ["--iterations", "1", "--region", "0:6,0:20,0:24", "--interpolate"]
    given = ["--spacing", "0.2", "0.1", "0.1", "--device", "numpy"]
    told = []
    for command in (["try", *ways], ["deconvolve", "--iterations", "1", "--interpolate"]):
        name, *options = command
        files = ["cells.tif", "psf.tif", "-o", f"{name}.tif"]
        assert main([name, *files, *options, *given]) == 0
        told.append([line for line in capsys.readouterr().err.splitlines() if "spacing" in line])
    assert len(told[0]) == 1
    assert told[0] == told[1]


def test_an_image_s_unknown_voxel_size_is_the_psf_s_and_that_is_told(here, capsys):
    plane = np.random.default_rng(1).poisson(30, (60, 70)).astype(np.float32)
    write_image("plane.tif", plane, spacing=None)
    # A stack of one plane is a plane.
    psfd.PSF(psfd.simulate_psf((7, 7), SPACING[1:])[None], SPACING).save("psf.tif")
    options = ["--region", "0:20,0:24", "--iterations", "1", "--total-variation", "0.01"]
    assert tried("plane.tif", "-o", "trial.tif", *options) == 0
    assert "voxel size is not known" in "".join(capsys.readouterr())
    assert read_image("trial.tif", channel=0).spacing == SPACING[1:]
    command = ["plane.tif", "psf.tif", "-o", "out.tif", "--iterations", "1", "--device", "numpy"]
    assert main(["deconvolve", *command]) == 0
    assert read_image("out.tif").spacing == SPACING[1:]


BAD = [
    (["cells.tif", "-o", "trial.png"], "must end in .tif"),
    (["cells.tif", "-o", "trial.tif", "--region", "a:b"], "is no region"),
    (["cells.tif", "-o", "trial.tif", "--region", "0:1,0:1"], "2 axes, the image 3"),
    (["cells.tif", "-o", "trial.tif", "--iterations", "0"], "number of iterations is 0"),
    (["cells.tif", "-o", "trial.tif", "--iterations", "4", "4"], "given twice"),
    (["cells.tif", "-o", "trial.tif", "--workers", "2"], "--workers is for data sets"),
    (["cells.tif", "psf.tif", "-o", "trial.tif"], "takes one PSF"),
    (["cells.zarr", "-o", "trial.tif", "--mask", "cells.tif"], "--mask is for an image"),
    (["cells.zarr", "-o", "trial.tif", "--channel", "q"], "no channel 'q'"),
    (["nowhere.zarr", "-o", "trial.tif"], "nowhere.zarr"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_what_cannot_be_tried_is_one_line(here, capsys, arguments, sentence):
    assert tried(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert not (here / "trial.tif").exists()


def test_the_mask_is_not_overwritten(here, capsys):
    before = (here / "cells.tif").read_bytes()
    (here / "mask.tif").write_bytes(before)
    options = ["--mask", "mask.tif", "--iterations", "1", "--overwrite"]
    assert tried("cells.tif", "-o", "mask.tif", *options) == 2
    assert "mask.tif is one of the inputs" in capsys.readouterr().err
    assert (here / "mask.tif").read_bytes() == before


def test_a_region_is_read_from_a_text():
    assert region_of(" 0:3, :5,7:") == (slice(0, 3), slice(None, 5), slice(7, None))
    for text in ("", "1", "1:2:3", "-1:5", "1.5:2"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no region"):
            region_of(text)


def test_weights_go_with_the_first_number_or_the_automatic_end():
    def told(iterations, weights):
        made = settings_of(Deconvolve(background=5), iterations, weights)
        assert all(one.background == 5 for one in made)
        return [(one.iterations, one.total_variation) for one in made]

    assert told(None, [0.01]) == [(None, 0.0), (None, 0.01)]
    assert told([9], [0.01]) == [(None, 0.0), (9, 0.0), (9, 0.01)]
    assert len(told(None, None)) == 3
