"""The parameters of every step, in one tree that is saved beside each PSF and can be replayed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from napari_psf_distiller.documents import Kind, document_text, read_content, read_text
from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.lengths import BEAD_DIAMETER, SPACING
from napari_psf_distiller.recipe.deconvolve import Deconvolve
from napari_psf_distiller.recipe.distill import Distill, JointFit, PostProcess, RichardsonLucy
from napari_psf_distiller.recipe.find_beads import (
    FindBeads,
    MatchedFilter,
    Preprocess,
    Threshold,
    ThresholdedObjects,
)
from napari_psf_distiller.recipe.microscope import Camera, Optics
from napari_psf_distiller.recipe.parameter import Option, Parameter
from napari_psf_distiller.recipe.provenance import Provenance
from napari_psf_distiller.recipe.quantities import Gibibytes, Positive
from napari_psf_distiller.recipe.section import Section, fields_of, sections_of

__all__ = ["FINDING", "PLACES", "Recipe"]

DOCUMENT = Kind("a recipe", "napari-psf-distiller recipe", version=1, content="recipe")

# How the beads are found for each way of distilling: in the raw image, or a preprocessed one.
FINDING: dict[type[Section], type[MatchedFilter] | type[ThresholdedObjects]] = {
    JointFit: MatchedFilter,
    RichardsonLucy: ThresholdedObjects,
}


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
    fft : {"auto", "ducc0", "scipy", "vkfft", "opencl"}
        The library of Fourier transforms.
    memory : float or None
        GiB that a deconvolution may use on the device; None is most of what is free.
    compatibility : {"clij2-fft"} or None
        "clij2-fft" has Richardson-Lucy give clij2-fft's results where this project's own differ:
        total variation takes planes as 3 times as far apart as pixels, whatever the spacing is,
        and a PSF or true object of even size may displace the result by one voxel.
    optics, camera, preprocess, threshold, find_beads, distill, postprocess, deconvolve : Section
        One for each step.
    provenance : Provenance or None
        Filled in by a run.
    """

    spacing: tuple[Positive, ...] | None = None
    bead_diameter: Annotated[
        Positive | None,
        Parameter(
            unit="µm",
            tooltip="As the beads' maker states it; its blur is taken out of the PSF. 0.1 is "
            "usual; 0 is not known, and the PSF is then as wide as a bead's image.",
            minimum=0.0,
            maximum=100.0,
            step=0.01,
            bound=BEAD_DIAMETER,
            unset_word="not known",
            option=Option(
                "--bead-diameter",
                "in micrometres; the joint fit takes the bead's size out of the PSF (default: a "
                "point)",
                "D",
            ),
        ),
    ] = None
    device: Annotated[
        str,
        Field(min_length=1),
        Parameter(
            tooltip="What computes: auto takes the first usable OpenCL GPU; without one NumPy, "
            "which is faster than OpenCL on the same processor.",
            seldom=True,
            option=Option(
                "--device",
                "what computes: auto (a usable OpenCL GPU, else numpy), gpu or cpu (OpenCL's), "
                "numpy (no OpenCL), or a part of a device's name as 'psf-distiller devices' lists "
                "it",
            ),
        ),
    ] = "auto"
    fft: Annotated[
        Literal["auto", "ducc0", "scipy", "vkfft", "opencl"],
        Parameter(
            label="FFT",
            tooltip="The Fourier transforms: auto takes the fastest that is installed. ducc0 and "
            "scipy are the processor's, vkfft and opencl are for OpenCL devices.",
            methods=("richardson-lucy",),
            seldom=True,
            option=Option(
                "--fft",
                "Richardson-Lucy's Fourier transforms: auto takes the fastest that is installed, "
                "'psf-distiller devices' lists those of each device",
            ),
        ),
    ] = "auto"
    memory: Annotated[
        Gibibytes | None,
        Parameter(
            suffix=" GiB",
            tooltip="What may be used on the device; automatic is most of what is free. What needs "
            "more is done in tiles.",
            minimum=0.0,
            maximum=1e6,
            step=0.5,
            unset="most of what is free",
            unset_word="automatic",
            methods=("richardson-lucy",),
            seldom=True,
            option=Option(
                "--memory",
                "what Richardson-Lucy may use on the device (default: most of what is free); an "
                "image that needs more is deconvolved in tiles",
                "GIB",
            ),
        ),
    ] = None
    compatibility: Annotated[
        Literal["clij2-fft"] | None,
        Parameter(
            tooltip="Has Richardson-Lucy give clij2-fft's results where this project's own differ.",
            unset_value=None,
            methods=("richardson-lucy",),
            in_viewer=False,
        ),
    ] = None
    optics: Optics = field(default_factory=Optics)
    camera: Camera = field(default_factory=Camera)
    preprocess: Preprocess = field(default_factory=Preprocess)
    threshold: Threshold = field(default_factory=Threshold)
    find_beads: FindBeads = field(default_factory=MatchedFilter)
    distill: Distill = field(default_factory=JointFit)
    postprocess: PostProcess = field(default_factory=PostProcess)
    deconvolve: Deconvolve = field(default_factory=Deconvolve)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spacing is not None and len(self.spacing) not in (2, 3):
            raise InputError(
                f"Recipe.spacing is {shown(self.spacing)}; it must have 2 or 3 values, one an axis."
            )
        for size in self.spacing or ():
            SPACING.check(size, "Recipe.spacing")
        if self.bead_diameter is not None:
            BEAD_DIAMETER.check(self.bead_diameter, "Recipe.bead_diameter")
        fitting = FINDING[type(self.distill)]
        if not isinstance(self.find_beads, fitting):
            needs = "the raw image" if fitting is MatchedFilter else "a preprocessed image"
            other = JointFit if isinstance(self.distill, RichardsonLucy) else RichardsonLucy
            raise InputError(
                f"FindBeads.method is {self.find_beads.method!r}, but Distill.method is "
                f"{self.distill.method!r}, which needs {needs}: choose {fitting.tag()!r} or "
                f"{other.tag()!r}."
            )

    @classmethod
    def stepwise(cls) -> Recipe:
        """Return the recipe that preprocesses, thresholds and deconvolves, one step a widget."""
        return cls(find_beads=ThresholdedObjects(), distill=RichardsonLucy())

    @classmethod
    def notebook(cls) -> Recipe:
        """Return the recipe of the notebook this grew from, with its own numbers."""
        return cls(
            compatibility="clij2-fft",
            preprocess=Preprocess(background="mean", factor=1.25, floor=0.1, median=3),
            threshold=Threshold(method="otsu"),
            find_beads=ThresholdedObjects(centre="centroid", min_voxels=1, margin=None),
            distill=RichardsonLucy(
                iterations=300, boundary="circulant", start="image", placement="truncate"
            ),
            postprocess=PostProcess(crop=(50, 65, 65), background=1 / 500),
            deconvolve=Deconvolve(iterations=200, boundary="noncirculant", method="plain"),
        )

    def described(self, *, image_name: str = "", microscope: str = "", note: str = "") -> Recipe:
        """Return the recipe of a run with words about it in its record, for people.

        They change nothing when the recipe is replayed. A recipe that no run has filled in has no
        record, and stays as it is.

        Parameters
        ----------
        image_name, microscope, note : str
            See `Provenance`; what is "" stays as it was.

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> psfd.Recipe().described(note="by hand").provenance is None
        True
        """
        words = {"image_name": image_name, "microscope": microscope, "note": note}
        given: dict[str, Any] = {name: text for name, text in words.items() if text}
        if self.provenance is None or not given:
            return self
        return replace(self, provenance=replace(self.provenance, **given))

    def to_json(self) -> str:
        """Return the recipe as versioned JSON text."""
        return document_text(DOCUMENT, self.to_dict())

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
        content = read_content(DOCUMENT, text, source)
        try:
            return cls.from_dict(content, "recipe")
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
        return cls.from_json(read_text(path, "The recipe"), source=str(path))


# Where a recipe has each of its sections; "" of its own parameters.
PLACES: dict[type[Section], str] = {Recipe: ""} | {
    section: name for name, hint in fields_of(Recipe).items() for section in sections_of(hint)
}
