"""Images of OME-Zarr: which part is read, with which voxels, and what is said of bad ones."""

import contextlib
import functools
import json
import operator
import warnings

import numpy as np
import pytest
import zarr
from ome_files import OBJECTIVE, SETTINGS
from zarr_files import write_zarr

from napari_psf_distiller import DistillerWarning, InputError, read_image, read_microscope
from napari_psf_distiller.datasets.ome_zarr import open_image

SPACING = (0.2, 0.08, 0.07)
IMAGE = np.arange(3 * 5 * 7, dtype=np.uint16).reshape(3, 5, 7)
SERIES = np.arange(2 * 2 * 3 * 5 * 7, dtype=np.int16).reshape(2, 2, 3, 5, 7) - 9


def read_quietly(path, **chosen):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_image(path, **chosen)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_channel_and_time_that_are_chosen_are_read(tmp_path, version):
    path = tmp_path / "some beads.ome.zarr"
    write_zarr(
        path, SERIES, "tczyx", spacing=SPACING, channels=("GFP", "RFP"), version=version, levels=2
    )
    image, spacing = read_quietly(str(path), channel="RFP", time=1)
    assert image.dtype == np.int16
    np.testing.assert_array_equal(image, SERIES[1, 1])
    assert spacing == pytest.approx(SPACING)
    stored = read_microscope(path, "RFP")
    assert (stored.channel, stored.channels) == ("RFP", 2)
    assert stored.spacing == pytest.approx(SPACING)
    for chosen, told in [
        ({}, r"2 channels \(0 'GFP', 1 'RFP'\)\. Choose one: channel=0"),
        ({"channel": 0}, r"2 times \(0 to 1\)\. Choose one: time=0"),
        ({"channel": "DAPI", "time": 0}, "The channel is 'DAPI', but .* has 2 channels"),
        ({"channel": 0, "time": 2}, "The time is 2, but"),
        ({"channel": 0, "time": 0, "scene": 1}, "The scene is 1, but .* has 1 scene"),
    ]:
        with pytest.raises(InputError, match=told):
            read_image(path, **chosen)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_folder_of_any_name_is_known_by_what_lies_in_it(tmp_path, version):
    write_zarr(tmp_path / "beads", IMAGE, version=version)
    np.testing.assert_array_equal(read_quietly(tmp_path / "beads").image, IMAGE)


def test_only_the_chunks_that_are_needed_are_read(tmp_path):
    path = tmp_path / "beads.zarr"
    write_zarr(path, SERIES, "tczyx", chunks=(1, 1, 3, 5, 7))
    for chunk in (path / "s0/c").glob("*/0"):
        for part in chunk.rglob("*"):
            if part.is_file():
                part.write_bytes(b"damaged")
    np.testing.assert_array_equal(read_quietly(path, channel=1, time=0).image, SERIES[0, 1])
    with pytest.raises(InputError, match="cannot be read"):
        read_image(path, channel=0, time=0)


@pytest.mark.parametrize("axes", ["zyx", "xyz", "yzx", "yx", "xy", "czyx", "tzxy"])
def test_axes_in_any_order_become_z_y_x(tmp_path, axes):
    order = [axis for axis in "zyx" if axis in axes]
    image = IMAGE if "z" in axes else IMAGE[0]
    others = [axis for axis in axes if axis not in "zyx"]
    stored = image.transpose([order.index(axis) for axis in axes if axis in order])
    stored = stored.reshape([1] * len(others) + list(stored.shape))
    sizes = dict(zip("zyx", SPACING, strict=True))
    spacing = [sizes[axis] for axis in axes if axis in order]
    write_zarr(tmp_path / "beads.zarr", stored, axes, spacing=spacing)
    found = read_quietly(tmp_path / "beads.zarr")
    np.testing.assert_array_equal(found.image, image)
    assert found.spacing == pytest.approx([sizes[axis] for axis in order])
    assert read_microscope(tmp_path / "beads.zarr").spacing == pytest.approx(found.spacing)


def test_a_stack_of_one_plane_is_a_plane(tmp_path):
    write_zarr(tmp_path / "beads.zarr", IMAGE[:1], spacing=SPACING)
    image, spacing = read_quietly(tmp_path / "beads.zarr")
    np.testing.assert_array_equal(image, IMAGE[0])
    assert spacing == pytest.approx(SPACING[1:])


@pytest.mark.parametrize(
    ("unit", "factor"), [("nanometer", 1e-3), ("millimeter", 1e3), ("angstrom", 1e-4)]
)
def test_units_become_micrometres(tmp_path, unit, factor):
    stored = [size / factor for size in SPACING]
    write_zarr(tmp_path / "beads.zarr", IMAGE, spacing=stored, unit=unit)
    assert read_quietly(tmp_path / "beads.zarr").spacing == pytest.approx(SPACING)


