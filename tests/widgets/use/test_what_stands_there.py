"""What widgets ask for and say: no more than what counts, beside what it is about, and not longer.

One viewer is shared by all; each test begins with nothing open.
"""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from napari.utils.theme import get_theme
from person import Person, shown
from qtpy.QtCore import QPoint, QRect
from qtpy.QtWidgets import QLabel, QTableWidget, QWidget

import napari_psf_distiller as psfd
from napari_psf_distiller import SimulatedBeads

VOXEL_SIZE = "voxel size (µm)"
NOT_KNOWN = "not done: The voxel size is not known"
SET_SCALE = "Set as the layer's scale"
MORE = "More: method, note, recipes"

# Pixels between a button and what is said of its run.
NEAR = 16


@pytest.fixture
def beads(anew: Person, field: SimulatedBeads) -> Image:
    return anew.viewer.add_image(
        field.image, name="beads", scale=field.spacing, units=("micrometer",) * 3
    )


@pytest.fixture
def without_size(anew: Person, field: SimulatedBeads) -> Image:
    return anew.viewer.add_image(field.image, name="without a size")


def test_steps_and_fields_that_are_not_needed_take_no_place(anew: Person, beads: Image) -> None:
    anew.opens_guide()
    assert anew.buttons("1  Find beads")
    assert anew.sees("bead diameter (µm)")
    anew.presses(MORE)
    anew.chooses("method", "stepwise")
    anew.waits(lambda: anew.buttons("1  Preprocess beads"))
    for label in ("bead diameter (µm)", "numerical aperture", "emission (µm)"):
        assert not anew.sees(label)
    anew.chooses("method", "joint")
    anew.waits(lambda: anew.buttons("1  Find beads"))
    assert anew.sees("numerical aperture")


def test_the_button_that_runs_all_stands_out_and_is_never_cut(
    anew: Person, field: SimulatedBeads
) -> None:
    anew.opens_guide()
    run = anew.button("Distil PSF")
    assert not run.isEnabled()
    assert has_room(run)
    anew.viewer.add_image(field.image, name="beads")
    anew.waits(run.isEnabled)
    assert has_room(run)
    primary = get_theme(anew.viewer.theme).current.as_rgb_tuple()
    assert colour_of(run) == primary
    assert colour_of(anew.button("Cancel")) != primary


def test_what_is_said_of_a_run_stands_below_its_button(anew: Person, beads: Image) -> None:
    for widget, name in (("Deconvolve", "Deconvolve"), ("Prove PSF", "Prove")):
        anew.opens("Plugins", "PSF Distiller", widget)
        (button,) = (one for one in anew.buttons(name) if one.text() == name)
        anew.presses(button)
        anew.waits_for("not done: No layer is chosen.")
        dock = button.parentWidget()
        (status,) = (
            label
            for label in shown(QLabel)
            if dock.isAncestorOf(label) and label.text().startswith("not done: No layer")
        )
        gap = anew.height_of(status) - (anew.height_of(button) + button.height())
        assert 0 <= gap < NEAR, widget


def test_a_voxel_size_that_is_missing_is_typed_once_for_all(
    anew: Person, without_size: Image, beads: Image, field: SimulatedBeads
) -> None:
    anew.opens("Plugins", "PSF Distiller", "Find beads")
    anew.chooses("image", without_size.name)
    set_scale = anew.button(SET_SCALE)
    assert [anew.reads(VOXEL_SIZE, axis) for axis in range(3)] == ["?"] * 3
    assert not set_scale.isEnabled()
    (*_, find) = anew.buttons("Find beads")
    anew.presses(find)
    anew.waits_for(NOT_KNOWN)
    # By the name of its field.
    assert not anew.sees("spacing")
    for axis, size in enumerate(field.spacing):
        anew.types(VOXEL_SIZE, str(size), axis)
    assert not anew.sees(NOT_KNOWN)
    assert set_scale.isEnabled()
    anew.presses(set_scale)
    np.testing.assert_allclose(without_size.scale, field.spacing)
    assert not set_scale.isEnabled()
    anew.presses(find)
    anew.waits_for("done: 8 beads")


