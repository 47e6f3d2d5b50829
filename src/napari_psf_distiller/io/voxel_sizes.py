"""The voxel size that a file states: a TIFF file in ImageJ's, OME's or plain tags."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tifffile

from napari_psf_distiller.lengths import SPACING

__all__ = ["micrometres_in", "stated_spacing", "voxel_sizes"]

# OME's units of length that can be a microscope's, in micrometres. Upper and lower case differ: its
# Mm is a megametre.
OME_UNITS = {
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "Å": 1e-4,
    "in": 25400.0,
    "thou": 25.4,
}

# How people and programs spell them elsewhere, in lower case and without a plural's s.
SPELT = {
    **{unit.lower(): length for unit, length in OME_UNITS.items()},
    "um": 1.0,
    "mu": 1.0,
    "micron": 1.0,
    "microm": 1.0,
    "a": 1e-4,
    "angstrom": 1e-4,
    "ångström": 1e-4,
    "ångstrom": 1e-4,
    "inch": 25400.0,
    "inche": 25400.0,
    **{
        prefix + ending: length
        for prefix, length in (
            ("", 1e6),
            ("deci", 1e5),
            ("centi", 1e4),
            ("milli", 1e3),
            ("micro", 1.0),
            ("nano", 1e-3),
            ("pico", 1e-6),
        )
        for ending in ("meter", "metre")
    },
}

# The two micro signs of Unicode, and how ImageJ escapes them.
MICRO = re.compile(r"\\u00b5|\\u03bc|\N{GREEK SMALL LETTER MU}", re.IGNORECASE)

# TIFF's own units.
INCH, CENTIMETRE = 2, 3


def micrometres_in(unit: str) -> float | None:
    """Return how many micrometres a unit of length is; None of what is none.

    Examples
    --------
    >>> micrometres_in("µm"), micrometres_in("Micrometers"), micrometres_in("nm")
    (1.0, 1.0, 0.001)
    >>> micrometres_in("pixel") is None
    True
    """
    text = MICRO.sub("µ", unit).strip()
    if text in OME_UNITS:
        return OME_UNITS[text]
    text = text.lower().rstrip(".")
    return SPELT.get(text, SPELT.get(text.removesuffix("s")))


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
    return {axis: OME_UNITS["cm"] * pixel for axis, pixel in _pixels(page).items()}


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
