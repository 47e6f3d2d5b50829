"""The parameters of each step: the parts of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.lengths import NUMERICAL_APERTURE, REFRACTIVE_INDEX, WAVELENGTH
from napari_psf_distiller.recipe.section import Section

__all__ = [
    "Camera",
    "Deconvolve",
    "Distill",
    "FindBeads",
    "Gibibytes",
    "Optics",
    "Positive",
    "PostProcess",
    "Preprocess",
    "Provenance",
    "Threshold",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Lengths in an image, in micrometres: no image is 10 cm wide.
Distance = Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)]
Margin = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)]
# Plain numbers, as of standard deviations.
Factor = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
PositiveFactor = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
# In an image's intensity units; single precision holds no larger one's square.
Intensity = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
PositiveIntensity = Annotated[float, Field(ge=1e-15, le=1e15, allow_inf_nan=False)]
NonNegativeIntensity = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Iterations = Annotated[int, Field(ge=1, le=100_000)]
Gibibytes = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


@dataclass(frozen=True)
class Optics(Section):
    """The microscope, as far as it is known: the joint fit keeps to the frequencies that it passes.

    All three or none count; without them the band is taken from the beads' width.

    Attributes
    ----------
    numerical_aperture : float or None
    wavelength : float or None
        Emission wavelength in micrometres.
    refractive_index : float or None
        Of the immersion medium.
    """

    numerical_aperture: Positive | None = None
    wavelength: Positive | None = None
    refractive_index: Positive | None = None

    @property
    def figures(self) -> tuple[float, float, float] | None:
        """Numerical aperture, wavelength and refractive index; None where one is not known."""
        aperture, wavelength, index = (
            self.numerical_aperture,
            self.wavelength,
            self.refractive_index,
        )
        if aperture is None or wavelength is None or index is None:
            return None
        return aperture, wavelength, index

    def __post_init__(self) -> None:
        super().__post_init__()
        aperture, index = self.numerical_aperture, self.refractive_index
        for value, bound, name in (
            (aperture, NUMERICAL_APERTURE, "numerical_aperture"),
            (self.wavelength, WAVELENGTH, "wavelength"),
            (index, REFRACTIVE_INDEX, "refractive_index"),
        ):
            if value is not None:
                bound.check(value, f"Optics.{name}")
        if aperture is not None and index is not None and aperture >= index:
            raise InputError(
                f"Optics.numerical_aperture is {aperture:g}, but it is always less than the "
                f"refractive index of the immersion, which is given as {index:g} (oil has 1.515, "
                "glycerol 1.47, water 1.33, air 1)."
            )


@dataclass(frozen=True)
class Camera(Section):
    """The camera, as far as it is known; the rest is estimated from the image.

    Attributes
    ----------
    offset : float or None
        The intensity without light.
    gain : float or None
        Intensity units a photoelectron.
    saturation : float or None
        Voxels of this intensity or more do not count.
    """

    offset: Intensity | None = None
    gain: PositiveIntensity | None = None
    saturation: Intensity | None = None


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

    background: Literal["none", "mean", "constant", "local"] = "local"
    factor: Factor = 1.25
    level: Intensity = 0.0
    radius: Distance = 10.0
    noise_margin: Factor = 2.0
    floor: NonNegativeIntensity = 0.0
    median: Annotated[int, Field(ge=1, le=31)] = 1

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

    method: Literal["noise", "otsu", "li", "triangle", "local", "manual"] = "noise"
    factor: PositiveFactor = 8.0
    value: Intensity | None = None
    window: Distance = 5.0
    offset: Intensity | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method == "manual" and self.value is None:
            raise InputError("Threshold.method is 'manual', but Threshold.value is not given.")


@dataclass(frozen=True)
class FindBeads(Section):
    """From the image to bead centres.

    Attributes
    ----------
    method : {"matched", "threshold"}
        "matched" finds them in the raw image by a matched filter; "threshold" in the preprocessed
        and thresholded one, to which all but `significance` belongs.
    significance : float
        For "matched": a bead stands out from the noise by so many standard deviations.
    centre : {"centroid", "weighted"}
        Centroid of the object's voxels, plain or weighted by their intensity.
    min_voxels : int
        Smaller objects are not used.
    max_voxels : int or None
        Larger objects are not used.
    margin : tuple of float or None
        Beads nearer than this to the image's border, in micrometres along each axis, are not used;
        None uses all.
    """

    method: Literal["matched", "threshold"] = "matched"
    significance: Annotated[float, Field(ge=3, le=1e6, allow_inf_nan=False)] = 7.0
    centre: Literal["centroid", "weighted"] = "weighted"
    min_voxels: Count = 4
    max_voxels: Count | None = None
    margin: tuple[Margin, ...] | None = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Distill(Section):
    """From the beads to the PSF.

    Attributes
    ----------
    method : {"joint", "richardson-lucy"}
        "joint" fits the PSF, the beads' places and amplitudes, and the background to the raw image;
        "richardson-lucy" deconvolves the image with its true object.
    window : tuple of float or None
        For "joint": the PSF's extent in micrometres, (z, y, x) or (y, x); None takes it from the
        beads' width.
    background_scale : float
        For "joint": the background's slopes change over this many micrometres.
    angular_orders : int or None
        For "joint": the PSF's parts that turn up to so many times about its axis are fitted; 0 is
        a rotationally symmetric PSF, None leaves it to the image's evidence.
    judge : bool
        For "joint": beads that are cut off, saturated, touching or much brighter than the others do
        not shape the PSF; False uses all that were found.
    placement : {"truncate", "nearest"}
        For "richardson-lucy": how a fractional centre becomes a voxel.
    iterations : int
        For "richardson-lucy"; the joint fit ends where it gains nothing any more.
    boundary : {"circulant", "noncirculant"}
        For "richardson-lucy".
    start : {"image", "flat"}
        For "richardson-lucy": the first estimate, the image or its mean everywhere.
    """

    method: Literal["joint", "richardson-lucy"] = "joint"
    window: tuple[Distance, ...] | None = None
    background_scale: Distance = 30.0
    angular_orders: Annotated[int, Field(ge=0, le=12)] | None = None
    judge: bool = True
    placement: Literal["truncate", "nearest"] = "nearest"
    iterations: Iterations = 30
    boundary: Literal["circulant", "noncirculant"] = "circulant"
    start: Literal["image", "flat"] = "flat"


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
        Negative values become 0.
    normalise : bool
        Scale to sum 1.
    """

    crop: tuple[Count, ...] | None = (51, 65, 65)
    background: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    clip: bool = True
    normalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop is not None and len(self.crop) not in (2, 3):
            raise InputError(
                f"PostProcess.crop is {shown(self.crop)}; it must have 2 or 3 sizes, one an axis."
            )


