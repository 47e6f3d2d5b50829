"""A PSF that is saved in any way comes back with its size and its recipe."""

from pathlib import Path

import pytest
from person import Person

import napari_psf_distiller as psfd


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


def opens_file(person: Person, path: Path) -> None:
    person.answers(lambda: person.names_file(str(path), "Open"))
    person.opens("File", "Open File(s)")
