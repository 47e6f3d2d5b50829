"""What a data set's deconvolution begins with: its images and PSFs, and the kinds of stacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_psf_distiller.datasets.ome_zarr import ImageLayout, chunks_of, is_zarr, open_images
from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage, Stack
from napari_psf_distiller.deconvolution.finer import finer_first_voxel, finer_spacing
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.pipeline import checked_model_of
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage, psf_on_image
from napari_psf_distiller.deconvolution.tiled import overlap_of
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.tiff_positions import open_tiffs, tiff_paths
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.wording import sizes_text

__all__ = [
    "images_of",
    "kinds_of",
    "model_of",
    "psfs_of",
    "result_layout",
    "spacing_of",
    "stacks_of",
]


def images_of(source: str | Path) -> tuple[DatasetImage, ...]:
    """Return a data set's images."""
    # Workers may be in another folder.
    path = Path(source).resolve()
    if not path.exists():
        raise InputError(f"There is no {source}: give an OME-Zarr, or a folder of TIFFs.")
    if not path.is_dir():
        raise InputError(f"{source} is no folder: give an OME-Zarr, or a folder of TIFFs.")
    images: tuple[DatasetImage, ...]
    if tiff_paths(path):
        images = open_tiffs(path)
    elif is_zarr(path):
        images = open_images(path)
    else:
        raise InputError(
            f"{source} is no OME-Zarr, and no TIFFs lie in it: give an OME-Zarr, or a folder of "
            "TIFFs."
        )
    for image in images:
        if 0 in image.layout.shape:
            raise InputError(
                f"Image {image.name or source} has no voxels: its shape is "
                f"{sizes_text(image.layout.shape)}. Export it again, or leave it out."
            )
        if np.dtype(image.layout.dtype).kind not in "uifb":
            raise InputError(
                f"Image {image.name or source} has values of the type {image.layout.dtype}, which "
                "are no intensities: save it as whole or floating-point numbers."
            )
    return images


def psfs_of(
    psf: PSF | Sequence[PSF] | Mapping[str, PSF], images: Sequence[DatasetImage], recipe: Recipe
) -> tuple[list[list[PSFOnImage]], tuple[str, ...]]:
    """Return for each image the PSF of each channel on its voxels, and how they were had there."""
    found: list[list[PSFOnImage]] = []
    # A plate has hundreds of images, most of them alike.
    known: dict[tuple[int, tuple[float, ...], tuple[int, ...]], PSFOnImage] = {}
    for image in images:
        layout = image.layout
        count = layout.size("c")
        if isinstance(psf, Mapping):
            lacking = [name for name in layout.channels if name not in psf]
            if lacking or not layout.channels:
                names = ", ".join(layout.channels) or "none"
                raise InputError(
                    f"There are PSFs for {', '.join(psf)}, and the channels are {names}: give one "
                    "for each."
                )
            chosen = [psf[name] for name in layout.channels]
        else:
            chosen = [psf] * count if isinstance(psf, PSF) else list(psf)
            chosen = chosen * count if len(chosen) == 1 else chosen
        if len(chosen) != count:
            raise InputError(
                f"There are {len(chosen)} PSFs, and the data have {count} channels: give one for "
                "all, or one for each."
            )
        spacing = spacing_of(layout, recipe)
        keys = [(id(one), spacing, layout.space) for one in chosen]
        for key, one in zip(keys, chosen, strict=True):
            if key not in known:
                known[key] = psf_on_image(one, layout.space, replace(recipe, spacing=spacing))
        found.append([known[key] for key in keys])
    return found, tuple(dict.fromkeys(one.note for one in known.values() if one.note))


def spacing_of(layout: ImageLayout, recipe: Recipe) -> tuple[float, ...]:
    """Return the voxel size that was given, or else the file's, of the image's axes of space."""
    spacing = recipe.spacing or layout.spacing
    if spacing is None:
        raise InputError(
            "The data do not say their voxel size; give it in micrometres, z, y and x."
        )
    return tuple(spacing)[-len(layout.space) :]


def result_layout(layout: ImageLayout, recipe: Recipe) -> ImageLayout:
    """Return the layout of an image's result."""
    factors = recipe.deconvolve.factors(layout.space)
    along = iter(factors)
    shape = tuple(
        n * (next(along) if axis in ("z", "y", "x") else 1)
        for n, axis in zip(layout.shape, layout.axes, strict=True)
    )
    own = spacing_of(layout, recipe)
    before = layout.first_voxel or (0.0,) * len(own)
    moved = finer_first_voxel(own, factors)
    return replace(
        layout,
        shape=shape,
        spacing=finer_spacing(own, factors),
        first_voxel=tuple(a + b for a, b in zip(before, moved, strict=True)),
        dtype="float32",
    )


def model_of(layout: ImageLayout, recipe: Recipe, psf: PSFOnImage) -> Model:
    """Return what is assumed of an image."""
    return checked_model_of(
        recipe.deconvolve,
        recipe,
        layout.space,
        spacing_of(layout, recipe),
        variation=psf.variation,
    )[0]


def stacks_of(
    images: Sequence[DatasetImage], psfs: Sequence[Sequence[PSFOnImage]], recipe: Recipe
) -> list[list[Stack]]:
    """Return of which kind the stacks of each image are, for each channel."""
    found = []
    for image, of_image in zip(images, psfs, strict=True):
        space, layout = image.layout.space, result_layout(image.layout, recipe)
        chunk = layout.along_space(chunks_of(layout, layout.shape))
        stacks = []
        for psf in of_image:
            model = model_of(image.layout, recipe, psf)
            if recipe.deconvolve.saturation is not None:
                # Each region may have saturated voxels, and its mask takes memory.
                model = replace(model, mask=np.ones((1,) * len(space), bool))
            overlap = overlap_of(psf.array, model)
            stacks.append(Stack(space, chunk, psf.array.shape, overlap, model))
        found.append(stacks)
    return found


def kinds_of(
    images: Sequence[DatasetImage], stacks: Sequence[Sequence[Stack]]
) -> list[tuple[Stack, int]]:
    """Return each kind of stack once, and how many there are of it."""
    kinds: dict[str, Stack] = {}
    counts: Counter[str] = Counter()
    for image, of_image in zip(images, stacks, strict=True):
        for stack in of_image:
            kinds.setdefault(stack.key, stack)
            counts[stack.key] += image.layout.size("t")
    return [(stack, counts[key]) for key, stack in kinds.items()]
