"""The widget Distil several images: a list of them, and a PSF from each."""

import dataclasses
from pathlib import Path
from typing import Any
from weakref import ref

import napari
from magicgui.widgets import FunctionGui

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import JointFit, Optics, Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.widgets.batch.panel import TITLE, BatchPanel
from napari_psf_distiller.widgets.batch.run import BatchTask, batch_task_steps
from napari_psf_distiller.widgets.distil.widget import BEAD_DIAMETER, OPTICS
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.voxel_size import VOXEL_SIZE_OPTIONS
from napari_psf_distiller.widgets.microscope.fields import MicroscopeFields
from napari_psf_distiller.widgets.microscope.presets import PresetRow
from napari_psf_distiller.widgets.parts.column import row_of
from napari_psf_distiller.widgets.parts.docks import share_dock
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.running.devices import DEVICE_OPTIONS, offer_devices
from napari_psf_distiller.widgets.running.job import Job
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["distil_images"]

DEVICE = tuple(one for one in declared(Recipe) if one.field == "device")

FORM = Form(
    (*OPTICS, *BEAD_DIAMETER, *DEVICE),
    first=(*(one.name for one in (*OPTICS, *BEAD_DIAMETER)), "voxel_size", "recipe", "output"),
    options={"device": DEVICE_OPTIONS},
)


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    attend(gui)
    offer_devices(gui.device)
    FORM.attach(gui)
    gui.microscope_fields = MicroscopeFields(gui)
    # The files have their say when they are read.
    gui.presets = PresetRow(gui, gui.microscope_fields, lambda: None)
    layout = gui.native.layout()
    row = row_of(gui.presets.row, gui.native)
    layout.insertWidget(layout.indexOf(row) + 1, gui.presets.problem)
    gui.panel = BatchPanel(gui)
    panel = ref(gui.panel)
    gui.images.bind(lambda _: panel())


@FORM.widget(
    widget_init=_init,
    call_button="Distil each",
    images={"widget_type": "EmptyWidget", "bind": None},
    voxel_size=VOXEL_SIZE_OPTIONS
    | {
        "tooltip": "z, y, x, of images that do not say their own; 0 is unknown. For planes z does "
        "not count."
    },
    recipe={
        "mode": "r",
        "filter": "Recipe (*.json)",
        "tooltip": "All that is not asked here is done as this recipe says, such as one that the "
        "guide exported; without one, as is best in most cases.",
    },
    output={
        "label": "save in",
        "mode": "d",
        "tooltip": "The folder for the PSFs: each in a folder of its own with its report, and "
        "psfs.csv with a row for each image.",
    },
    overwrite={"tooltip": "Replace PSFs that are there from an earlier run."},
)
def distil_images(
    viewer: "napari.viewer.Viewer",
    images: Any = None,
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    recipe: Path | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    **parameters: Any,
) -> Job[BatchTask]:
    """Distil a PSF from each of several images; one that fails does not stop the rest."""

    def read() -> BatchTask:
        listed = images.table.images
        if not listed:
            raise InputError("The list of images is empty: add files, a folder or layers.")
        if output is None or not output.name:
            raise InputError("No folder is chosen to save the PSFs in: choose one.")
        if not output.parent.is_dir():
            raise InputError(f"The folder {output} cannot be made: {output.parent} is not there.")
        found = tuple(
            (image.name, image.path if image.read is None else image.read()) for image in listed
        )
        return BatchTask(found, _recipe(recipe, voxel_size, parameters), output, overwrite)

    return Job(
        viewer,
        read,
        batch_task_steps,
        cancelling="stopping: the PSFs that are done are kept",
    )


def _recipe(path: Path | None, sizes: tuple[float, ...], values: dict[str, Any]) -> Recipe:
    """Return how each image is distilled.

    Raises
    ------
    InputError
        The recipe cannot be read, or a value cannot be used.
    """
    base = Recipe.load(path) if path is not None else Recipe()
    given = FORM.taken(Recipe, values)
    optics = Optics(**FORM.taken(Optics, values))
    if not isinstance(base.distill, JointFit) and optics != Optics():
        raise InputError(
            "The recipe distils step by step and knows nothing of a microscope: empty the fields "
            "for the microscope, or choose another recipe."
        )
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if optics != Optics():
        changes["optics"] = optics
    if any(sizes):
        own = sizes if sizes[0] else sizes[1:]
        changes["spacing"] = check_spacing(own, len(own))
    return dataclasses.replace(base, **changes)
