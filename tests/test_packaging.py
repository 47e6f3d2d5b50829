"""What is built and installed is complete, above all the manifest that npe2 looks for."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest
from npe2 import PluginManifest

DISTRIBUTION = "napari-psf-distiller"
PACKAGE = "napari_psf_distiller"
REPOSITORY = Path(__file__).parent.parent
MANIFEST = REPOSITORY / "napari.yaml"
SOURCES = sorted(
    path.relative_to(REPOSITORY / "src").as_posix()
    for pattern in ("*.py", "*.cl", "py.typed", "*.svg")
    for path in (REPOSITORY / "src" / PACKAGE).rglob(pattern)
)

# What the viewer's help shows.
PAGES = [f"{PACKAGE}/docs/{name}.md" for name in ("datasets", "glossary", "guide", "programs")]

# Run in an environment where the plugin was just installed: print where npe2 finds the manifest.
FIND_MANIFEST = f"""
import importlib.util
from pathlib import Path
from npe2 import PluginManifest
assert PluginManifest.from_distribution("{DISTRIBUTION}").name == "{DISTRIBUTION}"
(location,) = importlib.util.find_spec("{PACKAGE}").submodule_search_locations
print(Path(location, "napari.yaml"))
"""


def run(*command: str | Path) -> str:
    """Run a Python module or script in a process of its own and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, out: Path, *options: str) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *options, source)


def names_in_wheel(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def find_manifest_after_installing(environment: Path, *what: str | Path) -> Path:
    """Install into a new environment that otherwise sees this one's packages."""
    venv.create(environment)
    scheme_vars = {"base": str(environment), "platbase": str(environment)}
    paths = sysconfig.get_paths("venv", scheme_vars)
    python = Path(paths["scripts"], "python.exe" if os.name == "nt" else "python")
    # Named so that it is read last: what is installed here comes first.
    Path(paths["purelib"], "zz_outer.pth").write_text(sysconfig.get_path("purelib"))
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed", "--no-index")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, *what)
    return Path(run(python, "-c", FIND_MANIFEST).strip())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an sdist and the wheel built from that sdist."""
    out = tmp_path_factory.mktemp("built")
    build(REPOSITORY, out)
    return out


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture
def unpacked(sdist: Path, tmp_path: Path) -> Path:
    """Return a source tree that a test may write to."""
    run(sys.executable, "-m", "tarfile", "--extract", sdist, tmp_path)
    (tree,) = tmp_path.iterdir()
    return tree


def test_sources_are_all_there() -> None:
    assert f"{PACKAGE}/py.typed" in SOURCES
    assert any(name.endswith(".cl") for name in SOURCES)


def test_sdist_is_complete(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {f"src/{name}" for name in SOURCES}
    assert names >= {"LICENSE", "README.md", "hatch_build.py", "napari.yaml", "pyproject.toml"}
    assert f"src/{PACKAGE}/napari.yaml" not in names


def test_wheel_is_complete(wheel: Path) -> None:
    names = names_in_wheel(wheel)
    in_package = [name for name in names if name.startswith(f"{PACKAGE}/")]
    assert in_package == sorted([*SOURCES, f"{PACKAGE}/napari.yaml", *PAGES])
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"{PACKAGE}/napari.yaml") == MANIFEST.read_bytes()


def test_no_link_of_the_description_is_dead(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        _, _, description = archive.read(name).decode().partition("\n\n")
    assert description.startswith("# napari-psf-distiller")
    headings = re.findall(r"^#+ (.+)$", description, re.MULTILINE)
    anchors = {f"#{heading.lower().replace(' ', '-')}" for heading in headings}
    links = re.findall(r"\]\(([^)]*)\)", description)
    assert links
    assert [one for one in links if one not in anchors and not one.startswith("https://")] == []


@pytest.mark.slow
def test_wheel_from_the_repository_equals_the_one_from_the_sdist(
    wheel: Path, tmp_path: Path
) -> None:
    build(REPOSITORY, tmp_path, "--wheel")
    assert names_in_wheel(tmp_path / wheel.name) == names_in_wheel(wheel)


@pytest.mark.slow
def test_manifest_is_found_after_installing_the_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    found = find_manifest_after_installing(environment, wheel)
    assert found.is_relative_to(environment)
    assert found.read_bytes() == MANIFEST.read_bytes()


@pytest.mark.slow
def test_manifest_is_found_after_an_editable_installation(
    unpacked: Path, wheel: Path, tmp_path: Path
) -> None:
    found = find_manifest_after_installing(tmp_path / "environment", "--editable", unpacked)
    assert found == unpacked / "src" / PACKAGE / "napari.yaml"
    # In step with the one at the top, and built into neither sdist nor wheel a second time.
    assert found.read_bytes() == MANIFEST.read_bytes()
    build(unpacked, tmp_path)
    assert names_in_wheel(tmp_path / wheel.name) == names_in_wheel(wheel)


def test_npe2_accepts_the_installed_plugin() -> None:
    manifest = PluginManifest.from_distribution(DISTRIBUTION)
    assert manifest.package_version == version(DISTRIBUTION)
    installed = files(PACKAGE).joinpath("napari.yaml")
    assert installed.read_text(encoding="utf-8") == MANIFEST.read_text(encoding="utf-8")
    run(sys.executable, "-m", "npe2", "validate", DISTRIBUTION)
