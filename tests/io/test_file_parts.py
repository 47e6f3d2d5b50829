"""How many images of beads a file holds along time, and along its positions."""

import numpy as np
import pytest
import tifffile
from zarr_files import write_zarr

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import parts_along

IMAGE = np.random.default_rng(0).integers(0, 99, (3, 4, 12, 12), dtype=np.uint16)


@pytest.fixture
def series(tmp_path):
    """A TIFF of two positions, each with three points of time."""
    path = tmp_path / "series.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name in ("left", "right"):
            tiff.write(IMAGE, metadata={"axes": "TZYX", "Name": name}, photometric="minisblack")
    return path


def test_points_of_time_and_positions_of_a_tiff(series):
    assert parts_along(series, "scene") == ("left", "right")
    assert parts_along(series, "time") == ("", "", "")
    assert parts_along(series, "time", scene="right") == ("", "", "")


def test_a_single_stack_is_one_part(tmp_path):
    tifffile.imwrite(tmp_path / "one.tif", IMAGE[0], imagej=True, metadata={"axes": "ZYX"})
    assert len(parts_along(tmp_path / "one.tif", "time")) == 1
    assert len(parts_along(tmp_path / "one.tif", "scene")) == 1


def test_points_of_time_of_an_ome_zarr(tmp_path):
    write_zarr(tmp_path / "a.zarr", IMAGE, "tzyx")
    assert len(parts_along(tmp_path / "a.zarr", "time")) == 3
    assert len(parts_along(tmp_path / "a.zarr", "scene")) == 1


def test_what_is_not_there_is_a_sentence(series, tmp_path):
    with pytest.raises(InputError, match="has 2 scenes"):
        parts_along(series, "time", scene=2)
    with pytest.raises(InputError, match=r"none\.tif"):
        parts_along(tmp_path / "none.tif", "time")
