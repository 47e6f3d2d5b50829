"""The bead images that a command is given: files, and folders of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from numpy.typing import NDArray

from napari_psf_distiller.batch.files import images_in
from napari_psf_distiller.deconvolution.finer import same_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import (
    StackAxis,
    StoredImage,
    StoredMicroscope,
    optics_text,
    parts_along,
    read_image,
    read_microscope,
)
from napari_psf_distiller.pipeline import distill_steps_of, distill_steps_of_stacks
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.provenance import provenance_of, provenance_of_stacks
from napari_psf_distiller.results import Result

__all__ = [
    "BeadStacks",
    "StackSource",
    "microscope_of",
    "microscope_warnings",
    "read_stacks",
    "stack_sources",
]


@dataclasses.dataclass(frozen=True)
class StackSource:
    """Where one bead image lies.

    Attributes
    ----------
    path : Path
        The file.
    part : mapping of str to Any
        Which scene, channel and time of it, as keywords of `read_image`.
    name : str
        What it is called, unlike all others.
    """

    path: Path
    part: Mapping[str, Any]
    name: str


@dataclasses.dataclass(frozen=True)
class BeadStacks:
    """One bead image, or several of one voxel size.

    Attributes
    ----------
    sources : tuple of StackSource
    images : tuple of numpy.ndarray
    spacing : tuple of float or None
        In micrometres; None where no file says it.
    """

    sources: tuple[StackSource, ...]
    images: tuple[NDArray[Any], ...]
    spacing: tuple[float, ...] | None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys(source.path for source in self.sources))

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return [source.name for source in self.sources]

    @property
    def title(self) -> str:
        """What they are called together."""
        first, *others = self.names
        if not others:
            return first
        return f"{first} and {len(others)} other{'s' if len(others) > 1 else ''}"

    @property
    def sha256(self) -> str:
        """The checksum that a recipe has of them; see `Provenance`."""
        if len(self.images) == 1:
            return provenance_of(self.images[0], "").image_sha256
        return provenance_of_stacks(self.images, self.names, "").image_sha256

    def steps(self, recipe: Recipe) -> Steps[Result]:
        """Distil their PSF, as a generator of progress."""
        if len(self.images) == 1:
            return distill_steps_of(self.images[0], recipe)
        return distill_steps_of_stacks(self.images, recipe, self.names)


def stack_sources(
    given: Sequence[Path], part: Mapping[str, Any], axis: StackAxis | None = None
) -> list[StackSource]:
    """Return where the bead images lie that a command is given.

    Parameters
    ----------
    given : sequence of Path
        Files, and folders whose image files are meant, in the order of their names.
    part : mapping of str to Any
        Which scene, channel and time of each, as keywords of `read_image`.
    axis : {"time", "scene"}, optional
        Along which axis each part of a file is an image; by default a file is one.

    Raises
    ------
    InputError
        A folder has no image file; a file cannot be read; or no file has several images along the
        axis, or one of them is chosen too.
    """
    paths = [path for one in given for path in images_in(one)]
    names = [path.name for path in paths]
    # With their folders where two have the same name.
    called = [path.name if names.count(path.name) == 1 else str(path) for path in paths]
    if axis is None:
        return [StackSource(path, part, name) for path, name in zip(paths, called, strict=True)]
    if part.get(axis) is not None:
        raise InputError(
            f"--axis {axis} takes each {axis} as a stack, and --{axis} chooses one: leave one of "
            "the two out."
        )
    sources = []
    for path, name in zip(paths, called, strict=True):
        parts = parts_along(path, axis, part.get("scene"))
        for number, own in enumerate(parts):
            which = f"{axis} {number}" + (f" ({own})" if own else "")
            sources.append(
                StackSource(
                    path,
                    {**part, axis: number} if len(parts) > 1 else part,
                    f"{name}, {which}" if len(parts) > 1 else name,
                )
            )
    if len(sources) == len(paths):
        one = f"{paths[0]} has" if len(paths) == 1 else f"Of the {len(paths)} files each has"
        what = "point of time" if axis == "time" else axis
        raise InputError(f"{one} only one {what}: leave --axis out.")
    return sources


def read_stacks(sources: Sequence[StackSource]) -> BeadStacks:
    """Read one bead image or several.

    Raises
    ------
    InputError
        A file cannot be read, or the files say different voxel sizes.
    """
    images, spacing, told_by = [], None, sources[0]
    for source in sources:
        stored = _read(source)
        images.append(stored.image)
        if stored.spacing is None:
            continue
        if spacing is None:
            spacing, told_by = stored.spacing, source
        elif len(spacing) != len(stored.spacing):
            plane, stack = (told_by, source) if len(spacing) == 2 else (source, told_by)
            raise InputError(
                f"{plane.name} is one plane, and {stack.name} is a stack of planes: images that "
                "are distilled together must be all of one kind. Distil each by itself, with "
                "--each."
            )
        elif not same_spacing(spacing, stored.spacing):
            one, other = (
                " x ".join(f"{size:g}" for size in sizes) for sizes in (spacing, stored.spacing)
            )
            raise InputError(
                f"{told_by.name} has voxels of {one} micrometres, and {source.name} of {other}: "
                "images that are distilled together must have one voxel size. Distil each by "
                "itself, with --each."
            )
    return BeadStacks(tuple(sources), tuple(images), spacing)


def microscope_warnings(stacks: BeadStacks) -> list[str]:
    """Return which files say otherwise of the microscope than the first one does, each a sentence.

    Parameters
    ----------
    stacks : BeadStacks
    """
    first = stacks.sources[0]
    told = microscope_of(first)
    found = []
    for source in stacks.sources:
        if source.path == first.path:
            continue
        own = microscope_of(source)
        other = own.contradicted(told.optics, set(told.values))
        pairs = [(optics_text(other), optics_text({name: told.values[name] for name in other}))]
        for what in ("channel", "objective"):
            if getattr(own, what) and getattr(told, what):
                pairs.append((f"{what} {getattr(own, what)!r}", f"{what} {getattr(told, what)!r}"))
        differing = [pair for pair in pairs if pair[0] != pair[1]]
        if differing:
            one, another = (", ".join(side) for side in zip(*differing, strict=True))
            found.append(
                f"{source.name} says {one}, and {first.name} {another}: a PSF is of one channel of "
                "one microscope, and what the first says counts for all. Distil each by itself "
                "(--each) if they differ."
            )
    return found


def microscope_of(source: StackSource) -> StoredMicroscope:
    """Return what the file of a bead image says of the microscope."""
    return read_microscope(source.path, source.part.get("channel"), scene=source.part.get("scene"))


def _read(source: StackSource) -> StoredImage:
    """Read an image; where a file has several along an axis, say that all can be taken."""
    try:
        return read_image(source.path, **source.part)
    except InputError as error:
        for axis in get_args(StackAxis):
            if source.part.get(axis) is None and _has_several(source, axis):
                raise InputError(
                    f"{error} Or take each {axis} as a stack of one PSF: --axis {axis}."
                ) from None
        raise


def _has_several(source: StackSource, axis: StackAxis) -> bool:
    try:
        return len(parts_along(source.path, axis, source.part.get("scene"))) > 1
    except InputError:
        return False
