"""PSFs and images in TIFF files: what is written can be read, by others too, or is refused."""

import contextlib
import dataclasses
import json
import re
import struct
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_psf_distiller import (
    PSF,
    DistillerWarning,
    InputError,
    Optics,
    Recipe,
    read_image,
    read_microscope,
    read_psf,
)
from napari_psf_distiller.io import is_psf_file, psf_made_with, write_image
from napari_psf_distiller.recipe import Provenance

# Lengths that have no short decimal fraction and no exact TIFF rational: pi / 10, and so on.
SPACING = (0.3141592653589793, 0.1 / 3, 0.08164965809277261)

NAMES = ["psf.tif", "psf.tiff", "psf.ome.tif", "psf.ome.tiff", "PSF.TIF", "p.s.f.OME.TIF"]
SHAPES = [(5, 7, 9), (6, 8), (1, 7, 9), (2, 3, 3)]


def psf_of(shape) -> np.ndarray:
    """Values all different, so that any exchange of axes or bytes shows."""
    values = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(np.float32)
    return values / values.sum()


def recipe_of(shape) -> Recipe:
    provenance = Provenance({"python": "3.11"}, "A device, µ 🔬 ™", shape, "uint16", "0" * 64)
    return Recipe(spacing=SPACING[-len(shape) :], device="numpy", provenance=provenance)


def write_psf(path, psf, *, spacing, recipe=None):
    PSF(psf, spacing, recipe=recipe).save(path)


