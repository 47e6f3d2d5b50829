import importlib
import importlib.resources
import itertools
import subprocess
import sys

import napari
import pytest
from app_model.types import MenuItem
from magicgui.widgets import FunctionGui
from napari._app_model import get_app_model
from npe2.manifest import PluginManifest
from qtpy.QtGui import QImage

PLUGIN = "napari-psf-distiller"

WIDGETS = {
    "Preprocess beads": "Preprocess",
    "Threshold": "Threshold",
    "Find beads": "Find beads",
    "Distil PSF": "Distil",
    "Distil several images": "Distil each",
    "Post-process PSF": "Post-process",
    "Deconvolve": "Deconvolve",
    "Deconvolve data set": "Deconvolve data set",
    "Inspect PSF": None,
    "Prove PSF": "Prove",
}

# They work on more than one image, and are no steps of the guide.
OF_MANY = ("Distil several images", "Deconvolve data set")

MENUS = {
    "napari/file/io_utilities": {"open_psf", "open_zarr"},
    "napari/layers/filter": {
        "preprocess_beads",
        "distil_psf",
        "distil_images",
        "postprocess_psf",
        "deconvolve",
        "deconvolve_dataset",
    },
    "napari/layers/segment": {"threshold", "find_beads"},
    "napari/layers/measure": {"guide", "inspect_psf", "prove_psf"},
}


@pytest.fixture
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution(PLUGIN)


def test_every_command_is_something_that_can_be_called(manifest: PluginManifest) -> None:
    assert len(manifest.contributions.commands) == 17
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


def test_to_open_a_widget_loads_nothing_that_takes_its_time(manifest: PluginManifest) -> None:
    """The viewer would stand still for it: a picture loads it in a thread."""
    widgets = manifest.contributions.widgets
    commands = {one.id: one.python_name for one in manifest.contributions.commands}
    modules = sorted({commands[one.command].split(":")[0] for one in widgets})
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(done.stdout.split())
    assert set(modules) <= loaded
    assert not loaded & {"matplotlib", "pyopencl", "zarr"}


def test_every_command_is_contributed_as_something(manifest: PluginManifest) -> None:
    parts = manifest.contributions
    used = {
        item.command
        for item in itertools.chain(
            parts.widgets,
            parts.sample_data,
            parts.readers,
            parts.writers,
            *parts.menus.values(),
        )
    }
    assert used == {command.id for command in parts.commands}


def test_the_widgets_open_by_their_names(viewer: napari.Viewer, manifest: PluginManifest) -> None:
    names = [widget.display_name for widget in manifest.contributions.widgets]
    assert names == ["PSF Distiller", *WIDGETS]
    dock, guide = viewer.window.add_plugin_dock_widget(PLUGIN, "PSF Distiller")
    assert dock.widget() is guide
    of_images = [name for name in WIDGETS if name not in OF_MANY]
    assert [step.title for step in guide.steps] == of_images
    for name, button in WIDGETS.items():
        dock, gui = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        assert isinstance(gui, FunctionGui)
        assert dock.inner_widget() is gui
        assert dock.isAncestorOf(gui.native)
        assert (gui.call_button and gui.call_button.text) == button


def test_the_widgets_and_what_opens_files_are_in_menus(viewer: napari.Viewer) -> None:
    for menu, expected in MENUS.items():
        items = get_app_model().menus.get_menu(menu)
        ids = {item.command.id for item in items if isinstance(item, MenuItem)}
        ours = {name.removeprefix(f"{PLUGIN}.") for name in ids if name.startswith(PLUGIN)}
        assert ours == expected, menu


def test_a_menu_entry_opens_its_widget(viewer: napari.Viewer) -> None:
    assert not viewer.window.dock_widgets
    get_app_model().commands.execute_command(f"{PLUGIN}.find_beads").result()
    (gui,) = viewer.window.dock_widgets.values()
    assert gui.call_button.text == "Find beads"


def test_the_palette_of_commands_offers_what_runs(
    viewer: napari.Viewer, manifest: PluginManifest
) -> None:
    menus = get_app_model().menus
    items = menus.get_menu(menus.COMMAND_PALETTE_ID)
    ours = [
        item for item in items if isinstance(item, MenuItem) and item.command.id.startswith(PLUGIN)
    ]
    offered = {item.command.id for item in ours if item.when is None or item.when.eval({})}
    parts = manifest.contributions
    with_a_path = {one.command for one in (*(parts.readers or ()), *(parts.writers or ()))}
    assert offered == {command.id for command in parts.commands or ()} - with_a_path


def test_the_plugin_has_an_icon(manifest: PluginManifest) -> None:
    package, name = str(manifest.icon).split(":")
    picture = QImage.fromData(importlib.resources.files(package).joinpath(name).read_bytes())
    assert picture.width() == picture.height() > 0
