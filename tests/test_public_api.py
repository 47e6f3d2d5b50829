"""The package's public names; which part may know which, `lint-imports` tells."""

import doctest
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import napari_psf_distiller as psfd

PACKAGE = Path(psfd.__file__).parent
NAME = psfd.__name__

VIEWER = {"napari", "qtpy", "magicgui", "superqt", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6"}


# Every module but the viewer's, which need not be there, and what only runs when it is asked to.
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if "widgets" not in path.parts and path.name != "__main__.py"
)


def test_every_public_name_is_there():
    # Abbreviations first, as the linter has it.
    assert list(psfd.__all__) == sorted(psfd.__all__, key=lambda name: (not name.isupper(), name))
    for name in psfd.__all__:
        thing = getattr(psfd, name)
        assert thing.__doc__, name
        assert thing.__module__.startswith(NAME), name


def test_the_names_that_stay():
    assert {
        "PSF",
        "Camera",
        "Recipe",
        "Result",
        "deconvolve",
        "devices",
        "distill",
        "exporters",
        "read_psf",
        "simulate_beads",
    } <= set(psfd.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_exports_is_there(name):
    module = import_module(name)
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), exported


def test_the_version_is_the_distributions():
    assert psfd.__version__ == version("napari-psf-distiller")


def test_errors_are_of_one_family():
    assert issubclass(psfd.InputError, psfd.DistillerError)
    assert issubclass(psfd.InputError, ValueError)
    assert issubclass(psfd.DeviceError, psfd.DistillerError)
    # napari's workers take a RuntimeError for a deleted worker.
    assert not issubclass(psfd.DistillerError, RuntimeError)
    assert issubclass(psfd.DistillerWarning, UserWarning)


def test_importing_the_package_is_light():
    code = f"import sys, {NAME}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(done.stdout.split())
    assert NAME in loaded
    assert not loaded & (VIEWER | {"pyopencl", "pyvkfft", "npe2", "matplotlib"})


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        f"{NAME}.boxes",
        f"{NAME}.datasets.volume",
        f"{NAME}.diffraction",
        f"{NAME}.deconvolution.pipeline",
        f"{NAME}.export.exporter",
        f"{NAME}.export.registry",
        f"{NAME}.io.stored_microscope",
        f"{NAME}.joint.model.conjugate_gradients",
        f"{NAME}.joint.model.field_model",
        f"{NAME}.microscopes",
        f"{NAME}.optics",
        f"{NAME}.pipeline",
        f"{NAME}.progress",
        f"{NAME}.psf.polynomials",
        f"{NAME}.psf.psf",
        f"{NAME}.results.result",
        f"{NAME}.wording",
    ],
)
def test_the_examples_in_the_documentation_run(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)  # their fields are small
        result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
