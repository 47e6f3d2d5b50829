"""From the image to the beads: the sections of a recipe that say how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.recipe.parameter import Parameter
from napari_psf_distiller.recipe.quantities import (
    Count,
    Distance,
    Factor,
    Intensity,
    Margin,
    NonNegativeIntensity,
    PositiveFactor,
)
from napari_psf_distiller.recipe.section import Section

__all__ = ["FindBeads", "MatchedFilter", "Preprocess", "Threshold", "ThresholdedObjects"]


@dataclass(frozen=True)
class Preprocess(Section):
    """Background subtraction and median filter; for the method "threshold" of finding beads.

    Attributes
    ----------
    background : {"none", "mean", "constant", "local"}
        What is subtracted: nothing; `factor` times the image's mean; `level`; or a background
        that varies across the image, by a rolling ball of `radius`.
    factor : float
        For "mean".
    level : float
        For "constant", in the image's intensity units.
    radius : float
        For "local": the ball's radius in micrometres, in the plane; larger than a bead's image.
    noise_margin : float
        For "local": so many standard deviations of the noise are left in the image. What is left
        the PSF's estimate can tell from light; what is clipped away cannot be told any more.
    floor : float
        What is at or below 0 after the subtraction becomes this.
    median : int
        Size of the cubic median filter in voxels, odd; 1 is no filter.
    """

    METHODS = ("richardson-lucy",)

    background: Annotated[
        Literal["local", "mean", "constant", "none"],
        Parameter(
            tooltip="What is subtracted: a local background (rolling ball), a factor times the "
            "mean as in the original notebook, a constant, or nothing."
        ),
    ] = "local"
    factor: Annotated[
        Factor,
        Parameter(
            label="factor x mean",
            tooltip="The image's mean is multiplied by this and subtracted; the original notebook "
            "had 1.25.",
            minimum=0.0,
            maximum=100.0,
            step=0.05,
            when=("background", ("mean",)),
        ),
    ] = 1.25
    level: Annotated[
        Intensity,
        Parameter(
            tooltip="The constant, in the image's intensity units.",
            minimum=-1e9,
            maximum=1e9,
            when=("background", ("constant",)),
        ),
    ] = 0.0
    radius: Annotated[
        Distance,
        Parameter(
            unit="µm",
            tooltip="Of the rolling ball, in the plane; several times a bead's image.",
            minimum=0.01,
            maximum=1e4,
            when=("background", ("local",)),
        ),
    ] = 10.0
    noise_margin: Annotated[
        Factor,
        Parameter(
            tooltip="How many standard deviations of the noise are left in, so that clipping at 0 "
            "does not bias the background; 2 is a good value.",
            minimum=0.0,
            maximum=20.0,
            when=("background", ("local",)),
            seldom=True,
        ),
    ] = 2.0
    floor: Annotated[
        NonNegativeIntensity,
        Parameter(
            tooltip="What is at or below 0 after the subtraction becomes this.",
            minimum=0.0,
            maximum=1e9,
            seldom=True,
        ),
    ] = 0.0
    median: Annotated[
        int,
        Field(ge=1, le=31),
        Parameter(
            label="median filter",
            unit="voxels",
            tooltip="Size of the median filter, odd; 1 is none. It widens the PSF.",
            minimum=1,
            maximum=15,
            step=2,
        ),
    ] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.median % 2 == 0:
            raise InputError(
                f"Preprocess.median is {self.median}; the filter's size must be odd (1, 3, 5 ...)."
            )


@dataclass(frozen=True)
class Threshold(Section):
    """What counts as bead; for the method "threshold" of finding beads.

    Attributes
    ----------
    method : {"noise", "otsu", "li", "triangle", "local", "manual"}
    factor : float
        For "noise": how many standard deviations of the noise above the median.
    value : float or None
        For "manual": voxels above it are bead.
    window : float
        For "local": width of the neighbourhood in micrometres.
    offset : float or None
        For "local": how far a voxel must lie above its neighbourhood's mean, in intensity units;
        None is the image's standard deviation.
    """

    METHODS = ("richardson-lucy",)

    method: Annotated[
        Literal["noise", "otsu", "li", "triangle", "local", "manual"],
        Parameter(
            tooltip="Noise takes what stands out of the background's noise; Otsu, Li and triangle "
            "look at the histogram of the whole image; local compares each voxel with its "
            "neighbourhood; manual takes the value."
        ),
    ] = "noise"
    factor: Annotated[
        PositiveFactor,
        Parameter(
            label="factor x noise",
            tooltip="How many standard deviations of the noise above the median; 5 finds dim "
            "beads, 15 only bright ones.",
            minimum=0.1,
            maximum=1e4,
            when=("method", ("noise",)),
        ),
    ] = 8.0
    value: Annotated[
        Intensity | None,
        Parameter(
            tooltip="Voxels above it are bead; in the image's intensity units.",
            minimum=0.0,
            maximum=1.0,
            unset_value=None,
            when=("method", ("manual",)),
        ),
    ] = None
    window: Annotated[
        Distance,
        Parameter(
            unit="µm",
            tooltip="Width of the neighbourhood; a few times a bead's image.",
            minimum=0.01,
            maximum=1e4,
            when=("method", ("local",)),
        ),
    ] = 5.0
    offset: Annotated[
        Intensity | None,
        Parameter(
            tooltip="How far above its neighbourhood's mean a voxel must lie; 0 is the image's "
            "standard deviation.",
            minimum=0.0,
            maximum=1e9,
            unset_word="standard deviation",
            when=("method", ("local",)),
            seldom=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method == "manual" and self.value is None:
            raise InputError("Threshold.method is 'manual', but Threshold.value is not given.")


@dataclass(frozen=True)
class MatchedFilter(Section):
    """Find beads in the raw image by a matched filter; for the joint fit.

    Attributes
    ----------
    method : {"matched"}
        By which a file tells the ways of finding beads apart.
    significance : float
        A bead stands out from the noise by so many standard deviations.
    """

    method: Literal["matched"] = "matched"
    significance: Annotated[
        float,
        Field(ge=3, le=1e6, allow_inf_nan=False),
        Parameter(
            unit="x noise",
            tooltip="How many standard deviations of the noise a bead must stand out by; 7 is a "
            "good value, 5 finds dimmer beads, 20 only bright ones.",
            minimum=3.0,
            maximum=1e3,
            step=0.5,
        ),
    ] = 7.0


@dataclass(frozen=True)
class ThresholdedObjects(Section):
    """Take the objects of the preprocessed and thresholded image as beads; for Richardson-Lucy.

    Attributes
    ----------
    method : {"threshold"}
        By which a file tells the ways of finding beads apart.
    centre : {"weighted", "centroid"}
        Centroid of the object's voxels, weighted by their intensity or plain.
    min_voxels : int
        Smaller objects are not used.
    max_voxels : int or None
        Larger objects are not used.
    margin : tuple of float or None
        Beads nearer than this to the image's border, in micrometres along each axis, are not used;
        None uses all.
    """

    method: Literal["threshold"] = "threshold"
    centre: Annotated[
        Literal["weighted", "centroid"],
        Parameter(
            tooltip="Centroid of an object's voxels, plain as in the original notebook, or "
            "weighted by the image, which is finer.",
            seldom=True,
        ),
    ] = "weighted"
    min_voxels: Annotated[
        Count,
        Parameter(
            tooltip="Objects of fewer voxels are taken for noise, and not used.",
            minimum=1,
            maximum=10**9,
        ),
    ] = 4
    max_voxels: Annotated[
        Count | None,
        Parameter(
            tooltip="Objects of more voxels are taken for clumps of beads, and not used. 0 is no "
            "limit.",
            minimum=0,
            maximum=10**9,
        ),
    ] = None
    margin: Annotated[
        tuple[Margin, ...] | None,
        Parameter(
            unit="µm",
            tooltip="z, y, x: beads nearer to the border than this are cut off by it, and not "
            "used. 0 uses all.",
            minimum=0.0,
            maximum=1e4,
            step=0.1,
            seldom=True,
        ),
    ] = (0.5, 0.5, 0.5)


# From the image to bead centres.
FindBeads = MatchedFilter | ThresholdedObjects
