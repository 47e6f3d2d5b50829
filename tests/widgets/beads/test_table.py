"""The legend of beads, their places in the table, and the bead that is chosen there."""

from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Points
from qtpy.QtCore import QItemSelectionModel
from qtpy.QtWidgets import QTableView

from napari_psf_distiller.widgets.beads.centring import centre_on
from napari_psf_distiller.widgets.beads.legend import legend_of
from napari_psf_distiller.widgets.beads.places import with_places, without_places
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of

PLACES = ["z (voxels)", "y (voxels)", "x (voxels)"]


def test_the_legend_has_what_there_is_and_how_many() -> None:
    features = pd.DataFrame(
        {"used": [True, False, True, False], "reason": ["", "dim", None, "a<b"]}
    )
    text = legend_of(Points(np.zeros((4, 3)), features=features))
    assert [part for part in ("2 used", "1 dim", "1 a&lt;b") if part in text] == [
        "2 used",
        "1 dim",
        "1 a&lt;b",
    ]
    assert text.index("2 used") < text.index("1 dim")
    assert "▽" in text
    assert legend_of(Points(np.zeros((4, 3)))) == ""
    assert legend_of(Points(ndim=3)) == ""


def test_places_come_after_what_people_look_for_first() -> None:
    features = pd.DataFrame({"bead": [1, 2], "amplitude": [5.0, 6.0], "used": [True, False]})
    placed = with_places(features, np.array([[1, 2.125, 3.5], [4, 5, 6]]))
    assert list(placed) == ["bead", "used", *PLACES, "amplitude"]
    assert placed["y (voxels)"].tolist() == [2.12, 5.0]
    assert list(without_places(placed)) == ["bead", "used", "amplitude"]
    # Also of what is known of them.
    uncertain = features.assign(z_error=[0.1, 0.2])
    placed = with_places(uncertain, np.array([[1, 2.125, 3.5], [4, 5, 6]]))
    assert list(placed) == ["bead", "used", *PLACES, "amplitude", "z error (voxels)"]
    assert list(without_places(placed)) == ["bead", "used", "amplitude", "z_error"]
    flat = with_places(features, np.array([[1, 2], [3, 4]]))
    assert list(flat) == ["bead", "used", *PLACES[1:], "amplitude"]


@pytest.fixture
def beads(user: Any, bead_layer: Image) -> Points:
    """What Find beads finds; its widget stays open."""
    layer: Points = user.makes("Find beads", image=bead_layer)
    return layer


def test_the_places_follow_the_points(beads: Points) -> None:
    np.testing.assert_allclose(beads.features[PLACES], np.round(beads.data, 2))
    moved = beads.data.copy()
    moved[2] += (0.5, -3, 2)
    beads.data = moved
    np.testing.assert_allclose(beads.features[PLACES], np.round(moved, 2))
    beads.add([3, 20.257, 20])
    assert beads.features[PLACES].iloc[-1].tolist() == [3, 20.26, 20]
    beads.selected_data = {0}
    beads.remove_selected()
    np.testing.assert_allclose(beads.features[PLACES], np.round(beads.data, 2))


def test_a_bead_is_brought_into_the_middle_of_the_view(
    viewer: napari.Viewer, beads: Points
) -> None:
    beads.visible = False
    centre_on(viewer, beads, 3)
    world = beads.data_to_world(beads.data[3])
    assert beads.visible
    assert viewer.dims.point[0] == pytest.approx(world[0], abs=beads.scale[0])
    assert camera_of(viewer).center[1:] == pytest.approx(tuple(world[1:]))


def test_a_row_of_the_table_does_so_but_a_point_in_the_viewer_does_not(
    user: Any, viewer: napari.Viewer, beads: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui = user.opens("Find beads", image=viewer.layers["beads"])
    user.runs(gui)
    found = next(layer for layer in viewer.layers if isinstance(layer, Points))
    (button,) = [widget for widget in gui if getattr(widget, "text", "") == "Table of the beads"]
    user.clicks(button)
    table = viewer.window._qt_window.findChildren(QTableView)[-1]
    before = tuple(camera_of(viewer).center)
    found.selected_data = {1}
    user.waits(lambda: len(table.selectionModel().selectedRows()) == 1)
    assert camera_of(viewer).center == before
    monkeypatch.setattr(QTableView, "hasFocus", lambda _: True)
    flags = QItemSelectionModel.SelectionFlag
    table.selectionModel().select(table.model().index(2, 0), flags.ClearAndSelect | flags.Rows)
    world = found.data_to_world(found.data[2])
    user.waits(lambda: camera_of(viewer).center != before)
    assert camera_of(viewer).center[1:] == pytest.approx(tuple(world[1:]))
