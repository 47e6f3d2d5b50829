"""The parameters of every step, in one tree that is saved beside each PSF and can be replayed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.section import Section, shown

__all__ = [
    "Camera",
    "Deconvolve",
    "Distill",
    "FindBeads",
    "Optics",
    "PostProcess",
    "Preprocess",
    "Provenance",
    "Recipe",
    "Threshold",
]

FORMAT = "napari-psf-distiller recipe"
VERSION = 3

# What a version did not have that the next one has: in a recipe, and in its parts.
NEW_IN_2 = {
    "": ("fft", "memory"),
    "deconvolve": ("method", "total_variation", "background", "saturation"),
}
NEW_IN_3 = {
    "": ("camera",),
    "find_beads": ("method", "significance"),
    "distill": ("method", "window", "background_scale", "angular_orders", "judge"),
}

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
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
    refractive_index: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None


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

    offset: Finite | None = None
    gain: Positive | None = None
    saturation: Finite | None = None


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
    factor: NonNegative = 1.25
    level: Finite = 0.0
    radius: Positive = 10.0
    noise_margin: NonNegative = 2.0
    floor: NonNegative = 0.0
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
    factor: Positive = 8.0
    value: Finite | None = None
    window: Positive = 5.0
    offset: Finite | None = None

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
    significance: Annotated[float, Field(ge=3, allow_inf_nan=False)] = 7.0
    centre: Literal["centroid", "weighted"] = "weighted"
    min_voxels: Count = 4
    max_voxels: Count | None = None
    margin: tuple[NonNegative, ...] | None = (0.5, 0.5, 0.5)


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
    window: tuple[Positive, ...] | None = None
    background_scale: Positive = 30.0
    angular_orders: Annotated[int, Field(ge=0, le=8)] | None = None
    judge: bool = True
    placement: Literal["truncate", "nearest"] = "nearest"
    iterations: Count = 30
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
                f"PostProcess.crop is {self.crop}; it must have 2 or 3 sizes, one an axis."
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
        Weight of the total variation, less than 0.214; 0 is none, 0.001 to 0.01 are usual.
    background : float
        Light in the image that is no object's, in its intensity units.
    saturation : float or None
        Voxels of this intensity or more do not count.
    """

    iterations: Count | None = None
    boundary: Literal["circulant", "noncirculant"] = "noncirculant"
    method: Literal["plain", "accelerated"] = "accelerated"
    total_variation: Annotated[float, Field(ge=0, lt=0.214, allow_inf_nan=False)] = 0.0
    background: NonNegative = 0.0
    saturation: Finite | None = None


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


