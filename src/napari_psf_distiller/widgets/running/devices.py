"""What computes, in a step widget: the device, its FFT and its memory."""

from typing import Any
from weakref import ref

from magicgui.widgets import ComboBox
from napari.utils.notifications import show_error
from qtpy.compat import isalive

from napari_psf_distiller.compute import Device, devices
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.widgets.parts.form import keep_narrow
from napari_psf_distiller.widgets.running.background import Background

__all__ = [
    "COMPUTING",
    "DEVICE_OPTIONS",
    "ask_for_device",
    "offer_devices",
]

ALWAYS = ("auto", "numpy")

# Names for any device of a kind, which a recipe may have.
KINDS = ("cpu", "gpu")

# What computes, and how: for every step that is computed on a device.
COMPUTING = tuple(one for one in declared(Recipe) if one.field in ("device", "fft", "memory"))

DEVICE_OPTIONS: dict[str, Any] = {"widget_type": "ComboBox", "choices": ALWAYS}


def ask_for_device(choice: ComboBox, name: str) -> None:
    """Choose a device by its name, which may not be known yet.

    Parameters
    ----------
    choice : ComboBox
        That `offer_devices` fills: it takes "auto" if there turns out to be no such device.
    name : str
    """
    if name not in choice.choices:
        _offer(choice, (*choice.choices, name))
    choice.value = name


def _offer(choice: ComboBox, names: tuple[Any, ...]) -> None:
    # A function, since magicgui goes back to the first choices whenever a layer comes or goes.
    choice.choices = lambda _: names


def offer_devices(choice: ComboBox) -> None:
    """Add this machine's usable OpenCL devices to a combo box, once they have been tested.

    The test builds a kernel on each device, which can take seconds the first time: it is done in a
    thread.
    """
    keep_narrow(choice)
    # The test may outlast the widget, and would keep it and all layers.
    weakly = ref(choice)

    def offer(found: tuple[Device, ...]) -> None:
        choice = weakly()
        if choice is None or not isalive(choice.native):  # type: ignore[no-untyped-call]
            return
        names = [device.name for device in found if device.usable and device.platform != "NumPy"]
        chosen = choice.value
        kept = (chosen,) if chosen in KINDS else ()
        _offer(choice, (*ALWAYS, *kept, *names))
        # One that was asked for before may not be here.
        choice.value = chosen if chosen in choice.choices else "auto"

    Background(offer, show_error).ask(devices)
