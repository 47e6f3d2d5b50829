"""The deconvolution of an image with a PSF: the section of a recipe that says how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from napari_psf_distiller.recipe.parameter import Option, Parameter
from napari_psf_distiller.recipe.quantities import Intensity, Iterations, NonNegativeIntensity
from napari_psf_distiller.recipe.section import Section

__all__ = ["Deconvolve"]


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
            tooltip="Accelerated, 20 iterations get as far as 200 plain ones; plain is the "
            "notebook's.",
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
            decimals=4,
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
