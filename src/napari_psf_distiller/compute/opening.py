"""Engines, and windows about beads, for a device's name."""

from __future__ import annotations

from napari_psf_distiller.compute.devices import NUMPY, Device, choose_device
from napari_psf_distiller.compute.engine import Engine
from napari_psf_distiller.compute.psf_basis import PSFBasis
from napari_psf_distiller.compute.windows import BeadWindows

__all__ = ["open_engine", "open_windows"]


def open_engine(device: str = "auto", fft: str = "auto") -> Engine:
    """Return the engine for a device's name.

    Parameters
    ----------
    device : str
        See `choose_device`. "auto" is the first usable OpenCL GPU; without one it is NumPy, whose
        iterations are the fastest on a processor: they do all that lies between two transforms
        while a plane is in the processor's cache.
    fft : str
        "auto" takes what measured fastest of what is installed. With NumPy that is "ducc0", then
        "scipy". On an OpenCL GPU it is "vkfft" (pyvkfft), then "opencl", this package's own
        kernels; on another OpenCL device it is "opencl". Any of a device's own can be asked for
        by name.

    Raises
    ------
    InputError
        No such device or FFT, or an FFT of NumPy's on an OpenCL device or the other way round.
    DeviceError
        The device cannot be used, or the FFT is not installed.
    """
    chosen = choose_device(device)
    if chosen is NUMPY:
        from napari_psf_distiller.compute.host.solver import HostEngine

        return HostEngine(fft)
    from napari_psf_distiller.compute.opencl.solver import OpenCLEngine

    return OpenCLEngine(chosen, fft)


def open_windows(device: Device, basis: PSFBasis) -> BeadWindows:
    """Return windows on a device.

    Parameters
    ----------
    device : Device
        See `choose_device`.
    basis : PSFBasis

    Raises
    ------
    DeviceError
        The device failed.
    """
    if device is NUMPY:
        from napari_psf_distiller.compute.host.windows import HostWindows

        return HostWindows(basis)
    from napari_psf_distiller.compute.opencl.windows import OpenCLWindows

    return OpenCLWindows(device, basis)
