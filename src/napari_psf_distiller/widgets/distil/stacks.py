"""Distil PSF from several stacks: one PSF of several layers, or of all along a layer's axis."""

import dataclasses
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
from magicgui.widgets import ComboBox, FunctionGui, Select
from napari.layers import Image, Layer, Points
from napari.viewer import Viewer

from napari_psf_distiller.beads import IN_LEFT_OUT_STACK
from napari_psf_distiller.checks import check_stacks
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.deconvolution.finer import same_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.stacks.pipeline import StackFits, fit_stacks
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.provenance import provenance_of_stacks
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import points_layer
from napari_psf_distiller.widgets.distil.joint import (
    FITTED_BEADS,
    PREVIEW_EVERY,
    DistilTask,
    psf_layer,
    residual_layer,
    watched,
)
from napari_psf_distiller.widgets.layers.agreement import found_elsewhere, not_raw
from napari_psf_distiller.widgets.layers.choices import is_preview, offer, unwrapped, viewer_of
from napari_psf_distiller.widgets.layers.lineage import was_edited
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_recognition import is_psf
from napari_psf_distiller.widgets.layers.region import (
    axes_beside_space,
    regions_along,
    shown_region,
)
from napari_psf_distiller.widgets.layers.source import Source, read_image_layer, source_in
from napari_psf_distiller.widgets.running.background import Interrupted
from napari_psf_distiller.widgets.running.job import Ending, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.viewer.calm import remove_layer
from napari_psf_distiller.wording import sizes_text, widths_text

__all__ = ["StackLayers", "StackRun", "further_stacks", "offer_stacks", "stack_steps"]

# The beads of the stacks beside the image that the widget names.
OTHER_BEADS = "beads of a further stack"

# Rows that the list of further stacks shows at once.
ROWS = 3


@dataclasses.dataclass(frozen=True)
class StackRun:
    """A fit of several stacks, and what its layers are called.

    Attributes
    ----------
    found : StackFits
    names : tuple of str
        Of the layers, in their order; the last is the PSF's.
    image : str
        The identity of the layer of the first stack.
    """

    found: StackFits
    names: tuple[str, ...]
    image: str

    @property
    def subject(self) -> tuple[str, str]:
        """What it is a PSF of: the image, and which time or channel of it."""
        return self.image, self.names[-1]


def offer_stacks(gui: FunctionGui[Any, Any]) -> None:
    """Let a widget offer what else its PSF can be distilled from.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters ``image``, ``others`` and ``along``.
    """
    others: Select = gui.others
    along: ComboBox = gui.along
    # What is offered is kept by Python; see `offer`.
    weakly = ref(gui)
    rows = others.native.fontMetrics().height() * (ROWS + 1)
    others.native.setMaximumHeight(rows)

    def chosen() -> Image | None:
        gui = weakly()
        return gui.image.value if gui is not None else None

    def fits(layer: Layer) -> bool:
        return (
            isinstance(layer, Image)
            and layer is not chosen()
            and own_note(layer.metadata) is None
            and not is_preview(layer)
            and not is_psf(layer)
        )

    def axes(_: object = None) -> list[tuple[str, str]]:
        layer = chosen()
        found = axes_beside_space(layer) if layer is not None and not layer.rgb else {}
        return [("the one shown", ""), *((f"all {n} of {name}", name) for name, n in found.items())]

    def look(_: object = None) -> None:
        others.reset_choices()
        along.reset_choices()

    offer(others, gui, viewer_of, fits)
    along.choices = axes
    gui.image.changed.connect(look)


def further_stacks(
    viewer: Viewer, image: Image, others: Sequence[Image], along: str, first: Source
) -> tuple[Source, ...]:
    """Return the stacks beside the first one, in the main thread.

    Parameters
    ----------
    viewer : napari.Viewer
    image : napari.layers.Image
        Whose volume at the viewer's sliders is the first.
    others : sequence of napari.layers.Image
        Further layers, of each the volume at the sliders.
    along : str
        An axis of the image along which each volume is a stack; "" is none.
    first : Source

    Raises
    ------
    InputError
        A layer cannot be used, or its voxel size is not that of the first one.
    """
    found: list[Source] = []
    if along:
        if along not in axes_beside_space(image):
            raise InputError(
                f"The layer {image.name!r} has no axis {along!r} beside z, y and x. Choose another."
            )
        shown = shown_region(image, viewer)
        regions = [r for r in regions_along(image, along, viewer) if r.chosen != shown.chosen]
        found += [source_in(image, region) for region in regions]
    found += [read_image_layer(layer, "a bead image", viewer) for layer in others]
    return tuple(_with_its_voxel_size(source, first) for source in found)


def _with_its_voxel_size(source: Source, first: Source) -> Source:
    """Return a stack that has the voxel size of the first one, where it says none of its own."""
    wanted, own = first.recipe.spacing, source.recipe.spacing
    if wanted is None or own == wanted:
        return source
    same_axes = own is None or len(own) == len(wanted)
    # A volume of the same layer has what was given for that.
    if own is None or source.identity == first.identity or not same_axes:
        return dataclasses.replace(
            source, recipe=dataclasses.replace(source.recipe, spacing=wanted)
        )
    if not same_spacing(own, wanted):
        raise InputError(
            f"{source.name!r} has voxels of {sizes_text(own)} µm, and {first.name!r} of "
            f"{sizes_text(wanted)} µm: stacks that are distilled together must have one voxel "
            "size. Distil each by itself, or correct the layer's scale."
        )
    return source


