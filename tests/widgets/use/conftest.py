"""Somebody at the screen with a mouse and a keyboard, in a viewer that is really shown."""

import gc
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import napari
import pytest
from app_model import Application
from hands import Hands, QtHands, XHands, x_hands_work
from napari._app_model._app import NapariApplication, _napari_names
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.qt_viewer import QtViewer
from napari.layers import Image
from napari.plugins import _initialize_plugins
from person import Person
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDockWidget

from napari_psf_distiller import SimulatedBeads, simulate_beads
from napari_psf_distiller.joint.pipeline import joint_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.widgets.distil import joint, live_fit
from napari_psf_distiller.widgets.prove.panes import Panes

MANAGER = "openbox"

# In the title of each of the plugin's docks.
OURS = "(PSF Distiller)"

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
) -> Iterator[Person]:
    """Somebody who has just opened napari."""
    viewer = make_napari_viewer(show=True)
    yield sits_down(qtbot, viewer, hands, size)
    # While a view is laid out, Python's collector frees nothing, and the viewer would stay.
    window = viewer.window._qt_window
    qtbot.waitUntil(lambda: not any(one.busy for one in window.findChildren(Panes)), timeout=10_000)


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, qapp: Any, hands: Hands) -> Iterator[Person]:
    """Somebody before one viewer for all tests of a module: to open one takes its time."""
    with own_application():
        viewer = napari.Viewer(show=True, show_welcome_screen=False)
        yield sits_down(QtBot(request), viewer, hands, SIZE)
        viewer.close()
        gc.collect()
        # As napari's own fixture does for a viewer of one test.
        QtViewer._instances.clear()


@contextmanager
def own_application() -> Iterator[None]:
    """Let a viewer have actions and menus of its own, not those that an earlier one left."""
    application = NapariApplication("shared")
    application.injection_store.namespace = _napari_names
    with patch.object(NapariApplication, "get_app_model", return_value=application):
        forget_actions()
        try:
            yield
        finally:
            Application.destroy("shared")
            forget_actions()


def forget_actions() -> None:
    for registered in (_initialize_plugins, init_qactions):
        registered.cache_clear()


@pytest.fixture
def anew(shared: Person) -> Person:
    """The same, with nothing open any more."""
    for dock in shared.viewer.window._qt_window.findChildren(QDockWidget):
        if OURS in dock.windowTitle():
            dock.close()
    shared.viewer.layers.clear()
    shared.rests(0.1)
    return shared


@pytest.fixture(scope="module")
def with_psf(shared: Person, field: SimulatedBeads) -> Person:
    """The same, who has made a PSF: a fit takes longer than most of what is done with it.

    Each test of the module leaves it as it was.
    """
    shared.viewer.add_image(
        field.image, name="beads", scale=field.spacing, units=("micrometer",) * field.image.ndim
    )
    fills_in(shared)
    shared.distils()
    return shared


@pytest.fixture(scope="session")
def plane() -> SimulatedBeads:
    """Beads in one plane, whose PSF is distilled in no time."""
    return simulate_beads((96, 96), (0.08, 0.08), beads=9, separation=1.2, seed=3)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets go on the fits that it holds at their first iteration, when it is set."""
    go = threading.Event()

    def steps(*args: Any, **keywords: Any) -> Steps[Any]:
        inner = joint_step(*args, **keywords)
        yield next(inner)
        assert go.wait(60)
        return (yield from inner)

    for module in (joint, live_fit):
        monkeypatch.setattr(module, "joint_step", steps)
    yield go
    go.set()


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
