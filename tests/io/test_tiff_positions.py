"""Folders of TIFFs as data sets: which images they hold, and what is said of them."""

import numpy as np
import pytest
import tifffile

from napari_psf_distiller import InputError
from napari_psf_distiller.io.tiff_positions import open_tiffs

IMAGES = np.random.default_rng(0).integers(0, 99, (2, 3, 8, 9)).astype(np.uint16)


def test_each_image_that_ome_describes_in_a_file(tmp_path):
    with tifffile.TiffWriter(tmp_path / "cells.ome.tif") as tiff:
        for image in IMAGES:
            tiff.write(image, photometric="minisblack", metadata={"axes": "ZYX"})
    found = open_tiffs(tmp_path)
    assert [image.layout.shape for image in found] == [(3, 8, 9)] * 2
    assert len({image.name for image in found}) == 2
    for image, expected in zip(found, IMAGES, strict=True):
        np.testing.assert_array_equal(np.asarray(image.volume()), expected)


def test_files_that_differ_by_their_ending_alone_have_names_apart(tmp_path):
    for name in ("a.tif", "a.tiff", "A.TIF", "b.tif"):
        tifffile.imwrite(tmp_path / name, IMAGES[0], photometric="minisblack")
    names = [image.name for image in open_tiffs(tmp_path)]
    assert sorted(names) == ["A", "a.tif", "a.tiff", "b"]


def test_the_header_of_each_plane_is_read_once(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, imagej=True, metadata={"axes": "TZYX"})
    read = []
    page = tifffile.TiffPage.__init__

    def noting(self, *arguments, **options):
        read.append(self)
        page(self, *arguments, **options)

    monkeypatch.setattr(tifffile.TiffPage, "__init__", noting)
    (image,) = open_tiffs(tmp_path)
    assert image.layout.shape == IMAGES.shape
    assert len(read) == 6


def describe_in_each(folder, files, described):
    """Write OME-TIFFs whose description, of all of them, is the same."""
    for name, image in files.items():
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{name}">{described}</OME>'
        )
        tifffile.imwrite(
            folder / name, image, photometric="minisblack", metadata=None, description=xml.encode()
        )


def image_element(number, planes):
    """Return OME's description of an image, of which each plane is one of a file's."""
    listed = "".join(
        f'<TiffData FirstZ="{z}" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for z, (name, page) in enumerate(planes)
    )
    return (
        f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" '
        'Type="uint16" SizeX="9" SizeY="8" SizeZ="3" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>{listed}</Pixels></Image>'
    )


def test_images_that_each_file_describes_are_there_once(tmp_path):
    names = ["pos 0.ome.tif", "pos 1.ome.tif"]
    described = "".join(
        image_element(number, [(name, z) for z in range(3)]) for number, name in enumerate(names)
    )
    describe_in_each(tmp_path, dict(zip(names, IMAGES, strict=True)), described)
    found = open_tiffs(tmp_path)
    assert [image.files for image in found] == [
        (str((tmp_path / name).resolve()),) for name in names
    ]
    for image, expected in zip(found, IMAGES, strict=True):
        np.testing.assert_array_equal(np.asarray(image.volume()), expected)


@pytest.fixture
def planes_in_files(tmp_path):
    """Return a folder with an image whose planes are files."""
    names = [f"plane {z}.ome.tif" for z in range(3)]
    described = image_element(0, [(name, 0) for name in names])
    describe_in_each(tmp_path, dict(zip(names, IMAGES[0], strict=True)), described)
    return tmp_path


def test_an_image_whose_planes_are_files(planes_in_files):
    (image,) = open_tiffs(planes_in_files)
    np.testing.assert_array_equal(np.asarray(image.volume()), IMAGES[0])
    assert len(image.files) == 3


def test_a_plane_whose_file_is_missing(planes_in_files):
    (planes_in_files / "plane 1.ome.tif").unlink()
    with pytest.raises(InputError, match="lacks 1 of its planes: copy all of its files again"):
        open_tiffs(planes_in_files)


def test_several_images_that_nothing_describes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "cells.tif") as tiff:
        for image in IMAGES[0], IMAGES[1, :, :5]:
            tiff.write(image, photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match=r"holds 2 images \(3 x 8 x 9, 3 x 5 x 9\): save each"):
        open_tiffs(tmp_path)


def test_a_plane_that_is_missing(tmp_path):
    path = tmp_path / "cells.tif"
    with tifffile.TiffWriter(path) as tiff:
        for plane in IMAGES[0]:
            stated = "ImageJ=1.11a\nimages=5\nslices=5\n"
            tiff.write(plane, contiguous=False, metadata=None, description=stated)
    with pytest.raises(InputError, match="does not have the planes that it says: export"):
        open_tiffs(tmp_path)


def test_a_file_that_is_cut_short(tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, IMAGES[0], photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is damaged or cut short"):
        open_tiffs(tmp_path)


def test_white_as_0(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGES[0], photometric="miniswhite")
    with pytest.raises(InputError, match="white as 0: save it with black as 0"):
        open_tiffs(tmp_path)


def test_channels_colours_and_time_of_ome(tmp_path):
    metadata = {
        "axes": "TCYX",
        "Channel": {"Name": ["GFP", "mCherry"], "Color": [16711935, -16776961]},
        "TimeIncrement": 250.0,
        "TimeIncrementUnit": "ms",
    }
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.moveaxis(IMAGES, 0, 1),
        photometric="minisblack",
        metadata=metadata,
    )
    (image,) = open_tiffs(tmp_path)
    assert image.layout.channels == ("GFP", "mCherry")
    assert image.layout.colors == ("00FF00", "FF0000")
    assert (image.layout.time_step, image.layout.time_unit) == (250, "millisecond")


def test_channels_colours_and_time_of_imagej(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    dark = np.zeros(256, np.uint8)
    tables = [np.stack([dark, ramp, dark]), np.stack([ramp, dark, ramp])]
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(IMAGES, 0, 1),
        imagej=True,
        metadata={"axes": "TCYX", "finterval": 2.5, "LUTs": tables},
    )
    (image,) = open_tiffs(tmp_path)
    assert image.layout.channels == ("channel 0", "channel 1")
    assert image.layout.colors == ("00FF00", "FF00FF")
    assert (image.layout.time_step, image.layout.time_unit) == (2.5, "second")


def test_a_channel_that_would_be_black_has_no_colour(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    inverted = np.stack([ramp[::-1]] * 3)
    images = np.moveaxis(IMAGES, 0, 1)
    metadata = {"axes": "TCYX", "LUTs": [inverted, np.stack([0 * ramp, ramp, 0 * ramp])]}
    tifffile.imwrite(tmp_path / "a.tif", images, imagej=True, metadata=metadata)
    described = {"axes": "TCYX", "Channel": {"Name": ["a", "b"], "Color": [0, 16711935]}}
    tifffile.imwrite(tmp_path / "b.ome.tif", images, photometric="minisblack", metadata=described)
    for image in open_tiffs(tmp_path):
        assert image.layout.colors == ("FFFFFF", "00FF00")


@pytest.mark.parametrize("step", ["nan", "-1", "soon"])
def test_a_time_step_that_cannot_be(tmp_path, step):
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGES[0], metadata={"axes": "TYX"})
    described = tifffile.tiffcomment(tmp_path / "a.ome.tif")
    described = described.replace("<Pixels ", f'<Pixels TimeIncrement="{step}" ')
    tifffile.tiffcomment(tmp_path / "a.ome.tif", described.encode())
    (image,) = open_tiffs(tmp_path)
    assert (image.layout.time_step, image.layout.time_unit) == (1.0, "")
