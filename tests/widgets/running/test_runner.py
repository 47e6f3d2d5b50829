"""A step in a thread, in a real viewer: progress, cancel, and what happens meanwhile."""

import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from napari.layers import Image, Points
from napari.utils.progress import cancelable_progress, progress
from qtpy.QtCore import Qt, QThreadPool, QTimer
from qtpy.QtWidgets import QLabel

from napari_psf_distiller.compute.host.solver import HostSolver
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.results import Deconvolved
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets import deconvolve as deconvolve_module
from napari_psf_distiller.widgets.running import runner as worker_module
from napari_psf_distiller.widgets.running.background import Interrupted
from napari_psf_distiller.widgets.running.progress_bar import ActivityBar

NAME = "Deconvolve"
ENDLESS = {"iterations": 100_000, "device": "numpy"}


@pytest.fixture
def source(add_small: Callable[..., Image]) -> Image:
    return add_small()


@pytest.fixture
def gui(user: Any, source: Image, add_small: Callable[..., Image]) -> Any:
    """The widget with an image and a PSF, and more iterations than anyone waits for."""
    psf = add_small("psf")
    return user.opens(NAME, image=source, psf=psf, **ENDLESS)


def bars(viewer: napari.Viewer) -> list[QtLabeledProgressBar]:
    """The progress bars in the activity dock, those on their way out not counted."""
    dialog = viewer.window._qt_window._activity_dialog
    found = dialog.findChildren(QtLabeledProgressBar)
    return [bar for bar in found if bar.progress in progress._all_instances]


def bar_of(user: Any, viewer: napari.Viewer) -> QtLabeledProgressBar:
    """The one bar, which comes when the work has begun."""
    user.waits(lambda: len(bars(viewer)) == 1)
    (bar,) = bars(viewer)
    return bar


# --- progress


def test_progress_is_shown_while_it_runs_and_not_after(
    user: Any, viewer: napari.Viewer, gui: Any
) -> None:
    assert bars(viewer) == []
    assert gui.runner.progress_bar.native.isHidden()
    assert gui.runner.cancel_button.native.isHidden()
    user.starts(gui)
    bar = bar_of(user, viewer)
    assert isinstance(bar.progress, cancelable_progress)
    assert gui.runner.progress_bar.native.isHidden() is False
    assert (gui.call_button.enabled, gui.runner.cancel_button.enabled) == (False, True)
    user.waits(lambda: bar.progress.n > 0)
    assert bar.progress.total == bar.qt_progress_bar.maximum() == ENDLESS["iterations"]
    assert bar.qt_progress_bar.value() > 0
    assert bar.description_label.text() == "Deconvolve: "
    assert gui.runner.status.value.startswith("Deconvolve ")
    # And the memory that it needs, which is told before the first iteration.
    assert f" / {ENDLESS['iterations']}, needs " in gui.runner.status.value
    assert gui.runner.status.value.endswith(" on NumPy")
    assert gui.runner.progress_bar.value > 0
    user.clicks(gui.runner.cancel_button)
    user.waits(lambda: not gui.runner.running)
    assert bars(viewer) == []
    assert gui.runner.progress_bar.native.isHidden()
    assert (gui.call_button.enabled, gui.runner.cancel_button.enabled) == (True, False)


def test_the_viewer_goes_on_while_an_iteration_takes_its_time(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any
) -> None:
    ticks: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(len(viewer.layers)))
    timer.start(5)
    gui.iterations.value = 2
    user.starts(gui)
    user.waits(lambda: gate.entered == 1)
    held = len(ticks)
    user.waits(lambda: len(ticks) > held + 10)
    assert gate.entered == 1
    # And it can be used: layers come and go.
    extra = viewer.add_image(np.eye(4))
    viewer.layers.remove(extra)
    gate.open()
    user.waits(lambda: not gui.runner.running)
    timer.stop()
    assert viewer.layers[-1].name == "small deconvolved"


def test_the_viewer_goes_on_during_many_short_iterations(
    user: Any, viewer: napari.Viewer, gui: Any
) -> None:
    ticks: list[str] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(gui.runner.status.value))
    timer.start(5)
    user.starts(gui)
    # Each tick sees the run further on.
    user.waits(lambda: len({text for text in ticks if " / " in text}) > 10)
    timer.stop()
    user.clicks(gui.runner.cancel_button)
    user.waits(lambda: not gui.runner.running)


