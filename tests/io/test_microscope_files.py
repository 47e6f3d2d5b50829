"""What TIFF files say of the microscope: what is found, and what is left out and told."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_files import CONFOCAL, OBJECTIVE, SETTINGS, write_ome

from napari_psf_distiller import InputError, Optics, StoredMicroscope, read_microscope
from napari_psf_distiller.io import write_image
from napari_psf_distiller.io.stored_microscope import optics_text


@pytest.fixture
def ome(tmp_path):
    """Write an OME-TIFF with an instrument, an image's settings, and channels."""

    def write(*channels, instrument=OBJECTIVE, settings=SETTINGS):
        image = np.zeros((5 * len(channels), 7, 9), np.uint8)
        path = tmp_path / "beads.ome.tif"
        return write_ome(path, image, channels, instrument=instrument, settings=settings)

    return write


@pytest.fixture
def imagej(tmp_path):
    """Write an ImageJ TIFF with a text."""

    def write(*lines):
        path = tmp_path / "beads.tif"
        image = np.zeros((5, 7, 9), np.uint8)
        tifffile.imwrite(
            path, image, imagej=True, metadata={"axes": "ZYX", "Info": "\n".join(lines)}
        )
        return path

    return write


def test_all_that_ome_says(ome):
    stored = read_microscope(ome(CONFOCAL))
    assert stored.values == {
        "microscope": "confocal",
        "numerical_aperture": 1.4,
        "wavelength": 0.52,
        "refractive_index": 1.518,
        "excitation": 0.488,
    }
    assert stored.sources["numerical_aperture"] == "OME's Objective LensNA"
    assert stored.sources["wavelength"] == "OME's Channel EmissionWavelength"
    assert set(stored.sources) == set(stored.values)
    assert (stored.channel, stored.objective, stored.notes) == ("GFP", "Plan-Apo 63x", ())
    assert stored.optics == Optics(1.4, 0.52, 1.518, microscope="confocal", excitation=0.488)


def test_a_file_that_says_nothing(tmp_path):
    write_path = tmp_path / "plain.ome.tif"
    write_image(write_path, np.indices((3, 4, 5))[0], spacing=(0.2, 0.1, 0.1))
    bare = tmp_path / "bare.tif"
    tifffile.imwrite(bare, np.zeros((3, 4), np.uint8), photometric="minisblack")
    for path in (write_path, bare):
        stored = read_microscope(path)
        assert (dict(stored.values), stored.notes) == ({}, ())
        assert stored.optics == Optics()


def test_the_voxel_size_comes_with_it(tmp_path):
    image = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    path = write_ome(tmp_path / "sized.ome.tif", image, spacing=(0.3, 0.1, 0.1))
    assert read_microscope(path).spacing == (0.3, 0.1, 0.1)
    write_image(tmp_path / "flat.tif", image[0], spacing=(0.1, 0.2))
    assert read_microscope(tmp_path / "flat.tif").spacing == pytest.approx((0.1, 0.2))
    # One that cannot be is none.
    write_ome(path, image, spacing=(300.0, 0.1, 0.1))
    assert read_microscope(path).spacing is None


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("WideField", "widefield"),
        ("LaserScanningConfocalMicroscopy", "confocal"),
        ("SpinningDiskConfocal", "spinning disk"),
        ("MultiPhotonMicroscopy", "two-photon"),
        ("SPIM", "light sheet"),
        ("STED", "STED"),
        ("StructuredIllumination", "other"),
    ],
)
def test_kinds_of_microscope(ome, mode, kind):
    assert read_microscope(ome(f'AcquisitionMode="{mode}"')).values["microscope"] == kind


@pytest.mark.parametrize("mode", ["Other", "SpectralImaging", "BrightField", "42"])
def test_modes_that_are_no_kind(ome, mode):
    stored = read_microscope(ome(f'AcquisitionMode="{mode}"'))
    assert "microscope" not in stored.values
    assert stored.notes == ()


def test_three_photons(ome):
    mode = 'AcquisitionMode="MultiPhotonMicroscopy" EmissionWavelength="520" '
    assert read_microscope(ome(f'{mode}ExcitationWavelength="920"')).values["excitation"] == 0.92
    stored = read_microscope(ome(f'{mode}ExcitationWavelength="1300"'))
    assert stored.values["microscope"] == "three-photon"
    assert stored.optics.excitation == 1.3


