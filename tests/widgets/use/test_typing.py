"""What is typed is what is used, or it is refused beside its field."""

import pytest
from napari.layers import Image
from person import Person


@pytest.fixture
def guide(person: Person, bead_layer: Image) -> Person:
    """Somebody who opened the guide on an image of beads."""
    person.opens("Plugins", "PSF Distiller", "PSF Distiller")
    return person


def test_all_decimals_that_are_typed_are_kept(guide: Person) -> None:
    for label, text in (
        ("refractive index", "1.515"),
        ("refractive index", "1.518"),
        ("bead diameter (µm)", "0.175"),
        ("bead diameter (µm)", "0.0998"),
        ("emission (µm)", "0.525"),
    ):
        guide.types(label, text)
        assert number_in(guide, label) == float(text)


def number_in(guide: Person, label: str) -> float:
    return float(guide.reads(label).split()[0])