def tiff_written_elsewhere(path, array, **options):
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_round_trip_changes_nothing(tmp_path, name, shape):
    psf, spacing, recipe = psf_of(shape), SPACING[-len(shape) :], recipe_of(shape)
    write_psf(tmp_path / name, psf, spacing=spacing, recipe=recipe)
    stored = read_psf(tmp_path / name)
    assert stored.array.dtype == np.float32
    np.testing.assert_array_equal(stored.array, psf)
    assert stored.spacing == spacing
    assert stored.recipe == recipe
    assert is_psf_file(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
def test_without_a_recipe(tmp_path, name):
    write_psf(str(tmp_path / name), psf_of((5, 7, 9)).astype(np.float64), spacing=SPACING)
    stored = read_psf(str(tmp_path / name))
    assert stored.recipe is None
    assert stored.spacing == SPACING
    assert is_psf_file(str(tmp_path / name))


def test_a_file_is_replaced(tmp_path):
    for n in (5, 9):
        write_psf(tmp_path / "psf.tif", psf_of((n, 7, 9)), spacing=SPACING)
    assert read_psf(tmp_path / "psf.tif").shape == (9, 7, 9)


# What other programs see. tifffile reads the tags without any of this package's code; Pillow is a
# TIFF reader of its own.


@pytest.mark.parametrize("shape", [(5, 7, 9), (6, 8)])
def test_imagej_sees_voxel_size_unit_and_recipe(tmp_path, shape):
    spacing, recipe = SPACING[-len(shape) :], recipe_of(shape)
    write_psf(tmp_path / "psf.tif", psf_of(shape), spacing=spacing, recipe=recipe)
    with tifffile.TiffFile(tmp_path / "psf.tif") as tiff:
        assert tiff.is_imagej
        assert tiff.series[0].axes == "ZYX"[-len(shape) :]
        metadata = tiff.imagej_metadata
        tags = tiff.pages[0].tags
        sizes = [
            tags[name].value[1] / tags[name].value[0] for name in ("YResolution", "XResolution")
        ]
    assert metadata["unit"] == "um"
    # A TIFF rational has 32 bits above and below.
    assert sizes == pytest.approx(spacing[-2:], rel=1e-6)
    if len(shape) == 3:
        assert metadata["spacing"] == spacing[0]
        assert metadata["slices"] == shape[0]
    assert json.loads(metadata["Info"])["recipe"]["recipe"]["spacing"] == list(spacing)


@pytest.mark.parametrize("shape", [(5, 7, 9), (6, 8)])
def test_ome_sees_voxel_size_unit_and_recipe(tmp_path, shape):
    spacing, recipe = SPACING[-len(shape) :], recipe_of(shape)
    write_psf(tmp_path / "psf.ome.tif", psf_of(shape), spacing=spacing, recipe=recipe)
    with tifffile.TiffFile(tmp_path / "psf.ome.tif") as tiff:
        assert tiff.is_ome
        assert tiff.series[0].axes == "ZYX"[-len(shape) :]
        image = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
    pixels = image["Pixels"]
    for axis, size in zip("ZYX"[-len(shape) :], spacing, strict=True):
        assert float(pixels[f"PhysicalSize{axis}"]) == size
        assert pixels[f"PhysicalSize{axis}Unit"] == "µm"
    assert pixels["Type"] == "float"
    assert json.loads(image["Description"])["recipe"]["recipe"]["spacing"] == list(spacing)


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
@pytest.mark.parametrize("shape", [(5, 7, 9), (6, 8)])
def test_another_reader_sees_the_same_values(tmp_path, name, shape):
    psf = psf_of(shape)
    write_psf(tmp_path / name, psf, spacing=SPACING[-len(shape) :])
    slices = psf.reshape(-1, *shape[-2:])
    image: Any
    with Image.open(tmp_path / name) as image:
        assert image.mode == "F"
        assert image.n_frames == len(slices)
        for index, expected in enumerate(slices):
            image.seek(index)
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_another_reader_sees_the_imagej_voxel_size(tmp_path):
    write_psf(tmp_path / "psf.tif", psf_of((5, 7, 9)), spacing=SPACING)
    image: Any
    with Image.open(tmp_path / "psf.tif") as image:
        x, y = (float(image.tag_v2[number]) for number in (282, 283))
        description = dict(line.split("=", 1) for line in image.tag_v2[270].splitlines() if line)
    assert (1 / y, 1 / x) == pytest.approx(SPACING[1:], rel=1e-6)
    assert float(description["spacing"]) == SPACING[0]
    assert description["unit"] == "um"


def test_another_reader_sees_the_ome_voxel_size(tmp_path):
    write_psf(tmp_path / "psf.ome.tif", psf_of((5, 7, 9)), spacing=SPACING)
    image: Any
    with Image.open(tmp_path / "psf.ome.tif") as image:
        # Pillow takes the tag's bytes for Latin-1; OME's are UTF-8.
        xml = ElementTree.fromstring(image.tag_v2[270].encode("latin-1"))
        x, y = (float(image.tag_v2[number]) for number in (282, 283))
        unit = image.tag_v2[296]
    pixels = xml.find(".//{*}Pixels").attrib
    assert [float(pixels[f"PhysicalSize{axis}"]) for axis in "ZYX"] == list(SPACING)
    assert {pixels[f"PhysicalSize{axis}Unit"] for axis in "ZYX"} == {"µm"}
    # Programs that know no OME take the plain tags, here in pixels a centimetre.
    assert unit == 3
    assert (1e4 / y, 1e4 / x) == pytest.approx(SPACING[1:], rel=1e-6)


def test_a_voxel_size_that_another_program_changed_counts_and_is_told(tmp_path):
    psf = psf_of((5, 7, 9))
    write_psf(tmp_path / "psf.tif", psf, spacing=SPACING)
    # As ImageJ does: the text that it shows as information stays.
    with tifffile.TiffFile(tmp_path / "psf.tif") as tiff:
        metadata = {"Info": tiff.imagej_metadata["Info"], "unit": "um", "spacing": 0.2}
    tifffile.imwrite(
        tmp_path / "psf.tif",
        psf,
        imagej=True,
        resolution=(10, 10),
        metadata={"axes": "ZYX", **metadata},
    )
    with pytest.warns(DistillerWarning, match="another program changed that"):
        stored = read_psf(tmp_path / "psf.tif")
    assert stored.spacing == pytest.approx((0.2, 0.1, 0.1))
    np.testing.assert_array_equal(stored.array, psf)
    assert psf_made_with(tmp_path / "psf.tif")[0] == pytest.approx((0.2, 0.1, 0.1))


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
@pytest.mark.parametrize("shape", [(5, 7, 9), (1, 7, 9), (6, 8)])
def test_what_a_psf_was_made_with_is_known_without_reading_it(tmp_path, name, shape):
    spacing, recipe = SPACING[-len(shape) :], recipe_of(shape)
    write_psf(tmp_path / name, psf_of(shape), spacing=spacing, recipe=recipe)
    assert psf_made_with(tmp_path / name) == (spacing, recipe)
    write_psf(tmp_path / name, psf_of(shape), spacing=spacing)
    assert psf_made_with(tmp_path / name) == (spacing, None)


def test_nothing_is_known_of_other_files(tmp_path):
    write_image(tmp_path / "image.tif", psf_of((5, 7, 9)), spacing=SPACING)
    (tmp_path / "broken.tif").write_bytes(b"II*\x00")
    write_psf(tmp_path / "psf.tif", psf_of((5, 7, 9)), spacing=SPACING)
    (tmp_path / "psf.tif").rename(tmp_path / "psf.dat")
    for path in [*tmp_path.iterdir(), tmp_path / "missing.tif", tmp_path, ""]:
        assert psf_made_with(path) is None


# Files of other programs.


@pytest.mark.parametrize(
    ("unit", "length"),
    [
        ("um", 1),
        ("micron", 1),
        ("\\u00B5m", 1),
        ("nm", 1e-3),
        ("mm", 1e3),
        ("cm", 1e4),
        ("inch", 25400),
        ("\\u03BCm", 1),
        ("Micrometers", 1),
        ("micrometres", 1),
        ("microns.", 1),
        ("nanometers", 1e-3),
        ("millimetre", 1e3),
        ("meters", 1e6),
        ("inches", 25400),
    ],
)
def test_units_of_imagej(tmp_path, unit, length):
    path = tiff_written_elsewhere(
        tmp_path / "elsewhere.tif",
        psf_of((5, 7, 9)),
        imagej=True,
        resolution=(4 * length, 2 * length),
        metadata={"axes": "ZYX", "spacing": 3.0 / length, "unit": unit},
    )
    assert read_psf(path).spacing == pytest.approx((3, 0.5, 0.25))
    assert read_psf(path).recipe is None
    assert not is_psf_file(path)


@pytest.mark.parametrize(
    ("units", "lengths"),
    [
        ({"yunit": "nm", "zunit": "nm"}, (1e-3, 1e-3, 1)),
        ({"zunit": "mm"}, (1e3, 1, 1)),
        ({"yunit": "pixel"}, None),
    ],
)
def test_each_axis_of_imagej_can_have_its_own_unit(tmp_path, units, lengths):
    z, y, x = lengths or (1, 1, 1)
    path = tiff_written_elsewhere(
        tmp_path / "elsewhere.tif",
        psf_of((5, 7, 9)),
        imagej=True,
        resolution=(4 * x, 2 * y),
        metadata={"axes": "ZYX", "spacing": 3.0 / z, "unit": "micron"} | units,
    )
    expected = None if lengths is None else pytest.approx((3, 0.5, 0.25))
    assert read_image(path).spacing == expected


@pytest.mark.parametrize(
    ("unit", "length"),
    [("µm", 1), ("nm", 1e-3), ("mm", 1e3), ("dm", 1e5), ("m", 1e6), ("Å", 1e-4)],
)
def test_units_of_ome(tmp_path, unit, length):
    spacing = [size / length for size in (3.0, 0.5, 0.25)]
    sizes = {f"PhysicalSize{axis}": n for axis, n in zip("ZYX", spacing, strict=True)}
    units = {f"PhysicalSize{axis}Unit": unit for axis in "ZYX"}
    path = tiff_written_elsewhere(
        tmp_path / "elsewhere.ome.tif", psf_of((5, 7, 9)), metadata={"axes": "ZYX"} | sizes | units
    )
    assert read_psf(path).spacing == pytest.approx((3, 0.5, 0.25))


def test_the_resolution_of_a_plain_tiff(tmp_path):
    path = tiff_written_elsewhere(
        tmp_path / "elsewhere.tif",
        psf_of((7, 9)),
        resolution=(5e4, 1e5),
        resolutionunit="CENTIMETER",
    )
    assert read_psf(path).spacing == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True},
        {"imagej": True, "resolution": (4, 2), "metadata": {"axes": "ZYX", "unit": "pixel"}},
        {"imagej": True, "resolution": (4, 2), "metadata": {"axes": "ZYX", "unit": "um"}},
        {"resolution": (300, 300), "resolutionunit": "INCH"},
        {"ome": True},
        {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}},
    ],
    ids=["plain", "ImageJ", "in pixels", "no depth", "dots an inch", "OME", "OME without depth"],
)
# Two of them call the first axis a channel, for lack of knowing.
@pytest.mark.filterwarnings("ignore:The first axis of:napari_psf_distiller.DistillerWarning")
def test_no_voxel_size(tmp_path, options):
    path = tiff_written_elsewhere(tmp_path / "elsewhere.tif", psf_of((5, 7, 9)), **options)
    with pytest.raises(InputError, match="does not say how large its voxels are"):
        read_psf(path)
    image, spacing = read_image(path)
    assert spacing is None
    np.testing.assert_array_equal(image, psf_of((5, 7, 9)))


