"""The package's public names, and which part may know which."""

import ast
import doctest
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import napari_psf_distiller as pd

PACKAGE = Path(pd.__file__).parent
NAME = pd.__name__

# Who may be known by whom: a part may import those below it, and none above.
LAYERS = [
    "compute",
    "results",
    "measure",
    "advice",
    "deconvolution",
    "stepwise",
    "joint",
    "pipeline",
]
ABOVE_ALL = ["widgets", "cli"]
VIEWER = {"napari", "qtpy", "magicgui", "superqt", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6"}


def sources(part: str) -> list[Path]:
    folder, module = PACKAGE / part, PACKAGE / f"{part}.py"
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [module]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or later, by a statement or by a call."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__") and node.args:
                assert isinstance(node.args[0], ast.Constant), f"{path}: what does it import?"
                found.add(str(node.args[0].value))
    return found


def parts_imported(path: Path) -> set[str]:
    """The parts of this package that a file imports."""
    inside = (name for name in imports(path) if name.startswith(f"{NAME}."))
    return {name.split(".")[1] for name in inside}


def all_parts() -> set[str]:
    return {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()} - {
        "__init__",
        "__pycache__",
    }


CORE = sorted(part for part in all_parts() if part != "widgets")


def test_every_public_name_is_there():
    assert list(pd.__all__) == sorted(pd.__all__)
    for name in pd.__all__:
        thing = getattr(pd, name)
        assert thing.__doc__, name
        assert thing.__module__.startswith(NAME), name


def test_the_names_that_stay():
    assert {
        "Camera",
        "Recipe",
        "Result",
        "deconvolve",
        "devices",
        "distill",
        "read_psf",
        "simulate_beads",
        "write_psf",
    } <= set(pd.__all__)


@pytest.mark.parametrize("part", sorted(set(CORE) - {"py", "cli"}))
def test_what_a_module_exports_is_there(part):
    for path in sources(part):
        dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        module = import_module(dotted.removesuffix(".__init__"))
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{dotted}.{name}"


def test_the_version_is_the_distributions():
    assert pd.__version__ == version("napari-psf-distiller")


def test_errors_are_of_one_family():
    assert issubclass(pd.InputError, pd.DistillerError)
    assert issubclass(pd.InputError, ValueError)
    assert issubclass(pd.DeviceError, pd.DistillerError)
    # napari's workers take a RuntimeError for a deleted worker.
    assert not issubclass(pd.DistillerError, RuntimeError)
    assert issubclass(pd.DistillerWarning, UserWarning)


def test_importing_the_package_is_light():
    code = f"import sys, {NAME}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(done.stdout.split())
    assert NAME in loaded
    assert not loaded & (VIEWER | {"pyopencl", "pyvkfft", "npe2", "matplotlib"})


@pytest.mark.parametrize("part", CORE)
def test_the_core_does_not_know_the_viewer(part):
    for path in sources(part):
        tops = {name.split(".")[0] for name in imports(path)}
        assert not tops & VIEWER, path


@pytest.mark.parametrize("part", sorted(set(CORE) - {"compute"}))
def test_only_compute_knows_opencl(part):
    for path in sources(part):
        tops = {name.split(".")[0] for name in imports(path)}
        assert not tops & {"pyopencl", "pyvkfft"}, path


def test_compute_does_know_opencl():
    # If the walk found nothing, the tests above would show nothing.
    found = {name.split(".")[0] for path in sources("compute") for name in imports(path)}
    assert {"pyopencl", "pyvkfft", "numpy"} <= found


def test_arrows_point_one_way():
    for height, part in enumerate(LAYERS):
        above = {*LAYERS[height + 1 :], *ABOVE_ALL}
        for path in sources(part):
            assert not parts_imported(path) & above, path
    assert "joint" in parts_imported(PACKAGE / "pipeline.py")
    assert any("compute" in parts_imported(path) for path in sources("joint"))


def test_nothing_but_the_top_knows_the_top():
    for part in set(CORE) - {"cli"}:
        for path in sources(part):
            assert not parts_imported(path) & set(ABOVE_ALL), path
    for path in sources("cli"):
        assert not parts_imported(path) & {"widgets"}


@pytest.mark.parametrize(
    "part",
    ["recipe", "files", "checks", "errors", "progress", "simulate", "io", "wording"],
)
def test_the_small_parts_stand_alone(part):
    for path in sources(part):
        assert not parts_imported(path) & {*LAYERS, *ABOVE_ALL}


@pytest.mark.parametrize("name", [NAME, f"{NAME}.pipeline", f"{NAME}.wording"])
def test_the_examples_in_the_documentation_run(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.DistillerWarning)  # their fields are small
        result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