def test_the_spinner_turns_slowly_while_it_runs(user: Any, viewer: napari.Viewer, gui: Any) -> None:
    labels = viewer.window._qt_window.statusBar().findChildren(QLabel)
    (movie,) = [label.movie() for label in labels if label.movie() is not None]
    before = movie.speed()
    turned: list[int] = []
    movie.frameChanged.connect(turned.append)
    user.starts(gui)
    assert 0 < movie.speed() < before
    told = {gui.runner.status.value}
    # It turns on with what is told of the work: by itself it would hardly move meanwhile.

    def told_enough() -> bool:
        told.add(gui.runner.status.value)
        return len(told) > 8

    user.waits(told_enough)
    assert len(turned) >= 6
    user.clicks(gui.runner.cancel_button)
    user.waits(lambda: not gui.runner.running)
    assert movie.speed() == before


def test_whoever_listens_is_told_of_progress_and_end(user: Any, gui: Any) -> None:
    heard: list[Any] = []
    gui.runner.started.connect(lambda: heard.append("started"))
    gui.runner.progressed.connect(heard.append)
    gui.runner.ended.connect(heard.append)
    gui.iterations.value = 300
    (layer,) = user.runs(gui)
    first, *between, last = heard
    assert first == "started"
    assert {part.title for part in between} == {"Deconvolve"}
    # Far from each of the iterations.
    assert 1 <= len(between) < 100
    assert (last.kind, last.layers) == ("done", (layer,))
    assert last.message == gui.runner.status.value
    # What it takes to tell later how it was made.
    run = layer.metadata["psf_distiller"].run
    assert run.parameters["iterations"] == 300
    assert set(run.inputs) == {"image", "psf"}
    assert run.seconds > 0


