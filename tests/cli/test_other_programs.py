"""The page on other programs: its commands, run in a folder with a PSF."""

import re
import shlex
from pathlib import Path

import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
COMMANDS = re.findall(r"psf-distiller (export [^`\n]*)", PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def distilled(tmp_path_factory):
    """A small PSF with its functions."""
    field = psfd.simulate_beads((24, 96, 96), beads=9, seed=1)
    folder = tmp_path_factory.mktemp("distilled")
    optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    result = psfd.distill(
        field.image, field.spacing, bead_diameter=0.1, optics=optics, device="numpy"
    )
    result.psf.save(folder / "psf.tif")
    return folder / "psf.tif"


def test_the_page_speaks_of_each_format():
    text = PAGE.read_text(encoding="utf-8")
    endings = [exporter.suffixes[0] for exporter in psfd.exporters().values()]
    assert [
        ending for ending in endings if not re.search(rf"-o \w+{re.escape(ending)}\b", text)
    ] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_do_what_it_says(
    distilled, tmp_path, monkeypatch, capsys, command
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "psf.tif").write_bytes(distilled.read_bytes())
    words = shlex.split(command)
    if "--list" in words:
        assert main(words) == 0
        assert "deconwolf" in capsys.readouterr().out
        return
    assert main(words) == 0
    assert Path(words[words.index("-o") + 1]).stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.tif", "--to", "nonsense"), "There is no format 'nonsense'"),
        (("a.png", "--to", "deconwolf"), "its name must end in .deconwolf.tif, .tif or .tiff"),
        (("a.deconwolf.tif", "--centre", "first"), "Its options are dtype."),
        (("a.plain.tif", "--scale", "7"), "The option scale of plain TIFF is '7'; it should be"),
        (("a.tif", "--shape", "99", "199", "199"), "more than the window"),
        (("a.tif", "--shape", "9", "9"), "has 2 axes, the PSF 3"),
    ],
)
def test_what_cannot_be_is_one_line(distilled, tmp_path, capsys, words, said):
    name, *options = words
    assert main(["export", str(distilled), "-o", str(tmp_path / name), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_shape_is_evaluated(distilled, tmp_path):
    out = tmp_path / "small.npz"
    assert main(["export", str(distilled), "-o", str(out), "--shape", "9", "21", "21"]) == 0
    assert psfd.read_psf(out).shape == (9, 21, 21)
