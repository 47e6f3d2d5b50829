"""OME-Zarr read and written by regions."""

import dataclasses

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec
from zarr_files import write_zarr

from napari_psf_distiller import InputError
from napari_psf_distiller.datasets.ome_zarr import (
    VERSIONS,
    ImageLayout,
    create_image,
    level_shapes,
    open_images,
)

SPACING = (0.2, 0.08, 0.08)


def layout(version="0.5", axes=("t", "c", "z", "y", "x"), shape=(2, 2, 3, 20, 30)) -> ImageLayout:
    spacing = SPACING[-sum(axis in "zyx" for axis in axes) :]
    channels = ("green", "red") if "c" in axes else ()
    return ImageLayout(axes, shape, "float32", spacing, channels, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        (("t", "c", "z", "y", "x"), (2, 2, 3, 20, 30)),
        (("z", "y", "x"), (4, 9, 7)),
        (("y", "x"), (9, 7)),
    ],
)
def test_what_is_written_is_read(tmp_path, version, axes, shape):
    made = layout(version, axes, shape)
    path = tmp_path / "an image.zarr"
    create_image(path, made, "one")
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    zarr.open_group(path, mode="r+")["0"][...] = values
    (image,) = open_images(path)
    assert image.layout == made
    time, channel = made.size("t") - 1, made.size("c") - 1
    volume = image.volume(time, channel)
    assert volume.spacing == pytest.approx(made.spacing)
    np.testing.assert_array_equal(np.asarray(volume), values[made.index(time, channel)])


def test_a_pyramid_halves_the_plane():
    shapes = level_shapes(layout(shape=(1, 1, 5, 1030, 400)))
    assert [shape[-2:] for shape in shapes] == [(1030, 400), (515, 200), (258, 100), (129, 50)]
    assert {shape[2] for shape in shapes} == {5}


@pytest.mark.parametrize("version", VERSIONS)
def test_units_become_micrometres(tmp_path, version):
    path = tmp_path / "image.zarr"
    create_image(path, layout(version), "one")
    group = zarr.open_group(path, mode="r+")
    attributes = group.attrs.asdict()
    for axis in attributes.get("ome", attributes)["multiscales"][0]["axes"]:
        if axis["type"] == "space":
            axis["unit"] = "nanometer"
    group.attrs.update(attributes)
    (image,) = open_images(path)
    assert image.layout.spacing == pytest.approx([size / 1000 for size in SPACING])


def test_without_unit_and_scale_there_is_no_voxel_size(tmp_path):
    path = tmp_path / "image.zarr"
    made = layout()
    create_image(path, ImageLayout(made.axes, made.shape, "float32", None, (), "0.5"), "one")
    (image,) = open_images(path)
    assert image.layout.spacing is None


def test_a_folder_that_is_no_zarr(tmp_path):
    with pytest.raises(InputError, match=r"cannot be opened as OME-Zarr"):
        open_images(tmp_path / "nothing.zarr")


def test_a_zarr_without_metadata(tmp_path):
    zarr.open_group(tmp_path / "plain.zarr", mode="w").create_array("0", shape=(4, 4), dtype="u2")
    with pytest.raises(InputError, match="without OME-Zarr's metadata"):
        open_images(tmp_path / "plain.zarr")


def test_a_zarr_without_a_scale(tmp_path):
    path = tmp_path / "image.zarr"
    create_image(path, layout(), "one")
    group = zarr.open_group(path, mode="r+")
    attributes = group.attrs.asdict()
    for dataset in attributes["ome"]["multiscales"][0]["datasets"]:
        dataset["coordinateTransformations"] = []
    group.attrs.update(attributes)
    with pytest.raises(InputError, match="not valid OME-Zarr"):
        open_images(path)


def test_an_empty_plate(tmp_path):
    group = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    group.attrs.update({"ome": {"version": "0.5", "plate": {"wells": []}}})
    with pytest.raises(InputError, match="has no image"):
        open_images(tmp_path / "plate.zarr")


@pytest.mark.parametrize("version", VERSIONS)
def test_colours_and_times_are_kept(tmp_path, version):
    made = dataclasses.replace(
        layout(version), colors=("00FF00", "FF0000"), time_step=0.5, time_unit="minute"
    )
    create_image(tmp_path / "image.zarr", made, "one")
    (image,) = open_images(tmp_path / "image.zarr")
    assert image.layout == made


@pytest.mark.parametrize(
    ("version", "packing", "chunk"),
    [
        ("0.4", {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}, "0.0.0"),
        ("0.5", BloscCodec(cname="lz4"), "c/0/0/0"),
    ],
)
@pytest.mark.parametrize("missing", [1, 3, 500, 2310])
def test_a_file_that_is_cut_off_is_not_read(tmp_path, version, packing, chunk, missing):
    # Blosc keeps noise as it is, and of its last bytes it does not ask whether they are there.
    image = np.random.default_rng(3).integers(0, 65536, (4, 24, 24)).astype("u2")
    path = tmp_path / "cells.zarr"
    write_zarr(path, image, version=version, compressors=packing, chunks=(2, 24, 24))
    file = path / "s0" / chunk
    whole = file.read_bytes()
    file.write_bytes(whole[:-missing])
    (found,) = open_images(path)
    volume = found.volume()
    box = (slice(0, 3), slice(4, 9), slice(0, 24))
    with pytest.raises(InputError, match=r"is cut off: it has \d+ bytes of \d+\. Copy"):
        volume.read(box)
    below = (slice(2, 4), slice(0, 24), slice(0, 24))
    np.testing.assert_array_equal(volume.read(below), image[2:])
    file.write_bytes(whole)
    np.testing.assert_array_equal(volume.read(box), image[box])
    # Of zeros there is no file.
    file.unlink()
    assert not volume.read(box)[:2].any()
