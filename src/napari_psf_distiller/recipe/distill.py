"""From the beads to the PSF: the sections of a recipe that say how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.recipe.parameter import Option, Parameter
from napari_psf_distiller.recipe.quantities import Count, Distance, Iterations
from napari_psf_distiller.recipe.section import Section

__all__ = ["Distill", "JointFit", "PostProcess", "RichardsonLucy"]

# In voxels; larger than any PSF, so that nothing is cropped.
UNCROPPED = 10**6


@dataclass(frozen=True)
class JointFit(Section):
    """Distil by a fit of the PSF, the beads' places and amplitudes, and the background together.

    It works on the raw image.

    Attributes
    ----------
    method : {"joint"}
        By which a file tells the ways of distilling apart.
    window : tuple of float or None
        The PSF's extent in micrometres, (z, y, x) or (y, x); None takes it from the beads' width.
    background_scale : float
        The background's slopes change over this many micrometres.
    angular_orders : int or None
        The PSF's parts that turn up to so many times about its axis are fitted; 0 is a rotationally
        symmetric PSF, None leaves it to the image's evidence.
    over_field : {"auto", "constant"}
        Whether the PSF may change with the place in the plane: where the beads show it ("auto"), or
        not at all, which makes one mean PSF of all.
    held_out : float
        This part of the beads, up to a half, does not shape the PSF, but tests it: how well it fits
        them is in the table of beads and the report, and a warning where it fits them worse.
    judge : bool
        Beads that are cut off, saturated, touching or much brighter than the others do not shape
        the PSF; False uses all that were found.
    most_iterations : int
        The fit ends after about so many at the latest, and after as many again for a PSF that
        changes over the field. An ordinary image takes 7 to 20; one of a PSF with angular orders
        counts for more.
    """

    method: Literal["joint"] = "joint"
    window: Annotated[
        tuple[Distance, ...] | None,
        Parameter(
            unit="µm",
            tooltip="z, y, x: how far the PSF extends. 0 takes it from the beads' width, which is "
            "a good value. For a 2D image z does not count.",
            minimum=0.0,
            maximum=1e4,
            step=0.5,
            unset="from the beads' width",
            unset_word="auto",
            seldom=True,
        ),
    ] = None
    background_scale: Annotated[
        Distance,
        Parameter(
            unit="µm",
            tooltip="The background's slopes change over this length; 30 is a good value, less for "
            "a background that is patchy, but always much more than the PSF.",
            minimum=0.1,
            maximum=1e6,
            seldom=True,
        ),
    ] = 30.0
    angular_orders: Annotated[
        int | None,
        Field(ge=0, le=12),
        Parameter(
            tooltip="The PSF's parts that turn up to this many times about its axis are fitted; 0 "
            "is a rotationally symmetric PSF.",
            unset="as the image asks for",
            in_viewer=False,
        ),
    ] = None
    over_field: Annotated[
        Literal["auto", "constant"],
        Parameter(
            label="over the field",
            tooltip="Whether the PSF may change with the place in the plane: where the beads show "
            "it (auto), or not at all (constant), which makes one mean PSF of all.",
            seldom=True,
            option=Option(
                "--over-field",
                "whether the PSF may change with the place in the plane: where the beads show it "
                "(auto), or not at all (constant) (default: {default})",
            ),
        ),
    ] = "auto"
    held_out: Annotated[
        float,
        Field(ge=0, le=0.5),
        Parameter(
            label="beads held out",
            tooltip="This part of the beads does not shape the PSF, but tests it: 0.2 is usual, 0 "
            "uses all.",
            minimum=0.0,
            maximum=0.5,
            step=0.1,
            seldom=True,
            option=Option(
                "--held-out",
                "part of the beads that does not shape the PSF but tests it, such as 0.2 "
                "(default: {default})",
                "PART",
            ),
        ),
    ] = 0.0
    judge: Annotated[
        bool,
        Parameter(
            label="refuse beads that are not single",
            tooltip="Beads that are cut off, saturated, touching or much brighter than the others "
            "do not shape the PSF. Off uses all points that are marked as used.",
            seldom=True,
        ),
    ] = True
    most_iterations: Annotated[
        Iterations,
        Parameter(
            tooltip="The fit ends after about this many at the latest, and says so; most images "
            "take 7 to 20. Few give a first look, more than 80 help where it was ended too early.",
            minimum=1,
            maximum=100_000,
            seldom=True,
        ),
    ] = 80


@dataclass(frozen=True)
class RichardsonLucy(Section):
    """Distil by a deconvolution of the preprocessed image with its true object.

    Attributes
    ----------
    method : {"richardson-lucy"}
        By which a file tells the ways of distilling apart.
    iterations : int
    boundary : {"circulant", "noncirculant"}
    start : {"flat", "image"}
        The first estimate, the image or its mean everywhere.
    placement : {"nearest", "truncate"}
        How a fractional centre becomes a voxel.
    """

    method: Literal["richardson-lucy"] = "richardson-lucy"
    iterations: Annotated[
        Iterations,
        Parameter(
            tooltip="Of Richardson-Lucy; 30 from a flat start. The original notebook did 300.",
            minimum=0,
            maximum=100_000,
            option=Option(
                "--iterations",
                "of Richardson-Lucy (default: the recipe's); the joint fit ends by itself",
                "N",
            ),
        ),
    ] = 30
    boundary: Annotated[
        Literal["circulant", "noncirculant"],
        Parameter(
            tooltip="Circulant is faster; non-circulant allows for light from outside.",
            seldom=True,
        ),
    ] = "circulant"
    start: Annotated[
        Literal["flat", "image"],
        Parameter(
            tooltip="The first estimate: flat gives a smoother PSF; the original notebook began "
            "with the image.",
            seldom=True,
        ),
    ] = "flat"
    placement: Annotated[
        Literal["nearest", "truncate"],
        Parameter(
            tooltip="How a fractional centre becomes a voxel: the nearest one, or with the "
            "fraction cut off (truncate), as in the original notebook.",
            seldom=True,
        ),
    ] = "nearest"


# From the beads to the PSF.
Distill = JointFit | RichardsonLucy


@dataclass(frozen=True)
class PostProcess(Section):
    """From the distilled array to the PSF.

    Attributes
    ----------
    crop : tuple of int or None
        Voxels kept about the centre, (z, y, x); of a 2D PSF the last two count. An axis where the
        image is smaller keeps the image's size. None keeps all.
    background : float
        This fraction of the maximum is subtracted.
    clip : bool
        Negative values become 0, and the voxels around them darker by about as much.
    normalise : bool
        Scale to sum 1.
    """

    crop: Annotated[
        tuple[Count, ...] | None,
        Parameter(
            unit="voxels",
            tooltip="z, y, x: voxels kept about the centre; odd sizes have a middle voxel. Larger "
            "than the image keeps the image's size. For a 2D image z does not count.",
            minimum=1,
            maximum=UNCROPPED,
            unset="all is kept",
            unset_value=UNCROPPED,
        ),
    ] = (51, 65, 65)
    background: Annotated[
        float,
        Field(ge=0, lt=1, allow_inf_nan=False),
        Parameter(
            label="background / maximum",
            tooltip="This fraction of the maximum is subtracted; 0.002 in the original notebook.",
            minimum=0.0,
            maximum=0.999,
            step=0.001,
        ),
    ] = 0.0
    clip: Annotated[
        bool,
        Parameter(
            label="clip at 0",
            tooltip="Negative values become 0, and the voxels around them darker by about as much.",
            seldom=True,
        ),
    ] = True
    normalise: Annotated[
        bool, Parameter(label="sum 1", tooltip="Scale the PSF to sum 1.", seldom=True)
    ] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop is not None and len(self.crop) not in (2, 3):
            raise InputError(
                f"PostProcess.crop is {shown(self.crop)}; it must have 2 or 3 sizes, one an axis."
            )