def test_a_preview_is_handed_on_though_others_follow_at_once(
    user: Any, gui: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(*_: Any, **__: Any) -> Any:
        yield Progress(StepId.DECONVOLVE, 0, 4)
        yield Progress(StepId.DECONVOLVE, 1, 4, -4.0, np.zeros((2, 2), np.float32))
        yield Progress(StepId.DECONVOLVE, 2, 4, -3.0, np.ones((2, 2), np.float32))
        yield Progress(StepId.DECONVOLVE, 3, 4)
        yield Progress(StepId.DECONVOLVE, 4, 4)
        raise InputError("That was all.")

    monkeypatch.setattr(deconvolve_module, "deconvolve_step", steps)
    # The last comes when the others have been told of long enough ago.
    seconds = iter(worker_module.PROGRESSED_EVERY * np.array([10, 10.1, 10.2, 10.3, 11.2]))
    gui.runner.clock = lambda: next(seconds)
    heard: list[Any] = []
    gui.runner.progressed.connect(heard.append)
    user.runs(gui)
    # The first at once, as somebody waits for it.
    assert [part.iteration for part in heard] == [0, 1, 4]
    assert heard[2].log_likelihood == -3.0
    np.testing.assert_array_equal(heard[2].preview, np.ones((2, 2)))


def test_a_failure_is_told_too(user: Any, gui: Any, told: Any) -> None:
    heard: list[Any] = []
    gui.runner.ended.connect(heard.append)
    gui.psf.value.data = np.zeros((24, 28), np.float32)
    user.runs(gui)
    (ending,) = heard
    assert (ending.kind, ending.layers) == ("failed", ())
    assert told.errors == [f"Deconvolve: {ending.message}"]


# --- cancel


def test_what_a_cancelled_run_has_to_keep_is_marked_as_unfinished(
    user: Any, viewer: napari.Viewer, gui: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(image: Any, *_: Any, **__: Any) -> Any:
        try:
            while True:
                time.sleep(0.005)
                yield Progress(StepId.DECONVOLVE, 1, 2)
        except Interrupted:
            return Deconvolved(np.full(image.shape, 7, np.float32), "NumPy", (), 1, ())

    monkeypatch.setattr(deconvolve_module, "deconvolve_step", steps)
    heard: list[Any] = []
    gui.runner.ended.connect(heard.append)
    user.starts(gui)
    user.waits(lambda: gui.runner.status.value.startswith("Deconvolve 1 / 2"))
    user.clicks(gui.runner.cancel_button)
    user.waits(lambda: not gui.runner.running)
    layer = viewer.layers[-1]
    assert layer.name == "small deconvolved (unfinished)"
    assert layer.metadata["psf_distiller"].unfinished is True
    assert layer.data.max() == 7
    assert [(ending.kind, ending.layers) for ending in heard] == [("cancelled", (layer,))]
    assert gui.runner.status.value.startswith("cancelled; kept unfinished: ")


def test_cancel_stops_within_the_iteration_and_frees_the_solver(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any, told: Any
) -> None:
    before = list(viewer.layers)
    user.starts(gui)
    user.waits(lambda: gate.entered == 1)
    user.clicks(gui.runner.cancel_button)
    assert gui.runner.status.value == "cancelling"
    gate.open()
    user.waits(lambda: not gui.runner.running)
    assert (gate.entered, gate.closed) == (1, 1)
    assert gui.runner.status.value == "cancelled"
    assert list(viewer.layers) == before
    assert told.errors == told.warnings == []
    # It can be run again.
    gui.iterations.value = 2
    assert len(user.runs(gui)) == 1
    assert gate.closed == 2


def test_the_activity_docks_cancel_stops_it_too(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any, qtbot: Any
) -> None:
    before = list(viewer.layers)
    gate.open()
    user.starts(gui)
    bar = bar_of(user, viewer)
    user.waits(lambda: gate.entered > 1)
    qtbot.mouseClick(bar.cancel_button, Qt.MouseButton.LeftButton)
    assert bar.progress.is_canceled
    user.waits(lambda: not gui.runner.running)
    assert gate.closed == 1
    assert gui.runner.status.value == "cancelled"
    assert list(viewer.layers) == before


def test_a_cancel_that_comes_when_it_is_done_still_adds_nothing(
    user: Any, viewer: napari.Viewer, gui: Any
) -> None:
    before = list(viewer.layers)
    gui.iterations.value = 2
    user.starts(gui)
    # Its thread comes to its end, and the result waits for the event loop.
    assert QThreadPool.globalInstance().waitForDone(60_000)
    assert gui.runner.running
    gui.runner.cancel()
    user.waits(lambda: not gui.runner.running)
    assert gui.runner.status.value == "cancelled"
    assert list(viewer.layers) == before


# --- twice


def test_the_button_pressed_twice_starts_one_run(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any, told: Any
) -> None:
    before = list(viewer.layers)
    gui.iterations.value = 2
    user.starts(gui)
    user.clicks(gui.call_button)
    assert not gui.call_button.enabled
    # A script can still call the widget.
    assert told.infos == []
    gui()
    assert told.infos == ["Deconvolve is running already; wait for it or cancel it."]
    bar_of(user, viewer)
    gate.open()
    user.waits(lambda: not gui.runner.running)
    assert (gate.entered, gate.closed) == (2, 1)
    assert len(viewer.layers) == len(before) + 1


def test_a_run_that_is_over_while_its_bar_is_made_leaves_none(
    user: Any, viewer: napari.Viewer, gui: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make(title: str) -> ActivityBar:
        # As napari does, whose bar handles events.
        bar = ActivityBar(title)
        user.waits(lambda: not gui.runner.running)
        made.append(bar)
        return bar

    monkeypatch.setattr("napari_psf_distiller.widgets.running.runner.ActivityBar", make)
    gui.iterations.value = 2
    assert len(user.runs(gui)) == 1
    user.waits(lambda: len(made) == 1)
    assert bars(viewer) == []


def test_two_widgets_run_side_by_side(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any, source: Image
) -> None:
    beads = viewer.add_points([[12, 14]], scale=source.scale, units=source.units)
    second = user.opens("Distil PSF", image=source, beads=beads, method="richardson-lucy")
    second.device.value = "numpy"
    for widget in (gui, second):
        widget.iterations.value = 2
        user.starts(widget)
    user.waits(lambda: len(bars(viewer)) == 2)
    gate.open()
    user.waits(lambda: not (gui.runner.running or second.runner.running))
    assert bars(viewer) == []
    made = {layer.name for layer in viewer.layers[-2:]}
    assert made == {"small deconvolved", "small distilled"}


# --- what is taken away meanwhile


def test_the_layers_renamed_and_deleted_meanwhile(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any, source: Image, told: Any
) -> None:
    gui.iterations.value = 2
    user.starts(gui)
    user.waits(lambda: gate.entered == 1)
    source.name = "renamed"
    viewer.layers.clear()
    gate.open()
    user.waits(lambda: not gui.runner.running)
    (layer,) = viewer.layers
    assert layer.name == "small deconvolved"
    assert layer.data.shape == source.data.shape
    assert layer.metadata["psf_distiller"].source.name == "small"
    assert told.errors == []


@pytest.mark.parametrize("how", ["removed", "closed"])
def test_the_dock_taken_away_meanwhile(
    user: Any,
    viewer: napari.Viewer,
    source: Image,
    add_small: Callable[..., Image],
    gate: Any,
    how: str,
    told: Any,
) -> None:
    dock, gui = viewer.window.add_plugin_dock_widget("napari-psf-distiller", NAME)
    user.chooses(gui, image=source, psf=add_small("psf"), iterations=2, device="numpy")
    user.starts(gui)
    user.waits(lambda: gate.entered == 1)
    if how == "removed":
        viewer.window.remove_dock_widget(dock)
    else:
        dock.destroyOnClose()
    gate.open()
    user.waits(lambda: not gui.runner.running)
    assert bars(viewer) == []
    assert told.errors == []


def test_the_viewer_closed_meanwhile(
    user: Any, viewer: napari.Viewer, gui: Any, gate: Any, told: Any
) -> None:
    user.starts(gui)
    user.waits(lambda: gate.entered == 1)
    # This is what napari asks before it closes a window of its own accord.
    (status,) = (
        text
        for text in viewer.window._task_status_manager.get_status()
        if "_psf_distiller_work" in text
    )
    assert status.startswith("napari-worker")
    viewer.close()
    gate.open()
    user.waits(lambda: not gui.runner.running)
    # Closing cancelled it, so of the many iterations only one was done.
    assert (gate.entered, gate.closed) == (1, 1)
    assert told.errors == []


@pytest.mark.parametrize("docked", [True, False])
def test_the_viewer_closed_while_layers_are_added(
    user: Any, viewer: napari.Viewer, bead_layer: Image, told: Any, docked: bool
) -> None:
    user.makes("Find beads", image=bead_layer)
    dock, gui = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "Distil PSF")
    runner = gui.runner
    user.starts(gui)
    if not docked:
        viewer.window.remove_dock_widget(dock)

    def close_at_points(event: Any) -> None:
        # One of several layers is there then.
        if isinstance(event.value, Points):
            QTimer.singleShot(0, viewer.close)

    viewer.layers.events.inserted.connect(close_at_points)
    user.waits(lambda: not runner.running)
    assert list(viewer.layers) == []
    assert told.errors == []


def test_two_viewers_have_their_own_runs(
    make_napari_viewer: Any,
    user: Any,
    viewer: napari.Viewer,
    gui: Any,
    gate: Any,
    user_of: Any,
    told: Any,
) -> None:
    other = make_napari_viewer()
    second_user = user_of(other)
    image = other.add_image(gui.image.value.data, name="elsewhere")
    psf = other.add_image(gui.psf.value.data, name="psf elsewhere")
    second = second_user.opens(NAME, image=image, psf=psf, **ENDLESS)
    for somebody, widget in ((user, gui), (second_user, second)):
        widget.iterations.value = 2
        somebody.starts(widget)
    user.waits(lambda: gate.entered == 2)
    # The first one's viewer closes while both run; the other one's run goes on.
    viewer.close()
    gate.open()
    user.waits(lambda: not (gui.runner.running or second.runner.running))
    names = [layer.name for layer in other.layers]
    assert names == ["elsewhere", "psf elsewhere", "elsewhere deconvolved"]
    assert gate.closed == 2
    assert told.errors == []


# --- what goes wrong


def test_an_error_that_nobody_expected_is_not_swallowed(
    user: Any, viewer: napari.Viewer, gui: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(viewer.layers)
    # napari takes the first kind for the end of a worker.
    for error in (RuntimeError("broken"), ZeroDivisionError("broken")):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(HostSolver, "project", fail)
            with qtbot.capture_exceptions() as exceptions:
                assert user.runs(gui) == []
        assert "broken" in str(exceptions[0][1])
        assert gui.runner.status.value == "failed"
        assert gui.call_button.enabled
        assert bars(viewer) == []
        assert list(viewer.layers) == before
    gui.iterations.value = 2
    assert len(user.runs(gui)) == 1


def test_a_layer_that_cannot_be_added_ends_the_run(
    user: Any, viewer: napari.Viewer, gui: Any, told: Any
) -> None:
    def refuse(_: Any) -> None:
        raise ValueError("another plugin does not like it")

    gui.iterations.value = 1
    viewer.layers.events.inserted.connect(refuse)
    user.runs(gui)
    assert "another plugin does not like it" in gui.runner.status.value
    (error,) = told.errors
    assert error.startswith(f"{NAME}: A layer could not be added: ")
    assert gui.call_button.enabled
    # Nothing is left of it that would disturb the next one.
    viewer.layers.events.inserted.disconnect(refuse)
    assert len(user.runs(gui)) == 1
    assert gui.runner.status.value.startswith("done")