@dataclass(frozen=True)
class Recipe(Section):
    """All that is needed to distil a PSF from an image, and to do it again.

    ``Recipe()`` is this project's best method; `Recipe.notebook` gives the original notebook's
    steps with its own numbers.

    Attributes
    ----------
    spacing : tuple of float or None
        Voxel size in micrometres, (z, y, x) or (y, x).
    bead_diameter : float or None
        In micrometres; the joint fit takes it out of the PSF. None is a point.
    device : str
        "auto", "cpu", "gpu", "numpy", or (a part of) an OpenCL device's name.
    fft : {"auto", "fftw", "ducc0", "scipy", "vkfft", "opencl"}
        The library of Fourier transforms.
    memory : float or None
        GiB that a deconvolution may use on the device; None is most of what is free.
    optics, camera, preprocess, threshold, find_beads, distill, postprocess, deconvolve : Section
        One for each step.
    provenance : Provenance or None
        Filled in by a run.
    """

    spacing: tuple[Positive, ...] | None = None
    bead_diameter: Positive | None = None
    device: Annotated[str, Field(min_length=1)] = "auto"
    fft: Literal["auto", "fftw", "ducc0", "scipy", "vkfft", "opencl"] = "auto"
    memory: Gibibytes | None = None
    optics: Optics = field(default_factory=Optics)
    camera: Camera = field(default_factory=Camera)
    preprocess: Preprocess = field(default_factory=Preprocess)
    threshold: Threshold = field(default_factory=Threshold)
    find_beads: FindBeads = field(default_factory=FindBeads)
    distill: Distill = field(default_factory=Distill)
    postprocess: PostProcess = field(default_factory=PostProcess)
    deconvolve: Deconvolve = field(default_factory=Deconvolve)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spacing is not None and len(self.spacing) not in (2, 3):
            raise InputError(
                f"Recipe.spacing is {self.spacing}; it must have 2 or 3 values, one an axis."
            )
        if self.distill.method == "joint" and self.find_beads.method == "threshold":
            raise InputError(
                "FindBeads.method is 'threshold', but Distill.method is 'joint', which needs the "
                "raw image: choose 'matched' or 'richardson-lucy'."
            )
        if self.distill.method == "richardson-lucy" and self.find_beads.method == "matched":
            raise InputError(
                "FindBeads.method is 'matched', but Distill.method is 'richardson-lucy', which "
                "needs a preprocessed image: choose 'threshold' or 'joint'."
            )

    @classmethod
    def stepwise(cls) -> Recipe:
        """Return the recipe that preprocesses, thresholds and deconvolves, one step a widget."""
        return cls(
            find_beads=FindBeads(method="threshold"), distill=Distill(method="richardson-lucy")
        )

    @classmethod
    def notebook(cls) -> Recipe:
        """Return the recipe of the notebook this grew from, with its own numbers."""
        return cls(
            preprocess=Preprocess(background="mean", factor=1.25, floor=0.1, median=3),
            threshold=Threshold(method="otsu"),
            find_beads=FindBeads(method="threshold", centre="centroid", min_voxels=1, margin=None),
            distill=Distill(
                method="richardson-lucy",
                placement="truncate",
                iterations=300,
                boundary="circulant",
                start="image",
            ),
            postprocess=PostProcess(crop=(50, 65, 65), background=1 / 500),
            deconvolve=Deconvolve(iterations=200, boundary="noncirculant", method="plain"),
        )

    def to_json(self) -> str:
        """Return the recipe as versioned JSON text."""
        document = {"format": FORMAT, "version": VERSION, "recipe": self.to_dict()}
        return json.dumps(document, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "the recipe") -> Recipe:
        """Read a recipe from JSON text, strictly.

        Parameters
        ----------
        text : str
            As written by `to_json`.
        source : str
            Where the text comes from, for the error's sentence.

        Raises
        ------
        InputError
            Not JSON, not a recipe, an unknown or ill-typed field, or of a later version.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source} is not valid JSON: {error}.") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise InputError(f'{source} is not a recipe: its "format" is not "{FORMAT}".')
        version = document.get("version")
        if type(version) is not int or version < 1:
            raise InputError(
                f'{source}: "version" must be a whole number from 1, not {shown(version)}.'
            )
        if version > VERSION:
            raise InputError(
                f"{source} has version {version}; this program reads up to version {VERSION}. "
                "Update napari-psf-distiller to use it."
            )
        unknown = sorted(set(document) - {"format", "version", "recipe"})
        if unknown:
            raise InputError(f"{source} has the unknown field {unknown[0]!r}.")
        data = document.get("recipe")
        try:
            if version == 1:
                data = _from_version_1(data)
            if version < 3:
                data = _from_version_2(data)
            return cls.from_dict(data, "recipe")
        except InputError as error:
            raise InputError(f"{source}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the recipe as JSON; the file is written whole or not at all.

        Raises
        ------
        InputError
            The folder does not exist or cannot be written.
        """
        text = self.to_json()
        write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe that `save` wrote.

        Raises
        ------
        InputError
            The file cannot be read, or `from_json` refuses its content.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The recipe {path} cannot be read: {error}.") from None
        return cls.from_json(text, source=str(path))


def _from_version_1(data: Any) -> Any:
    """Return a recipe's data of version 1 as those of version 2.

    Deconvolving was plain, and its iterations were a number. What is wrong in other ways is left
    to `Recipe.from_dict`.

    Raises
    ------
    InputError
        A field that version 1 did not have, or did not allow to be None.
    """
    if not isinstance(data, dict):
        return data
    for new in (NEW_IN_2, NEW_IN_3):
        _refuse_new(data, new, 1)
    part = data.get("deconvolve", {})
    if not isinstance(part, dict):
        return data
    if part.get("iterations", 100) is None:
        raise InputError("Deconvolve.iterations is None; in version 1 it should be a number.")
    return data | {"deconvolve": {"iterations": 100} | part | {"method": "plain"}}


def _from_version_2(data: Any) -> Any:
    """Return a recipe's data of version 2 as those of version 3.

    Beads were found by a threshold, and the PSF by Richardson-Lucy.

    Raises
    ------
    InputError
        A field that version 2 did not have.
    """
    if not isinstance(data, dict):
        return data
    _refuse_new(data, NEW_IN_3, 2)
    methods = {"find_beads": "threshold", "distill": "richardson-lucy"}
    parts: dict[str, Any] = {name: data.get(name, {}) for name in methods}
    if not all(isinstance(part, dict) for part in parts.values()):
        return data
    return data | {name: part | {"method": methods[name]} for name, part in parts.items()}


def _refuse_new(data: dict[str, Any], new: dict[str, tuple[str, ...]], version: int) -> None:
    for part, names in new.items():
        fields = data.get(part, {}) if part else data
        where = f"recipe.{part}" if part else "recipe"
        for name in names:
            if isinstance(fields, dict) and name in fields:
                raise InputError(
                    f"{where} has the field {name!r}, which version {version} does not have."
                )
