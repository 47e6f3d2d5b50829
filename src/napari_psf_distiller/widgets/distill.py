"""The widget Distil PSF: an image and its beads become the distilled PSF."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import FunctionGui
from numpy.typing import NDArray

from napari_psf_distiller.advice import bead_warnings, joint_warnings
from napari_psf_distiller.compute import FFT, choose_device
from napari_psf_distiller.joint_pipeline import joint_step
from napari_psf_distiller.pipeline import distill_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Camera, Distill, FindBeads, Optics, Recipe
from napari_psf_distiller.steps.beads import AXES
from napari_psf_distiller.steps.joint import Joint
from napari_psf_distiller.steps.psf import fwhm
from napari_psf_distiller.widgets.devices import (
    DEVICE_OPTIONS,
    FFT_OPTIONS,
    MEMORY_OPTIONS,
    name_zero,
    offer_devices,
)
from napari_psf_distiller.widgets.layers import (
    NOT_PREPROCESSED,
    Source,
    choose_newest,
    choose_source,
    layer_like,
    not_raw,
    read_image_layer,
)
from napari_psf_distiller.widgets.points import (
    Beads,
    beads_from,
    points_layer,
    with_voxel_size_of,
)
from napari_psf_distiller.widgets.record import (
    marked_by_hand,
    own_note,
    used_device,
    with_image,
)
from napari_psf_distiller.widgets.worker import Job, Outcome, StepRunner
from napari_psf_distiller.wording import reasons_text, width_text

__all__ = ["distil_psf"]

TITLE = "Distil PSF"
DEFAULT = Distill()

# What each method works on, and how beads are found for it.
IMAGES = {"joint": "a bead image", "richardson-lucy": "a preprocessed image"}
FINDING: dict[str, Literal["matched", "threshold"]] = {
    "joint": "matched",
    "richardson-lucy": "threshold",
}

# The parameters that count for one method only.
JOINT = (
    "bead_diameter",
    "numerical_aperture",
    "wavelength",
    "refractive_index",
    "camera_offset",
    "camera_gain",
    "window",
    "background_scale",
    "judge",
)
RICHARDSON_LUCY = ("iterations", "boundary", "start", "placement", "fft", "memory")

# Beads lie all over the image, so that it cannot be cut into tiles.
MEMORY_TOOLTIP = (
    "What may be used on the device; automatic is most of what is free. What needs more is done on "
    "the processor."
)

# The residuals are shown up to what all but this part of the voxels stay below; the few beads that
# are unlike the others would else make all the rest of one colour. So many voxels tell it.
OUTLIERS, SAMPLE = 1e-3, 4_000_000


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    offer_devices(gui.device)
    name_zero(gui.memory, "automatic", " GiB")
    for name in ("bead_diameter", "numerical_aperture", "wavelength", "refractive_index"):
        name_zero(gui[name], "not known")
    for name in ("camera_offset", "camera_gain"):
        name_zero(gui[name], "estimated")

    def show_what_counts(method: str) -> None:
        for name in JOINT:
            gui[name].visible = method == "joint"
        for name in RICHARDSON_LUCY:
            gui[name].visible = method == "richardson-lucy"

    def prefer(_: Any) -> None:
        choose_newest(gui.beads, "Find beads")
        beads = gui.beads.value
        choose_source(gui.image, beads)
        note = own_note(beads.metadata) if beads is not None else None
        if note is not None:
            gui.method.value = note["recipe"]["distill"]["method"]

    gui.method.changed.connect(show_what_counts)
    gui.native_parent_changed.connect(prefer)
    show_what_counts(gui.method.value)


@magic_factory(
    widget_init=_init,
    call_button="Distil",
    image={
        "label": "image",
        "tooltip": "The image layer that the beads were found in: for joint as it was measured, "
        "for richardson-lucy the one that Preprocess beads wrote.",
    },
    beads={"tooltip": "The points layer of the beads: delete, move or add points before."},
    method={
        "tooltip": "Joint fits the PSF, the beads' places and brightness, and the background to "
        "the raw image, and tells their errors; richardson-lucy deconvolves the preprocessed image "
        "with its beads, as the notebook does."
    },
    bead_diameter={
        "label": "bead diameter (µm)",
        "min": 0.0,
        "max": 100.0,
        "step": 0.01,
        "tooltip": "As the beads' maker states it; its blur is taken out of the PSF. 0.1 is usual; "
        "0 is not known, and the PSF is then as wide as a bead's image.",
    },
    numerical_aperture={
        "min": 0.0,
        "max": 2.0,
        "step": 0.05,
        "tooltip": "Of the objective. With the wavelength and the refractive index it tells which "
        "frequencies the PSF can have; without all three the beads' width does. 0 is not known.",
    },
    wavelength={
        "label": "emission (µm)",
        "min": 0.0,
        "max": 10.0,
        "step": 0.01,
        "tooltip": "Wavelength of the light that the beads emit, such as 0.52 for green ones. "
        "0 is not known.",
    },
    refractive_index={
        "min": 0.0,
        "max": 4.0,
        "step": 0.01,
        "tooltip": "Of the objective's immersion: 1 for air, 1.33 for water, 1.515 for oil. 0 is "
        "not known.",
    },
    camera_offset={
        "min": 0.0,
        "max": 1e9,
        "tooltip": "The image's intensity without light, such as 100. 0 estimates it from the "
        "image, which is good in most cases.",
    },
    camera_gain={
        "min": 0.0,
        "max": 1e9,
        "step": 0.1,
        "tooltip": "Intensity units a photoelectron, often 0.2 to 5. 0 estimates it from the "
        "image's noise, which is good in most cases.",
    },
    window={
        "label": "window (µm)",
        "options": {"min": 0.0, "max": 1e4, "step": 0.5},
        "tooltip": "z, y, x: how far the PSF extends. 0 takes it from the beads' width, which is a "
        "good value. For a 2D image z does not count.",
    },
    background_scale={
        "label": "background scale (µm)",
        "min": 0.1,
        "max": 1e6,
        "tooltip": "The background's slopes change over this length; 30 is a good value, less for "
        "a background that is patchy, but always much more than the PSF.",
    },
    judge={
        "text": "refuse beads that are not single",
        "tooltip": "Beads that are cut off, saturated, touching or much brighter than the others "
        "do not shape the PSF. Off uses all points that are marked as used.",
    },
    iterations={
        "min": 0,
        "max": 100_000,
        "tooltip": "Of Richardson-Lucy; 30 from a flat start, 300 in the notebook.",
    },
    boundary={"tooltip": "Circulant is faster; non-circulant allows for light from outside."},
    start={
        "tooltip": "The first estimate: flat gives a smoother PSF, the image is the notebook's."
    },
    placement={"tooltip": "How a fractional centre becomes a voxel; the notebook truncates."},
    device=DEVICE_OPTIONS,
    fft=FFT_OPTIONS,
    memory=MEMORY_OPTIONS | {"tooltip": MEMORY_TOOLTIP},
)
def distil_psf(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    beads: "napari.layers.Points",
    method: Literal["joint", "richardson-lucy"] = DEFAULT.method,
    bead_diameter: float = 0.0,
    numerical_aperture: float = 0.0,
    wavelength: float = 0.0,
    refractive_index: float = 0.0,
    camera_offset: float = 0.0,
    camera_gain: float = 0.0,
    window: tuple[float, float, float] = (0.0, 0.0, 0.0),
    background_scale: float = DEFAULT.background_scale,
    judge: bool = DEFAULT.judge,
    iterations: int = DEFAULT.iterations,
    boundary: Literal["circulant", "noncirculant"] = DEFAULT.boundary,
    start: Literal["flat", "image"] = DEFAULT.start,
    placement: Literal["nearest", "truncate"] = DEFAULT.placement,
    device: str = "auto",
    fft: FFT = "auto",
    memory: float = 0.0,
) -> Job:
    """Distil the PSF from the image and its beads."""

    def prepare() -> Callable[[], Steps[Outcome]]:
        source = with_voxel_size_of(beads, read_image_layer(image, IMAGES[method]))
        found = beads_from(beads, source)
        if method == "joint":
            extent = window[-np.ndim(source.data) :]
            recipe = dataclasses.replace(
                _with_beads(
                    source.recipe,
                    found,
                    Distill(
                        method=method,
                        window=extent if any(extent) else None,
                        background_scale=background_scale,
                        judge=judge,
                    ),
                ),
                bead_diameter=bead_diameter or None,
                optics=Optics(
                    numerical_aperture or None, wavelength or None, refractive_index or None
                ),
                camera=Camera(camera_offset or None, camera_gain or None),
                device=device,
            )
            return lambda: _joint_steps(source, found, recipe)
        settings = Distill(
            method=method,
            iterations=iterations,
            boundary=boundary,
            start=start,
            placement=placement,
        )
        recipe = dataclasses.replace(
            _with_beads(source.recipe, found, settings),
            device=device,
            fft=fft,
            memory=memory or None,
        )
        return lambda: _richardson_lucy_steps(source, found, recipe)

    return Job(viewer, prepare)


def _with_beads(recipe: Recipe, beads: Beads, settings: Distill) -> Recipe:
    """Return the recipe with how the beads were found, and how the PSF is distilled from them."""
    made = beads.source.recipe
    method = FINDING[settings.method]
    fitting = made.find_beads.method == method
    recipe = dataclasses.replace(
        recipe,
        threshold=made.threshold,
        find_beads=made.find_beads if fitting else FindBeads(method=method),
        distill=settings,
    )
    for step in made.provenance.by_hand if made.provenance is not None else ():
        recipe = marked_by_hand(recipe, step)
    # Beads of the other method are somebody's choice too: a replay finds its own.
    if beads.source.edited or not fitting:
        recipe = marked_by_hand(recipe, "find_beads")
    return recipe


def _joint_steps(source: Source, beads: Beads, recipe: Recipe) -> Steps[Outcome]:
    array = np.asarray(source.data)
    if recipe.preprocess != NOT_PREPROCESSED:
        recipe = marked_by_hand(recipe, "preprocess")
    device = choose_device(recipe.device).name
    fit = yield from joint_step(array, beads.table, recipe)
    recipe = used_device(with_image(recipe, array), f"{device}, float32")
    residual = layer_like(
        source,
        fit.residual,
        "image",
        f"{source.origin} residual",
        recipe,
        step=f"{TITLE}: residual",
        others=[beads.source],
        colormap="PiYG",
        contrast_limits=_symmetric_limits(fit.residual),
        visible=False,
    )
    fitted = points_layer(
        source,
        fit.beads,
        f"{source.origin} fitted beads",
        recipe,
        step=f"{TITLE}: beads",
        others=[beads.source],
    )
    psf = layer_like(
        source,
        fit.psf,
        "image",
        f"{source.origin} distilled",
        recipe,
        step=TITLE,
        others=[beads.source],
        iterations=fit.iterations,
        # An inset in the image's corner, in focus in the middle plane, where a viewer begins.
        same_grid=False,
        translate=_inset(source, fit.psf),
        colormap="inferno",
    )
    assert recipe.spacing is not None
    refused = reasons_text(fit.beads)
    done = (
        f"done: {int(fit.beads['used'].sum())} of {len(fit.beads)} beads used"
        f"{f' ({refused})' if refused else ''}; {_widths_text(fit, recipe.spacing)}, on {device}"
    )
    warnings = (
        *bead_warnings(fit.beads),
        *joint_warnings(fit, recipe.spacing, recipe),
        *_optics_warnings(recipe.optics),
        *not_raw(source, "the joint fit"),
    )
    return [residual, fitted, psf], done, warnings


def _richardson_lucy_steps(source: Source, beads: Beads, recipe: Recipe) -> Steps[Outcome]:
    # Points can be moved and added, so the amplitudes that Find beads noted do not count.
    distilled = yield from distill_step(np.asarray(source.data), beads.table, recipe)
    layer = layer_like(
        source,
        distilled.array,
        "image",
        f"{source.origin} distilled",
        used_device(recipe, distilled.device),
        step=TITLE,
        others=[beads.source],
        iterations=distilled.iterations,
        colormap="inferno",
    )
    used = int(beads.table["used"].sum())
    warnings = distilled.warnings
    if recipe.preprocess == NOT_PREPROCESSED:
        warnings += (
            f"The image {source.name!r} was not preprocessed: its background is in the "
            "PSF now. Choose the layer that Preprocess beads wrote.",
        )
    return [layer], f"done: {used} beads, on {distilled.device}", warnings


def _inset(source: Source, psf: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the offset that puts a PSF into an image's corner, with its middle plane as its."""
    offset = tuple(source.geometry["translate"])
    if psf.ndim == 2:
        return offset
    planes = (np.shape(source.data)[0] - 1) // 2 - psf.shape[0] // 2
    return (offset[0] + planes * source.geometry["scale"][0], *offset[1:])


def _symmetric_limits(residual: NDArray[np.float32]) -> tuple[float, float]:
    """Return contrast limits whose middle is 0."""
    flat = residual.reshape(-1)
    sample = np.abs(flat[:: 1 + len(flat) // SAMPLE])
    limit = float(np.quantile(sample, 1 - OUTLIERS)) or 1.0
    return -limit, limit


def _widths_text(fit: Joint, spacing: Sequence[float]) -> str:
    """Return the FWHM along each axis with its standard error."""
    shown = [
        f"{axis} {width_text(width, error)}"
        for axis, width, error in zip(
            AXES[-fit.psf.ndim :], fwhm(fit.psf, spacing), fit.fwhm_error, strict=True
        )
    ]
    return f"FWHM {', '.join(shown)}"


def _optics_warnings(optics: Optics) -> tuple[str, ...]:
    known = [value is not None for value in dataclasses.astuple(optics)]
    if all(known) or not any(known):
        return ()
    return (
        "Numerical aperture, emission wavelength and refractive index count only together, and "
        "one is missing: the PSF's frequencies were taken from the beads' width.",
    )
