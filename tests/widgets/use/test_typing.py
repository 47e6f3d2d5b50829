"""What is typed is what is used, or it is refused beside its field."""

import pytest
from napari.layers import Image
from person import Person


@pytest.fixture
def guide(person: Person, bead_layer: Image) -> Person:
    """Somebody who opened the guide on an image of beads."""
    person.opens_guide()
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


def test_commas_and_units_that_are_typed_count(guide: Person) -> None:
    for text in ("0,52", "520 nm", "520nm", "0.52 um"):
        guide.types("emission (µm)", "0.6")
        guide.types("emission (µm)", text)
        assert number_in(guide, "emission (µm)") == 0.52


def test_what_cannot_be_is_refused_beside_its_field_and_not_used(guide: Person) -> None:
    before = list(guide.viewer.layers)
    for label, text, meant in (
        ("emission (µm)", "520", "520 nm"),
        ("bead diameter (µm)", "200", "200 nm"),
        ("numerical aperture", "145", "1.45"),
    ):
        guide.types(label, text)
        assert guide.reads(label) == text
        assert f"Use {meant}" in guide.waits_for(f" is {text}")
        guide.presses("Distil PSF")
        guide.rests()
        assert list(guide.viewer.layers) == before
        guide.types(label, meant)
        guide.waits_until_gone(f"Use {meant}")


def number_in(guide: Person, label: str) -> float:
    return float(guide.reads(label).split()[0])
