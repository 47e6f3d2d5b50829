"""The PSF that follows its beads: edits of the fitted points, in a real viewer."""

import dataclasses
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Points

from napari_psf_distiller import SimulatedBeads
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.fates import FATES
from napari_psf_distiller.widgets.layers.lineage import input_of, newest_layer, run_of, was_edited
from napari_psf_distiller.widgets.layers.note import METADATA_KEY

NAME = "Distil PSF"
QUICK = {"bead_diameter": 0.1, "window": (2.4, 2.0, 2.0), "device": "numpy"}


@pytest.fixture
def gui(user: Any, bead_layer: Image) -> Any:
    beads = user.makes("Find beads", image=bead_layer)
    gui = user.opens(NAME, image=bead_layer, beads=beads, **QUICK)
    user.runs(gui)
    return gui


@pytest.fixture
def layers(gui: Any, viewer: napari.Viewer) -> list[Any]:
    return list(viewer.layers)[-3:]


@pytest.fixture
def edited(user: Any, gui: Any) -> Any:
    """Wait until the layers show what was done to the points."""
    counted: list[int] = []
    gui.live_fit.fitted.connect(lambda: counted.append(1))

    def wait(times: int = 1) -> None:
        user.waits(lambda: len(counted) >= times and not gui.live_fit.busy)
        assert len(counted) == times

    return wait


def test_a_bead_that_was_deleted_and_added_again(
    layers: list[Any], edited: Any, recipe_of: Any, field: SimulatedBeads
) -> None:
    residual, fitted, psf = layers
    before, left = psf.data, residual.data
    place = fitted.data[4].copy()
    fitted.selected_data = {4}
    fitted.remove_selected()
    edited()
    assert len(fitted.data) == len(field.centres) - 1
    assert np.abs(residual.data).max() > 2 * np.abs(left).max()
    assert recipe_of(psf).provenance.by_hand == ("find_beads",)
    fitted.add(place + np.array([1.0, 1.2, -1.4]))
    edited(2)
    # Where it was put is where it is looked for.
    np.testing.assert_allclose(fitted.data[-1], place, atol=0.05)
    assert np.linalg.norm(psf.data - before) < 0.01 * np.linalg.norm(before)


def test_a_bead_that_is_marked_as_not_used(
    user: Any, gui: Any, layers: list[Any], edited: Any
) -> None:
    _, fitted, psf = layers
    before = psf.data
    features = fitted.features.copy()
    features.loc[2, "used"] = False
    fitted.features = features
    edited()
    assert fitted.features["reason"][2] == "excluded"
    assert not fitted.features["used"][2]
    assert [symbol.value for symbol in fitted.symbol][2] == FATES[""][1]
    # The status bar tells it of the point below the mouse.
    user.viewer.dims.set_point(0, fitted.data_to_world(fitted.data[2])[0])
    status = fitted.get_status(tuple(fitted.data[2]), dims_displayed=[1, 2], world=False)
    assert "reason: excluded" in status["value"]
    assert not np.array_equal(psf.data, before)
    assert "1 excluded" in gui.runner.status.value
    features = fitted.features.copy()
    features.loc[2, "used"] = True
    fitted.features = features
    edited(2)
    assert fitted.features["used"].all()
    np.testing.assert_allclose(psf.data, before, atol=0.02 * before.max())


def test_of_many_edits_the_last_counts(layers: list[Any], edited: Any) -> None:
    _, fitted, _ = layers
    places = fitted.data.copy()
    for step in range(5):
        fitted.data = places + np.array([0, 0.3 * step, 0])
    edited()
    np.testing.assert_allclose(fitted.data, places, atol=0.1)


def test_edits_are_left_alone_if_nobody_asks(user: Any, gui: Any, layers: list[Any]) -> None:
    _, fitted, psf = layers
    before = psf.data
    gui.live.value = False
    fitted.selected_data = {0}
    fitted.remove_selected()
    user.waits(lambda: not gui.live_fit.busy)
    assert psf.data is before


def test_no_bead_is_left(user: Any, gui: Any, layers: list[Any], told: Any) -> None:
    _, fitted, psf = layers
    before = psf.data
    fitted.selected_data = set(range(len(fitted.data)))
    fitted.remove_selected()
    user.waits(lambda: gui.runner.status.value.startswith("not done: "))
    assert any("is empty: there is no bead in it" in text for text in told.errors)
    assert psf.data is before


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_layer_that_was_deleted_is_not_missed(
    user: Any, gui: Any, layers: list[Any], viewer: napari.Viewer, which: int, told: Any
) -> None:
    fitted = layers[1]
    points: Points = fitted
    viewer.layers.remove(layers[which])
    points.data = points.data + 0.3
    user.waits(lambda: not gui.live_fit.busy)
    assert told.errors == []


def test_a_viewer_closed_while_it_fits(
    user: Any, gui: Any, layers: list[Any], viewer: napari.Viewer
) -> None:
    fitted = layers[1]
    fitted.data = fitted.data + 0.3
    user.waits(lambda: gui.live_fit.busy)
    viewer.close()


