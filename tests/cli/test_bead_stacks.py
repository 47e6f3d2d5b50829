"""`psf-distiller distill` with several bead images, and with a folder of them."""

import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import write_image

SPACING = (0.2, 0.08, 0.08)
OPTIONS = ["--bead-diameter", "0.1", "--device", "numpy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bead stacks")
    for seed, name in enumerate(("a.tif", "b.tif")):
        field = psfd.simulate_beads((30, 84, 84), SPACING, beads=5, seed=seed)
        write_image(made / name, field.image, spacing=SPACING)
    return made


def test_a_folder_gives_one_psf_and_can_be_replayed(folder, tmp_path, capsys):
    output = tmp_path / "psf"
    assert main(["distill", str(folder), "-o", str(output), *OPTIONS]) == 0
    assert "Stacks: 2 of 2 used" in capsys.readouterr().out
    made = psfd.Recipe.load(output / "recipe.json").provenance
    assert made.stacks == ("a.tif", "b.tif")
    assert "a.tif and 1 other" in (output / "report.html").read_text()
    again, recipe = tmp_path / "again", str(output / "recipe.json")
    files = [str(folder / name) for name in ("a.tif", "b.tif")]
    assert main(["replay", recipe, *files, "-o", str(again)]) == 0
    assert "not the image" not in capsys.readouterr().err
    one, other = (psfd.read_psf(path / "psf.tif").array for path in (output, again))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_replay_with_other_images_says_so(folder, tmp_path, capsys):
    output = tmp_path / "psf"
    file = str(folder / "a.tif")
    assert main(["distill", file, "-o", str(output), *OPTIONS]) == 0
    recipe = str(output / "recipe.json")
    assert main(["replay", recipe, str(folder), "-o", str(tmp_path / "again")]) == 0
    assert "not the images that the recipe was made from (one image)" in capsys.readouterr().err


def test_files_of_different_voxel_sizes_are_refused(folder, tmp_path, capsys):
    other = tmp_path / "other.tif"
    write_image(other, np.arange(2000, dtype=np.uint16).reshape(5, 20, 20), spacing=(0.3, 0.1, 0.1))
    code = main(["distill", str(folder / "a.tif"), str(other), "-o", str(tmp_path / "psf")])
    assert code == 2
    said = capsys.readouterr().err
    assert "must have one voxel size" in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "psf").exists()


def test_a_folder_without_images_is_a_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["distill", str(tmp_path / "empty"), "-o", str(tmp_path / "psf")]) == 2
    assert "has no TIFF file" in capsys.readouterr().err


def test_a_file_that_is_also_in_the_folder_counts_once(folder, tmp_path, capsys):
    given = [str(folder), str(folder / "a.tif")]
    assert main(["distill", *given, "-o", str(tmp_path / "psf"), *OPTIONS]) == 0
    assert "it is the same image as" in capsys.readouterr().err
