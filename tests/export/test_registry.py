"""Formats: which there are, how one is chosen, and that another package can bring its own."""

import importlib.metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, DistillerWarning, Exporter, InputError
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.export import registry

ARRAY = np.random.default_rng(0).random((5, 7, 9)).astype(np.float32)
SPACING = (0.3, 0.1, 0.1)

OWN = [
    "ImageJ TIFF",
    "OME-TIFF",
    "plain TIFF",
    "deconwolf",
    "cudadecon OTF",
    "DV",
    "Priism OTF",
    "Huygens",
    "cubic spline",
    "OME-Zarr",
    "NumPy",
]

# What another package brings: a few lines, and an entry point of the group.


def write_text(psf, path, digits=9):
    np.savetxt(path, np.ravel(psf), fmt=f"%.{digits}g", header=f"{psf.shape} {psf.spacing}")


TEXT = Exporter("Text", (".txt", ".psf.dat"), "a value a line", write_text)


def write_half(psf, path):
    path.write_text("half")
    raise InputError("This PSF cannot be written so.")


HALF = Exporter("Half", (".half",), "never whole", write_half)
AGAIN = Exporter("Again", (".tif",), "an ending that is taken", write_text)
NAMESAKE = Exporter("OME-TIFF", (".other",), "a name that is taken", write_text)
NOTHING = "no exporter"

PLACES: list[Path] = []
SEEN = Exporter("Seen", (".seen",), "notes its place", lambda psf, path: PLACES.append(path))


@pytest.fixture
def installed(monkeypatch):
    """Let packages offer the formats of this module that are named."""

    def install(*names):
        points = [EntryPoint(name, f"{__name__}:{name}", registry.GROUP) for name in names]
        monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.name])
        found = importlib.metadata.EntryPoints(points)
        monkeypatch.setattr(registry, "entry_points", lambda group: found.select(group=group))
        registry._loaded.cache_clear()

    yield install
    registry._loaded.cache_clear()


def test_the_formats_of_this_package():
    assert {name: exporter.suffixes for name, exporter in psfd.exporters().items()} == {
        "ImageJ TIFF": (".tif", ".tiff"),
        "OME-TIFF": (".ome.tif", ".ome.tiff"),
        "plain TIFF": (".plain.tif", ".plain.tiff"),
        "deconwolf": (".deconwolf.tif",),
        "cudadecon OTF": (".otf.tif",),
        "DV": (".dv",),
        "Priism OTF": (".otf",),
        "Huygens": (".h5",),
        "cubic spline": (".mat",),
        "OME-Zarr": (".zarr",),
        "NumPy": (".npz",),
    }
    for name, exporter in psfd.exporters().items():
        assert exporter.name == name
        assert exporter.description


def test_a_format_of_another_package_is_one_more(installed, tmp_path):
    installed("TEXT")
    assert list(psfd.exporters()) == [*OWN, "Text"]
    psf = PSF(ARRAY, SPACING)
    psf.save(tmp_path / "psf.TXT", digits=3)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "psf.TXT"), ARRAY.ravel(), rtol=1e-2)
    psf.save(str(tmp_path / "a.psf.dat"))
    np.testing.assert_allclose(np.loadtxt(tmp_path / "a.psf.dat"), ARRAY.ravel(), rtol=1e-8)
    # The others are chosen as before.
    psf.save(tmp_path / "psf.ome.tif")
    np.testing.assert_array_equal(psfd.read_psf(tmp_path / "psf.ome.tif"), ARRAY)


def test_the_command_line_has_it_too(installed, tmp_path, capsys):
    installed("TEXT")
    PSF(ARRAY, SPACING).save(tmp_path / "psf.tif")
    text = tmp_path / "psf.txt"
    assert main(["export", str(tmp_path / "psf.tif"), "-o", str(text)]) == 0
    assert capsys.readouterr().out.startswith(f"PSF:    {text} (Text)\n")
    np.testing.assert_allclose(np.loadtxt(text), ARRAY.ravel(), rtol=1e-8)
    assert main(["export", "--formats"]) == 0
    assert ".txt, .psf.dat: Text, a value a line\n" in capsys.readouterr().out


def test_an_unknown_ending_lists_the_known_ones(installed, tmp_path):
    installed("TEXT")
    with pytest.raises(InputError) as refused:
        PSF(ARRAY, SPACING).save(tmp_path / "psf.xyz")
    known = (
        ".tif, .tiff, .ome.tif, .ome.tiff, .plain.tif, .plain.tiff, .deconwolf.tif, .otf.tif, .dv, "
        ".otf, .h5, .mat, .zarr, .npz, .txt or .psf.dat"
    )
    assert str(refused.value).endswith(f"psf.xyz cannot be written: its name must end in {known}.")
    assert list(tmp_path.iterdir()) == []


def test_what_fails_leaves_nothing(installed, tmp_path):
    installed("HALF")
    (tmp_path / "psf.half").write_text("before")
    with pytest.raises(InputError, match="cannot be written so"):
        PSF(ARRAY, SPACING).save(tmp_path / "psf.half")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_an_option_that_a_format_does_not_have_is_refused(installed, tmp_path):
    installed("TEXT")
    for name in ("psf.tif", "psf.txt"):
        with pytest.raises(InputError, match=r"cannot be written as .*'colour'"):
            PSF(ARRAY, SPACING).save(tmp_path / name, colour="red")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AGAIN", r"a format with the ending \.tif already"),
        ("NAMESAKE", "a format of this name already"),
        ("NOTHING", "it is no Exporter"),
        ("GONE", "KeyError: 'GONE'"),
    ],
)
def test_one_that_cannot_be_used_is_told_and_left_out(installed, name, words, tmp_path):
    installed(name, "TEXT")
    with pytest.warns(DistillerWarning, match=words):
        assert list(psfd.exporters()) == [*OWN, "Text"]
    with pytest.warns(DistillerWarning, match=f"The format '{name}'"):
        PSF(ARRAY, SPACING).save(tmp_path / "psf.tif")
    np.testing.assert_array_equal(psfd.read_psf(tmp_path / "psf.tif"), ARRAY)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (("", (".a",), "", write_text), "name"),
        (("A", (), "", write_text), "suffixes"),
        (("A", ".a", "", write_text), "suffixes"),
        (("A", ("a",), "", write_text), "suffixes"),
        (("A", (".A",), "", write_text), "suffixes"),
        (("A", (".a",), "", None), "not callable"),
    ],
)
def test_what_is_no_exporter_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        Exporter(*fields)


def test_it_is_written_beside_its_place(installed, tmp_path):
    installed("SEEN")
    PSF(ARRAY, SPACING).save(tmp_path / "a.seen")
    place = PLACES.pop()
    assert isinstance(place, Path)
    assert place.parent == tmp_path
    assert place.name != "a.seen"
    assert place.suffix == ".seen"