def stack_steps(task: DistilTask) -> Steps[Outcome]:
    """Fit one PSF to several stacks; the generator of the step's worker.

    Returns
    -------
    Outcome
        The fitted beads of each stack, the image's residual and the PSF, with the `StackRun`; of a
        run that was cancelled the PSF as far as it was.
    """
    source, recipe = task.source, task.recipe
    sources = (source, *task.others)
    names = [one.origin for one in sources]
    images = check_stacks([np.asarray(one.data) for one in sources], names, planes=True)
    assert images is not None
    device = choose_device(recipe.device)
    seen: list[Progress] = []
    steps = fit_stacks(
        images, names, recipe, device, beads={0: task.beads.table}, preview_every=PREVIEW_EVERY
    )
    try:
        found = yield from watched(steps, seen, task.shown)
    except Interrupted:
        if not seen or seen[-1].preview is None:
            raise
        iterations = seen[-1].iteration
        layer = psf_layer(source, task.beads.source, recipe, seen[-1].preview, iterations)
        return Outcome([layer], f"the PSF after {iterations} iterations")
    by_hand = recipe.provenance.by_hand if recipe.provenance is not None else ()
    made = provenance_of_stacks(images, names, f"{device.name}, float32", found.checksums)
    recipe = dataclasses.replace(recipe, provenance=dataclasses.replace(made, by_hand=by_hand))
    layers = _layers(task, found, recipe)
    assert recipe.spacing is not None
    main = found.fits[found.main]
    widths = widths_text(fwhm(main.psf, recipe.spacing), main.fwhm_error)
    message = (
        f"done: {len(found.fits)} of {len(sources)} stacks used ({_fates(found, names)}); "
        f"FWHM {widths}, on {device.name}"
    )
    warnings = (
        *found.warnings(names, recipe),
        *(text for one in sources for text in not_raw(one, "the joint fit")),
        *found_elsewhere(source, task.beads.source),
    )
    called = tuple(str(keywords["name"]) for _, keywords, _ in layers)
    return Outcome(layers, message, warnings, found=StackRun(found, called, source.identity))


def _layers(task: DistilTask, found: StackFits, recipe: Recipe) -> list[LayerData]:
    """Return the layers of a fit: the further stacks' beads, those of the image, and the PSF."""
    layers = []
    for number, source in reversed(list(enumerate((task.source, *task.others)))):
        table = _beads_of(found, number)
        if number == 0 and number in found.fits:
            layers.append(residual_layer(source, task.beads.source, recipe, found.fits[0]))
        if table is None:
            continue
        layer = points_layer(
            source,
            table,
            f"{source.short_name} fitted beads",
            recipe,
            step=StepId.DISTILL,
            part=OTHER_BEADS if number else FITTED_BEADS,
            others=[task.beads.source],
        )
        if number and source.identity == task.source.identity:
            # They would lie on those of the time that is shown.
            layer[1]["visible"] = False
        layers.append(layer)
    main = found.fits[found.main]
    layers.append(
        psf_layer(task.source, task.beads.source, recipe, main.psf, main.iterations, fitted=main)
    )
    return layers


def _beads_of(found: StackFits, number: int) -> pd.DataFrame | None:
    if number in found.fits:
        return found.fits[number].beads
    beads = found.left_out[number].beads
    return None if beads is None else beads.assign(used=False, reason=IN_LEFT_OUT_STACK)


def _fates(found: StackFits, names: Sequence[str]) -> str:
    """Return how many beads each stack gave, and which are left out."""
    texts = []
    for number, name in enumerate(names):
        if number in found.fits:
            beads = found.fits[number].beads
            texts.append(f"{name}: {int(beads['used'].sum())} of {len(beads)} beads")
        else:
            texts.append(f"{name}: left out")
    return "; ".join(texts)


class StackLayers:
    """Lets the layers of a run of several stacks give way to those of the next of the same image.

    Those that somebody edited stay.

    Parameters
    ----------
    runner : StepRunner
        Of Distil PSF.
    """

    def __init__(self, runner: StepRunner) -> None:
        self._made: tuple[Layer, ...] = ()
        self._subject = "", ""
        runner.ended.connect(self._on_ended)

    def _on_ended(self, ending: Ending) -> None:
        run = ending.found
        if ending.kind != "done" or ending.job is None or not isinstance(run, StackRun):
            return
        viewer = unwrapped(ending.job.viewer)
        for layer in self._made if run.subject == self._subject else ():
            if layer in ending.layers:
                # Written over.
                continue
            if not (isinstance(layer, Points) and was_edited(layer)):
                remove_layer(viewer, layer)
        self._made, self._subject = ending.layers, run.subject
        for layer, name in zip(ending.layers, run.names, strict=False):
            # While the old ones were there, napari numbered it.
            layer.name = name
