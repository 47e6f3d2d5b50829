"""The microscope on the command line: kept by name, and read from the image's file."""

import json

import numpy as np
import pytest
from ome_files import CONFOCAL, write_ome

import napari_psf_distiller as psfd
from napari_psf_distiller import MicroscopePresets, Optics, Recipe
from napari_psf_distiller.cli.main import main

LAB = "Lab confocal 63x"
KNOWN = ["--microscope", "confocal", "--na", "1.4", "--refractive-index", "1.518"]
FULL = [*KNOWN, "--excitation", "0.488", "--wavelength", "0.52", "--pinhole", "1"]
OPTICS = Optics(1.4, 0.52, 1.518, microscope="confocal", excitation=0.488)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def says(capsys, *arguments):
    """What is printed, of a command that goes well."""
    assert run(*arguments) == 0
    return capsys.readouterr().out


def refuses(capsys, *arguments):
    """The one line of a command that goes wrong."""
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("psf-distiller: error: ")


# --- kept by name


def test_a_microscope_is_kept_and_shown(capsys, own_microscopes):
    assert "No microscope is kept" in says(capsys, "presets")
    assert f"Kept {LAB!r}:" in says(capsys, "presets", "save", LAB, *FULL, "--camera-gain", 0.4)
    preset = MicroscopePresets(own_microscopes)[LAB]
    assert preset.optics == Optics(
        1.4, 0.52, 1.518, microscope="confocal", excitation=0.488, pinhole=1.0
    )
    assert preset.camera.gain == 0.4
    listed = says(capsys, "presets")
    assert f"{LAB}  confocal, numerical aperture 1.4, emission 0.52 µm" in listed
    assert str(own_microscopes) in listed
    shown = says(capsys, "presets", "show", LAB).splitlines()
    assert "  pinhole (Airy units): 1" in shown
    assert "  camera gain: 0.4" in shown


def test_renaming_and_deleting(capsys):
    says(capsys, "presets", "save", LAB, *FULL)
    says(capsys, "presets", "rename", LAB, "LSM")
    assert list(MicroscopePresets()) == ["LSM"]
    assert "Deleted 'LSM'" in says(capsys, "presets", "delete", "LSM")
    assert list(MicroscopePresets()) == []


def test_handing_out(capsys, tmp_path, own_microscopes):
    says(capsys, "presets", "save", LAB, *FULL)
    out = tmp_path / "lab.json"
    assert str(out) in says(capsys, "presets", "export", out)
    assert "give --overwrite" in refuses(capsys, "presets", "export", out, LAB)
    says(capsys, "presets", "export", out, LAB, "--overwrite")
    own_microscopes.unlink()
    assert "Added 'Lab confocal 63x'" in says(capsys, "presets", "import", out)
    assert list(MicroscopePresets()) == [LAB]


def test_a_microscope_from_an_image(capsys, tmp_path):
    path = write_ome(tmp_path / "beads.ome.tif", np.zeros((3, 4, 5), np.uint8))
    says(capsys, "presets", "save", LAB, "--from-image", path, "--na", 1.3)
    optics = MicroscopePresets()[LAB].optics
    assert (optics.microscope, optics.numerical_aperture, optics.excitation) == (
        "confocal",
        1.3,
        0.488,
    )


def test_what_an_image_says_does_not_go_with_what_is_given(capsys, tmp_path, own_microscopes):
    path = write_ome(tmp_path / "beads.ome.tif", np.zeros((3, 4, 5), np.uint8))
    save = ("presets", "save", LAB, "--from-image", path)
    words = refuses(capsys, *save, "--refractive-index", 1.33)
    assert f"What {path} says of the microscope" in words
    assert "does not go with what is given" in words
    # Wrong of itself.
    words = refuses(capsys, *save, "--na", 12)
    assert "The numerical aperture is 12" in words
    assert str(path) not in words
    assert not own_microscopes.exists()


def test_nothing_to_keep_from_an_image(capsys, plain, own_microscopes):
    words = refuses(capsys, "presets", "save", LAB, "--from-image", plain)
    assert f"{plain} says nothing of the microscope" in words
    assert not own_microscopes.exists()


FAULTS = {
    "nothing said": (["save", LAB], "Nothing is said of the microscope"),
    "no name": (["save", " ", *FULL], "name is empty"),
    "impossible": (["save", LAB, "--na", 1.4, "--refractive-index", 1.33], "always less than"),
    "none of the name": (["show", "LSM"], "There is no microscope 'LSM'"),
    "no such action": (["forget", LAB], "invalid choice: 'forget'"),
    "no file": (["import", "gone.json"], "gone.json cannot be read"),
}


@pytest.mark.parametrize(("arguments", "words"), FAULTS.values(), ids=FAULTS)
def test_faults(capsys, arguments, words, own_microscopes):
    assert words in refuses(capsys, "presets", *arguments)
    assert not own_microscopes.exists()


def test_a_name_that_is_taken(capsys):
    says(capsys, "presets", "save", LAB, *FULL)
    assert "already" in refuses(capsys, "presets", "save", LAB, "--na", 1)
    says(capsys, "presets", "save", LAB, "--na", 1, "--overwrite")
    assert MicroscopePresets()[LAB].optics == Optics(numerical_aperture=1.0)


def test_a_broken_file(capsys, own_microscopes):
    own_microscopes.write_text("{")
    for arguments in ([], ["save", LAB, *FULL], ["delete", LAB]):
        assert "is not valid JSON" in refuses(capsys, "presets", *arguments)
    assert own_microscopes.read_text() == "{"


