"""How a step runs: devices, engines, and transforms on them."""

from napari_psf_distiller.compute.devices import Device, choose_device, devices
from napari_psf_distiller.compute.engine import COMPATIBILITIES, FFT, FFTS, Compatibility, Engine
from napari_psf_distiller.compute.grid import BOUNDARIES, Boundary, displaced_axes
from napari_psf_distiller.compute.opening import open_engine

__all__ = [
    "BOUNDARIES",
    "COMPATIBILITIES",
    "FFT",
    "FFTS",
    "Boundary",
    "Compatibility",
    "Device",
    "Engine",
    "choose_device",
    "devices",
    "displaced_axes",
    "open_engine",
]
