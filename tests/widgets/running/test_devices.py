import threading
from typing import Any

import napari
import numpy as np
import pytest

from napari_psf_distiller.compute import Device
from napari_psf_distiller.compute.devices import NUMPY
from napari_psf_distiller.widgets.running import devices as devices_module

FOUND = (
    Device("Good GPU", "gpu", "Some OpenCL", True),
    Device("Bad GPU", "gpu", "Some OpenCL", False, "it cannot build a kernel"),
    NUMPY,
)


@pytest.fixture
def slow_search(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the search for devices last until the event is set."""
    found = threading.Event()

    def search() -> tuple[Device, ...]:
        assert found.wait(60)
        return FOUND

    monkeypatch.setattr(devices_module, "devices", search)
    yield found
    found.set()


def test_usable_devices_are_offered_once_they_are_known(user: Any, slow_search: Any) -> None:
    guis = [user.opens(name) for name in ("Distil PSF", "Deconvolve")]
    for gui in guis:
        assert gui.device.choices == ("auto", "numpy")
        assert gui.device.value == "auto"
    guis[0].device.value = "numpy"
    slow_search.set()
    for gui in guis:
        user.waits(lambda gui=gui: len(gui.device.choices) > 2)
        assert gui.device.choices == ("auto", "numpy", "Good GPU")
    assert guis[0].device.value == "numpy"
    assert guis[1].device.value == "auto"


def test_a_device_stays_chosen_when_a_layer_is_added(
    user: Any, viewer: napari.Viewer, slow_search: Any
) -> None:
    gui = user.opens("Distil PSF")
    slow_search.set()
    user.waits(lambda: len(gui.device.choices) > 2)
    gui.device.value = "Good GPU"
    viewer.add_image(np.eye(4))
    assert gui.device.value == "Good GPU"


@pytest.mark.parametrize(
    ("name", "chosen"), [("Good GPU", "Good GPU"), ("gpu", "gpu"), ("Gone GPU", "auto")]
)
def test_a_device_asked_for_before_the_devices_are_known(
    user: Any, slow_search: Any, name: str, chosen: str
) -> None:
    gui = user.opens("Distil PSF")
    devices_module.ask_for_device(gui.device, name)
    assert gui.device.value == name
    slow_search.set()
    user.waits(lambda: len(gui.device.choices) > 2 and "Good GPU" in gui.device.choices)
    user.waits(lambda: gui.device.value == chosen)


def test_viewers_closed_before_the_devices_are_known(
    make_napari_viewer: Any, user: Any, user_of: Any, viewer: napari.Viewer, slow_search: Any
) -> None:
    # napari asks the search to stop with the newest viewer only.
    newest = make_napari_viewer()
    user.opens("Distil PSF")
    user_of(newest).opens("Distil PSF")
    viewer.close()
    newest.close()
    # What is left to do, the end of every test waits for; it would report an exception.
    slow_search.set()


def test_a_viewer_closed_while_another_stays(
    make_napari_viewer: Any, user: Any, viewer: napari.Viewer, slow_search: Any
) -> None:
    make_napari_viewer()
    user.opens("Deconvolve")
    viewer.close()
    slow_search.set()
