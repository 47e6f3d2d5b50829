"""The widget Deconvolve data set: a folder of images becomes an OME-Zarr of sharper ones."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

import napari
from magicgui.widgets import FunctionGui

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Deconvolve, Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.typed_numbers import TypedNumber
from napari_psf_distiller.widgets.dataset.panel import CANCELLING, TITLE, DatasetPanel
from napari_psf_distiller.widgets.dataset.run import (
    DatasetTask,
    dataset_steps,
    dataset_trial_steps,
)
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.voxel_size import VOXEL_SIZE_OPTIONS
from napari_psf_distiller.widgets.parts.column import scroll_to
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.field_notes import check_typed
from napari_psf_distiller.widgets.parts.form import Form
from napari_psf_distiller.widgets.parts.labels import align_labels
from napari_psf_distiller.widgets.running.devices import (
    COMPUTING,
    DEVICE_OPTIONS,
    offer_devices,
)
from napari_psf_distiller.widgets.running.job import Job
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.trial.part import TrialPart, one_at_a_time
from napari_psf_distiller.widgets.trial.shown import ShownTrial
from napari_psf_distiller.widgets.viewer.number_fields import NumberField

__all__ = ["deconvolve_dataset"]

# Those that most data sets need nothing else of.
ASKED = (
    "iterations",
    "total_variation",
    "background",
    "saturation",
    "interpolate",
    "tails",
    "over_field",
    "field_z",
    "field_y",
    "field_x",
    "field_scale",
)

FORM = Form(
    (*(one for one in declared(Deconvolve) if one.field in ASKED), *COMPUTING),
    first=("source", "voxel_size", *ASKED, "output", "overwrite"),
    options={
        "device": DEVICE_OPTIONS,
        "memory": {
            "tooltip": "GiB that all workers of this machine may take together, or, of a "
            "scheduler's, that one may take for a region; 0 is 0.7 of what is free."
        },
    },
)


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    attend(gui)
    offer_devices(gui.device)
    FORM.attach(gui)
    gui.scheduler.native.setPlaceholderText("this machine")
    panel = gui.panel = DatasetPanel(gui)
    gui.psfs.bind(lambda _: panel.psfs)
    # What Qt keeps must not keep the widget, and all layers with it.
    weakly = ref(gui)

    def read() -> Callable[[], Steps[ShownTrial]]:
        own = weakly()
        assert own is not None
        check_typed(own)
        task = read_task({widget.name: getattr(widget, "value", None) for widget in own})
        return partial(dataset_trial_steps, task, panel.place.read())

    def use(settings: Deconvolve) -> None:
        own = weakly()
        assert own is not None
        shown = FORM.shown(Recipe(deconvolve=settings))
        for name in ASKED:
            own[name].value = shown[name]

    asked = {"stack": panel.place, "region": panel.place.region}
    part = gui.trial = TrialPart(asked, read, use, panel.find_viewer)
    for label in part.labels:
        align_labels(gui).add(label)
    one_at_a_time(gui.runner, part)
    gui.native.layout().addWidget(part)
    part.tried.connect(lambda: scroll_to(part))

    def leave() -> None:
        own = weakly()
        if own is not None and own.native.parent() is None:
            own.trial.leave()

    when_docked(gui, leave)


@FORM.widget(
    widget_init=_init,
    call_button=TITLE,
    psfs={"label": "PSF", "widget_type": "EmptyWidget", "bind": None},
    source={
        "label": "data set",
        "mode": "d",
        "tooltip": "The folder of an OME-Zarr (an image, a plate, a series), or one of TIFFs.",
    },
    output={
        "mode": "w",
        "filter": "OME-Zarr (*.zarr)",
        "tooltip": "The OME-Zarr to write: its name ends in .zarr.",
    },
    voxel_size=VOXEL_SIZE_OPTIONS
    | {"tooltip": "z, y, x; 0 takes what the data say. For planes z does not count."},
    workers={
        "widget_type": NumberField,
        "typed": TypedNumber("workers", whole=True, unset="as many as fit"),
        "min": 0,
        "max": 1024,
        "step": 1,
        "tooltip": "How many processes of this machine; 0 is as many as it has processors, and "
        "memory for.",
    },
    scheduler={
        "tooltip": "Address of a scheduler of dask's whose workers do it, such as "
        "tcp://192.168.0.5:8786; empty is this machine."
    },
    overwrite={"tooltip": "Replace an output that is there, and begin anew."},
)
def deconvolve_dataset(
    viewer: "napari.viewer.Viewer",
    psfs: Any = None,
    source: Path | None = None,
    output: Path | None = None,
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0),
    overwrite: bool = False,
    workers: int = 0,
    scheduler: str = "",
    **parameters: Any,
) -> Job[DatasetTask]:
    """Deconvolve a data set that need not fit the memory, into an OME-Zarr."""
    values = parameters | {
        "psfs": psfs,
        "source": source,
        "output": output,
        "voxel_size": voxel_size,
        "overwrite": overwrite,
        "workers": workers,
        "scheduler": scheduler,
    }

    def read() -> DatasetTask:
        if output is None:
            raise InputError("No output is chosen: give a name that ends in .zarr.")
        return read_task(values)

    return Job(viewer, read, dataset_steps, cancelling=CANCELLING)


def read_task(values: Mapping[str, Any]) -> DatasetTask:
    """Read the widget's values, in the main thread.

    Raises
    ------
    InputError
        One of them cannot be used.
    """
    source = values["source"]
    if source is None:
        raise InputError("No data set is chosen: choose its folder.")
    sizes = tuple(values["voxel_size"])
    if not sizes[0]:
        # Of planes there is none along z; of a stack it is said to be lacking.
        sizes = sizes[1:]
    recipe = Recipe(
        spacing=check_spacing(sizes, len(sizes)) if any(sizes) else None,
        deconvolve=Deconvolve(**FORM.taken(Deconvolve, values)),
        **FORM.taken(Recipe, values),
    )
    return DatasetTask(
        source,
        values["output"] or Path(),
        tuple(values["psfs"].read()),
        values["psfs"].names,
        recipe,
        values["scheduler"].strip() or None,
        values["workers"] or None,
        values["overwrite"],
    )