def test_a_voxel_size_without_a_unit_is_told(tmp_path):
    write_zarr(tmp_path / "beads.zarr", IMAGE, spacing=SPACING, unit=None)
    with pytest.warns(DistillerWarning, match=r"unit of its voxel size: 0\.2 x 0\.08 x 0\.07 is"):
        assert read_image(tmp_path / "beads.zarr").spacing == pytest.approx(SPACING)


def test_a_voxel_size_that_cannot_be_is_told(tmp_path):
    write_zarr(tmp_path / "beads.zarr", IMAGE, spacing=SPACING, unit="meter")
    with pytest.warns(DistillerWarning, match="cannot be a microscope's"):
        assert read_image(tmp_path / "beads.zarr").spacing is None


def test_a_voxel_size_of_0_is_told_and_has_no_place(tmp_path):
    write_zarr(tmp_path / "beads.zarr", IMAGE, spacing=(0.0, *SPACING[1:]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_image(tmp_path / "beads.zarr").layout.first_voxel == ()
    with pytest.warns(DistillerWarning, match="cannot be a microscope's"):
        assert read_image(tmp_path / "beads.zarr").spacing is None


@pytest.mark.parametrize("unit", [None, "parsec"])
def test_no_voxel_size_is_made_up(tmp_path, unit):
    write_zarr(tmp_path / "beads.zarr", IMAGE, unit=unit)
    assert read_quietly(tmp_path / "beads.zarr").spacing is None


def test_scales_of_an_image_and_of_its_level_are_multiplied(tmp_path):
    group = write_zarr(tmp_path / "beads.zarr", IMAGE, spacing=(2, 0.8, 0.7))
    ome = group.attrs["ome"]
    ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [0.1] * 3}]
    group.attrs["ome"] = ome
    assert read_quietly(tmp_path / "beads.zarr").spacing == pytest.approx(SPACING)


