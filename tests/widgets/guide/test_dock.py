"""The guide opens at once, and comes in turns; who uses it from Python need not wait."""

import gc
from collections.abc import Iterator
from typing import Any

import napari
import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.dock import GuideDock

# The steps alone are eight.
LEAST_TURNS = 10


@pytest.fixture(autouse=True)
def left_out_is_not_counted() -> None:
    """Let what is left out of the garbage collector be counted."""


@pytest.fixture(autouse=True)
def nothing_left_out() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def opens(viewer: napari.Viewer) -> tuple[Any, GuideDock]:
    opened: tuple[Any, GuideDock] = viewer.window.add_plugin_dock_widget(
        "napari-psf-distiller", "PSF Distiller"
    )
    return opened


def test_it_comes_in_turns(viewer: napari.Viewer, user: Any) -> None:
    _, dock = opens(viewer)
    turns: list[bool] = []
    timer = QTimer()
    timer.timeout.connect(lambda: turns.append(dock.whole))
    timer.start(0)
    # What is opened meanwhile is offered too.
    image = viewer.add_image(np.zeros((4, 8, 8)), name="beads")
    user.waits(lambda: dock.whole)
    timer.stop()
    assert turns.count(False) > LEAST_TURNS
    assert dock.guide.isEnabled()
    assert list(dock.sections) == [step for step in StepId if step in dock.steps]
    assert dock.head.image.choices == (image,)
    assert dock.standing(StepId.FIND_BEADS).text == "to do"
    assert gc.get_freeze_count() == 0


def test_it_is_whole_for_who_asks(viewer: napari.Viewer) -> None:
    _, dock = opens(viewer)
    assert not dock.whole
    assert set(dock.sections) == set(dock.steps)
    assert dock.whole
    assert gc.get_freeze_count() == 0


def test_what_it_has_not_is_not_put_together_for(viewer: napari.Viewer) -> None:
    _, dock = opens(viewer)
    with pytest.raises(AttributeError, match="native"):
        _ = dock.native
    assert not dock.whole


def test_closed_before_it_is_whole(viewer: napari.Viewer, user: Any) -> None:
    docked, dock = opens(viewer)
    while gc.get_freeze_count() == 0:
        QApplication.processEvents()
    docked.destroyOnClose()
    user.waits(lambda: gc.get_freeze_count() == 0)
    viewer.add_image(np.zeros((4, 8, 8)))
    assert not dock.whole


def test_it_fills_its_dock(viewer: napari.Viewer, user: Any) -> None:
    _, dock = opens(viewer)
    user.waits(lambda: dock.whole)
    layout = dock.layout()
    assert layout is not None
    layout.setGeometry(dock.rect())
    assert dock.guide.geometry() == dock.rect()
