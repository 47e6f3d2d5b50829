"""The parameters of every step, in one tree that is saved beside each PSF and can be replayed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.lengths import BEAD_DIAMETER, SPACING
from napari_psf_distiller.recipe.parts import (
    Camera,
    Deconvolve,
    Distill,
    FindBeads,
    Gibibytes,
    Optics,
    Positive,
    PostProcess,
    Preprocess,
    Provenance,
    Threshold,
)
from napari_psf_distiller.recipe.section import Section

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
VERSION = 1

# In bytes; a recipe has some thousand.
LARGEST_FILE = 10_000_000


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
    bead_diameter: Positive | None = None
    device: Annotated[str, Field(min_length=1)] = "auto"
    fft: Literal["auto", "ducc0", "scipy", "vkfft", "opencl"] = "auto"
    memory: Gibibytes | None = None
    compatibility: Literal["clij2-fft"] | None = None
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
                f"Recipe.spacing is {shown(self.spacing)}; it must have 2 or 3 values, one an axis."
            )
        for size in self.spacing or ():
            SPACING.check(size, "Recipe.spacing")
        if self.bead_diameter is not None:
            BEAD_DIAMETER.check(self.bead_diameter, "Recipe.bead_diameter")
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
            compatibility="clij2-fft",
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
            raise InputError(f"{source} is not valid JSON: {shown(str(error))}.") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise InputError(f'{source} is not a recipe: its "format" is not "{FORMAT}".')
        version = document.get("version")
        if type(version) is not int or version < 1:
            raise InputError(
                f'{source}: "version" must be a whole number from 1, not {shown(version)}.'
            )
        if version > VERSION:
            raise InputError(
                f"{source} has version {shown(version)}; this program reads up to version "
                f"{VERSION}. Update napari-psf-distiller to use it."
            )
        unknown = sorted(set(document) - {"format", "version", "recipe"})
        if unknown:
            raise InputError(f"{source} has the unknown field {shown(unknown[0])}.")
        try:
            return cls.from_dict(document.get("recipe"), "recipe")
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
            text = _text_of(Path(path))
        except InputError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"The recipe {path} cannot be read: {reason}.") from None
        except ValueError as error:
            raise InputError(f"The recipe {path} cannot be read: {shown(str(error))}.") from None
        return cls.from_json(text, source=str(path))


def _text_of(path: Path) -> str:
    # A pipe would keep its reader waiting, and a device never ends.
    if path.exists() and not path.is_file():
        raise InputError(f"The recipe {path} cannot be read: it is no file.")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"The recipe {path} cannot be read: it is too large for one.")
    return path.read_text(encoding="utf-8")
