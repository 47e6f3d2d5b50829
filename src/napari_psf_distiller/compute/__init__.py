"""How a step runs: devices, OpenCL kernels, transforms, and the NumPy reference."""

from napari_psf_distiller.compute.devices import Device, choose_device, devices
from napari_psf_distiller.compute.engine import Engine, open_engine
from napari_psf_distiller.compute.richardson_lucy import (
    BOUNDARIES,
    STARTS,
    Boundary,
    Start,
    displaced_axes,
    richardson_lucy,
)

__all__ = [
    "BOUNDARIES",
    "STARTS",
    "Boundary",
    "Device",
    "Engine",
    "Start",
    "choose_device",
    "devices",
    "displaced_axes",
    "open_engine",
    "richardson_lucy",
]
