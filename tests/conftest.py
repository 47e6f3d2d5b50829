"""What several test modules need."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

import napari_psf_distiller as psfd
from napari_psf_distiller import Device, SimulatedBeads

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"

# The engines, for the tests of all that runs on them.
pytest_plugins = ["engines"]

# An example may be slow on a shared machine, where it says nothing; the same examples each time,
# so that a failure is a change's and not chance's.
settings.register_profile("tests", deadline=None, max_examples=10, derandomize=True)
settings.load_profile("tests")


@pytest.fixture(autouse=True, scope="session")
def linear_algebra_on_one_thread() -> Iterator[None]:
    """Keep further threads of linear algebra from waiting for work as busily as others do theirs.

    The products here are small, and tests run side by side: with two threads they take twice the
    processor's time.
    """
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def files_of_microscopes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Files that are not there yet."""
    folder = tmp_path_factory.mktemp("microscopes")
    return (folder / f"{number}.json" for number in itertools.count())


@pytest.fixture(autouse=True)
def own_microscopes(files_of_microscopes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test's own file of microscopes that are kept by name: not that of whoever runs it."""
    path = next(files_of_microscopes)
    monkeypatch.setenv("PSF_DISTILLER_MICROSCOPES", str(path))
    return path


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


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report's pictures out: they take longer than all the rest."""

    def write_report(path: Path, image: object, result: object, *, title: str) -> None:
        path.write_text(title, encoding="utf-8")

    monkeypatch.setattr("napari_psf_distiller.figures.report.write_report", write_report)


@pytest.fixture(scope="session")
def field() -> SimulatedBeads:
    """A small slide of beads that lie apart."""
    return psfd.simulate_beads((24, 72, 80), beads=8, separation=1.2, seed=2)


@pytest.fixture(scope="session")
def bright_field() -> SimulatedBeads:
    """The same beads with less noise."""
    return psfd.simulate_beads((24, 72, 80), beads=8, separation=1.2, photons=3e5, seed=2)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real bead images, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real bead images are not here: no folder shared/data beside the checkout")
    return SHARED_DATA
