"""What several test modules need."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

import napari_psf_distiller as psfd
from napari_psf_distiller import Device, SimulatedBeads

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"

# The engines, for the tests of all that runs on them.
pytest_plugins = ["engines"]

# An example may be slow on a shared machine, where it says nothing; the same examples each time,
# so that a failure is a change's and not chance's.
settings.register_profile("tests", deadline=None, max_examples=10, derandomize=True)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def opencl_device() -> Device:
    """The first usable OpenCL device."""
    found = psfd.devices()
    for device in found:
        if device.usable and device.platform != "NumPy":
            return device
    faults = "; ".join(f"{device.name}: {device.why_not}" for device in found if device.why_not)
    reason = f"no usable OpenCL device ({faults or 'none found'})"
    if os.environ.get("PSF_DISTILLER_REQUIRE_OPENCL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def field() -> SimulatedBeads:
    """A small slide of beads that lie apart."""
    return psfd.simulate_beads((24, 72, 80), beads=8, separation=1.2, seed=2)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real bead images, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real bead images are not here: no folder shared/data beside the checkout")
    return SHARED_DATA
