"""What is used of napari, Qt, magicgui and Python beyond their public API may be gone."""

import ast
import dataclasses
import gc
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from magicgui.application import use_app
from napari.layers import Points
from napari.qt import QtViewer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication, QLabel

from napari_psf_distiller import widgets
from napari_psf_distiller.widgets.viewer import canvas as canvas_module
from napari_psf_distiller.widgets.viewer import slices
from napari_psf_distiller.widgets.viewer.calm import Collector, Spinner
from napari_psf_distiller.widgets.viewer.canvas import drawn_later, load_letters
from napari_psf_distiller.widgets.viewer.private import private
from napari_psf_distiller.widgets.viewer.sliders import LevelSlider, NumberSlider
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of, fill_view_3d


@pytest.fixture(autouse=True)
def left_out_is_not_counted() -> None:
    """Let what is left out be counted."""


def is_private(name: str) -> bool:
    # A named tuple's own method is public all the same.
    return name.startswith("_") and not name.startswith("__") and name != "_replace"


def test_nothing_else_uses_what_is_not_public() -> None:
    folder = Path(widgets.__file__).parent
    found = []
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom):
                names = str(node.module).split(".")
            if any(is_private(name) for name in names):
                found.append(path.relative_to(folder).parts[0])
    assert set(found) == {"viewer"}


@pytest.fixture
def noted(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What the log of debugging says; nothing louder may be in it."""
    caplog.set_level(logging.DEBUG, logger="napari_psf_distiller")

    def read() -> str:
        records = [r for r in caplog.records if r.name.startswith("napari_psf_distiller")]
        assert {record.levelno for record in records} <= {logging.DEBUG}
        return "\n".join(record.getMessage() for record in records)

    return read


def test_what_is_there_is_returned_and_what_is_not_is_noted(noted: Callable[[], str]) -> None:
    assert private("text", "upper", "it stays as it is")() == "TEXT"
    assert noted() == ""
    assert private("text", "gone", "it stays as it is") is None
    assert private(gc, "gone", "nothing happens") is None
    assert noted() == (
        "There is no str.gone here: it stays as it is\nThere is no gc.gone here: nothing happens"
    )


@pytest.mark.parametrize("missing", ["canvas", "layer_to_visual", "_activate_on_insert"])
def test_a_layer_is_added_at_once_where_it_cannot_be_drawn_later(
    viewer: napari.Viewer,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    noted: Callable[[], str],
    missing: str,
) -> None:
    def without(owner: object, name: str, instead: str) -> Any:
        # napari itself needs it.
        return private(owner, name if name != missing else f"no{missing}", instead)

    monkeypatch.setattr(canvas_module, "private", without)
    over: list[bool] = []
    with drawn_later(viewer, lambda: over.append(True)):
        points = viewer.add_points(np.zeros((3, 2)))
    qtbot.waitUntil(lambda: bool(over))
    assert viewer.layers.selection == {points}
    assert viewer.window._qt_window.updatesEnabled()
    assert missing in noted()
    # And what others add is selected as before.
    assert viewer.layers.selection == {viewer.add_image(np.ones((4, 4)))}


def test_letters_are_left_to_napari_where_canvases_share_none(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch, noted: Callable[[], str]
) -> None:
    canvas = next(w.canvas for w in QApplication.allWidgets() if isinstance(w, QtViewer))
    monkeypatch.delattr(type(canvas), "font_info", raising=False)
    assert list(load_letters(viewer)) == []
    assert "font" in noted()


def test_there_may_be_no_spinner(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch, noted: Callable[[], str]
) -> None:
    monkeypatch.setattr(QLabel, "movie", lambda _: None)
    spinner = Spinner()
    spinner.calm()
    spinner.turn()
    spinner.resume()
    assert "spinner" in noted()


def test_the_collector_may_look_at_everything(
    monkeypatch: pytest.MonkeyPatch, noted: Callable[[], str]
) -> None:
    before = gc.get_freeze_count()
    collector = Collector()
    with monkeypatch.context() as patch:
        patch.delattr(gc, "freeze")
        collector.spare()
        collector.resume()
    assert gc.get_freeze_count() == before
    assert "gc.freeze" in noted()


def reach(layer: Points) -> Any:
    return np.array([3.0, 0.0, 0.0])


@pytest.mark.parametrize("missing", ["request", "thickness"])
def test_points_show_in_their_own_plane_alone_where_slices_are_made_otherwise(
    viewer: napari.Viewer,
    monkeypatch: pytest.MonkeyPatch,
    noted: Callable[[], str],
    missing: str,
) -> None:
    points = viewer.add_points([[2.0, 5, 5]], ndim=3)
    viewer.add_image(np.zeros((9, 10, 10)))
    if missing == "request":
        monkeypatch.setattr(slices, "MAKERS", ("made_otherwise",))
    else:
        monkeypatch.setattr(dataclasses, "replace", None)
    slices.slice_thickly(points, reach)
    for plane, shown in ((2, True), (4, False), (2, True)):
        viewer.dims.set_point(0, plane)
        assert (points.get_value((plane, 5, 5), world=True) is not None) == shown
    assert missing in noted()


@pytest.mark.parametrize("kind", [LevelSlider, NumberSlider])
def test_a_slider_may_be_magicguis_own(
    kind: type[LevelSlider | NumberSlider],
    qapp: QApplication,
    monkeypatch: pytest.MonkeyPatch,
    noted: Callable[[], str],
) -> None:
    _ = use_app().get_obj("FloatSlider")
    monkeypatch.setitem(sys.modules, "magicgui.backends._qtpy.widgets", None)
    slider = kind(min=0.0, max=1.0, step=0.01)
    if isinstance(slider, LevelSlider):
        slider.set_range(-1.0, 3.0)
        assert (slider.min, slider.max) == pytest.approx((-1.0, 3.0))
    slider.value = 0.25
    assert slider.value == pytest.approx(0.25)
    assert "slider" in noted()
    slider.close()


def test_a_view_whose_size_is_not_told_is_filled_as_napari_does_it(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch, noted: Callable[[], str]
) -> None:
    layer = viewer.add_image(np.ones((5, 30, 60)))
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    zoom, camera = camera_of(viewer).zoom, camera_of(viewer)
    camera.zoom = 123.0
    if hasattr(viewer, "canvas"):
        size = type(viewer.canvas).viewbox_size
        asked: list[Any] = []

        def size_for_napari(canvas: Any, layers: Any) -> Any:
            # It needs it itself.
            asked.append(layers)
            return size(canvas, layers) if len(asked) > 1 else canvas.gone

        monkeypatch.setattr(type(viewer.canvas), "viewbox_size", size_for_napari)
    else:
        monkeypatch.setattr(type(viewer), "_canvas_size", None)
    fill_view_3d(viewer, layer, (0.0, 20.0, 75.0))
    assert camera.zoom == pytest.approx(zoom)
    assert camera.angles == pytest.approx((0.0, 20.0, 75.0))
    assert "size" in noted()