def test_shards_are_read_and_a_half_written_one_is_told(tmp_path):
    path = tmp_path / "beads.zarr"
    image = np.random.default_rng(1).random((4, 32, 32)).astype(np.float32)
    write_zarr(path, image, chunks=(2, 16, 16), shards=(4, 32, 32))
    np.testing.assert_array_equal(read_quietly(path).image, image)
    (shard,) = (one for one in (path / "s0/c").rglob("*") if one.is_file())
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"beads\.zarr: The image cannot be read .* open it again"):
        read_image(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_chunk_that_is_cut_short_is_told(tmp_path, version):
    path = tmp_path / "beads.zarr"
    write_zarr(path, np.random.default_rng(1).random((4, 32, 32)), version=version)
    chunk = max(
        (one for one in path.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size
    )
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(InputError, match=r"The image cannot be read|is cut off: it has 100 bytes"):
        read_image(path)


@pytest.fixture(params=["0.4", "0.5"])
def series(tmp_path, request):
    """A series of two images, as bioformats2raw writes it, with OME's description."""
    path = tmp_path / "series.zarr"
    new = request.param == "0.5"
    group = zarr.open_group(path, mode="w", zarr_format=3 if new else 2)
    layout = {"bioformats2raw.layout": 3}
    group.attrs.update({"ome": {"version": "0.5", **layout}} if new else layout)
    listed = {"series": ["0", "1"]}
    beside = group.create_group("OME")
    beside.attrs.update({"ome": {"version": "0.5", **listed}} if new else listed)
    for number in range(2):
        write_zarr(path / str(number), IMAGE + number, spacing=SPACING, version=request.param)
    images = "".join(
        f'<Image ID="Image:{n}">{SETTINGS}<Pixels ID="Pixels:{n}" SizeX="7" SizeY="5" SizeZ="3">'
        f'<Channel ID="Channel:{n}:0" EmissionWavelength="5{n}0"/></Pixels></Image>'
        for n in range(2)
    )
    (path / "OME/METADATA.ome.xml").write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Instrument ID="Instrument:0">{OBJECTIVE}</Instrument>{images}</OME>'
    )
    return path


def test_of_a_series_one_image_is_chosen(series):
    np.testing.assert_array_equal(read_quietly(series, scene=1).image, IMAGE + 1)
    np.testing.assert_array_equal(read_quietly(series / "1").image, IMAGE + 1)
    with pytest.raises(InputError, match=r"2 scenes \(0 '0', 1 '1'\)\. Choose one: scene=0"):
        read_image(series)


def test_of_a_series_the_microscope_is_read(series):
    for stored in (read_microscope(series, scene=1), read_microscope(series / "1")):
        assert stored.values["wavelength"] == pytest.approx(0.51)
        assert stored.values["numerical_aperture"] == 1.4
        assert stored.spacing == pytest.approx(SPACING)


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.zarr"
    group = zarr.open_group(path, mode="w")
    wells = [{"path": f"A/{n}", "rowIndex": 0, "columnIndex": n} for n in (1, 2)]
    group.attrs["ome"] = {"version": "0.5", "plate": {"wells": wells}}
    for number in (1, 2):
        well = group.create_group(f"A/{number}")
        well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
        write_zarr(path / f"A/{number}/0", IMAGE + number)
    return path


def test_of_a_plate_a_field_is_chosen_by_its_name(plate):
    np.testing.assert_array_equal(read_quietly(plate, scene="A/2/0").image, IMAGE + 2)
    np.testing.assert_array_equal(read_quietly(plate / "A/2").image, IMAGE + 2)
    with pytest.raises(InputError, match=r"2 scenes \(0 'A/1/0', 1 'A/2/0'\)"):
        read_image(plate)


def damage(path, **ome):
    group = zarr.open_group(path, mode="r+")
    group.attrs["ome"] = {"version": "0.5", **ome}


@pytest.mark.parametrize(
    ("ome", "told"),
    [
        ({}, "without OME-Zarr's metadata"),
        ({"plate": 5}, "what its plate or wells say"),
        ({"plate": {"wells": [{"name": "A"}]}}, "what its plate or wells say"),
        ({"plate": {"wells": [{"path": "B/1"}]}}, "names B/1, which is not there"),
        ({"plate": {"wells": []}}, "its plate or series is empty"),
        ({"multiscales": []}, r"not valid OME-Zarr 0\.5"),
        ({"multiscales": [{"axes": [], "datasets": []}]}, r"not valid OME-Zarr 0\.5"),
        ({"version": "0.6", "multiscales": [{}]}, r"is of OME-Zarr 0\.6, and 0\.5 is what"),
    ],
)
def test_a_zarr_that_says_too_little_is_told(tmp_path, ome, told):
    path = tmp_path / "beads.zarr"
    write_zarr(path, IMAGE)
    damage(path, **ome)
    with pytest.raises(InputError, match=told):
        read_image(path)


def test_a_missing_scale_or_array_is_told(tmp_path):
    path = tmp_path / "beads.zarr"
    scales = write_zarr(path, IMAGE).attrs["ome"]["multiscales"]
    transformations = scales[0]["datasets"][0].pop("coordinateTransformations")
    damage(path, multiscales=scales)
    with pytest.raises(InputError, match="must name the axes and a scale for each resolution"):
        read_image(path)
    scales[0]["datasets"][0] = {"path": "s5", "coordinateTransformations": transformations}
    damage(path, multiscales=scales)
    with pytest.raises(InputError, match="names the array s5, which cannot be opened"):
        read_image(path)


def test_what_is_no_ome_zarr_is_told(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("no folder")
    group = write_zarr(tmp_path / "old.zarr", IMAGE, version="0.4")
    group.create_array("part", shape=(2, 2), dtype="u1")
    for name in ("empty.zarr", "none.zarr", "file.zarr"):
        with pytest.raises(InputError, match="cannot be opened as OME-Zarr"):
            read_image(tmp_path / name)
    for name in ("old.zarr/s0", "old.zarr/part"):
        with pytest.raises(InputError, match="is a single array of a zarr"):
            read_image(tmp_path / name)


def test_axes_that_are_not_known_are_told(tmp_path):
    path = tmp_path / "beads.zarr"
    group = write_zarr(path, IMAGE)
    scales = group.attrs["ome"]["multiscales"]
    scales[0]["axes"][0]["name"] = "depth"
    damage(path, multiscales=scales)
    with pytest.raises(InputError, match="has the axes depth, y, x; known are"):
        read_image(path)


def places_in(said, place=()):
    """Yield where something is said in JSON."""
    named = (
        said if isinstance(said, dict) else dict(enumerate(said if isinstance(said, list) else ()))
    )
    for name, value in named.items():
        yield (*place, name)
        yield from places_in(value, (*place, name))


@pytest.mark.parametrize("value", [None, -1, 1e300, "x", {}, [1], 10**12], ids=repr)
@pytest.mark.parametrize("file", [".zattrs", "s0/.zarray"])
def test_whatever_its_metadata_say_there_is_an_image_or_a_sentence(tmp_path, file, value):
    path = tmp_path / "beads.zarr"
    write_zarr(path, SERIES[0], "czyx", spacing=SPACING, channels=("a", "b"), version="0.4")
    text = (path / file).read_text()
    for *above, last in places_in(json.loads(text)):
        said = json.loads(text)
        functools.reduce(operator.getitem, above, said)[last] = value
        (path / file).write_text(json.dumps(said))
        with contextlib.suppress(InputError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert read_image(path, channel=1).image.ndim in (2, 3)
            assert read_microscope(path, 1).channels == 2


def test_what_is_larger_than_the_memory_is_not_read(tmp_path):
    path = tmp_path / "beads.zarr"
    group = write_zarr(path, IMAGE)
    del group["s0"]
    group.create_array("s0", shape=(10**5,) * 3, chunks=(64, 64, 64), dtype="u2")
    with pytest.raises(InputError, match="more than the memory of this machine"):
        read_image(path)
