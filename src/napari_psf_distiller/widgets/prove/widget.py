"""The widget Prove PSF: beads before and after deconvolution, in pictures and in figures."""

import dataclasses
from typing import Any

import napari
from magicgui import magic_factory
from magicgui.widgets import FunctionGui
from napari.layers import Image, Points

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe import Deconvolve
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.recipe.quantities import OverField
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import Beads, beads_from
from napari_psf_distiller.widgets.distil.joint import FITTED_BEADS, RESIDUAL
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.layers.agreement import is_made_from
from napari_psf_distiller.widgets.layers.choices import choose_newest, choose_source, unwrapped
from napari_psf_distiller.widgets.layers.lineage import (
    identity,
    newest_layer,
    run_of,
    was_edited,
)
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_field import PSF_OPTIONS, PSFField
from napari_psf_distiller.widgets.layers.psf_layer import changes_over_field, note_of_psf
from napari_psf_distiller.widgets.layers.psf_recognition import check_is_psf
from napari_psf_distiller.widgets.layers.source import Source, read_image_layer
from napari_psf_distiller.widgets.layers.voxel_size import with_voxel_size_of
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.form import Form, keep_narrow
from napari_psf_distiller.widgets.prove.panel import Panel
from napari_psf_distiller.widgets.prove.region import drawn_box, offset_of
from napari_psf_distiller.widgets.prove.run import TITLE, Task, prove_steps
from napari_psf_distiller.widgets.running.devices import COMPUTING, DEVICE_OPTIONS, offer_devices
from napari_psf_distiller.widgets.running.job import Job
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["prove_psf"]

# Which PSF counts where, of one that changes over the field.
OVER_FIELD = ("over_field", "field_z", "field_y", "field_x", "field_scale")

FORM = Form(
    [
        one
        for one in (*declared(Deconvolve), *COMPUTING)
        if one.name in ("iterations", "interpolate", "device", *OVER_FIELD)
    ],
    options={
        "device": DEVICE_OPTIONS,
        "iterations": {
            "tooltip": "Of the deconvolution; 0 is automatic: it stops where the image's noise "
            "begins to be fitted."
        },
    },
)

# What the joint fit knows of each bead, and the proof can use.
KNOWN = ("amplitude", "background", "chi_squared")


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    share_dock(gui)
    offer_devices(gui.device)
    keep_narrow(gui.region)
    FORM.attach(gui)
    PSFField(gui)
    attend(gui)
    Panel(gui)

    def ask_over_field() -> None:
        layer = gui.psf.value
        gui.over_field.visible = layer is not None and changes_over_field(note_of_psf(layer))

    gui.psf.changed.connect(ask_over_field)
    ask_over_field()

    def prefer() -> None:
        if choose_newest(gui.beads, StepId.DISTILL, FITTED_BEADS) or choose_newest(
            gui.beads, StepId.FIND_BEADS
        ):
            choose_source(gui.image, gui.beads.value)

    when_docked(gui, prefer)


@magic_factory(
    widget_init=_init,
    call_button="Prove",
    image={
        "tooltip": "The bead image as it was measured, best the one that the PSF was distilled "
        "from; of a time series or of channels, the one that the viewer shows."
    },
    psf=PSF_OPTIONS | {"tooltip": "The image layer of the PSF."},
    beads={
        "nullable": True,
        "tooltip": "The points layer of the beads, best the fitted beads that Distil PSF wrote; "
        "none has them found now.",
    },
    deconvolved={
        "nullable": True,
        "tooltip": "The image deconvolved with this PSF, if there is one; none deconvolves it now.",
    },
    region={
        "nullable": True,
        "tooltip": "A shapes layer with a rectangle: only what it frames is deconvolved and "
        "looked at. None takes all, and looks at the selected bead, or the brightest.",
    },
    iterations=FORM.options["iterations"],
    over_field=FORM.options["over_field"],
    field_z=FORM.options["field_z"],
    field_y=FORM.options["field_y"],
    field_x=FORM.options["field_x"],
    field_scale=FORM.options["field_scale"],
    interpolate=FORM.options["interpolate"],
    device=FORM.options["device"],
)
def prove_psf(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    psf: "napari.layers.Image | None",
    beads: "napari.layers.Points | None" = None,
    deconvolved: "napari.layers.Image | None" = None,
    region: "napari.layers.Shapes | None" = None,
    iterations: float = 0,
    over_field: OverField = "varying",
    field_z: float = 0.0,
    field_y: float = 0.0,
    field_x: float = 0.0,
    field_scale: float = 1.0,
    interpolate: bool = False,
    device: str = "auto",
) -> Job[Task]:
    """Prove a PSF on its beads: how sharp they become, and what is left of the image."""

    def read() -> Task:
        source = read_image_layer(image, "a bead image", viewer)
        check_is_psf(psf, image)
        kernel = read_image_layer(psf, "a PSF", viewer)
        assert psf is not None
        source = with_voxel_size_of(beads, with_voxel_size_of(psf, source))
        found = None
        if beads is not None:
            found = _with_what_is_known(beads_from(beads, source), beads)
        given = {
            "iterations": iterations,
            "interpolate": interpolate,
            "over_field": over_field,
            "field_z": field_z,
            "field_y": field_y,
            "field_x": field_x,
            "field_scale": field_scale,
        }
        settings = Deconvolve(**FORM.taken(Deconvolve, given))
        before = _deconvolved_before(deconvolved, image, source, viewer)
        residual = _residual_of(psf, source, unwrapped(viewer))
        return Task(
            image=source,
            psf=kernel,
            note=note_of_psf(psf),
            beads=None if found is None else found.table,
            points=None if found is None else found.source,
            deconvolved=before,
            residual=None if residual is None else read_image_layer(residual, viewer=viewer),
            from_image=is_made_from(deconvolved, source),
            box=None if region is None else drawn_box(region, source),
            recipe=dataclasses.replace(source.recipe, deconvolve=settings, device=device),
            points_layer=beads,
            residual_layer=residual,
        )

    return Job(viewer, read, prove_steps)


def _with_what_is_known(found: Beads, layer: Points) -> Beads:
    known = {name: layer.features[name].to_numpy() for name in KNOWN if name in layer.features}
    return found._replace(table=found.table.assign(**known))


def _deconvolved_before(
    layer: Image | None, image: Image, source: Source, viewer: "napari.viewer.Viewer"
) -> Source | None:
    if layer is None:
        return None
    if layer is image:
        raise InputError(
            f"The layer {layer.name!r} is chosen as the image and as the deconvolved one; choose "
            "another one, or none to deconvolve it now."
        )
    before = read_image_layer(layer, "a deconvolved image", viewer)
    offset_of(before, source)
    return before


def _residual_of(psf: Image, source: Source, viewer: "napari.viewer.Viewer") -> Image | None:
    """Return the residual of the joint fit that made a PSF, if it is there and tells of it.

    It tells of no other run's PSF, of none that was changed since, and of no other image.
    """
    note, run = own_note(psf.metadata), run_of(psf)
    if note is None or run is None or was_edited(psf) or note.recipe.postprocess.background:
        return None
    if note.origin != source.origin:
        return None
    known = {identity(layer): layer for layer in viewer.layers}
    distilled = [psf, *(known[one.layer] for one in run.inputs.values() if one.layer in known)]
    for made in filter(None, map(run_of, distilled)):
        residual = newest_layer(viewer.layers, StepId.DISTILL, RESIDUAL, run=made.id)
        if isinstance(residual, Image):
            return residual
    return None
