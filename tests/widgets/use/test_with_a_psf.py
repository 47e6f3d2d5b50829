"""What is done with a PSF that is there: it is looked at, proved, and its beads are edited.

One viewer and one fit are shared by all: each test leaves both as they were.
"""

import threading

import numpy as np
from napari.layers import Points
from person import Person, shown
from qtpy.QtWidgets import QProgressBar

FITTED = "beads fitted beads"
REFITTED = "The PSF is being fitted to the edited beads."
WITHOUT_EDIT = "This PSF is without the last edit of its beads."


def test_the_inspector_says_nothing_of_another_psf(with_psf: Person) -> None:
    with_psf.chooses("PSF", "beads distilled")
    with_psf.waits_for("Negative values, shown as 0")
    with_psf.chooses("PSF", "beads PSF")
    # Not even until the new one is drawn.
    assert not with_psf.sees("Negative values")
    with_psf.waits_for("FWHM z")
    assert not with_psf.sees("Negative values")


def test_after_the_proof_image_and_beads_are_seen_again(with_psf: Person) -> None:
    before = visible(with_psf)
    with_psf.presses("6  Prove PSF")
    with_psf.types("iterations", "3")
    with_psf.presses("Prove")
    with_psf.waits(lambda: with_psf.buttons("Back"))
    assert "beads deconvolved" not in visible(with_psf)
    assert with_psf.sees("Works on “beads”, “beads PSF” and “beads fitted beads”.")
    with_psf.presses("Back")
    with_psf.waits(lambda: visible(with_psf) == before)
    with_psf.presses("5  Inspect PSF")


def test_a_bead_that_is_deleted_comes_back(with_psf: Person, held: threading.Event) -> None:
    points = with_psf.viewer.layers[FITTED]
    psf = with_psf.viewer.layers["beads PSF"]
    before, beads = psf.data.copy(), len(points.data)
    deletes(with_psf, 1)
    assert len(points.data) == beads - 1
    # It is refitted at once, and that is said where it is always in sight.
    with_psf.waits_for(REFITTED)
    with_psf.waits_for("fitting the edited beads")
    held.set()
    with_psf.waits_for(f"{beads - 1} of {beads - 1} beads used")
    assert not np.array_equal(psf.data, before)
    # Keys go to the layer that is selected.
    with_psf.selects(FITTED)
    with_psf.hands.key("ctrl+z")
    with_psf.waits_for(f"{beads} of {beads} beads used")
    with_psf.waits_for("All is done.")
    assert np.linalg.norm(psf.data - before) < 0.01 * np.linalg.norm(before)


def test_a_refit_is_cancelled_and_that_is_said(with_psf: Person, held: threading.Event) -> None:
    points = with_psf.viewer.layers[FITTED]
    before, beads = with_psf.viewer.layers["beads distilled"].data.copy(), len(points.data)
    deletes(with_psf, 2)
    with_psf.waits(lambda: with_psf.button("Cancel").isEnabled())
    (bar,) = shown(QProgressBar)
    assert bar.accessibleName() == "Progress"
    with_psf.presses("Cancel")
    held.set()
    with_psf.waits_for(WITHOUT_EDIT)
    assert not with_psf.sees("beads used")
    np.testing.assert_array_equal(with_psf.viewer.layers["beads distilled"].data, before)
    with_psf.selects(FITTED)
    with_psf.hands.key("ctrl+z")
    with_psf.waits_for(f"{beads} of {beads} beads used")
    with_psf.waits_for("All is done.")


def deletes(person: Person, number: int) -> None:
    """Select a fitted bead with the mouse, and press the key that deletes it."""
    points: Points = person.viewer.layers[FITTED]
    person.selects(FITTED)
    plane = round(float(points.data[number][0]))
    person.viewer.dims.set_current_step(0, plane)
    # The view may still come to rest.
    person.rests()
    person.hands.key("3")
    person.waits(lambda: points.mode == "select")
    person.hands.press(person.point_of(points, number))
    person.waits(lambda: points.selected_data == {number})
    person.hands.key("Delete")


def visible(person: Person) -> list[str]:
    return [layer.name for layer in person.viewer.layers if layer.visible]