@pytest.mark.parametrize(
    ("immersion", "index"),
    [("Oil", 1.515), ("Water", 1.33), ("WaterDipping", 1.33), ("Air", 1.0), ("Glycerol", 1.47)],
)
def test_the_immersion_tells_the_index(ome, immersion, index):
    objective = f'<Objective ID="Objective:0" LensNA="0.8" Immersion="{immersion}"/>'
    stored = read_microscope(ome("", instrument=objective, settings=""))
    assert stored.values["refractive_index"] == index
    assert stored.sources["refractive_index"] == "OME's Objective Immersion"


@pytest.mark.parametrize("immersion", ["Multi", "Other", ""])
def test_an_immersion_of_no_index(ome, immersion):
    objective = f'<Objective ID="Objective:0" LensNA="0.8" Immersion="{immersion}"/>'
    stored = read_microscope(ome("", instrument=objective, settings=""))
    assert "refractive_index" not in stored.values


def test_which_of_several_objectives(ome):
    both = OBJECTIVE + '<Objective ID="Objective:1" LensNA="0.8" Immersion="Air"/>'
    used = '<ObjectiveSettings ID="Objective:1"/>'
    stored = read_microscope(ome("", instrument=both, settings=used))
    assert stored.values == {"numerical_aperture": 0.8, "refractive_index": 1.0}
    # Which one was used is not told.
    assert read_microscope(ome("", instrument=both, settings="")).values == {}


@pytest.mark.parametrize(
    ("attributes", "wavelength"),
    [
        ('EmissionWavelength="520"', 0.52),
        ('EmissionWavelength="520" EmissionWavelengthUnit="nm"', 0.52),
        ('EmissionWavelength="0.52" EmissionWavelengthUnit="µm"', 0.52),
        ('EmissionWavelength="5200" EmissionWavelengthUnit="Å"', 0.52),
    ],
)
def test_units_of_wavelengths(ome, attributes, wavelength):
    assert read_microscope(ome(attributes)).values["wavelength"] == wavelength


@pytest.mark.parametrize(
    ("settings", "attributes", "words"),
    [
        ("", 'EmissionWavelength="52000"', "emission wavelength as 52000 nm, which it cannot be"),
        ("", 'EmissionWavelength="green"', "emission wavelength as 'green'"),
        ("", 'EmissionWavelength="nan"', "emission wavelength as 'nan'"),
        ("", 'ExcitationWavelength="-488"', "excitation wavelength as -488 nm"),
        (
            '<ObjectiveSettings ID="Objective:0" RefractiveIndex="1.33"/>',
            "",
            "numerical aperture as 1.4 and the refractive index as 1.33, which cannot both be",
        ),
        (
            "",
            CONFOCAL.replace("488", "561"),
            "emission wavelength as 0.52 and the excitation wavelength as 0.561",
        ),
    ],
)
def test_what_cannot_be_is_left_out_and_told(ome, settings, attributes, words):
    stored = read_microscope(ome(attributes, settings=settings))
    (note,) = stored.notes
    assert words in note
    assert "beads.ome.tif" in note
    # The rest is there, and can be.
    assert stored.optics.refractive_index in (None, 1.515)
    assert set(stored.sources) == set(stored.values)


@pytest.mark.parametrize("value", ["0", "0.0", " ", ""])
def test_nought_says_nothing(ome, value):
    stored = read_microscope(ome(f'EmissionWavelength="{value}"'))
    assert "wavelength" not in stored.values
    assert stored.notes == ()


def test_channels(ome):
    path = ome(CONFOCAL, CONFOCAL.replace("GFP", "RFP").replace("520", "610").replace("488", "561"))
    alike = read_microscope(path)
    assert set(alike.values) == {"microscope", "numerical_aperture", "refractive_index"}
    assert (alike.channel, alike.channels) == ("", 2)
    assert [note.split(" states ")[1] for note in alike.notes] == [
        "more than one emission wavelength (0.52, 0.61), of its channels or objectives; none is "
        "taken.",
        "more than one excitation wavelength (0.488, 0.561), of its channels or objectives; none "
        "is taken.",
    ]
    second = read_microscope(path, channel=1)
    assert (second.channel, second.values["wavelength"], second.notes) == ("RFP", 0.61, ())


def test_a_pinhole_in_micrometres_is_told(ome):
    stored = read_microscope(ome(f'{CONFOCAL} PinholeSize="50"'))
    assert "pinhole" not in stored.values
    (note,) = stored.notes
    assert "give the pinhole in Airy units" in note


