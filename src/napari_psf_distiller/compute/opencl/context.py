"""OpenCL contexts, and what their failures are called."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyopencl as cl

from napari_psf_distiller.compute.devices import Device, opencl_device
from napari_psf_distiller.errors import DeviceError, DeviceMemoryError

__all__ = ["context_of", "reported_errors"]

OUT_OF_MEMORY = (
    cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE,
    cl.status_code.OUT_OF_RESOURCES,
    cl.status_code.OUT_OF_HOST_MEMORY,
    cl.status_code.INVALID_BUFFER_SIZE,
)


@functools.cache
def context_of(device: Device) -> cl.Context:
    """Return a context for the device, made once in a process."""
    return cl.Context([opencl_device(device)])


@contextmanager
def reported_errors(
    device: Device, close: Callable[[], Any], forget: Callable[[], Any]
) -> Iterator[None]:
    """Say in a sentence what fails on a device.

    Parameters
    ----------
    device : Device
    close : callable
        Gives back what is held on the device.
    forget : callable
        Forgets what was built in its context.

    Raises
    ------
    DeviceMemoryError
        The device has too little memory.
    DeviceError
        It failed otherwise.
    """
    try:
        yield
    except (cl.Error, RuntimeError, MemoryError) as error:
        close()
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        if (
            isinstance(error, MemoryError)
            or getattr(error, "code", None) in OUT_OF_MEMORY
            or "FAILED_TO_ALLOCATE" in first  # as VkFFT has it
        ):
            raise DeviceMemoryError(
                f"The device {device.name} ran out of memory ({first})."
            ) from None
        # A context that has failed once, after a driver's reset say, will fail for ever.
        context_of.cache_clear()
        forget()
        raise DeviceError(
            f"The device {device.name} failed: {first}. Try again, or choose the device 'numpy'."
        ) from None
