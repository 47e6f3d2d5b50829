"""A real viewer, and what drives the plugin's widgets in it as a user does."""

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import napari
import numpy as np
import pytest
from magicgui.widgets import FunctionGui, Widget
from napari.layers import Image, Layer
from napari.qt.threading import FunctionWorker
from napari.settings import NapariSettings, get_settings
from napari.settings._appearance import AppearanceSettings
from napari.utils.notifications import Notification, notification_manager
from napari.utils.progress import progress
from npe2 import PluginManifest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QDockWidget

from napari_psf_distiller import Recipe, SimulatedBeads
from napari_psf_distiller.compute.engine import Likelihoods
from napari_psf_distiller.compute.host.solver import HostSolver
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerSummary

PLUGIN = "napari-psf-distiller"

# Milliseconds that nothing here takes, on the slowest machine.
LONG = 60_000


# Tests of what is left out of the garbage collector look at all objects that there are.
COUNTING = {"test_collector.py", "test_left_as_found.py", "test_private.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that look at all objects: each viewer leaves more of them."""
    items.sort(key=lambda item: item.path.name not in COUNTING)


@pytest.fixture(autouse=True, scope="session")
def settings_of_the_tests() -> Iterator[None]:
    """Keep napari from reading the settings of whoever runs the tests, and from changing them."""
    with pytest.MonkeyPatch.context() as patch:
        settings = NapariSettings(config_path=None)
        settings._connect_events()
        patch.setattr("napari.settings._SETTINGS", settings)
        yield


@pytest.fixture(autouse=True, scope="session")
def manifests_read_once() -> Iterator[None]:
    """Keep npe2 from reading the manifests of all that is installed for each viewer anew.

    They do not change meanwhile, and reading them takes half as long as all else of a viewer.
    """
    found = list(PluginManifest.discover())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda *_, **__: iter(found))
        yield


@pytest.fixture(autouse=True)
def left_out_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be known at once that something is left out of the garbage collector: see below.

    It is asked when a step begins, and to count all of it takes longer than many a step. Tests of
    what is left out have a fixture of this name that lets it be counted.
    """
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 1)


@pytest.fixture(autouse=True)
def quick_garbage_collection() -> Iterator[None]:
    """Keep what outlives a test from the garbage collector.

    napari collects whenever a layer is removed, and leaves some thousand objects with each viewer:
    without this, half of the time goes into looking at them again and again.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_running(qtbot: QtBot) -> Iterator[None]:
    """After each test and after its viewers: no thread works on, and no progress bar is left."""
    yield
    workers = FunctionWorker._worker_set
    assert QThreadPool.globalInstance().waitForDone(LONG)
    # The last signals of a worker still have to come over from its thread.
    qtbot.waitUntil(lambda: not workers, timeout=LONG)
    assert not progress._all_instances


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    return make_napari_viewer()


@pytest.fixture
def appearance() -> Iterator[AppearanceSettings]:
    """Theme and font of the viewers, to be changed by a test."""
    settings = get_settings().appearance
    before = settings.font_size, settings.theme
    yield settings
    settings.font_size, settings.theme = before


class User:
    """Somebody at the screen: opens widgets, chooses values, clicks, and waits."""

    def __init__(self, qtbot: QtBot, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self._qtbot = qtbot

    def opens(self, name: str, **values: Any) -> FunctionGui[Any, Any]:
        """Open a widget by its name in the Plugins menu, and choose values in it."""
        _, gui = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        return self.chooses(gui, **values)

    def chooses(self, gui: FunctionGui[Any, Any], **values: Any) -> FunctionGui[Any, Any]:
        for parameter, value in values.items():
            getattr(gui, parameter).value = value
        asks = getattr(gui, "psf_field", None)
        if asks is not None and asks.asking:
            # Who gives an image as a PSF says that it is one.
            asks.confirm.value = True
        return gui

    def closes(self, gui: FunctionGui[Any, Any]) -> None:
        """Close the dock that a widget is in."""
        dock = gui.native.parentWidget()
        while not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        self.viewer.window.remove_dock_widget(dock)

    def clicks(self, button: Widget) -> None:
        self._qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)

    def waits(self, condition: Callable[[], Any]) -> None:
        self._qtbot.waitUntil(condition, timeout=LONG)

    def waits_until_gone(self, *kept: ref[Any]) -> None:
        """Wait until nobody holds some objects any more."""

        def are_gone() -> bool:
            gc.collect()
            return all(one() is None for one in kept)

        self.waits(are_gone)

    def starts(self, gui: FunctionGui[Any, Any]) -> None:
        """Click the widget's button; the run is then under way."""
        self.clicks(gui.call_button)
        assert gui.runner.running

    def runs(self, gui: FunctionGui[Any, Any]) -> list[Layer]:
        """Click the widget's button, wait for the end of the run, and return what it wrote."""
        before, written = list(self.viewer.layers), list[Layer]()

        def note(ending: Any) -> None:
            written.extend(ending.layers)

        gui.runner.ended.connect(note)
        self.clicks(gui.call_button)
        self.waits(lambda: not gui.runner.running)
        gui.runner.ended.disconnect(note)
        return [one for one in self.viewer.layers if one not in before or one in written]

    def makes(self, name: str, **values: Any) -> Any:
        """Open a widget, run it once, and return the one layer that it adds."""
        gui = self.opens(name, **values)
        (layer,) = self.runs(gui)
        return layer


