"""When a step is done, or its dock or viewer was closed, Python and napari are as before."""

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import napari
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QLabel

ENDLESS = {"iterations": 100_000, "device": "numpy"}


@pytest.fixture(autouse=True)
def found() -> Iterator[None]:
    """Nothing left out of the garbage collector, and turns of a length that nobody else sets."""
    before = sys.getswitchinterval()
    gc.unfreeze()
    sys.setswitchinterval(0.02)
    yield
    gc.unfreeze()
    sys.setswitchinterval(before)


@pytest.mark.parametrize("how", ["cancelled", "removed", "closed", "viewer closed"])
def test_a_run_that_ends_leaves_nothing_changed(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], how: str
) -> None:
    labels = viewer.window._qt_window.statusBar().findChildren(QLabel)
    (movie,) = [label.movie() for label in labels if label.movie() is not None]
    speed = movie.speed()
    dock, gui = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "Deconvolve")
    user.chooses(gui, image=add_small(), psf=add_small("psf"), **ENDLESS)
    runner = gui.runner
    user.starts(gui)
    user.waits(lambda: " / " in runner.status.value)
    assert gc.get_freeze_count() > 0
    assert sys.getswitchinterval() < 0.02
    assert movie.speed() < speed
    if how == "cancelled":
        user.clicks(runner.cancel_button)
    elif how == "removed":
        viewer.window.remove_dock_widget(dock)
        # Without its dock it goes on, until it is cancelled or done.
        runner.cancel()
    elif how == "closed":
        dock.destroyOnClose()
    else:
        viewer.close()
    user.waits(lambda: not runner.running)
    assert gc.get_freeze_count() == 0
    assert sys.getswitchinterval() == pytest.approx(0.02)
    if how != "viewer closed":
        assert movie.speed() == speed
