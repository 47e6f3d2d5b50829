"""The voxel size that a file states: a TIFF file in ImageJ's, OME's or plain tags."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_psf_distiller.length_units import micrometres_in
from napari_psf_distiller.lengths import SPACING

__all__ = ["stated_spacing", "voxel_sizes"]

# TIFF's own units.
INCH, CENTIMETRE = 2, 3


def voxel_sizes(tiff: tifffile.TiffFile, page: tifffile.TiffPage, image: int) -> dict[str, float]:
    """Return the voxel size along each axis that the file gives one for, in micrometres.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    page : tifffile.TiffPage
        The image's first page.
    image : int
        The image's number in the file, which counts in OME's description.

    Returns
    -------
    dict of float
        Of "X", "Y" and "Z", as stated: it may be no size that a voxel can have.
    """
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_sizes(tiff.ome_metadata, page.shape, image)
    imagej = tiff.imagej_metadata
    if imagej is not None:
        return _imagej_sizes(page, imagej)
    # Dots an inch without more are what picture programs write, not a voxel size.
    if page.resolutionunit != CENTIMETRE:
        return {}
    # In micrometres.
    return {axis: 1e4 * pixel for axis, pixel in _pixels(page).items()}


def _imagej_sizes(page: tifffile.TiffPage, imagej: dict[str, Any]) -> dict[str, float]:
    """Return the sizes in an ImageJ file, where y and z may have units of their own."""
    unit = imagej.get("unit")
    if not unit:
        unit = {INCH: "inch", CENTIMETRE: "cm"}.get(page.resolutionunit, "")
    sizes = _pixels(page)
    depth = imagej.get("spacing")
    if isinstance(depth, int | float) and depth:
        sizes["Z"] = abs(float(depth))
    found = {}
    for axis, size in sizes.items():
        factor = micrometres_in(str(imagej.get(f"{axis.lower()}unit") or unit))
        if factor is not None:
            found[axis] = factor * size
    return found


def _pixels(page: tifffile.TiffPage) -> dict[str, float]:
    """Return a pixel's size in the page's unit: TIFF has the pixels in a unit, as a fraction."""
    sizes = {}
    for axis, tag in (("X", "XResolution"), ("Y", "YResolution")):
        if tag in page.tags:
            numerator, denominator = page.tags[tag].value
            if numerator and denominator:
                sizes[axis] = denominator / numerator
    return sizes


def _ome_sizes(xml: str, shape: tuple[int, ...], image: int) -> dict[str, float]:
    described = [e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels")]
    if not described:
        return {}
    plane = tuple(map(str, shape[-2:]))
    fitting = [e for e in described if (e.get("SizeY"), e.get("SizeX")) == plane] or described
    # Images without data are left out of the count, so that the number alone does not tell.
    chosen = fitting[0]
    if image < len(described) and described[image] in fitting:
        chosen = described[image]
    sizes = {}
    for axis in "ZYX":
        value = chosen.get(f"PhysicalSize{axis}")
        factor = micrometres_in(chosen.get(f"PhysicalSize{axis}Unit", "µm"))
        if value is not None and factor is not None:
            try:
                size = factor * float(value)
            except ValueError:
                continue
            # Some programs write 0 for what they do not know.
            if size or math.isnan(size):
                sizes[axis] = size
    return sizes


def stated_spacing(
    sizes: dict[str, float], names: str, path: str | Path, notes: list[str]
) -> tuple[float, ...] | None:
    """Return the voxel size along the axes of an image, where each can be a microscope's.

    Parameters
    ----------
    sizes : dict of float
        Of each axis, in micrometres, as far as a file states it.
    names : str
        The axes.
    path : str or Path
        How the file is called in sentences.
    notes : list of str
        Gets a sentence of sizes that cannot be.
    """
    if not all(name in sizes for name in names):
        return None
    spacing = tuple(sizes[name] for name in names)
    if all(SPACING.holds(size) for size in spacing):
        return spacing
    shown = " x ".join(f"{size:.3g}" for size in spacing)
    notes.append(
        f"The voxel size that {path} states, {shown} micrometres, cannot be a microscope's; it is "
        "taken as not known."
    )
    return None