@pytest.fixture
def user(qtbot: QtBot, viewer: napari.Viewer) -> User:
    return User(qtbot, viewer)


@pytest.fixture
def user_of(qtbot: QtBot) -> Callable[[napari.Viewer], User]:
    """Somebody at each of several viewers."""
    return lambda viewer: User(qtbot, viewer)


class Told:
    """What napari told the user since the test began."""

    def __init__(self, records: list[Notification]) -> None:
        self._records = records

    def __call__(self, severity: str) -> list[str]:
        return [r.message for r in self._records if str(r.severity) == severity]

    def forget(self) -> None:
        self._records.clear()

    @property
    def errors(self) -> list[str]:
        return self("error")

    @property
    def warnings(self) -> list[str]:
        return self("warning")

    @property
    def infos(self) -> list[str]:
        return self("info")


@pytest.fixture
def told() -> Told:
    notification_manager.records.clear()
    return Told(notification_manager.records)


class Gate:
    """Holds NumPy's solver in an iteration until it is opened.

    Attributes
    ----------
    entered, closed : int
        Iterations begun, and solvers freed.
    """

    def __init__(self) -> None:
        self.entered = 0
        self.closed = 0
        self._open = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        self.entered += 1
        assert self._open.wait(LONG / 1000)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    held = Gate()
    project, close = HostSolver.project, HostSolver.close

    def held_project(solver: HostSolver, likelihood: bool = False) -> Likelihoods | None:
        held.wait()
        return project(solver, likelihood)

    def noted_close(solver: HostSolver) -> None:
        held.closed += 1
        close(solver)

    monkeypatch.setattr(HostSolver, "project", held_project)
    monkeypatch.setattr(HostSolver, "close", noted_close)
    yield held
    held.open()


@pytest.fixture
def psf(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    """The layer of the PSF that the beads were simulated with."""
    return viewer.add_image(
        field.psf.astype(np.float32),
        name="psf",
        scale=field.spacing,
        units=("micrometer",) * 3,
    )


@pytest.fixture
def bead_layer(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    """The field of beads as a microscope's file gives it: with voxel size, units and an offset."""
    return viewer.add_image(
        field.image,
        name="beads",
        scale=field.spacing,
        translate=(1.0, 2.0, 3.0),
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
        metadata={"mine": 1},
    )


@pytest.fixture
def add_small(viewer: napari.Viewer) -> Callable[..., Image]:
    """Add a small 2D image with a voxel size, which any step works on in no time."""

    def add(name: str = "small", **keywords: Any) -> Image:
        y, x = np.indices((24, 28)) - np.array([12, 14]).reshape(2, 1, 1)
        image = 100 * np.exp(-(y**2 + x**2) / 8) + np.random.default_rng(1).random(y.shape)
        keywords = {"scale": (0.1, 0.1), "units": ("micrometer",) * 2} | keywords
        return viewer.add_image(image.astype(np.float32), name=name, **keywords)

    return add


@pytest.fixture
def recipe_of() -> Callable[[Layer], Recipe]:
    """The recipe in a layer, read strictly."""
    return lambda layer: Recipe.from_dict(layer.metadata[METADATA_KEY].recipe.to_dict())


@pytest.fixture
def warnings_of() -> Callable[[Layer], tuple[str, ...]]:
    """What the run that made a layer warned of, as the step's widget shows it."""
    return lambda layer: layer.metadata[METADATA_KEY].run.warnings


@pytest.fixture
def assert_made_from() -> Callable[..., None]:
    """Check that a layer lies as its source does, and says what it was made from."""

    def check(layer: Layer, source: Layer, *, same_grid: bool = True) -> None:
        np.testing.assert_array_equal(layer.scale, source.scale)
        assert layer.units == source.units
        assert layer.axis_labels == source.axis_labels
        if same_grid:
            np.testing.assert_array_equal(layer.translate, source.translate)
        assert layer.metadata[METADATA_KEY].source == LayerSummary(
            source.name, source.data.shape, str(source.data.dtype)
        )

    return check