def test_an_image_keeps_its_dtype_and_loses_its_empty_axes(tmp_path):
    counts = np.arange(5 * 7 * 9, dtype=np.uint16).reshape(1, 5, 1, 7, 9)
    path = tiff_written_elsewhere(
        tmp_path / "image.tif",
        counts,
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "TZCYX", "spacing": 3.0, "unit": "um"},
    )
    image, spacing = read_image(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, counts[0, :, 0])
    assert spacing == (3.0, 0.5, 0.25)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((3, 5, 7, 9), {"imagej": True, "metadata": {"axes": "TZYX"}}, "time (3), z (5)"),
        ((5, 2, 7, 9), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "z (5), channel (2)"),
        ((7, 9, 3), {"photometric": "rgb"}, "y (7), x (9), colour (3)"),
        ((3, 7, 9), {"photometric": "rgb", "planarconfig": "separate"}, "colour (3), y (7)"),
    ],
)
def test_what_is_no_volume_names_its_axes(tmp_path, shape, options, words):
    path = tiff_written_elsewhere(tmp_path / "elsewhere.tif", np.zeros(shape, "u2"), **options)
    with pytest.raises(InputError, match=re.escape(words)):
        read_image(path)


@pytest.mark.parametrize(("axes", "word"), [("TYX", "time"), ("CYX", "channel")])
def test_a_series_of_planes_is_taken_as_z_with_a_warning(tmp_path, axes, word):
    path = tiff_written_elsewhere(
        tmp_path / "movie.tif", np.zeros((5, 7, 9), "u2"), imagej=True, metadata={"axes": axes}
    )
    with pytest.warns(DistillerWarning, match=rf"is called {word} \(5\); it is taken as z"):
        assert read_image(path).image.shape == (5, 7, 9)