@dataclass(frozen=True)
class Deconvolve(Section):
    """The PSF's test and its use: Richardson-Lucy deconvolution of an image with it.

    Attributes
    ----------
    iterations : int or None
        None ends them where the image's noise begins to be fitted.
    boundary : {"circulant", "noncirculant"}
    method : {"plain", "accelerated"}
        Accelerated, 20 iterations get as far as 200 plain ones.
    total_variation : float
        Weight of the total variation, less than 0.166; 0 is none, 0.001 to 0.01 are usual.
    background : float
        Light in the image that is no object's, in its intensity units.
    saturation : float or None
        Voxels of this intensity or more do not count.
    """

    iterations: Iterations | None = None
    boundary: Literal["circulant", "noncirculant"] = "noncirculant"
    method: Literal["plain", "accelerated"] = "accelerated"
    total_variation: Annotated[float, Field(ge=0, lt=0.166, allow_inf_nan=False)] = 0.0
    background: NonNegativeIntensity = 0.0
    saturation: Intensity | None = None


@dataclass(frozen=True)
class Provenance(Section):
    """What a result was made with; a record that changes nothing when the recipe is replayed.

    Attributes
    ----------
    versions : dict of str
        Of Python, this package, and the libraries that compute.
    device : str
        The device that was used, with its FFT and precision.
    image_shape : tuple of int
    image_dtype : str
    image_sha256 : str
        Of the image's values in C order, so that a replay can tell whether it has the same image.
    by_hand : tuple of str
        The steps whose result was edited by hand: a replay does not repeat that.
    """

    versions: dict[str, str]
    device: str
    image_shape: tuple[int, ...]
    image_dtype: str
    image_sha256: str
    by_hand: tuple[str, ...] = ()
