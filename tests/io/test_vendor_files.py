"""Files of microscopes' makers: which part is read, what they say, and what is said of bad ones."""

import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import napari_psf_distiller as psfd

OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="1.2" Immersion="Water"/>
</Instrument>
{images}
</OME>"""
IMAGE = """<Image ID="Image:{n}"><ObjectiveSettings ID="Objective:0"/>
<Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" Type="uint16" SizeX="6" SizeY="5" SizeZ="4"
 SizeC="2" SizeT="3">
<Channel ID="Channel:{n}:0" Name="GFP" EmissionWavelength="51{n}" AcquisitionMode="WideField"/>
<Channel ID="Channel:{n}:1" Name="mCherry" EmissionWavelength="61{n}" AcquisitionMode="WideField"/>
</Pixels></Image>"""

PixelSizes = namedtuple("PixelSizes", "Z Y X")


class Reader:
    """What bioio documents of its readers: two scenes of three times, two channels and a stack."""

    order, shape = "TCZYX", (3, 2, 4, 5, 6)
    sizes = PixelSizes(0.2, 0.08, 0.08)
    scenes = ("field 1", "field 2")
    channel_names = ("GFP", "mCherry")
    dtype = np.dtype(np.uint16)
    xml = OME.format(images=IMAGE.format(n=0) + IMAGE.format(n=1))

    def __init__(self, path):
        if b"broken" in Path(path).read_bytes():
            raise ValueError("no magic number")
        self.dims = SimpleNamespace(order=self.order, shape=self.shape)
        self.physical_pixel_sizes = self.sizes
        self.scene = 0

    def set_scene(self, number):
        self.scene = number

    def get_image_data(self, order, **places):
        assert order == "ZYX"
        array = np.zeros([dict(zip(self.order, self.shape, strict=True)).get(n, 1) for n in order])
        return array.astype(self.dtype) + self.scene * 100 + places["C"] * 10 + places["T"]

    @property
    def ome_metadata(self):
        if self.xml is None:
            raise NotImplementedError
        return SimpleNamespace(to_xml=lambda: self.xml)


@pytest.fixture
def reader(monkeypatch):
    """Put a stand-in in the place of bioio's reader of ND2."""
    made = type("Reader", (Reader,), {})
    module = ModuleType("bioio_nd2")
    module.Reader = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bioio_nd2", module)
    return made


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "the beads.nd2"
    made.write_bytes(b"anything")
    return made


def test_the_scene_channel_and_time_that_are_chosen_are_read(reader, path):
    image, spacing = psfd.read_image(path, scene="field 2", channel=1, time=2)
    assert image.shape == (4, 5, 6)
    assert image.dtype == np.uint16
    assert np.all(image == 112)
    assert spacing == (0.2, 0.08, 0.08)
    assert np.all(psfd.read_image(path, scene=0, channel="GFP", time=0).image == 0)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({}, r"2 scenes \(0 'field 1', 1 'field 2'\)\. Choose one: scene=0"),
        ({"scene": 0}, r"2 channels \(0 'GFP', 1 'mCherry'\)\. Choose one: channel=0"),
        ({"scene": 0, "channel": 0}, r"3 times \(0 to 2\)\. Choose one: time=0"),
        ({"scene": 2}, "The scene is 2, but .* has 2 scenes"),
        (
            {"scene": 0, "channel": "DAPI", "time": 0},
            "The channel is 'DAPI', but .* has 2 channels",
        ),
        ({"scene": 0, "channel": 0, "time": -1}, "The time is -1, but .* has 3 times"),
        ({"scene": 0, "channel": 0, "time": True}, "The time is True, but .* has 3 times"),
    ],
)
def test_what_there_is_is_listed_where_none_or_a_wrong_one_is_chosen(
    reader, path, chosen, sentence
):
    with pytest.raises(psfd.InputError, match=sentence):
        psfd.read_image(path, **chosen)


def test_a_plane_needs_no_choice_and_no_z(reader, path):
    reader.order, reader.shape = "CYX", (1, 5, 6)
    reader.scenes, reader.channel_names = ("only",), None
    reader.sizes = PixelSizes(None, 0.08, 0.08)
    image, spacing = psfd.read_image(path)
    assert image.shape == (5, 6)
    assert spacing == (0.08, 0.08)


def test_a_voxel_size_that_is_not_known_is_none(reader, path):
    reader.sizes = PixelSizes(0.0, 0.0, 0.0)
    assert psfd.read_image(path, scene=0, channel=0, time=0).spacing is None


def test_tiles_that_are_not_put_together_are_refused(reader, path):
    reader.order, reader.shape = "MCZYX", (9, 1, 4, 5, 6)
    reader.scenes, reader.channel_names = ("only",), ("GFP",)
    with pytest.raises(psfd.InputError, match=r"the axes tile \(9\) besides"):
        psfd.read_image(path)


def test_the_microscope_of_a_channel_is_told(reader, path):
    stored = psfd.read_microscope(path, "mCherry", scene=1)
    assert stored.values == {
        "microscope": "widefield",
        "numerical_aperture": 1.2,
        "wavelength": 0.611,
        "refractive_index": 1.33,
    }
    assert stored.spacing == (0.2, 0.08, 0.08)
    assert (stored.channels, stored.channel) == (2, "mCherry")


def test_it_is_said_that_the_microscope_cannot_be_read(reader, path):
    reader.xml = None
    stored = psfd.read_microscope(path, scene=0)
    assert not stored.values
    assert stored.spacing == (0.2, 0.08, 0.08)
    assert "cannot be read" in stored.notes[0]


def test_a_broken_file_is_refused_by_its_reason(reader, path):
    path.write_bytes(b"broken")
    with pytest.raises(psfd.InputError, match="cannot be read as ND2: no magic number"):
        psfd.read_image(path)
    with pytest.raises(psfd.InputError, match="There is no file"):
        psfd.read_image(path.with_name("none.nd2"))


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("a.czi", "bioio_czi", "czi"),
        ("a.ND2", "bioio_nd2", "bioio"),
        ("a.lif", "bioio_lif", "bioio"),
    ],
)
def test_the_command_that_installs_a_reader_is_told(monkeypatch, tmp_path, name, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(psfd.InputError, match=rf'pip install "napari-psf-distiller\[{extra}\]"'):
        psfd.read_image(tmp_path / name)


def test_a_real_czi_is_read(tmp_path):
    pytest.importorskip("bioio_czi")
    czi = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "real beads.czi"
    image = np.random.default_rng(1).integers(0, 4000, (2, 4, 16, 20), dtype=np.uint16)
    with czi.create_czi(str(path)) as file:
        for channel, stack in enumerate(image):
            for z, plane in enumerate(stack):
                file.write(data=plane[..., None], plane={"C": channel, "Z": z, "T": 0})
        file.write_metadata(
            channel_names={0: "GFP", 1: "mCherry"}, scale_x=8e-8, scale_y=8e-8, scale_z=2e-7
        )
    stored = psfd.read_image(path, channel="mCherry")
    np.testing.assert_array_equal(stored.image, image[1])
    assert stored.spacing == pytest.approx((0.2, 0.08, 0.08))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(psfd.InputError, match="cannot be read as CZI"):
        psfd.read_image(path, channel=0)
