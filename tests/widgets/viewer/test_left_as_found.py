"""When a step is done, or its dock or viewer was closed, Python and napari are as before."""

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import napari
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QLabel

from napari_psf_distiller.steps import StepId

ENDLESS = {"iterations": 100_000, "device": "numpy"}


@pytest.fixture(autouse=True)
def left_out_is_not_counted() -> None:
    """Let what is left out be counted."""


@pytest.fixture(autouse=True)
def found() -> Iterator[None]:
    """Nothing left out of the garbage collector, and turns of a length that nobody else sets."""
    before = sys.getswitchinterval()
    gc.unfreeze()
    sys.setswitchinterval(0.02)
    yield
    gc.unfreeze()
    sys.setswitchinterval(before)


def nothing_is_left() -> bool:
    return gc.get_freeze_count() == 0 and sys.getswitchinterval() == pytest.approx(0.02)


@pytest.fixture
def begin(user: Any, add_small: Callable[..., Image]) -> Callable[[Any], Any]:
    """Begin a run that nobody waits for the end of, in a Deconvolve widget."""

    def begun(gui: Any) -> Any:
        user.chooses(gui, image=add_small(), psf=add_small("psf"), **ENDLESS)
        user.starts(gui)
        user.waits(lambda: " / " in gui.runner.status.value)
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() < 0.02
        return gui.runner

    return begun


@pytest.mark.parametrize("how", ["cancelled", "viewer closed"])
def test_a_run_that_ends_leaves_nothing_changed(
    user: Any, viewer: napari.Viewer, begin: Any, how: str
) -> None:
    labels = viewer.window._qt_window.statusBar().findChildren(QLabel)
    (movie,) = [label.movie() for label in labels if label.movie() is not None]
    speed = movie.speed()
    runner = begin(user.opens("Deconvolve"))
    assert movie.speed() < speed
    if how == "cancelled":
        user.clicks(runner.cancel_button)
    else:
        viewer.close()
    user.waits(lambda: not runner.running)
    user.waits(nothing_is_left)
    if how == "cancelled":
        assert movie.speed() == speed


@pytest.mark.parametrize("how", ["removed", "closed"])
def test_a_run_whose_dock_is_closed_goes_on_without_changing_anything(
    user: Any, viewer: napari.Viewer, begin: Any, how: str
) -> None:
    dock, gui = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "Deconvolve")
    runner = begin(gui)
    if how == "removed":
        viewer.window.remove_dock_widget(dock)
    else:
        dock.destroyOnClose()
    # Drawings of others may just be under way.
    user.waits(nothing_is_left)
    assert runner.running
    runner.cancel()
    user.waits(lambda: not runner.running)
    user.waits(nothing_is_left)


def test_a_step_of_the_guide_does_neither(user: Any, viewer: napari.Viewer, begin: Any) -> None:
    dock, guide = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
    guide.open(StepId.DECONVOLVE)
    runner = begin(guide.steps[StepId.DECONVOLVE].gui)
    viewer.window.remove_dock_widget(dock)
    # Drawings of others may just be under way.
    user.waits(nothing_is_left)
    assert runner.running
    runner.cancel()
    user.waits(lambda: not runner.running)
    user.waits(nothing_is_left)
