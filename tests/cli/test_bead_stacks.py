"""`psf-distiller distill` with several bead images, and with a folder of them."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from ome_files import write_ome
from zarr_files import write_zarr

import napari_psf_distiller as psfd
from napari_psf_distiller.batch.run import batch_steps
from napari_psf_distiller.cli.bead_stacks import (
    microscope_warnings,
    read_stacks,
    stack_sources,
)
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import write_image

SPACING = (0.2, 0.08, 0.08)
OPTIONS = ["--bead-diameter", "0.1", "--device", "numpy", "--na", "1.2"]
OPTIONS += ["--wavelength", "0.52", "--refractive-index", "1.33"]

pytestmark = pytest.mark.usefixtures("quick_report")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bead stacks")
    for seed, name in enumerate(("a.tif", "b.tif")):
        field = psfd.simulate_beads((24, 72, 72), SPACING, beads=5, seed=seed)
        write_image(made / name, field.image, spacing=SPACING)
    return made


def test_a_folder_gives_one_psf_and_can_be_replayed(folder, tmp_path, capsys):
    output = tmp_path / "psf"
    assert main(["distill", str(folder), "-o", str(output), *OPTIONS]) == 0
    assert "Stacks:   2 of 2 used" in capsys.readouterr().out
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


def test_a_plane_among_stacks_is_refused(folder, tmp_path, capsys):
    plane = np.arange(400, dtype=np.uint16).reshape(20, 20)
    write_image(tmp_path / "plane.tif", plane, spacing=SPACING[1:])
    given = [str(folder / "a.tif"), str(tmp_path / "plane.tif")]
    assert main(["distill", *given, "-o", str(tmp_path / "psf")]) == 2
    assert "plane.tif is one plane, and a.tif is a stack of planes" in capsys.readouterr().err


def test_a_folder_without_images_is_a_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["distill", str(tmp_path / "empty"), "-o", str(tmp_path / "psf")]) == 2
    assert "has no TIFF file" in capsys.readouterr().err


def test_a_file_that_is_also_in_the_folder_counts_once(folder, tmp_path, capsys):
    given = [str(folder), str(folder / "a.tif")]
    assert main(["distill", *given, "-o", str(tmp_path / "psf"), *OPTIONS]) == 0
    assert "it is the same image as" in capsys.readouterr().err


NOWHERE = {"scene": None, "channel": None, "time": None}


@pytest.fixture
def times(tmp_path):
    """A file of two points of time, of which the second has no beads."""
    bright = psfd.simulate_beads((24, 72, 72), SPACING, beads=5, seed=7).image
    dark = np.random.default_rng(1).poisson(100, bright.shape).astype(np.uint16)
    path = tmp_path / "times.tif"
    metadata = {"axes": "TZYX", "spacing": SPACING[0], "unit": "um"}
    image = np.stack([bright, dark])
    tifffile.imwrite(path, image, imagej=True, resolution=(12.5, 12.5), metadata=metadata)
    return path


def test_each_point_of_time_is_a_stack(times):
    sources = stack_sources([times], NOWHERE, "time")
    assert [source.name for source in sources] == ["times.tif, time 0", "times.tif, time 1"]
    stacks = read_stacks(sources)
    assert stacks.spacing == pytest.approx(SPACING)
    assert stacks.paths == (times,)
    assert not np.array_equal(*stacks.images)


def test_each_stack_has_a_folder_of_its_own(folder, tmp_path):
    # The second of the first two would be called as the third is.
    names = ("a.tif", "a.tiff", "a-1.tif")
    for name in names:
        (tmp_path / name).write_bytes((folder / "a.tif").read_bytes())
    given = [str(tmp_path / name) for name in names]
    output = tmp_path / "psfs"
    assert main(["distill", *given, "--each", "-o", str(output), *OPTIONS]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["a-0", "a-1", "a-1-1", "psfs.csv"]


def test_a_scene_s_folder_is_not_in_a_folder(tmp_path, capsys):
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}]}}
    well = plate.create_group("A/1")
    well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    dark = np.random.default_rng(1).poisson(100, (9, 40, 40)).astype(np.uint16)
    write_zarr(tmp_path / "plate.zarr/A/1/0", dark, spacing=SPACING)
    arguments = [str(tmp_path / "plate.zarr"), "--scene", "A/1/0", "--each", *OPTIONS]
    assert main(["distill", *arguments, "-o", str(tmp_path / "psfs")]) == 2
    assert "No bead was found" in capsys.readouterr().err


def test_a_stack_of_each_gives_a_psf_and_one_without_beads_is_told(times, tmp_path, capsys):
    output = tmp_path / "psfs"
    code = main(["distill", str(times), "--axis", "t", "--each", "-o", str(output), *OPTIONS])
    said = capsys.readouterr().err
    assert code == 2
    assert "warning: times.tif, time 1: No bead was found" in said
    assert "1 of 2 stacks gave no PSF, for the reasons above: times.tif, time 1. " in said
    assert said.count("No bead was found") == 1
    assert sorted(path.name for path in output.iterdir()) == ["psfs.csv", "times-time0"]
    table = pd.read_csv(output / "psfs.csv", index_col="image")
    assert list(table.index) == ["times.tif, time 0", "times.tif, time 1"]
    assert table["psf"].iloc[0] == "times-time0/psf.tif"
    assert table["error"].iloc[1].startswith("No bead was found")
    assert psfd.read_psf(output / "times-time0" / "psf.tif").ndim == 3


def test_an_interrupted_batch_says_what_it_leaves(folder, tmp_path, capsys, monkeypatch):
    def interrupted(images, done):
        yield from batch_steps(images[:1], done)
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_psf_distiller.cli.distill.batch_steps", interrupted)
    output = tmp_path / "psfs"
    assert main(["distill", str(folder), "--each", "-o", str(output), *OPTIONS]) == 130
    said = capsys.readouterr().err
    assert f"interrupted; the PSFs of 1 of 2 stacks are in {output}." in said
    assert sorted(path.name for path in output.iterdir()) == ["a", "psfs.csv"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "Or take each time as a stack of one PSF: --axis time."),
        (("--axis", "p"), "has only one scene: leave --axis out"),
        (("--axis", "t", "--time", "0"), "--time chooses one: leave one of the two out"),
    ],
)
def test_which_of_several_are_meant_is_one_line(times, tmp_path, capsys, options, told):
    assert main(["distill", str(times), *options, "-o", str(tmp_path / "psf")]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "psf").exists()


def test_files_of_other_channels_and_optics_are_told(tmp_path):
    image = np.arange(5 * 20 * 20, dtype=np.uint16).reshape(5, 20, 20)
    first = write_ome(tmp_path / "a.ome.tif", image, spacing=SPACING)
    red = 'Name="mCherry" EmissionWavelength="610"'
    other = write_ome(tmp_path / "b.ome.tif", image, [red], spacing=SPACING)
    again = write_ome(tmp_path / "c.ome.tif", image, spacing=SPACING)
    sources = stack_sources([first, other, again], NOWHERE)
    (told,) = microscope_warnings(read_stacks(sources))
    assert told.startswith("b.ome.tif says emission 0.61 µm, channel 'mCherry', and a.ome.tif ")
    assert "emission 0.52 µm, channel 'GFP': a PSF is of one channel" in told


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", np.zeros((5, 20, 20), np.uint16))
    sources = stack_sources([tmp_path / "one", tmp_path / "other"], NOWHERE)
    assert [source.name for source in sources] == [
        str(tmp_path / name / "a.tif") for name in ("one", "other")
    ]
