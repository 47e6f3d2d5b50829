"""A widget takes what its step made, and asks for anything else; a run replaces its own layers."""

import numpy as np
from napari.layers import Image, Points
from person import Person


def test_a_multiscale_image_is_used_at_full_resolution(person: Person, field, told) -> None:
    levels = [field.image, field.image[:, ::2, ::2]]
    person.viewer.add_image(
        levels, name="levels", multiscale=True, scale=field.spacing, units=("micrometer",) * 3
    )
    person.opens_guide()
    person.distils()
    assert told.errors == []


def test_a_raw_image_is_not_made_a_psf(person: Person, bead_layer: Image) -> None:
    person.opens_guide()
    person.presses("Post-process PSF")
    before = list(person.viewer.layers)
    *_, button = (one for one in person.buttons("Post-process") if one.text())
    person.presses(button)
    assert "No layer is chosen" in person.waits_for("not done")
    assert list(person.viewer.layers) == before
    assert person.buttons("Save PSF") == []


def test_a_stack_of_one_plane_gives_a_flat_psf(person: Person, field, told) -> None:
    plane = field.image.shape[0] // 2
    person.viewer.add_image(
        field.image[plane : plane + 1], name="plane", scale=field.spacing, units=("micrometer",) * 3
    )
    person.opens_guide()
    person.distils()
    assert told.errors == []


def test_an_image_is_not_deconvolved_with_itself(person: Person, bead_layer: Image) -> None:
    person.opens("Plugins", "PSF Distiller", "Deconvolve")
    assert person.reads("PSF") != bead_layer.name
    assert person.reads("image") == bead_layer.name


def test_a_psf_that_comes_later_is_taken(person: Person, bead_layer: Image, field) -> None:
    person.opens("Plugins", "PSF Distiller", "Deconvolve")
    person.button("Deconvolve")
    psf = field.psf.astype(np.float32)
    person.viewer.add_image(psf, name="kernel", scale=field.spacing, units=("micrometer",) * 3)
    person.waits(lambda: person.reads("PSF") == "kernel")


def test_blue_rings_are_the_beads_that_were_used(filled_in: Person) -> None:
    filled_in.distils()
    rings = [
        layer for layer in filled_in.viewer.layers if isinstance(layer, Points) and layer.visible
    ]
    assert len(rings) == 1
    used = rings[0].features["used"].to_numpy(bool)
    assert len({tuple(colour) for colour in rings[0].border_color[used]}) == 1
    assert not (
        {tuple(colour) for colour in rings[0].border_color[used]}
        & {tuple(colour) for colour in rings[0].border_color[~used]}
    )


def test_the_psf_does_not_cover_the_image(filled_in: Person, bead_layer: Image) -> None:
    filled_in.distils()
    image = bead_layer.extent.world
    for layer in filled_in.viewer.layers:
        if isinstance(layer, Image) and layer is not bead_layer and layer.visible:
            box = layer.extent.world
            apart = (box[0] >= image[1]) | (box[1] <= image[0])
            assert apart[-2:].any(), layer.name


def test_a_rerun_replaces_its_own_layers(filled_in: Person) -> None:
    filled_in.distils()
    names = {layer.name for layer in filled_in.viewer.layers}
    filled_in.types("bead diameter (µm)", "0.12")
    filled_in.waits(lambda: filled_in.button("Distil PSF").isEnabled())
    filled_in.presses("Distil PSF")
    filled_in.waits(lambda: filled_in.button("Cancel").isEnabled())
    filled_in.waits_for("The PSF is ready")
    assert {layer.name for layer in filled_in.viewer.layers} == names


def test_inspect_shows_no_raw_image_as_a_psf(person: Person, bead_layer: Image) -> None:
    person.opens("Plugins", "PSF Distiller", "Inspect PSF")
    person.rests(1)
    assert not person.sees("FWHM z")
