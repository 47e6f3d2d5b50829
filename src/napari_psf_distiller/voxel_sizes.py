"""The voxel size that a TIFF file states, in ImageJ's, OME's or plain tags."""

from __future__ import annotations

import re

import tifffile

__all__ = ["voxel_sizes"]

# How TIFF writers spell their units, in micrometres.
MICROMETRES = {
    "m": 1e6,
    "mm": 1e3,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "cm": 1e4,
    "inch": 25400.0,
    "pm": 1e-6,
    "å": 1e-4,
    "a": 1e-4,
}


def voxel_sizes(tiff: tifffile.TiffFile) -> dict[str, float]:
    """Return the voxel size along each axis that the file gives one for, in micrometres."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_sizes(tiff.ome_metadata)
    page = tiff.pages[0]
    if not isinstance(page, tifffile.TiffPage):
        return {}
    imagej = tiff.imagej_metadata
    unit = (imagej or {}).get("unit", "")
    if not unit and page.resolutionunit in (2, 3):
        unit = "inch" if page.resolutionunit == 2 else "cm"
    # ImageJ escapes characters beyond ASCII, such as the micro sign.
    unit = re.sub(r"\\u00b5", "µ", str(unit), flags=re.IGNORECASE).strip().lower()
    factor = MICROMETRES.get(unit)
    if factor is None or (imagej is None and unit == "inch"):
        # Dots an inch without more are what picture programs write, not a voxel size.
        return {}
    sizes = {}
    for axis, tag in (("X", "XResolution"), ("Y", "YResolution")):
        if tag in page.tags:
            numerator, denominator = page.tags[tag].value
            if numerator and denominator:
                sizes[axis] = factor * denominator / numerator
    depth = (imagej or {}).get("spacing")
    if isinstance(depth, int | float) and depth:
        sizes["Z"] = factor * abs(float(depth))
    return sizes


def _ome_sizes(xml: str) -> dict[str, float]:
    from xml.etree import ElementTree

    for element in ElementTree.fromstring(xml).iter():
        if element.tag.endswith("}Pixels"):
            sizes = {}
            for axis in "ZYX":
                value = element.get(f"PhysicalSize{axis}")
                factor = MICROMETRES.get(element.get(f"PhysicalSize{axis}Unit", "µm").lower())
                if value is not None and factor is not None and float(value) > 0:
                    sizes[axis] = factor * float(value)
            return sizes
    return {}