def test_what_bio_formats_left_in_imagej(imagej):
    stored = read_microscope(
        imagej(
            "Information|Instrument|Objective|LensNA #1 = 1.2",
            "Information|Instrument|Objective|Immersion #1 = Water",
            "Information|Image|Channel|AcquisitionMode #1 = LaserScanningConfocalMicroscopy",
            "Information|Image|Channel|EmissionWavelength #1 = 525.0",
            "Information|Image|Channel|ExcitationWavelength #1 = 488.0",
            "Information|Image|Channel|PinholeSizeAiry #1 = 1.0",
            "Something else = 1",
        )
    )
    assert stored.optics == Optics(
        1.2, 0.525, 1.33, microscope="confocal", excitation=0.488, pinhole=1.0
    )
    assert set(stored.sources.values()) == {"ImageJ's info"}


def test_other_spellings_in_imagej(imagej):
    stored = read_microscope(
        imagej("Numerical Aperture: 1,4", "Refractive index=1.518", "Emission wavelength = 525 nm")
    )
    assert stored.values == {
        "numerical_aperture": 1.4,
        "wavelength": 0.525,
        "refractive_index": 1.518,
    }


@given(text=st.text(max_size=300))
def test_any_text_in_imagej_is_read(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "any.tif"
    image = np.zeros((2, 3), np.uint8)
    info = f"LensNA = {text}\n{text}"
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "YX", "Info": info})
    stored = read_microscope(path)
    assert set(stored.values) == set(stored.sources)


@settings(max_examples=60)
@given(
    mode=st.sampled_from(
        ["WideField", "LaserScanningConfocalMicroscopy", "MultiPhotonMicroscopy", "SPIM", "Other"]
    ),
    figures=st.tuples(*[st.floats(0.1, 3.0)] * 2, *[st.floats(50, 3000)] * 2),
)
def test_whatever_a_file_says_what_is_left_can_be(tmp_path_factory, mode, figures):
    aperture, index, emission, excitation = figures
    path = write_ome(
        tmp_path_factory.mktemp("any") / "any.ome.tif",
        np.zeros((1, 2, 3), np.uint8),
        [
            f'AcquisitionMode="{mode}" EmissionWavelength="{emission}" '
            f'ExcitationWavelength="{excitation}"'
        ],
        instrument=f'<Objective ID="Objective:0" LensNA="{aperture}"/>',
        settings=f'<ObjectiveSettings ID="Objective:0" RefractiveIndex="{index}"/>',
    )
    stored = read_microscope(path)
    for name, value in stored.beside("widefield", ()).items():
        assert getattr(stored.optics, name) == value
    # What is not taken is told.
    assert len(stored.values) == 5 - (mode == "Other") or stored.notes


@pytest.mark.parametrize("content", [b"", b"II*\0", b"no image"])
def test_files_that_are_no_tiff(tmp_path, content):
    path = tmp_path / "broken.tif"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.tif cannot be read as a TIFF file"):
        read_microscope(path)
    with pytest.raises(InputError, match=r"There is no file .*gone\.tif"):
        read_microscope(tmp_path / "gone.tif")


# --- beside what is given

STORED = StoredMicroscope(
    {"microscope": "confocal", "numerical_aperture": 1.4, "wavelength": 0.52, "excitation": 0.488},
    dict.fromkeys(("microscope", "numerical_aperture", "wavelength", "excitation"), "OME"),
)


def test_what_is_given_stays():
    assert STORED.beside("widefield", ["numerical_aperture"]) == {
        "microscope": "confocal",
        "wavelength": 0.52,
        "excitation": 0.488,
    }
    # A widefield microscope has no excitation that counts.
    assert STORED.beside("widefield", ["microscope", "numerical_aperture"]) == {"wavelength": 0.52}


def test_what_the_file_says_otherwise():
    optics = Optics(1.2, 0.525, 1.515)
    given = ["numerical_aperture", "wavelength", "refractive_index"]
    assert STORED.contradicted(optics, given) == {"numerical_aperture": 1.4}
    assert STORED.contradicted(optics, ["microscope"]) == {"microscope": "confocal"}
    assert STORED.contradicted(optics, []) == {}


def test_in_words():
    assert optics_text(STORED.values) == (
        "microscope confocal, numerical aperture 1.4, emission 0.52 µm, excitation 0.488 µm"
    )
