"""Somebody at the screen with a mouse and a keyboard, in a viewer that is really shown."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import napari
import pytest
from hands import Hands, QtHands, XHands, x_hands_work
from napari.layers import Image
from person import Person
from pytestqt.qtbot import QtBot

from napari_psf_distiller import SimulatedBeads

MANAGER = "openbox"

# Of napari's window, in pixels.
SIZE = (1280, 800)

# Of the simulated beads.
KNOWN = {
    "numerical aperture": "1.2",
    "emission (µm)": "0.52",
    "refractive index": "1.33",
    "bead diameter (µm)": "0.1",
}


@pytest.fixture(scope="session")
def hands(xvfb: Any, qapp: Any) -> Iterator[Hands]:
    """The mouse and the keyboard of the tests' own X server, or Qt's where there is none.

    Never those of whoever runs the tests.
    """
    if xvfb is None or not x_hands_work() or shutil.which(MANAGER) is None:
        yield QtHands()
        return
    # It decides which window the keys go to.
    manager = subprocess.Popen([MANAGER], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield XHands()
    manager.terminate()
    manager.wait()


@pytest.fixture
def size() -> tuple[int, int]:
    """Of napari's window, in pixels."""
    return SIZE


def sits_down(qtbot: QtBot, viewer: napari.Viewer, hands: Hands, size: tuple[int, int]) -> Person:
    """Return somebody before a viewer whose window is in front, and of this size."""
    window = viewer.window._qt_window
    window.resize(*size)
    qtbot.waitUntil(window.isActiveWindow, timeout=10_000)
    # Now that its manager has put it somewhere.
    window.move(0, 0)
    return Person(qtbot, viewer, hands)


@pytest.fixture
def person(
    qtbot: QtBot,
    make_napari_viewer: Callable[..., napari.Viewer],
    hands: Hands,
    size: tuple[int, int],
) -> Person:
    """Somebody who has just opened napari."""
    return sits_down(qtbot, make_napari_viewer(show=True), hands, size)


@pytest.fixture(scope="module")
def with_psf(
    request: pytest.FixtureRequest, qapp: Any, hands: Hands, field: SimulatedBeads
) -> Iterator[Person]:
    """Somebody who has made a PSF, before one viewer for all tests of a module.

    Each of them leaves it as it was: a fit takes longer than most of what is done with its PSF.
    """
    viewer = napari.Viewer(show=True)
    viewer.add_image(
        field.image, name="beads", scale=field.spacing, units=("micrometer",) * field.image.ndim
    )
    person = sits_down(QtBot(request), viewer, hands, SIZE)
    fills_in(person)
    person.distils()
    yield person
    viewer.close()


@pytest.fixture
def viewer(person: Person) -> napari.Viewer:
    """The one that they sit before."""
    return person.viewer


@pytest.fixture
def filled_in(person: Person, bead_layer: Image) -> Person:
    """Somebody who opened the guide on an image of beads, and typed what they know of it."""
    fills_in(person)
    return person


def fills_in(person: Person) -> None:
    """Open the guide, and type what is known of the simulated beads."""
    person.opens_guide()
    for label, text in KNOWN.items():
        person.types(label, text)
