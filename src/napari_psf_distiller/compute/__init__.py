"""How a step runs: devices, engines, transforms, and Richardson-Lucy on them."""

from napari_psf_distiller.compute.devices import Device, choose_device, devices
from napari_psf_distiller.compute.engine import FFT, FFTS, Engine, open_engine
from napari_psf_distiller.compute.grid import BOUNDARIES, Boundary, displaced_axes
from napari_psf_distiller.deconvolution.richardson_lucy import (
    METHODS,
    STARTS,
    Method,
    Model,
    Start,
    richardson_lucy,
)

__all__ = [
    "BOUNDARIES",
    "FFT",
    "FFTS",
    "METHODS",
    "STARTS",
    "Boundary",
    "Device",
    "Engine",
    "Method",
    "Model",
    "Start",
    "choose_device",
    "devices",
    "displaced_axes",
    "open_engine",
    "richardson_lucy",
]
