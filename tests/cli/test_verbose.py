"""What `--verbose` prints, and that nothing is printed without it."""

import logging

import pytest

from napari_psf_distiller import DistillerWarning, Recipe, distill, simulate_beads
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import write_image

pytestmark = pytest.mark.usefixtures("quick_report")


@pytest.fixture(scope="module")
def field():
    return simulate_beads((24, 64, 64), beads=4, seed=1)


@pytest.fixture
def beads(field, tmp_path):
    path = tmp_path / "beads.tif"
    write_image(path, field.image, spacing=field.spacing)
    return path


@pytest.fixture
def said(beads, tmp_path, capsys):
    """Runs a command; returns what it says on stderr, line by line."""

    def run(*arguments) -> list[str]:
        folder = tmp_path / "out"
        given = [beads, "-o", folder, "--device", "numpy", "--overwrite", *arguments[1:]]
        assert main([*arguments[0].split(), *map(str, given)]) == 0
        return capsys.readouterr().err.splitlines()

    return run


def test_nothing_is_logged_by_default(said):
    assert not any("joint fit" in line or "finding beads" in line for line in said("distill"))


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "after it"])
def test_phases_are_logged_where_it_is_asked_for(said, before):
    lines = said("--verbose distill") if before else said("distill", "--verbose")
    assert all(line.startswith("psf-distiller: ") for line in lines)
    text = "\n".join(lines)
    assert "finding beads: 4 candidates" in text
    assert "joint fit: begins with 4 beads" in text
    assert "joint fit: converged after" in text
    assert "gained" not in text


def test_rounds_are_logged_where_it_is_asked_for_twice(said):
    text = "\n".join(said("distill", "-vv"))
    assert "nats, 4 of 4 beads" in text


def test_deconvolving_says_where_and_why_it_ended(beads, field, tmp_path, capsys):
    psf = tmp_path / "psf.tif"
    write_image(psf, field.psf.astype("float32"), spacing=field.spacing)
    given = [beads, psf, "-o", tmp_path / "sharp.tif", "--device", "numpy", "--iterations", 2]
    assert main(["deconvolve", *map(str, given), "-v"]) == 0
    said = capsys.readouterr().err
    assert "deconvolution: ended after 2 iterations, as many as asked for, on NumPy" in said


def test_a_run_leaves_the_log_as_it_was(said):
    package = logging.getLogger("napari_psf_distiller")
    before = package.level, list(package.handlers)
    said("distill", "-vv")
    assert (package.level, package.handlers) == before


def test_from_python_the_log_is_the_packages(field, caplog):
    few = pytest.warns(DistillerWarning, match="Only 4 of 4 beads")
    with caplog.at_level(logging.INFO, logger="napari_psf_distiller"), few:
        distill(field.image, field.spacing, recipe=Recipe(bead_diameter=0.1), device="numpy")
    names = {record.name for record in caplog.records}
    assert {
        "napari_psf_distiller.joint.fit",
        "napari_psf_distiller.joint.image.detection",
    } <= names
