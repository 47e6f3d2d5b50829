"""A PSF is proved by mouse and keys."""

import napari
import numpy as np
import pytest
from napari.layers import Image
from person import Person, shown
from qtpy.QtWidgets import QLabel
from scipy import ndimage

from napari_psf_distiller import SimulatedBeads
from napari_psf_distiller.widgets.layers.note import METADATA_KEY

MICROMETRES = ("micrometer",) * 3
# More are never done unasked.
LIMIT = 200


@pytest.fixture
def bead_layer(viewer: napari.Viewer, bright_field: SimulatedBeads) -> Image:
    """An image of few grey values, as many a camera's program writes it."""
    image = bright_field.image / bright_field.image.max() * 255
    return viewer.add_image(
        image.astype(np.uint8), name="grey", scale=bright_field.spacing, units=MICROMETRES
    )


def test_the_proof_ends_by_itself_shows_it_plainly_and_the_head_says_it(
    filled_in: Person, bright_field: SimulatedBeads
) -> None:
    viewer = filled_in.viewer
    filled_in.distils()
    filled_in.presses("Prove PSF")
    filled_in.waits_for("narrower by")
    filled_in.waits(lambda: "grey: deconvolved beads, xz" in viewer.layers)
    # The number of iterations is the image's own.
    made = viewer.layers["grey deconvolved"].metadata[METADATA_KEY]
    assert 3 < made.iterations < LIMIT
    assert made.run.warnings == ()
    # Raw and deconvolved, in the plane and along z, as they are.
    filled_in.waits(lambda: filled_in.button("Back").isEnabled())
    panes = [one for one in viewer.layers if isinstance(one, Image) and one.visible]
    assert [one.name.partition(": ")[2] for one in panes] == [
        "raw beads",
        "deconvolved beads",
        "raw beads, xz",
        "deconvolved beads, xz",
    ]
    for pane in panes[:2]:
        assert pane.gamma == 1
        assert pane.contrast_limits[1] == pytest.approx(pane.data.max())
    # At the head, above all steps, and in the step.
    said = [one for one in shown(QLabel) if "the beads are narrower by" in one.text()]
    assert len(said) == 2
    assert filled_in.height_of(said[0]) < filled_in.height_of("Prove PSF")
    assert "% of their light" in said[0].text()
    assert "noise" in filled_in.sentence("Residual: ")
    filled_in.presses("Back")
    # It is no more this PSF's when another is to be made.
    filled_in.types("bead diameter (µm)", "0.12")
    filled_in.waits_for("This PSF is out of date")
    assert len([one for one in shown(QLabel) if "are narrower by" in one.text()]) < 2


def test_a_psf_that_is_not_the_images_leaves_a_structure_and_that_is_said(
    person: Person, bead_layer: Image, bright_field: SimulatedBeads
) -> None:
    wrong = ndimage.gaussian_filter(bright_field.psf, (0, 0, 1.5)).astype(np.float32)
    person.viewer.add_image(wrong, name="kernel", scale=bright_field.spacing, units=MICROMETRES)
    person.opens("Plugins", "PSF Distiller", "Prove PSF")
    person.waits(lambda: person.reads("PSF") == "kernel")
    person.types("iterations", "3")
    person.presses("Prove")
    sentence = person.waits_for("Residual of this PSF")
    assert "no structure" not in sentence
    assert "all beads share a structure" in sentence