@pytest.mark.parametrize("name", ["image.tif", "image.ome.tif"])
@pytest.mark.parametrize("spacing", [SPACING, None])
def test_an_image_is_no_psf(tmp_path, name, spacing):
    image = psf_of((5, 7, 9))
    write_image(tmp_path / name, image, spacing=spacing)
    stored = read_image(tmp_path / name)
    np.testing.assert_array_equal(stored.image, image)
    assert stored.spacing == (pytest.approx(spacing, rel=1e-6) if spacing else None)
    assert not is_psf_file(tmp_path / name)


# Files that cannot be used.


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
@pytest.mark.parametrize("read", [read_psf, read_image])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, name, read):
    psf = psf_of((5, 17, 19))
    write_psf(tmp_path / name, psf, spacing=SPACING, recipe=recipe_of(psf.shape))
    whole = (tmp_path / name).read_bytes()
    # The last directory's last bytes, which repeat the first directory's, may be missing without
    # harm; then all the rest must be there.
    tail = range(len(whole) - 40, len(whole))
    for length in [*range(0, tail.start, 97), *tail]:
        (tmp_path / name).write_bytes(whole[:length])
        if length not in tail:
            with pytest.raises(InputError, match=re.escape(name)):
                read(tmp_path / name)
            continue
        with contextlib.suppress(InputError):
            stored = read(tmp_path / name)
            voxels = stored.array if read is read_psf else stored.image
            np.testing.assert_array_equal(voxels, psf)
            assert stored.spacing == pytest.approx(SPACING, rel=1e-6)
        assert is_psf_file(tmp_path / name) in (True, False)