# --- which one an image is distilled with


@pytest.fixture(scope="module")
def field():
    return psfd.simulate_beads((16, 48, 48), beads=3, seed=1)


@pytest.fixture
def image(field, tmp_path):
    """An OME-TIFF that says what the microscope was."""
    return write_ome(
        tmp_path / "beads.ome.tif", field.image.astype(np.uint16), spacing=field.spacing
    )


@pytest.fixture
def plain(field, tmp_path):
    """An OME-TIFF that says nothing of it."""
    return write_ome(
        tmp_path / "plain.ome.tif",
        field.image.astype(np.uint16),
        [""],
        instrument="",
        settings="",
        spacing=field.spacing,
    )


@pytest.fixture
def distilled(monkeypatch, tmp_path, capsys):
    """Run a command up to the distilling; return the optics, and the lines that it said."""
    seen = []

    def note(_image, recipe):
        seen.append(recipe)
        raise psfd.InputError("enough")
        yield

    monkeypatch.setattr("napari_psf_distiller.cli.bead_stacks.distill_steps_of", note)

    def distil(*arguments):
        seen.clear()
        assert run("distill", *arguments, "-o", tmp_path / "out") == 2
        (recipe,) = seen
        *lines, last = capsys.readouterr().err.splitlines()
        assert last == "psf-distiller: error: enough"
        return recipe, [line.removeprefix("psf-distiller: ") for line in lines]

    return distil


def test_the_image_says_it(distilled, image):
    recipe, lines = distilled(image)
    assert recipe.optics == OPTICS
    assert recipe.spacing == pytest.approx((0.2, 0.08, 0.08))
    (line,) = lines
    assert line == (
        f"{image} says: microscope confocal, numerical aperture 1.4, emission 0.52 µm, refractive "
        "index 1.518, excitation 0.488 µm."
    )


def test_an_image_that_says_nothing(distilled, plain):
    recipe, lines = distilled(plain)
    assert (recipe.optics, lines) == (Optics(), [])


def test_a_preset_counts_before_the_image(distilled, image):
    says_otherwise = ["--na", 1.2, "--refractive-index", 1.33, "--microscope", "spinning disk"]
    run("presets", "save", "Disk", *says_otherwise, "--camera-offset", 100)
    recipe, lines = distilled(image, "--microscope-preset", "Disk")
    assert recipe.optics == Optics(1.2, 0.52, 1.33, microscope="spinning disk", excitation=0.488)
    assert recipe.camera.offset == 100
    told, warned = lines
    assert told == f"{image} says: emission 0.52 µm, excitation 0.488 µm."
    assert warned == (
        f"warning: {image} says microscope confocal, numerical aperture 1.4, refractive index "
        "1.518, but microscope spinning disk, numerical aperture 1.2, refractive index 1.33 is "
        "given, which counts."
    )


def test_an_option_counts_before_the_preset(distilled, plain):
    run("presets", "save", LAB, *FULL)
    recipe, lines = distilled(plain, "--microscope-preset", LAB, "--na", 1.3)
    assert recipe.optics.numerical_aperture == 1.3
    assert recipe.optics.pinhole == 1
    assert lines == []
    # Another kind has no pinhole.
    recipe, _ = distilled(plain, "--microscope-preset", LAB, "--microscope", "widefield")
    assert recipe.optics == Optics(1.4, 0.52, 1.518)


def test_a_recipe_counts_before_the_image(distilled, image, tmp_path):
    path = tmp_path / "recipe.json"
    Recipe(optics=Optics(1.38, 0.52, 1.515)).save(path)
    recipe, (line,) = distilled(image, "--recipe", path)
    assert recipe.optics == Optics(1.38, 0.52, 1.515)
    assert "says microscope confocal, but microscope widefield is given" in line
    # One that says nothing leaves it to the image.
    Recipe().save(path)
    assert distilled(image, "--recipe", path)[0].optics == OPTICS


def test_what_does_not_go_with_what_is_given(distilled, image):
    recipe, (line,) = distilled(image, "--refractive-index", 1.33)
    assert recipe.optics == Optics(refractive_index=1.33)
    assert line.startswith(f"warning: What {image} says of the microscope, microscope confocal")
    assert "does not go with what is given, and is left out. The numerical aperture" in line


def test_what_is_wrong_in_itself_is_no_matter_of_the_image(capsys, image, tmp_path):
    line = refuses(capsys, "distill", image, "-o", tmp_path / "out", "--wavelength", 520)
    assert "520 nm is 0.52" in line


def test_what_cannot_be_is_told(distilled, field, tmp_path):
    path = write_ome(
        tmp_path / "odd.ome.tif",
        field.image.astype(np.uint16),
        [CONFOCAL.replace("520", "52000")],
        spacing=field.spacing,
    )
    recipe, (warned, told) = distilled(path)
    assert "emission wavelength as 52000 nm, which it cannot be" in warned
    assert "numerical aperture 1.4" in told
    assert recipe.optics.wavelength is None


def test_a_preset_that_is_not_there(capsys, image, tmp_path):
    out = tmp_path / "out"
    line = refuses(capsys, "distill", image, "-o", out, "--microscope-preset", LAB)
    assert f"There is no microscope {LAB!r}" in line
    assert not out.exists()


def test_the_file_is_as_people_read_it(own_microscopes):
    run("presets", "save", LAB, *FULL)
    assert json.loads(own_microscopes.read_text())["microscopes"][LAB]["optics"]["pinhole"] == 1
