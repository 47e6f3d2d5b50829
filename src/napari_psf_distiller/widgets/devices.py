"""The choice of a device in a step widget, filled in without making the viewer wait."""

from typing import Any

from magicgui.widgets import ComboBox
from napari.qt.threading import FunctionWorker, create_worker

from napari_psf_distiller.compute import Device, devices

__all__ = ["DEVICE_OPTIONS", "offer_devices"]

ALWAYS = ("auto", "numpy")

DEVICE_OPTIONS: dict[str, Any] = {
    "widget_type": "ComboBox",
    "choices": ALWAYS,
    "tooltip": "What computes: auto takes a GPU if there is a usable one, else the processor.",
}


def offer_devices(choice: ComboBox) -> None:
    """Add this machine's usable OpenCL devices to a combo box, once they have been tested.

    The test builds a kernel on each device, which can take seconds the first time: it is done in a
    thread.
    """
    alive = True

    def forget() -> None:
        nonlocal alive
        alive = False

    def offer(found: tuple[Device, ...]) -> None:
        if not alive:
            return
        names = [device.name for device in found if device.usable and device.platform != "NumPy"]
        chosen = choice.value
        choice.choices = (*ALWAYS, *names)
        choice.value = chosen

    choice.native.destroyed.connect(forget)
    worker: FunctionWorker[tuple[Device, ...]] = create_worker(devices, _start_thread=False)
    worker.returned.connect(offer)
    worker.start()
