"""What an OME-TIFF of ours says of the microscope, so that other programs and people read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import tifffile

from napari_psf_distiller.recipe import Optics, Recipe

__all__ = ["add_objective", "image_description"]

# OME's modes of acquisition of the kinds of microscope that it has a name for.
MODES = {
    "widefield": "WideField",
    "confocal": "LaserScanningConfocalMicroscopy",
    "spinning disk": "SpinningDiskConfocal",
    "light sheet": "SPIM",
    "two-photon": "MultiPhotonMicroscopy",
    "STED": "STED",
}
NANOMETRES = 1000


def image_description(recipe: Recipe | None) -> dict[str, Any]:
    """Return the name of a PSF's image and what is known of its channel, as tifffile takes it.

    Parameters
    ----------
    recipe : Recipe or None
        That made it.
    """
    made = recipe.provenance if recipe is not None else None
    of = made.image_name if made is not None else ""
    named = {"Name": f"PSF from {of}" if of else "PSF"}
    if recipe is None or recipe.optics == Optics():
        return named
    optics = recipe.optics
    channel: dict[str, Any] = {"Name": "PSF"}
    if optics.microscope in MODES:
        channel["AcquisitionMode"] = MODES[optics.microscope]
    for attribute, length in (
        ("EmissionWavelength", optics.wavelength),
        ("ExcitationWavelength", optics.excitation),
    ):
        if length is not None:
            channel |= {attribute: round(NANOMETRES * length, 6), f"{attribute}Unit": "nm"}
    return named | {"Channel": channel}


def add_objective(path: Path, recipe: Recipe | None) -> None:
    """Add the objective to an OME-TIFF that was just written, as far as it is known.

    Parameters
    ----------
    path : Path
    recipe : Recipe or None
    """
    optics = recipe.optics if recipe is not None else Optics()
    aperture, index = optics.numerical_aperture, optics.refractive_index
    if aperture is None:
        return
    made = recipe.provenance if recipe is not None else None
    model = f" Model={quoteattr(made.microscope)}" if made is not None and made.microscope else ""
    instrument = (
        '<Instrument ID="Instrument:0">'
        f'<Objective ID="Objective:0" LensNA="{aperture:g}"{model}/></Instrument>'
    )
    refraction = f' RefractiveIndex="{index:g}"' if index is not None else ""
    settings = (
        f'<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"{refraction}/>'
    )
    # tifffile writes no instruments, but lets a description be replaced.
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages.first.tags["ImageDescription"]
        text = str(tag.value)
        text = text.replace("<Image ", f"{instrument}<Image ", 1)
        text = text.replace("<Pixels ", f"{settings}<Pixels ", 1)
        tag.overwrite(text.encode() + b"\0")