def test_the_table_selects_the_points(user: Any, gui: Any, layers: list[Any]) -> None:
    fitted = layers[1]
    button = next(widget for widget in gui if getattr(widget, "text", "") == "Table of the beads")
    user.clicks(button)
    assert user.viewer.layers.selection == {fitted}
    dock = user.viewer.window.dock_widgets["Features table widget (napari)"]
    table = dock.table
    table.selectRow(3)
    user.waits(lambda: len(fitted.selected_data) == 1)


# --- the PSF that was made of it


def test_the_psf_follows_too(
    user: Any,
    gui: Any,
    layers: list[Any],
    edited: Any,
    viewer: napari.Viewer,
    recipe_of: Any,
    told: Any,
) -> None:
    _, fitted, distilled = layers
    psf = user.makes("Post-process PSF", image=distilled, crop=(9, 11, 11), background=0.01)
    psf.metadata["mine"] = 1
    psf.name = "kept"
    (small,) = user.runs(user.chooses(user.opens("Post-process PSF"), crop=(5, 7, 7)))
    copy = Image(psf.data, name="copy", metadata=psf.metadata)
    mine = viewer.add_image(psf.data)
    viewer.layers.append(copy)
    before = psf.data
    fitted.selected_data = {4}
    fitted.remove_selected()
    edited()
    # With the parameters that each was made with, not those that its widget shows now.
    assert (psf.data.shape, small.data.shape) == ((9, 11, 11), (5, 7, 7))
    assert not np.array_equal(psf.data, before)
    assert psf.data.sum() == pytest.approx(1)
    assert (psf.name, psf.metadata["mine"]) == ("kept", 1)
    assert recipe_of(psf) == dataclasses.replace(
        recipe_of(distilled), postprocess=recipe_of(psf).postprocess
    )
    assert recipe_of(psf).postprocess.background == 0.01
    assert recipe_of(psf).provenance.by_hand == ("find_beads",)
    note = psf.metadata[METADATA_KEY]
    assert note.fwhm_error == distilled.metadata[METADATA_KEY].fwhm_error
    assert run_of(psf).inputs["image"] == input_of(distilled, viewer)
    # What others made, or changed by hand, is theirs.
    assert mine.data is before
    assert copy.data is before
    assert newest_layer(viewer.layers, StepId.POSTPROCESS) is small
    psf.data = by_hand = before * 2
    fitted.data = fitted.data[:-1]
    edited(2)
    assert psf.data is by_hand
    assert run_of(small).inputs["image"] == input_of(distilled, viewer)
    # One that was deleted is not missed.
    viewer.layers.remove(small)
    fitted.data = fitted.data[:-1]
    edited(3)
    assert told.errors == []


def test_the_psf_of_another_run_stays(
    user: Any, gui: Any, layers: list[Any], viewer: napari.Viewer
) -> None:
    old = user.makes("Post-process PSF", image=layers[2], crop=(9, 11, 11))
    before = old.data
    _, fitted, _ = user.runs(gui)
    fitted.data = fitted.data[:-1]
    user.waits(lambda: not gui.live_fit.busy)
    assert old.data is before


def test_a_deleted_bead_comes_back_and_the_psf_with_it(
    user: Any, gui: Any, layers: list[Any], edited: Any
) -> None:
    _, fitted, psf = layers
    before, points = psf.data.copy(), fitted.data.copy()
    fitted.selected_data = {4}
    fitted.remove_selected()
    edited()
    gui.bead_edits.undo()
    edited(2)
    np.testing.assert_allclose(fitted.data, points, atol=0.05)
    assert np.linalg.norm(psf.data - before) < 0.01 * np.linalg.norm(before)
    assert gui.bead_edits.count == 0


def test_a_refit_can_be_cancelled(user: Any, gui: Any, layers: list[Any], told: Any) -> None:
    _, fitted, psf = layers
    before = psf.data.copy()
    shown: list[bool] = []
    gui.live_fit.followed.connect(lambda: shown.append(gui.runner.cancel_button.enabled))
    gui.live_fit.followed.connect(lambda: user.clicks(gui.runner.cancel_button))
    fitted.selected_data = {4}
    fitted.remove_selected()
    user.waits(lambda: bool(shown) and not gui.live_fit.busy)
    assert shown[0]
    assert "cancelled: the PSF is without the last edit" in gui.runner.status.value
    np.testing.assert_array_equal(psf.data, before)
    assert len(fitted.data) == 7
    assert not gui.runner.cancel_button.enabled
    assert not was_edited(psf)
    # The beads are edited on, and the PSF follows again.
    gui.live_fit.followed.disconnect()
    gui.bead_edits.undo()
    user.waits(lambda: not gui.live_fit.busy)
    assert gui.runner.status.value.startswith("done: 8 of 8 beads used")
    assert told.errors == []
