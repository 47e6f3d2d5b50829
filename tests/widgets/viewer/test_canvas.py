"""What is added to a viewer is drawn in later turns, and then all of it."""

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from event_loop import wait_for_what_was_put_off
from napari.qt import QtViewer
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QOpenGLContext
from qtpy.QtWidgets import QApplication

from napari_psf_distiller.widgets.viewer.canvas import (
    drawn_later,
    free_in_own_context,
    load_letters,
)

MakeViewer = Callable[..., napari.Viewer]


def canvas_of(viewer: napari.Viewer) -> Any:
    return next(
        widget.canvas
        for widget in QApplication.allWidgets()
        if isinstance(widget, QtViewer) and widget.viewer is viewer
    )


def test_a_layer_is_drawn_in_turns_after_it_was_added(
    make_napari_viewer: MakeViewer, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    canvas = canvas_of(viewer)
    over: list[bool] = []
    with drawn_later(viewer, lambda: over.append(canvas.native.updatesEnabled())):
        points = viewer.add_points(np.zeros((3, 2)))
    text = canvas.layer_to_visual[points].node.text
    assert not canvas.native.updatesEnabled()
    assert not text.visible
    qtbot.waitUntil(lambda: bool(over))
    assert over == [True]
    assert canvas.native.window().updatesEnabled()
    assert text.visible


def test_a_layer_is_selected_in_a_turn_after_it_was_added(qtbot: QtBot) -> None:
    viewer = napari.components.ViewerModel()
    before = viewer.add_image(np.zeros((4, 4)))
    over: list[bool] = []
    with drawn_later(viewer, lambda: over.append(True)):
        added = viewer.add_image(np.ones((4, 4)))
        assert viewer.layers.selection == {before}
    qtbot.waitUntil(lambda: bool(over))
    assert viewer.layers.selection == {added}
    # As napari does it with what others add.
    last = viewer.add_image(np.ones((4, 4)))
    assert viewer.layers.selection == {last}


def test_all_is_drawn_again_after_an_error(make_napari_viewer: MakeViewer, qtbot: QtBot) -> None:
    viewer = make_napari_viewer()
    canvas = canvas_of(viewer)
    over: list[bool] = []
    with (
        pytest.raises(ValueError, match="once"),
        drawn_later(viewer, lambda: over.append(True)),
    ):
        raise ValueError("once")
    qtbot.waitUntil(lambda: bool(over))
    assert canvas.native.updatesEnabled()


def test_a_layer_that_goes_before_it_was_drawn_does_no_harm(
    make_napari_viewer: MakeViewer, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    over: list[bool] = []
    with drawn_later(viewer, lambda: over.append(True)):
        viewer.add_points(np.zeros((3, 2)))
    viewer.layers.clear()
    qtbot.waitUntil(lambda: bool(over))
    assert canvas_of(viewer).native.updatesEnabled()


def test_the_next_turn_comes_without_a_window_too(qtbot: QtBot) -> None:
    viewer = napari.components.ViewerModel()
    over: list[bool] = []
    with drawn_later(viewer, lambda: over.append(True)):
        viewer.add_image(np.zeros((4, 4)))
    qtbot.waitUntil(lambda: bool(over))
    assert list(load_letters(viewer)) == []


def test_letters_are_at_hand_once_loaded(make_napari_viewer: MakeViewer) -> None:
    viewer = make_napari_viewer()
    canvas = canvas_of(viewer)
    if not hasattr(canvas, "font_info"):
        pytest.skip("This napari shares no letters between layers.")
    letters = "".join(load_letters(viewer, "raw, 15 iterations"))
    assert set("raw, 15 iterations") <= set(letters)
    info = canvas.font_info()
    assert letters
    assert set(letters) <= set(info.font_manager.get_font(info.face)._glyphs)


def test_what_drew_a_layer_is_freed_in_the_context_it_was_made_in(
    make_napari_viewer: MakeViewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer(show=True)
    canvas = canvas_of(viewer)
    native, context = canvas.native, canvas._scene_canvas.context
    qtbot.waitUntil(native.isValid)
    layer = viewer.add_image(np.zeros((4, 4)))
    viewer.window.add_plugin_dock_widget("napari-psf-distiller", "Preprocess beads")
    wait_for_what_was_put_off(qtbot)
    flush, used = context.flush_commands, []

    def follow(*given: Any) -> None:
        used.append(QOpenGLContext.currentContext())
        flush(*given)

    monkeypatch.setattr(context, "flush_commands", follow)
    # As after Qt put the window together.
    native.doneCurrent()
    viewer.layers.remove(layer)
    assert used
    assert all(one == native.context() for one in used)


def test_where_it_cannot_be_followed_it_is_freed_as_ever(
    make_napari_viewer: MakeViewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer()
    context = canvas_of(viewer)._scene_canvas.context
    with monkeypatch.context() as older:
        older.setattr(canvas_of(viewer), "_scene_canvas", None)
        free_in_own_context(viewer.window._qt_window)
    assert "finish" not in vars(context)
