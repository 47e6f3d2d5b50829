"""A PSF that is saved in any way comes back with its size and its recipe."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from napari.settings import get_settings
from person import Person

import napari_psf_distiller as psfd
from napari_psf_distiller.io import write_image


@pytest.fixture
def with_psf(filled_in: Person) -> Person:
    """Somebody who has just made a PSF."""
    filled_in.distils()
    return filled_in


def test_a_psf_is_saved_and_opened_again(with_psf: Person, tmp_path: Path) -> None:
    path = tmp_path / "slide.psf.tif"
    with_psf.answers(lambda: with_psf.names_file(str(path), "Save"))
    with_psf.presses("Save PSF")
    with_psf.waits(path.exists)
    assert psfd.read_psf(path).recipe is not None
    count = len(with_psf.viewer.layers)
    opens_file(with_psf, path)
    with_psf.waits(lambda: len(with_psf.viewer.layers) > count)


def test_a_psf_saved_with_the_keys_comes_back(with_psf: Person, tmp_path: Path) -> None:
    (psf,) = (layer for layer in with_psf.viewer.layers if layer.name.endswith("PSF"))
    with_psf.selects(psf.name)
    with_psf.answers(lambda: with_psf.names_file(str(tmp_path / "x.psf.ome.tif"), "Save"))
    with_psf.hands.key("ctrl+s")
    with_psf.waits((tmp_path / "x.psf.ome.tif").exists)
    again = psfd.read_psf(tmp_path / "x.psf.ome.tif")
    np.testing.assert_allclose(again.spacing, psf.scale)
    np.testing.assert_allclose(again, psf.data, atol=1e-6)


def test_saving_begins_beside_the_image(
    person: Person,
    field: psfd.SimulatedBeads,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nobody has saved anything yet.
    monkeypatch.setattr("napari_psf_distiller.widgets.files.folders._last", [])
    write_image(tmp_path / "beads.ome.tif", field.image, spacing=field.spacing)
    opens_file(person, tmp_path / "beads.ome.tif")
    person.waits(lambda: len(person.viewer.layers) == 1)
    person.opens_guide()
    person.distils()
    folders = []
    person.answers(lambda: folders.append(person.folder_of_dialog()))
    person.presses("Save PSF")
    person.waits(lambda: folders)
    assert folders == [tmp_path]


def test_a_psf_of_any_name_gets_its_size_once_a_widget_is_open(
    person: Person, field: psfd.SimulatedBeads, tmp_path: Path
) -> None:
    psfd.PSF(field.psf, field.spacing).save(tmp_path / "mine.tif")
    psfd.PSF(field.psf, field.spacing).save(tmp_path / "psf.tif")
    opens_file(person, tmp_path / "mine.tif")
    person.waits(lambda: len(person.viewer.layers) == 1)
    person.opens("Plugins", "PSF Distiller", "Inspect PSF")
    (layer,) = person.viewer.layers
    person.waits(lambda: np.allclose(layer.scale, field.spacing))
    person.waits_for("FWHM z")
    # What the command line calls its PSF is opened by the plugin's reader, and nobody is asked.
    opens_file(person, tmp_path / "psf.tif")
    person.waits(lambda: len(person.viewer.layers) == 2)
    assert np.allclose(person.viewer.layers[1].scale, field.spacing)
    assert person.viewer.layers[1].source.reader_plugin == "napari-psf-distiller"


def test_the_command_lines_psf_has_its_size_and_its_reader_is_asked_for_once(
    person: Person,
    field: psfd.SimulatedBeads,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of somebody who never used the plugin.
    monkeypatch.setattr(get_settings().plugins, "extension2reader", {})
    psfd.PSF(field.psf, field.spacing).save(tmp_path / "psf.tif")
    write_image(tmp_path / "beads.tif", field.image, spacing=field.spacing)

    def chooses_reader() -> None:
        person.presses("PSF Distiller")
        person.presses("OK")

    def names_and_chooses() -> None:
        person.names_file(str(tmp_path / "psf.tif"), "Open")
        person.answers(chooses_reader)

    layers = person.viewer.layers
    person.answers(names_and_chooses)
    person.hands.key("ctrl+o")
    person.waits(lambda: len(layers) == 1)
    # No dialog comes up for any file any more: one would keep all else waiting.
    for name in ("psf.tif", "beads.tif"):
        count = len(layers)
        person.answers(partial(person.names_file, str(tmp_path / name), "Open"))
        person.hands.key("ctrl+o")
        person.waits(lambda: len(layers) > count)  # noqa: B023
    for psf in layers[:2]:
        np.testing.assert_allclose(psf.scale, field.spacing)
    assert layers[2].source.reader_plugin == "napari"


def opens_file(person: Person, path: Path) -> None:
    person.answers(lambda: person.names_file(str(path), "Open"))
    person.opens("File", "Open File(s)")
