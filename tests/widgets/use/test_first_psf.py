"""A first PSF by mouse and keys: from an image to what is said of its PSF."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from person import Person

from napari_psf_distiller import SimulatedBeads
from napari_psf_distiller.io import write_image

LABELS = ("numerical aperture", "emission (µm)", "refractive index", "bead diameter (µm)")


def test_what_the_microscope_is_asked_at_the_top(person: Person, bead_layer: Image) -> None:
    person.opens_guide()
    for label in LABELS:
        field = person.field(label)
        assert field.isEnabled()
        assert person.height_of(field) < person.height_of("Find beads")


def test_voxel_size_of_a_file_of_imagej_is_read(
    person: Person, field: SimulatedBeads, tmp_path: Path
) -> None:
    z, y, x = field.spacing
    tifffile.imwrite(
        tmp_path / "beads.tif",
        field.image,
        imagej=True,
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZYX", "unit": "um", "spacing": z},
    )
    person.answers(lambda: person.names_file(str(tmp_path / "beads.tif"), "Open"))
    person.opens("File", "Open File(s)")
    person.waits(lambda: len(person.viewer.layers) == 1)
    person.opens_guide()
    person.waits(lambda: person.reads("voxel size (µm)") != "?")
    sizes = [float(person.reads("voxel size (µm)", number)) for number in range(3)]
    assert sizes == pytest.approx(field.spacing, rel=1e-3)
    # It is drawn so too, as its reader might have done, and nothing is left to be done for it.
    (layer,) = person.viewer.layers
    assert tuple(layer.scale) == pytest.approx(field.spacing, rel=1e-3)
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    assert not person.buttons("Set as the layer's scale")


def test_what_was_marked_on_an_image_stays_on_it(
    person: Person, field: SimulatedBeads, tmp_path: Path
) -> None:
    path = tmp_path / "beads.ome.tif"
    write_image(path, field.image, spacing=field.spacing)
    person.answers(lambda: person.names_file(str(path), "Open"))
    person.opens("File", "Open File(s)")
    person.waits(lambda: len(person.viewer.layers) == 1)
    marked = person.viewer.add_points([[12.0, 30.0, 40.0]], name="marked")
    person.opens_guide()
    person.waits(lambda: person.reads("voxel size (µm)") != "?")
    image = person.viewer.layers[0]
    np.testing.assert_array_equal(image.scale, marked.scale)
    assert person.button("Set as the layer's scale").isEnabled()


@pytest.mark.slow
def test_the_sample_gives_its_psf_without_typing_or_warning(person: Person, told: Any) -> None:
    person.opens("File", "Open Sample", "PSF Distiller", "Simulated beads on a slide")
    person.waits(lambda: len(person.viewer.layers) == 1)
    person.opens_guide()
    # It brings what is known of it.
    assert [float(person.reads(label)) for label in LABELS] == [1.2, 0.52, 1.33, 0.1]
    person.distils()
    assert "FWHM" in person.sentence("40 of 40 beads used")
    assert told.warnings == told.errors == []


def test_the_end_tells_the_widths_and_what_comes_next(filled_in: Person) -> None:
    filled_in.distils()
    widths, next_button = filled_in.sentence("beads used"), filled_in.button("Prove PSF")
    assert widths.startswith("FWHM z ")
    assert " nm" in widths
    # Above the steps, where nothing is scrolled away.
    assert filled_in.height_of(next_button) < filled_in.height_of("4  Deconvolve")
    filled_in.presses(next_button)
    filled_in.waits(lambda: "6  Prove PSF done" in filled_in.texts())


def test_a_warning_stays_in_the_step_and_in_the_guides_head(
    person: Person, bead_layer: Image
) -> None:
    person.opens_guide()
    person.distils()
    person.rests(5)
    assert person.sees("The beads' diameter is not")


def test_the_file_that_was_chosen_before_leaves_no_text(
    person: Person, bead_layer: Image, add_small: Any
) -> None:
    person.viewer.add_image(bead_layer.data, name="without a size")
    person.opens_guide()
    person.chooses("bead image", "without a size")
    person.presses("Distil PSF")
    person.waits_for("not done")
    person.chooses("bead image", bead_layer.name)
    person.waits_until_gone("not done")
