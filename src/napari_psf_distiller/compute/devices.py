"""The devices that can compute: found, tested, and chosen by name."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import numpy as np

from napari_psf_distiller.errors import DeviceError, InputError

__all__ = ["NUMPY", "Device", "choose_device", "devices", "kernel_source", "opencl_device"]

# What a name may be instead of a device's own.
ALIASES = ("auto", "gpu", "cpu", "numpy")

_lock = threading.Lock()


@dataclass(frozen=True)
class Device:
    """Something that can compute.

    Attributes
    ----------
    name : str
        Unique among the devices of this machine; what `choose_device` takes.
    kind : {"gpu", "cpu"}
    platform : str
        The OpenCL platform, or "NumPy".
    usable : bool
        A small kernel was built on it and gave the right answer.
    why_not : str
        Why it is not usable; empty if it is.
    memory : int or None
        Global memory in bytes, as OpenCL tells it.
    """

    name: str
    kind: Literal["gpu", "cpu"]
    platform: str
    usable: bool
    why_not: str = ""
    memory: int | None = None


NUMPY = Device("NumPy", "cpu", "NumPy", True)


def devices() -> tuple[Device, ...]:
    """Return the devices of this machine: those of OpenCL, then NumPy, which is always there.

    Each OpenCL device is tested once in a process, by building a small kernel and checking its
    answer. Nothing is raised where OpenCL is missing: NumPy is then the only device.
    """
    with _lock:
        return (*(device for device, _ in _opencl_devices()), NUMPY)


def choose_device(name: str = "auto") -> Device:
    """Return the device that a name asks for.

    Parameters
    ----------
    name : str
        "auto": the first usable OpenCL GPU, else NumPy, which is faster than OpenCL on the same
        processor (see `open_engine`).
        "gpu", "cpu": the first usable OpenCL device of that kind. "numpy": no OpenCL.
        Else the device's name or, if only one fits, a part of it, in any case.

    Raises
    ------
    InputError
        No device, or more than one, has that name.
    DeviceError
        The device is there but cannot be used.
    """
    wanted = name.strip().lower()
    known = devices()
    usable = [device for device in known if device.usable]
    if wanted == "numpy":
        return NUMPY
    if wanted == "auto":
        return next((device for device in usable if device.kind == "gpu"), NUMPY)
    if wanted in ("gpu", "cpu"):
        fitting = [device for device in known if device.kind == wanted and device is not NUMPY]
        working = [device for device in fitting if device.usable]
        if working:
            return working[0]
        reasons = "".join(f" {device.name}: {device.why_not}." for device in fitting)
        raise DeviceError(
            f"There is no usable OpenCL {wanted.upper()} on this machine.{reasons} "
            "Choose 'auto' or 'numpy'."
        )
    fitting = [device for device in known if device.name.lower() == wanted]
    fitting = fitting or [device for device in known if wanted and wanted in device.name.lower()]
    names = ", ".join(repr(device.name) for device in known)
    if not fitting:
        raise InputError(
            f"There is no device {name!r} on this machine. Its devices: {names}; "
            f"or choose {', '.join(ALIASES)}."
        )
    if len(fitting) > 1:
        raise InputError(f"{len(fitting)} devices fit the name {name!r}: {names}; say which.")
    device = fitting[0]
    if not device.usable:
        raise DeviceError(
            f"The device {device.name} cannot be used: {device.why_not}. "
            "Choose 'auto' or 'numpy', or update its OpenCL driver."
        )
    return device


def opencl_device(device: Device) -> Any:
    """Return the `pyopencl.Device` behind a device of `devices`."""
    with _lock:
        for known, handle in _opencl_devices():
            if known == device:
                return handle
    raise DeviceError(f"The device {device.name} is no longer there.")


def kernel_source(name: str) -> str:
    """Return the text of a kernel file of this package, without its ``.cl``."""
    folder = resources.files("napari_psf_distiller.compute") / "kernels"
    return (folder / f"{name}.cl").read_text(encoding="utf-8")


@functools.cache
def _opencl_devices() -> tuple[tuple[Device, Any], ...]:
    try:
        import pyopencl as cl

        platforms = cl.get_platforms()
    except Exception:  # no library, or no driver: the loader raises one of many things
        return ()
    found: list[tuple[Device, Any]] = []
    for platform in platforms:
        try:
            handles = platform.get_devices()
        except cl.Error:  # a platform without a device says so by an error
            continue
        for handle in handles:
            found.append((_examined(handle, {device.name for device, _ in found}), handle))
    return tuple(found)


def _examined(handle: Any, taken: set[str]) -> Device:
    import pyopencl as cl

    base = " ".join(str(handle.name).split())
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base} ({number})"
    why_not = _self_test(handle)
    return Device(
        name=name,
        kind="gpu" if handle.type & cl.device_type.GPU else "cpu",
        platform=" ".join(str(handle.platform.name).split()),
        usable=not why_not,
        why_not=why_not,
        memory=int(handle.global_mem_size),
    )


def _self_test(handle: Any) -> str:
    """Build a small kernel, run it, and return what is wrong, or an empty string."""
    import pyopencl as cl

    n = 1000
    values = np.linspace(-1, 1, n, dtype=np.float32)
    try:
        context = cl.Context([handle])
        queue = cl.CommandQueue(context)
        program = cl.Program(context, kernel_source("self_test")).build()
        flags = cl.mem_flags
        source = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=values)
        target = cl.Buffer(context, flags.WRITE_ONLY, values.nbytes)
        program.self_test(queue, (n,), None, source, target)
        answer = np.empty_like(values)
        cl.enqueue_copy(queue, answer, target)
        queue.finish()
        source.release()
        target.release()
    except Exception as error:  # drivers fail in every way: the reason is told, never hidden
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"it cannot build and run a kernel ({lines[0] if lines else type(error).__name__})"
    if not np.allclose(answer, values**2 + 1, rtol=1e-5):
        return "it gives a wrong answer in the self-test"
    return ""
