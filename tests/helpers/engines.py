"""The engines, each where what it needs is installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from napari_psf_distiller.compute import Engine, open_engine

# A device and an FFT, and the package that is not always there. PoCL stands for an OpenCL device.
ENGINES = {
    "numpy-scipy": None,
    "numpy-ducc0": "ducc0",
    "opencl-opencl": None,
    "opencl-vkfft": "pyvkfft.opencl",
}


def engines(*names: str):
    """Return the engines' names as parameters, those on an OpenCL device marked so."""
    return [
        pytest.param(name, marks=pytest.mark.opencl if name.startswith("opencl") else ())
        for name in names
    ]


def opened(request: pytest.FixtureRequest) -> Engine:
    device, fft = request.param.split("-")
    package = ENGINES[request.param]
    if package is not None:
        pytest.importorskip(package, reason=f"{package} is not installed", exc_type=ImportError)
    if device == "opencl":
        device = request.getfixturevalue("opencl_device").name
    return open_engine(device, fft)


@pytest.fixture(scope="session", params=engines(*ENGINES))
def engine(request) -> Engine:
    """Every engine."""
    return opened(request)


@pytest.fixture(scope="session", params=engines(*list(ENGINES)[1:]))
def other_engine(request) -> Engine:
    """Every engine but NumPy with SciPy, to which they are compared."""
    return opened(request)


@pytest.fixture(scope="session", params=engines("numpy-scipy", "opencl-opencl"))
def one_of_each(request) -> Engine:
    """NumPy, and OpenCL with what is always there: for what is shown by many examples."""
    return opened(request)


@pytest.fixture(scope="session")
def host() -> Engine:
    """NumPy with SciPy."""
    return open_engine("numpy", "scipy")


@pytest.fixture
def held(monkeypatch):
    """The bytes and the number of the buffers that are allocated on a device."""
    cl: Any = pytest.importorskip("pyopencl")
    buffers: dict[int, int] = {}

    class Buffer(cl.Buffer):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            buffers[self.int_ptr] = self.size

        def release(self) -> None:
            del buffers[self.int_ptr]
            super().release()

    monkeypatch.setattr(cl, "Buffer", Buffer)
    yield SimpleNamespace(
        total=lambda: sum(buffers.values()),
        count=lambda: len(buffers),
        largest=lambda: max(buffers.values()),
    )
    buffers.clear()
