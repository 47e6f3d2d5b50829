"""The deconvolution of an image with a PSF: the section of a recipe that says how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe.parameter import Option, Parameter, declared
from napari_psf_distiller.recipe.quantities import (
    MOST_FINER,
    Finer,
    Intensity,
    Iterations,
    NonNegativeIntensity,
    OverField,
    PositiveFactor,
    SignedDistance,
    Tails,
)
from napari_psf_distiller.recipe.section import Section

__all__ = ["Deconvolve"]


def _place_of_first_voxel(tooltip: str, option: str, text: str) -> Parameter:
    """Return the parameter that says how far along an axis a placed image begins.

    Parameters
    ----------
    tooltip : str
    option : str
        Of the command line.
    text : str
        What its help says, but for when it counts, the unit and the default.
    """
    return Parameter(
        unit="µm",
        tooltip=tooltip,
        minimum=-1e5,
        maximum=1e5,
        step=1,
        when=("over_field", ("placed",)),
        must_count=True,
        seldom=True,
        option=Option(
            option,
            f"with --over-field placed{text}, in micrometres (default: {{default}})",
            "UM",
        ),
    )


@dataclass(frozen=True)
class Deconvolve(Section):
    """The PSF's test and its use: Richardson-Lucy deconvolution of an image with it.

    Attributes
    ----------
    iterations : int or None
        None ends them where the image's noise begins to be fitted.
    method : {"accelerated", "plain"}
        Accelerated, 20 iterations get as far as 200 plain ones.
    boundary : {"noncirculant", "circulant"}
    total_variation : float
        Weight of the total variation, less than 0.166; 0 is none, 0.001 to 0.01 are usual.
    background : float
        Light in the image that is no object's, in its intensity units.
    saturation : float or None
        Voxels of this intensity or more do not count.
    finer : int
        How many pixels of the result one of the image has along y and along x, 1 to 10. The PSF
        must be known on these pixels.
    finer_z : int
        How many planes of the result one of the image stands for, 1 to 10.
    interpolate : bool
        Whether a PSF without functions, on other voxels than the result's, is interpolated on
        these; otherwise it is refused.
    tails : {"none", "continued"}
        What the PSF has beyond the window that it was measured in: nothing more than it has, or
        the light that theory says, as far as the image's own reaches. For an image of a widefield
        microscope that is deeper than the PSF; it takes more time and memory.
    over_field : {"varying", "placed", "mean"}
        Of a PSF that changes over the field of view: that of each place of the image, which shows
        as much of the field as the bead image did; the same of an image that lies where the next
        four say; or the PSF's mean for all of the image. It does not matter of other PSFs.
    field_z, field_y, field_x : float
        Of a placed image: where its first voxel lies from the bead image's, in micrometres there.
        The first counts of a PSF that changes with depth.
    field_scale : float
        Of a placed image: how many micrometres in the bead image one of its own is; not 1 after
        another magnification.
    """

    # By the joint fit nothing is deconvolved on the way to the PSF.
    METHODS = ("richardson-lucy",)

    iterations: Annotated[
        Iterations | None,
        Parameter(
            tooltip="Of Richardson-Lucy; more is sharper, and noisier. 0 is automatic: it stops "
            "where the image's noise begins to be fitted.",
            minimum=0,
            maximum=100_000,
            step=1,
            unset="until the noise is fitted",
            unset_word="automatic",
            option=Option(
                "--iterations",
                "how many (default: it stops by itself where the image's noise begins to be "
                "fitted)",
                "N",
            ),
        ),
    ] = None
    method: Annotated[
        Literal["accelerated", "plain"],
        Parameter(
            tooltip="Accelerated, 20 iterations get as far as 200 plain ones; plain is that "
            "of the original notebook.",
            seldom=True,
            option=Option(
                "--method",
                "accelerated, 20 iterations get as far as 200 plain ones (default: {default})",
            ),
        ),
    ] = "accelerated"
    boundary: Annotated[
        Literal["noncirculant", "circulant"],
        Parameter(
            tooltip="Non-circulant allows for light from outside; circulant is faster.",
            seldom=True,
            option=Option(
                "--boundary",
                "beyond the image lies unknown light, or its other side (default: {default})",
            ),
        ),
    ] = "noncirculant"
    total_variation: Annotated[
        float,
        Field(ge=0, lt=0.166, allow_inf_nan=False),
        Parameter(
            tooltip="Weight of the total variation, which smooths and keeps edges: 0 is none, "
            "0.001 to 0.01 are usual.",
            minimum=0.0,
            maximum=0.165,
            step=0.001,
            option=Option(
                "--total-variation",
                "weight of the total variation, which smooths and keeps edges: 0 is none, 0.001 to "
                "0.01 are usual (default: {default})",
                "W",
            ),
        ),
    ] = 0.0
    background: Annotated[
        NonNegativeIntensity,
        Parameter(
            tooltip="Light in the image that is no object's, in its intensity units. Better than "
            "to subtract it before.",
            minimum=0.0,
            maximum=1e9,
            seldom=True,
            option=Option(
                "--background",
                "light in the image that is no object's, in its intensity units; better than to "
                "subtract it before (default: {default})",
                "LEVEL",
            ),
        ),
    ] = 0.0
    saturation: Annotated[
        Intensity | None,
        Parameter(
            tooltip="Voxels of this intensity or more do not count; 0 is none.",
            minimum=0.0,
            maximum=1e9,
            unset_word="none",
            seldom=True,
            option=Option(
                "--saturation",
                "voxels of this intensity or more do not count (default: all count)",
                "LEVEL",
            ),
        ),
    ] = None
    finer: Annotated[
        Finer,
        Parameter(
            tooltip="How many pixels of the result one of the image has along y and along x: 2 for "
            "an image whose pixels are up to twice as large as Nyquist's limit. The PSF must have "
            "the result's pixels, or be one of the joint fit.",
            minimum=1,
            maximum=MOST_FINER,
            step=1,
            seldom=True,
            option=Option(
                "--finer",
                "how many pixels of the result one of the image has along y and along x, for an "
                "image with larger pixels than Nyquist's limit; the PSF must have the result's "
                "pixels, or be one of the joint fit (default: {default})",
                "F",
            ),
        ),
    ] = 1
    finer_z: Annotated[
        Finer,
        Parameter(
            label="finer z",
            tooltip="How many planes of the result one of the image stands for.",
            minimum=1,
            maximum=MOST_FINER,
            step=1,
            seldom=True,
            option=Option(
                "--finer-z",
                "how many planes of the result one of the image stands for (default: {default})",
                "F",
            ),
        ),
    ] = 1

    interpolate: Annotated[
        bool,
        Parameter(
            tooltip="Interpolates a PSF on other voxels than the image's or the finer ones if it "
            "has no functions, such as one of another program. The joint fit's needs none: it is "
            "evaluated there.",
            seldom=True,
            option=Option(
                "--interpolate",
                "interpolate a PSF on other voxels that the joint fit did not make; one that it "
                "made is evaluated on the image's voxels anyway",
            ),
        ),
    ] = False

    tails: Annotated[
        Tails,
        Parameter(
            tooltip="Continued, the PSF goes on as theory says beyond the window that it was "
            "measured in: for a widefield image that is deeper than the PSF, in which light from "
            "far planes would stay as haze. It takes several times as long, more memory, and "
            "needs a PSF of the joint fit with its optics.",
            seldom=True,
            option=Option(
                "--tails",
                "continued: the PSF goes on as theory says beyond the window that it was measured "
                "in, for a widefield image that is deeper than it; takes several times as long "
                "(default: {default})",
            ),
        ),
    ] = "none"

    over_field: Annotated[
        OverField,
        Parameter(
            tooltip="Of a PSF that changes over the field of view: varying takes that of each "
            "place, for an image of the same field as the beads'; placed does it for one that lies "
            "where you say; mean takes the PSF's mean, which is faster and a compromise.",
            seldom=True,
            option=Option(
                "--over-field",
                "of a PSF that changes over the field of view: that of each place, for an image of "
                "the same field as the beads'; placed, for one that lies where --field-y and "
                "--field-x say; or the PSF's mean (default: {default})",
            ),
        ),
    ] = "varying"
    field_z: Annotated[
        SignedDistance,
        _place_of_first_voxel(
            "How far below the bead image's first plane this image's first plane lies, in "
            "micrometres: of a PSF that changes with depth.",
            "--field-z",
            ", of a PSF that changes with depth: how far the image's first plane lies from the "
            "bead image's",
        ),
    ] = 0.0
    field_y: Annotated[
        SignedDistance,
        _place_of_first_voxel(
            "How far below the bead image's first row of voxels this image's first lies, in "
            "micrometres of the bead image.",
            "--field-y",
            ": how far below the bead image's first row the image's lies",
        ),
    ] = 0.0
    field_x: Annotated[
        SignedDistance,
        _place_of_first_voxel(
            "How far to the right of the bead image's first column of voxels this image's first "
            "lies, in micrometres of the bead image.",
            "--field-x",
            ": how far to the right of the bead image's first column the image's lies",
        ),
    ] = 0.0
    field_scale: Annotated[
        PositiveFactor,
        Parameter(
            tooltip="How many micrometres in the bead image one of this image is: not 1 after "
            "another magnification.",
            minimum=0.001,
            maximum=1000,
            step=0.1,
            when=("over_field", ("placed",)),
            must_count=True,
            seldom=True,
            option=Option(
                "--field-scale",
                "with --over-field placed: how many micrometres in the bead image one of the image "
                "is, after another magnification (default: {default})",
                "FACTOR",
            ),
        ),
    ] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for one in declared(type(self)):
            value, when = getattr(self, one.field), one.parameter.when
            if when is None or value == one.default or self.over_field in when[1]:
                continue
            raise InputError(
                f"The {one.label} is {value:g}, but over field is {self.over_field!r}: choose "
                f"{when[1][0]!r}, or leave it out."
            )

    def factors(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return how many voxels of the result one of an image has along each axis.

        Raises
        ------
        InputError
            Planes are asked for between those of an image that has one alone.
        """
        if self.finer_z > 1 and (len(image_shape) == 2 or image_shape[0] == 1):
            raise InputError(
                f"The image is a single plane, which says nothing of {self.finer_z} planes in its "
                "place: choose finer z 1."
            )
        return (self.finer_z, self.finer, self.finer)[-len(image_shape) :]

    @property
    def is_finer(self) -> bool:
        """Whether the result has finer voxels than the image."""
        return self.finer > 1 or self.finer_z > 1
