"""Which image of a TIFF file is read, and that nothing is read that is not there."""

import re
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile

from napari_psf_distiller import DistillerWarning, InputError, read_image

STACK = np.random.default_rng(0).integers(1, 60000, (8, 20, 24)).astype(np.uint16)
OME_SIZES = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.3}


def read(path):
    """The image with its voxel size, and what was said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DistillerWarning)
        stored = read_image(path)
    return *stored, [str(warning.message) for warning in caught]


def pages(path, planes, description=None):
    """A TIFF file of pages, the first with a description."""
    with tifffile.TiffWriter(path) as tiff:
        for number, plane in enumerate(planes):
            text = description if number == 0 else None
            tiff.write(plane, photometric="minisblack", metadata=None, description=text)
    return path


def imagej(path, planes, images, more=""):
    return pages(path, planes, f"ImageJ=1.53t\nimages={images}\nslices={images}\n{more}")


def ome(path, planes, *changes):
    """An OME-TIFF whose description says other things than the file holds."""
    tifffile.imwrite(path, STACK, metadata={"axes": "ZYX"} | OME_SIZES, photometric="minisblack")
    with tifffile.TiffFile(path) as tiff:
        xml = tiff.ome_metadata
    for pattern, text in changes:
        xml, count = re.subn(pattern, text, xml)
        assert count == 1
    return pages(path, planes, xml.encode())


TIFF_DATA = r"<TiffData.*?(/>|</TiffData>)"


def tiff_data(numbers, file=""):
    uuid = '<UUID FileName="{0}{1}.ome.tif">urn:uuid:{1}</UUID>' if file else ""
    return "".join(
        f'<TiffData FirstZ="{z}" IFD="{0 if file else z}" PlaneCount="1">'
        f"{uuid.format(file, z)}</TiffData>"
        for z in numbers
    )


@pytest.mark.parametrize("compression", ["lzw", "zstd", "zlib", "packbits"])
@pytest.mark.parametrize("predictor", [False, True])
def test_compressed_files(tmp_path, compression, predictor):
    predictor = predictor and compression != "packbits"
    tifffile.imwrite(
        tmp_path / "image.tif",
        STACK,
        compression=compression,
        predictor=predictor,
        photometric="minisblack",
    )
    image, _, said = read(tmp_path / "image.tif")
    np.testing.assert_array_equal(image, STACK)
    assert said == []


def test_jpeg_is_read_nearly_as_it_was(tmp_path):
    smooth = np.add.outer(np.arange(8), np.add.outer(np.arange(16), np.arange(24))).astype("u1")
    tifffile.imwrite(tmp_path / "image.tif", smooth, compression="jpeg", photometric="minisblack")
    assert np.abs(read(tmp_path / "image.tif")[0].astype(int) - smooth).max() < 4


# Planes.


@pytest.mark.parametrize(("said_of", "there"), [(8, 5), (5, 8), (12, 8), (8, 1)])
def test_imagej_has_other_planes_than_it_says(tmp_path, said_of, there):
    image, _, said = read(imagej(tmp_path / "image.tif", STACK[:there], said_of))
    np.testing.assert_array_equal(image, STACK[:there] if there > 1 else STACK[0])
    (text,) = said
    assert f"says that it has {said_of} planes, and has {there};" in text


def test_imagej_hyperstack_with_missing_planes_is_refused(tmp_path):
    path = pages(
        tmp_path / "image.tif", STACK[:7], "ImageJ=1.53t\nimages=8\nchannels=2\nslices=4\n"
    )
    with pytest.raises(InputError, match=r"channel \(2\), z \(4\), which are 8 planes, .* has 7"):
        read_image(path)


def test_a_large_stack_of_imagej_has_one_page_for_all_planes(tmp_path):
    path = imagej(tmp_path / "image.tif", STACK[:1], 8)
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages[0].dataoffsets[0]
    # Its pixels lie behind the directory, so that the other planes can follow.
    whole = path.read_bytes()[:start] + STACK.tobytes()
    path.write_bytes(whole)
    image, _, said = read(path)
    np.testing.assert_array_equal(image, STACK)
    assert said == []
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match="cut short"):
        read_image(path)


@pytest.mark.parametrize(
    ("planes", "changes", "expected", "words"),
    [
        (range(5), [], range(5), "3 of 8 planes are missing .* planes 1 to 5 are read"),
        (range(8), [('SizeZ="8"', 'SizeZ="12"')], range(8), "4 of 12 planes are missing"),
        (range(5), [(TIFF_DATA, tiff_data(range(5)))], range(5), "3 of 8 planes are missing"),
        # Of what lies on both sides of a gap the larger part is a stack.
        (range(8), [(TIFF_DATA, tiff_data([0, 1, 3, 4, 5, 6, 7]))], range(3, 8), "planes 4 to 8"),
        (
            range(8),
            [('SizeZ="8"', 'SizeZ="5"'), (TIFF_DATA, tiff_data(range(5)))],
            range(5),
            "has 5 planes, and has 3 more",
        ),
    ],
)
def test_ome_has_other_planes_than_it_says(tmp_path, planes, changes, expected, words):
    path = ome(tmp_path / "image.ome.tif", STACK[list(planes)], *changes)
    image, spacing, said = read(path)
    np.testing.assert_array_equal(image, STACK[list(expected)])
    assert spacing == pytest.approx((0.3, 0.1, 0.1))
    (text,) = said
    assert re.search(words, text)


def test_a_file_of_an_ome_set_is_missing(tmp_path):
    for z in set(range(8)) - {2}:
        pages(tmp_path / f"plane{z}.ome.tif", [STACK[z]])
    path = ome(
        tmp_path / "image.ome.tif", STACK[:1], (TIFF_DATA, tiff_data(range(8), file="plane"))
    )
    image, _, said = read(path)
    np.testing.assert_array_equal(image, STACK[3:])
    assert "1 of 8 planes are missing" in said[0]


def test_a_plane_that_was_never_written_is_missing(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, STACK, compression="zlib", photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[7].tags["StripByteCounts"]
        place, size = tag.valueoffset, {3: 2, 4: 4}[tag.dtype]
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    image, _, said = read(path)
    np.testing.assert_array_equal(image, STACK[:7])
    assert "planes 1 to 7 are read" in said[0]


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_more_planes_than_can_be_are_told_at_once(tmp_path, kind):
    path = tmp_path / "image.ome.tif"
    if kind == "ome":
        ome(path, STACK, ('SizeZ="8"', 'SizeZ="10000000"'))
    else:
        imagej(path, STACK, 10_000_000)
    with pytest.raises(InputError, match=r"1e\+07 planes; at most 100000"):
        read_image(path)


def test_strips_that_are_not_there_are_not_looked_for(tmp_path):
    data = zlib.compress(bytes(20))
    tags = [(256, 10), (257, 10**7), (258, 16), (259, 8), (262, 1), (273, 8), (278, 1)]
    tags.append((279, len(data)))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "image.tif").write_bytes(
        struct.pack("<2sHI", b"II", 42, 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + directory
        + bytes(4)
    )
    with pytest.raises(InputError, match="cut short"):
        read_image(tmp_path / "image.tif")


# Several images.


def test_the_largest_of_several_images_is_read(tmp_path):
    thumbnail = STACK[0, :9, :9]
    first = pages(tmp_path / "first.tif", [thumbnail, *STACK])
    last = tmp_path / "last.tif"
    tifffile.imwrite(last, STACK, photometric="minisblack")
    tifffile.imwrite(last, thumbnail, append=True, photometric="minisblack")
    fiji = imagej(tmp_path / "imagej.tif", [thumbnail, *STACK], 8)
    for path in (first, last, fiji):
        image, _, said = read(path)
        np.testing.assert_array_equal(image, STACK)
        (text,) = said
        assert "holds 2 images" in text
        assert "9 x 9" in text
        assert "the largest is read" in text


def test_the_voxel_size_is_that_of_the_image_that_is_read(tmp_path):
    path = tmp_path / "image.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(STACK[0], metadata={"axes": "YX"} | {key: 1.0 for key in OME_SIZES})
        tiff.write(STACK, metadata={"axes": "ZYX"} | OME_SIZES)
    image, spacing, _ = read(path)
    np.testing.assert_array_equal(image, STACK)
    assert spacing == pytest.approx((0.3, 0.1, 0.1))


def test_images_of_one_size_are_a_question(tmp_path):
    path = tmp_path / "image.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for name in ("Pos0", "Pos1"):
            tiff.write(STACK, metadata={"axes": "ZYX", "Name": name})
    with pytest.raises(InputError, match=r"2 images of 8 x 20 x 24 voxels \(Pos0, Pos1\)"):
        read_image(path)


def test_a_pyramid_is_one_image(tmp_path):
    path = tmp_path / "image.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(STACK, subifds=1, metadata={"axes": "ZYX"} | OME_SIZES)
        tiff.write(STACK[:, ::2, ::2], subfiletype=1)
    image, _, said = read(path)
    np.testing.assert_array_equal(image, STACK)
    assert said == []


# White and black.


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_white_as_0_is_read_with_bright_light(tmp_path, dtype):
    light = (STACK >> 8).astype(dtype)
    stored = np.iinfo(dtype).max - light
    tifffile.imwrite(tmp_path / "image.tif", stored, photometric="miniswhite")
    image, _, said = read(tmp_path / "image.tif")
    assert image.dtype == light.dtype
    np.testing.assert_array_equal(image, light)
    assert "read inverted" in said[0]


def test_imagejs_inverted_lookup_table_leaves_the_values(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, STACK, photometric="miniswhite", imagej=True, metadata={"axes": "ZYX"})
    image, _, said = read(path)
    np.testing.assert_array_equal(image, STACK)
    assert "as ImageJ tells them" in said[0]


def test_white_as_0_of_what_has_no_black_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", STACK.astype("f4"), photometric="miniswhite")
    with pytest.raises(InputError, match="save it with black as 0"):
        read_image(tmp_path / "image.tif")


# Voxel sizes.


@pytest.mark.parametrize("value", ["INF", "NaN", "1e-300", "1000", "-0.3"])
def test_a_voxel_size_of_ome_that_cannot_be_is_not_known(tmp_path, value):
    path = ome(
        tmp_path / "image.ome.tif", STACK, ('PhysicalSizeZ="0.3"', f'PhysicalSizeZ="{value}"')
    )
    image, spacing, said = read(path)
    np.testing.assert_array_equal(image, STACK)
    assert spacing is None
    assert "cannot be a microscope's" in said[0]


@pytest.mark.parametrize("value", ["inf", "nan", "1e-300", "1e9"])
def test_a_voxel_size_of_imagej_that_cannot_be_is_not_known(tmp_path, value):
    path = imagej(tmp_path / "image.tif", STACK, 8, f"unit=micron\nspacing={value}\n")
    _, spacing, said = read(path)
    assert spacing is None
    assert "cannot be a microscope's" in said[0]


def test_tifffile_says_nothing_itself(tmp_path, capfd):
    path = ome(tmp_path / "image.ome.tif", STACK[:5])
    with pytest.warns(DistillerWarning, match="are missing"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_a_channel_and_a_time_of_a_hyperstack_are_read(tmp_path):
    path = tmp_path / "a hyperstack.tif"
    image = np.arange(2 * 3 * 2 * 4 * 5, dtype=np.uint16).reshape(2, 3, 2, 4, 5)
    metadata = {"axes": "TZCYX", "unit": "um", "spacing": 0.2}
    tifffile.imwrite(path, image, imagej=True, resolution=(10, 10), metadata=metadata)
    stored = read_image(path, channel=1, time=0)
    np.testing.assert_array_equal(stored.image, image[0, :, 1])
    assert stored.spacing == (0.2, 0.1, 0.1)
    with pytest.raises(InputError, match=r"time \(2\).*channel=0 in Python, --time 0"):
        read_image(path, channel=1)
    with pytest.raises(InputError, match=r"The channel is 2, but .* has 2 channels \(0 to 1\)"):
        read_image(path, channel=2, time=0)


def test_one_of_several_images_of_a_file_is_read(tmp_path):
    path = tmp_path / "fields.ome.tif"
    fields = np.random.default_rng(2).integers(0, 99, (2, 3, 4, 5), dtype=np.uint16)
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for field in fields:
            tiff.write(field, metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(read_image(path, scene=1).image, fields[1])
    with pytest.raises(InputError, match=r"The scene is 2, but .* has 2 scenes"):
        read_image(path, scene=2)