# A damaged directory can still be one of fewer planes, which is told.
@pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")
@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
def test_flipped_bytes_never_give_another_error(tmp_path, name):
    write_psf(tmp_path / name, psf_of((3, 5, 7)), spacing=SPACING, recipe=recipe_of((3, 5, 7)))
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.choice(len(whole), 150, replace=False):
        damaged = bytearray(whole)
        damaged[position] ^= int(rng.integers(1, 256))
        (tmp_path / name).write_bytes(damaged)
        try:
            read_psf(tmp_path / name)
        except InputError:
            refused += 1
        assert is_psf_file(tmp_path / name) in (True, False)
    assert refused > 0


@pytest.mark.parametrize(
    "content",
    [b"", b"not a TIFF file at all", b"II*\x00", struct.pack("<2sHI", b"II", 42, 10**9)],
    ids=["empty", "text", "header", "directory beyond the end"],
)
@pytest.mark.parametrize("read", [read_psf, read_image])
def test_what_is_no_tiff(tmp_path, content, read):
    (tmp_path / "psf.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"psf\.tif"):
        read(tmp_path / "psf.tif")
    assert not is_psf_file(tmp_path / "psf.tif")


@pytest.mark.parametrize("read", [read_psf, read_image])
def test_no_file(tmp_path, read):
    with pytest.raises(InputError, match="There is no file"):
        read(tmp_path / "missing.tif")
    with pytest.raises(InputError, match="There is no file"):
        read(tmp_path)
    assert not is_psf_file(tmp_path / "missing.tif")
    assert not is_psf_file(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"spacing": None},
        {"spacing": [0.2, 0.1]},
        {"spacing": [0.2, 0.1, 0]},
        {"spacing": "a b c"},
        {"spacing": [0.2, "0.1 um", 0.1]},
        {"spacing": 5},
        {"recipe": {"format": "a song"}},
        {"recipe": [1]},
        {"version": 2},
    ],
    ids=str,
)
def test_a_note_that_was_tampered_with(tmp_path, change):
    note = {"format": "napari-psf-distiller psf", "version": 1, "spacing": [0.2, 0.1, 0.1]}
    path = tiff_written_elsewhere(
        tmp_path / "psf.tif",
        psf_of((5, 7, 9)),
        imagej=True,
        metadata={"axes": "ZYX", "Info": json.dumps(note | change)},
    )
    with pytest.raises(InputError):
        read_psf(path)


@pytest.mark.parametrize("info", ["[]", "napari-psf-distiller psf", '{"format": 3}', "{"])
def test_a_text_that_is_not_ours(tmp_path, info):
    path = tiff_written_elsewhere(
        tmp_path / "psf.tif", psf_of((5, 7, 9)), imagej=True, metadata={"axes": "ZYX", "Info": info}
    )
    assert not is_psf_file(path)
    with pytest.raises(InputError, match="how large its voxels are"):
        read_psf(path)


def test_a_psf_file_with_nan(tmp_path):
    psf = psf_of((5, 7, 9))
    psf[0, 0, 0] = np.nan
    path = tiff_written_elsewhere(tmp_path / "psf.tif", psf)
    with pytest.raises(InputError, match=r"The PSF in .*psf\.tif has 1 voxels that are NaN"):
        read_psf(path)


# Writing.


