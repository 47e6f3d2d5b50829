"""Edits of beads are taken back one after the other, and what a step writes is none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Points

from napari_psf_distiller.widgets.beads.history import MOST_EDITS, EditHistory
from napari_psf_distiller.widgets.layers.lineage import being_written


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def layer() -> Points:
    features = pd.DataFrame({"used": [True, True, False], "reason": ["", "", "dim"]})
    return Points(np.arange(9.0).reshape(3, 3), features=features)


@pytest.fixture
def counts() -> list[int]:
    return []


@pytest.fixture
def history(layer: Points, clock: Clock, counts: list[int]) -> EditHistory:
    made = EditHistory(lambda: counts.append(made.count), clock)
    made.follow(layer)
    return made


def test_several_edits_are_taken_back_in_turn(
    layer: Points, history: EditHistory, clock: Clock, counts: list[int]
) -> None:
    states = [(layer.data.copy(), layer.features.copy())]

    def edited() -> None:
        states.append((layer.data.copy(), layer.features.copy()))
        clock.now += 1

    clock.now += 1
    layer.add([7, 7, 7])
    edited()
    layer.selected_data = {0, 2}
    layer.remove_selected()
    edited()
    layer.data = layer.data + 0.5
    edited()
    layer.features = layer.features.assign(used=False)
    edited()
    assert history.count == 4
    for points, features in reversed(states[:-1]):
        history.undo()
        np.testing.assert_array_equal(layer.data, points)
        pd.testing.assert_frame_equal(layer.features, features, check_dtype=False)
    assert history.count == 0
    history.undo()
    np.testing.assert_array_equal(layer.data, states[0][0])
    assert counts == [0, 1, 2, 3, 4, 3, 2, 1, 0]


def test_a_drag_is_one_edit(layer: Points, history: EditHistory, clock: Clock) -> None:
    first = layer.data.copy()
    clock.now = 1
    for _ in range(10):
        layer.data = layer.data + 0.1
        clock.now += 0.02
    assert history.count == 1
    history.undo()
    np.testing.assert_array_equal(layer.data, first)


def test_what_a_fit_writes_is_no_edit(layer: Points, history: EditHistory, clock: Clock) -> None:
    clock.now = 1
    layer.selected_data = {1}
    layer.remove_selected()
    clock.now = 2
    with being_written(layer):
        layer.data = layer.data + 0.01
    assert history.count == 1
    history.undo()
    assert len(layer.data) == 3


def test_old_edits_are_forgotten(layer: Points, history: EditHistory, clock: Clock) -> None:
    for _ in range(MOST_EDITS + 5):
        clock.now += 1
        layer.data = layer.data + 1
    assert history.count == MOST_EDITS
    history.follow(Points(ndim=3))
    assert history.count == 0


def test_by_button_and_key(user: Any, bead_layer: Image) -> None:
    gui = user.opens("Find beads", image=bead_layer)
    (beads,) = user.runs(gui)
    (undo,) = [widget for widget in gui if getattr(widget, "text", "") == "Undo the last edit"]
    assert not undo.enabled
    found = beads.data.copy()
    beads.selected_data = {2, 3}
    beads.remove_selected()
    assert undo.enabled
    user.clicks(undo)
    np.testing.assert_array_equal(beads.data, found)
    assert not undo.enabled
    beads.add([1, 2, 3])
    (by_key,) = [call for key, call in beads.keymap.items() if str(key) == "Ctrl+Z"]
    by_key(beads)
    np.testing.assert_array_equal(beads.data, found)