def test_what_was_not_done_is_not_said_of_another_image(
    anew: Person, without_size: Image, beads: Image
) -> None:
    anew.opens_guide()
    anew.chooses("bead image", without_size.name)
    anew.presses("Distil PSF")
    anew.waits_for(NOT_KNOWN)
    anew.chooses("bead image", beads.name)
    assert not anew.sees(NOT_KNOWN)
    # Nor of this one, once it is typed right.
    anew.chooses("bead image", without_size.name)
    for axis in range(3):
        anew.types(VOXEL_SIZE, "0.1", axis)
    anew.rests(0.1)
    assert not anew.sees("not done")


def test_of_a_plane_nothing_is_asked_along_z(anew: Person, plane: SimulatedBeads) -> None:
    anew.viewer.add_image(plane.image, name="plane", scale=plane.spacing, units=("micrometer",) * 2)
    psf = anew.viewer.add_image(plane.psf, name="psf", scale=plane.spacing)
    anew.opens("Plugins", "PSF Distiller", "Find beads")
    assert count_beside(anew, VOXEL_SIZE) == 2
    anew.chooses("method", "threshold")
    assert count_beside(anew, "margin (µm)") == 2
    anew.opens("Plugins", "PSF Distiller", "Distil PSF")
    assert [anew.reads("window (µm)", axis) for axis in range(2)] == ["auto", "auto"]
    assert count_beside(anew, "window (µm)") == 2
    anew.opens("Plugins", "PSF Distiller", "Post-process PSF")
    anew.chooses("distilled", psf.name)
    assert count_beside(anew, "crop (voxels)") == 2
    # Of a stack it is there again.
    anew.viewer.add_image(plane.psf[None] * np.ones((3, 1, 1)) / 3, name="stack")
    anew.chooses("distilled", "stack")
    assert count_beside(anew, "crop (voxels)") == 3


def test_an_image_that_is_removed_while_it_is_distilled_is_named(
    anew: Person, plane: SimulatedBeads, held: threading.Event, told: Any
) -> None:
    anew.viewer.add_image(plane.image, name="plane", scale=plane.spacing, units=("micrometer",) * 2)
    anew.opens_guide()
    anew.presses("Distil PSF")
    anew.waits(lambda: "running" in anew.texts())
    anew.waits_for("Distil PSF running")
    anew.selects("plane")
    anew.hands.key("ctrl+Delete")
    anew.waits(lambda: "plane" not in anew.viewer.layers)
    held.set()
    anew.waits_for("Stopped: the bead image 'plane' was removed.")
    anew.rests(0.2)
    assert not anew.sees("not done")
    assert told.errors == []


def test_each_of_several_images_gives_a_psf(
    anew: Person, plane: SimulatedBeads, tmp_path: Path
) -> None:
    days = np.stack([plane.image, plane.image[::-1]])
    anew.viewer.add_image(days, name="days", axis_labels=("t", "y", "x"), scale=(1, *plane.spacing))
    anew.opens("Plugins", "PSF Distiller", "Distil several images")
    anew.presses("Add layer")
    anew.chooses_in_menu("days: each of 2 along t")
    anew.types("bead diameter (µm)", "0.1")
    anew.types("save in", str(tmp_path / "psfs"))
    anew.presses("Distil each")
    anew.waits_for("done: 2 of 2 PSFs")
    (table,) = shown(QTableWidget)
    true = 1000 * psfd.fwhm(plane.psf, plane.spacing)[0]
    for row in range(2):
        name, widths, beads = (table.item(row, column).text() for column in range(3))
        assert (name, beads) == (f"days [t={row}]", "9 of 9")
        assert float(widths.split()[0]) == pytest.approx(true, abs=3)
    assert (tmp_path / "psfs" / "psfs.csv").exists()


def count_beside(person: Person, label: str) -> int:
    """Return how many fields there are to the right of a label."""
    count = 0
    while True:
        try:
            person.field_at_once(label, count)
        except LookupError:
            return count
        count += 1


def has_room(button: QWidget) -> bool:
    needed = button.minimumSizeHint()
    return needed.width() <= button.width() and needed.height() <= button.height()


def colour_of(button: QWidget) -> tuple[int, ...]:
    image = button.grab(QRect(QPoint(4, button.height() // 2), button.size())).toImage()
    colour = image.pixelColor(0, 0)
    return colour.red(), colour.green(), colour.blue()