@pytest.mark.parametrize(
    ("psf", "spacing", "words"),
    [
        (np.zeros((5, 7, 9)), SPACING, "The PSF is constant"),
        (psf_of((2, 5, 7, 9)), SPACING, "4 axes"),
        (psf_of((5, 7, 9)), SPACING[1:], "2 values"),
        (psf_of((5, 7, 9)), (0.2, 0, 0.1), "positive"),
        (psf_of((5, 7, 9)), None, "voxel size is not known"),
    ],
)
def test_what_cannot_be_written(tmp_path, psf, spacing, words):
    with pytest.raises(InputError, match=words):
        write_psf(tmp_path / "psf.tif", psf, spacing=spacing)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["psf", "psf.png", "psf.tif.gz", "tif", ".tif.txt"])
def test_a_name_that_is_no_tiffs(tmp_path, name):
    with pytest.raises(InputError, match=r"must end in \.tif, \.tiff, \.ome\.tif, \.ome\.tiff,"):
        write_psf(tmp_path / name, psf_of((5, 7, 9)), spacing=SPACING)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        write_psf(tmp_path / "missing" / "psf.tif", psf_of((5, 7, 9)), spacing=SPACING)


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "psf.tif").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        write_psf(tmp_path / "psf.tif", psf_of((5, 7, 9)), spacing=SPACING)


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
@pytest.mark.parametrize("there_before", [True, False])
def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, name, there_before):
    path, psf = tmp_path / name, psf_of((5, 7, 9))
    if there_before:
        write_psf(path, psf, spacing=SPACING)

    def fail(file, *args, **kwargs):
        with open(file, "wb") as stream:  # noqa: PTH123 - whatever kind of name it is
            stream.write(b"II*\x00 and half a directory")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tifffile, "imwrite", fail)
        with pytest.raises(InputError, match="No space left on device"):
            write_psf(path, psf[:, ::-1], spacing=SPACING)
    assert list(tmp_path.iterdir()) == ([path] if there_before else [])
    if there_before:
        np.testing.assert_array_equal(read_psf(path), psf)


@pytest.mark.parametrize(
    "optics",
    [
        Optics(1.2, 0.52, 1.33),
        Optics(1.3, 0.52, 1.515, microscope="confocal", excitation=0.488),
        Optics(1.1, None, 1.33, microscope="two-photon", excitation=0.92),
    ],
)
def test_an_ome_tiff_says_the_microscope_and_what_it_is(tmp_path, optics):
    path, recipe = tmp_path / "psf.ome.tif", recipe_of((5, 7, 9))
    told = dataclasses.replace(recipe, optics=optics).described(
        image_name="beads <1>.tif", microscope='Lab "63x" & µ'
    )
    write_psf(path, psf_of((5, 7, 9)), spacing=SPACING, recipe=told)
    stored = read_microscope(path)
    assert stored.optics == optics
    assert (stored.objective, stored.channel) == ('Lab "63x" & µ', "PSF")
    with tifffile.TiffFile(path) as tiff:
        root = ElementTree.fromstring(tiff.ome_metadata)
        assert (tiff.series[0].shape, tiff.series[0].axes) == ((5, 7, 9), "ZYX")
    image = next(one for one in root if one.tag.endswith("Image"))
    assert image.get("Name") == "PSF from beads <1>.tif"
    # As the schema has them in order.
    names = [one.tag.rpartition("}")[2] for one in image]
    assert names == ["Description", "InstrumentRef", "ObjectiveSettings", "Pixels"]
    again = read_psf(path)
    assert again.recipe == told
    np.testing.assert_array_equal(again, psf_of((5, 7, 9)))


def test_an_ome_tiff_says_nothing_of_a_microscope_that_is_not_known(tmp_path):
    path = tmp_path / "psf.ome.tif"
    write_psf(path, psf_of((5, 7, 9)), spacing=SPACING, recipe=recipe_of((5, 7, 9)))
    assert read_microscope(path).values == {}


def test_an_image_is_called_as_its_file(tmp_path):
    write_image(tmp_path / "residual.ome.tif", psf_of((5, 7, 9)), spacing=SPACING)
    with tifffile.TiffFile(tmp_path / "residual.ome.tif") as tiff:
        assert ' Name="residual"' in tiff.ome_metadata
