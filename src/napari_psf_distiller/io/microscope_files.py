"""The microscope in a file's metadata: OME's, or the text that ImageJ keeps with an image."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import tifffile

from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io.chosen_part import place_of
from napari_psf_distiller.io.psf_files import opened_tiff
from napari_psf_distiller.io.stored_microscope import StoredMicroscope
from napari_psf_distiller.io.vendor_files import (
    channel_names,
    is_vendor_file,
    ome_description,
    opened_scene,
)
from napari_psf_distiller.io.voxel_sizes import voxel_sizes
from napari_psf_distiller.io.zarr_images import described_by, zarr_scene
from napari_psf_distiller.length_units import micrometres_in
from napari_psf_distiller.lengths import (
    NUMERICAL_APERTURE,
    PINHOLE,
    REFRACTIVE_INDEX,
    SPACING,
    WAVELENGTH,
    Bound,
)

__all__ = ["read_microscope"]

BOUNDS: dict[str, Bound] = {
    "numerical_aperture": NUMERICAL_APERTURE,
    "wavelength": WAVELENGTH,
    "refractive_index": REFRACTIVE_INDEX,
    "excitation": WAVELENGTH,
    "pinhole": PINHOLE,
}

# How a sentence calls a field.
CALLED = {
    "microscope": "acquisition mode",
    "numerical_aperture": "numerical aperture",
    "wavelength": "emission wavelength",
    "refractive_index": "refractive index",
    "excitation": "excitation wavelength",
    "pinhole": "pinhole",
}

# What is only told.
TEXTS = ("channel", "objective")

# OME's modes of acquisition, and how other programs call them, in lower case without anything but
# letters and digits. Modes that are no kind of microscope, such as spectral imaging, are left out.
KINDS = {
    "widefield": "widefield",
    "epifluorescence": "widefield",
    "laserscanningconfocalmicroscopy": "confocal",
    "laserscanningconfocal": "confocal",
    "laserscanconfocal": "confocal",
    "confocal": "confocal",
    "spinningdiskconfocal": "spinning disk",
    "spinningdisk": "spinning disk",
    "spinningdisc": "spinning disk",
    "multiphotonmicroscopy": "two-photon",
    "multiphoton": "two-photon",
    "twophoton": "two-photon",
    "2photon": "two-photon",
    "threephoton": "three-photon",
    "3photon": "three-photon",
    "spim": "light sheet",
    "lightsheet": "light sheet",
    "sted": "STED",
    "slitscanconfocal": "other",
    "sweptfieldconfocal": "other",
    "structuredillumination": "other",
    "totalinternalreflection": "other",
    "tirf": "other",
    "nearfieldscanningopticalmicroscopy": "other",
}

IMMERSIONS = {
    "oil": 1.515,
    "glycerol": 1.47,
    "glycerin": 1.47,
    "water": 1.33,
    "waterdipping": 1.33,
    "air": 1.0,
    "dry": 1.0,
}

# The last part of a line's name in ImageJ's text, in lower case without anything but letters.
INFO_NAMES = {
    "lensna": "numerical_aperture",
    "numericalaperture": "numerical_aperture",
    "objectivena": "numerical_aperture",
    "objectivelensna": "numerical_aperture",
    "emissionwavelength": "wavelength",
    "excitationwavelength": "excitation",
    "refractiveindex": "refractive_index",
    "refractionindex": "refractive_index",
    "immersionrefractiveindex": "refractive_index",
    "immersion": "immersion",
    "immersionmedium": "immersion",
    "pinholesizeairy": "pinhole",
    "pinholeairy": "pinhole",
    "acquisitionmode": "microscope",
    "microscopymode": "microscope",
    "channelname": "channel",
    "objectivename": "objective",
    "objectivemodel": "objective",
}
# A name, and what it is: as Bio-Formats writes it, "Information|Objective|LensNA #1 = 1.4", or with
# a colon.
INFO_LINE = re.compile(r"^\s*([^=:]{1,200}?)\s*(?:#\s*\d+\s*)?[=:]\s*(\S.{0,200}?)\s*$")
NUMBER = re.compile(r"^([-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*([^\d\s]\S*)?$")

# A wavelength without a unit is in nanometres if it is larger than any in micrometres.
LARGEST_WITHOUT_UNIT = WAVELENGTH.high


class _Statement(NamedTuple):
    """What a file says of one thing.

    Attributes
    ----------
    name : str
        Of a field of `Optics`, or "immersion", "channel", "objective", "pinhole size".
    value : str
    unit : str
    where : str
        In the file.
    """

    name: str
    value: str
    unit: str
    where: str


class _Described(NamedTuple):
    """OME's description of a file, the image in it that is read, and its channels."""

    root: ElementTree.Element
    image: ElementTree.Element
    channels: list[ElementTree.Element]


def read_microscope(
    path: str | Path, channel: int | str | None = None, *, scene: int | str | None = None
) -> StoredMicroscope:
    """Return what a file says of the microscope; its image is not read.

    OME-TIFF says most; ImageJ's TIFF what a program, such as Bio-Formats, left in the text under
    *Image > Show Info*; CZI, ND2 and LIF what bioio makes OME's description of.

    Parameters
    ----------
    path : str or Path
        As `read_image` takes it.
    channel : int or str, optional
        The number of the channel, from 0, or in OME-Zarr, CZI, ND2 and LIF its name. By default
        what all channels have alike is told.
    scene : int or str, optional
        Which of several, as `read_image` takes it. Of a TIFF the largest image is taken anyway.

    Returns
    -------
    StoredMicroscope
        Empty where the file says nothing. What cannot be, such as a numerical aperture of 14, is
        left out, and a note says so.

    Raises
    ------
    InputError
        The file cannot be read, has no such scene or channel, or the extra that reads it is not
        installed.
    """
    if is_vendor_file(path):
        return _read_vendor_file(path, channel, scene)
    if is_zarr(path):
        return _read_zarr(path, channel, scene)
    with opened_tiff(path) as tiff:
        described = _described(tiff)
        if isinstance(channel, str):
            # What ImageJ keeps with an image does not tell its channels apart.
            count = len(described.channels) if described is not None else 0
            channel = place_of("channel", channel, count, path) if count else None
        stored = _stored(list(_statements(tiff, described, channel)), str(path))
        return replace(
            stored,
            spacing=_spacing(voxel_sizes(tiff, tiff.pages.first, 0)),
            channels=len(described.channels) if described is not None else 1,
        )


def _read_vendor_file(
    path: str | Path, channel: int | str | None, scene: int | str | None
) -> StoredMicroscope:
    with opened_scene(path, scene) as (reader, number):
        names = channel_names(reader)
        if channel is not None:
            channel = place_of("channel", channel, len(names) or 1, path, names)
        pixels, xml = reader.physical_pixel_sizes, ome_description(reader)
    sizes = {axis: float(size) for axis in "ZYX" if (size := getattr(pixels, axis, None))}
    described = _described_in(xml, number) if xml is not None else None
    statements = list(_ome_statements(described, channel)) if described is not None else []
    stored = _stored(statements, str(path))
    notes = stored.notes
    if xml is None:
        notes += (f"What {path} says of the microscope cannot be read; give it by hand.",)
    return replace(stored, spacing=_spacing(sizes), channels=len(names) or 1, notes=notes)


def _read_zarr(
    path: str | Path, channel: int | str | None, scene: int | str | None
) -> StoredMicroscope:
    image = zarr_scene(path, scene)
    layout = image.layout
    count = layout.size("c")
    if channel is not None or count == 1:
        channel = place_of("channel", channel, count, path, layout.channels)
    beside = described_by(image)
    described = _described_in(*beside) if beside is not None else None
    stored = _stored(
        list(_ome_statements(described, channel)) if described is not None else [], str(path)
    )
    sizes = dict(zip(layout.space_axes, layout.spacing or (), strict=False))
    name = layout.channels[channel] if channel is not None and layout.channels else ""
    return replace(
        stored,
        spacing=_spacing({axis.upper(): size for axis, size in sizes.items()}),
        channels=count,
        channel=stored.channel or name,
    )


def _spacing(sizes: dict[str, float]) -> tuple[float, ...] | None:
    possible = {axis: size for axis, size in sizes.items() if SPACING.holds(size)}
    axes = "ZYX" if "Z" in sizes else "YX"
    return tuple(possible[axis] for axis in axes) if set(axes) <= set(possible) else None


def _described(tiff: tifffile.TiffFile) -> _Described | None:
    """Return what OME describes; None where it describes no image."""
    if not (tiff.is_ome and tiff.ome_metadata):
        return None
    return _described_in(tiff.ome_metadata)


def _described_in(xml: str, number: int | None = None) -> _Described | None:
    """Return what OME describes of the largest image, or of the one of a number."""
    root = ElementTree.fromstring(xml)
    images = [
        (pixels, image) for image in _named(root, "Image") for pixels in _named(image, "Pixels")
    ]
    if not images:
        return None
    if number is not None and number < len(images):
        pixels, image = images[number]
    else:
        # The largest is the one that is read.
        pixels, image = max(images, key=lambda pair: _voxels(pair[0]))
    return _Described(root, image, list(_named(pixels, "Channel")))


def _statements(
    tiff: tifffile.TiffFile, described: _Described | None, channel: int | None
) -> Iterator[_Statement]:
    if described is not None:
        yield from _ome_statements(described, channel)
    elif isinstance(info := (tiff.imagej_metadata or {}).get("Info"), str):
        yield from _info_statements(info)


def _ome_statements(described: _Described, channel: int | None) -> Iterator[_Statement]:
    root, image, channels = described
    settings = next(_named(image, "ObjectiveSettings"), None)
    wanted = settings.get("ID") if settings is not None else None
    objectives = list(_named(root, "Objective"))
    # Of one that the image does not name, it must be the only one.
    used = [one for one in objectives if one.get("ID") == wanted] if wanted else objectives
    if len(used) == 1:
        yield from _attributes(
            used[0],
            {"LensNA": "numerical_aperture", "Immersion": "immersion", "Model": "objective"},
        )
    if settings is not None:
        yield from _attributes(settings, {"RefractiveIndex": "refractive_index"})
    for one in channels if channel is None else channels[channel : channel + 1]:
        yield from _attributes(
            one,
            {
                "AcquisitionMode": "microscope",
                "EmissionWavelength": "wavelength",
                "ExcitationWavelength": "excitation",
                "PinholeSize": "pinhole size",
                "Name": "channel",
            },
        )


def _named(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (element for element in parent.iter() if element.tag.rpartition("}")[2] == name)


def _voxels(pixels: ElementTree.Element) -> float:
    sizes = [pixels.get(f"Size{axis}", "1") for axis in "XYZCT"]
    # Python does not read numbers of thousands of digits.
    return math.prod(float(size) if size.isdecimal() and len(size) < 19 else 1.0 for size in sizes)


def _attributes(element: ElementTree.Element, names: dict[str, str]) -> Iterator[_Statement]:
    tag = element.tag.rpartition("}")[2]
    for attribute, name in names.items():
        value = element.get(attribute)
        if value is not None and value.strip():
            unit = element.get(f"{attribute}Unit", "nm" if "Wavelength" in attribute else "")
            yield _Statement(name, value.strip(), unit, f"OME's {tag} {attribute}")


def _info_statements(info: str) -> Iterator[_Statement]:
    for line in info.splitlines():
        match = INFO_LINE.match(line)
        if match is None:
            continue
        last = re.split(r"[|\[\]]| - ", match[1])[-1]
        name = INFO_NAMES.get(_letters(last))
        if name is not None:
            number = NUMBER.match(match[2])
            value, unit = (number[1], number[2] or "") if number else (match[2], "")
            yield _Statement(
                name, value.replace(",", ".") if number else value, unit, "ImageJ's info"
            )


def _letters(text: str) -> str:
    """Return the letters and digits of a text, in lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _stored(statements: list[_Statement], path: str) -> StoredMicroscope:
    """Return what can be of all that a file says."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    notes: list[str] = []
    for name, called in CALLED.items():
        # Twice the same is one; the places are those that say so first.
        found: dict[str | float, str] = {}
        for one in statements:
            value = _value(one, path, notes) if one.name == name else None
            if value is not None:
                found.setdefault(value, one.where)
        if len(found) > 1:
            listed = ", ".join(value if isinstance(value, str) else f"{value:g}" for value in found)
            notes.append(
                f"{path} states more than one {called} ({listed}), of its channels or objectives; "
                "none is taken."
            )
        elif found:
            ((values[name], sources[name]),) = found.items()
    if "refractive_index" not in values:
        _take_immersion(statements, values, sources)
    if any(one.name == "pinhole size" for one in statements) and "pinhole" not in values:
        notes.append(
            f"{path} states the pinhole's size as a length, of which it is not known how many Airy "
            "units it is; give the pinhole in Airy units."
        )
    _refuse_impossible(values, sources, path, notes)
    words = {name: {one.value for one in statements if one.name == name} for name in TEXTS}
    texts: dict[str, Any] = {name: said.pop() for name, said in words.items() if len(said) == 1}
    return StoredMicroscope(values, sources, notes=tuple(dict.fromkeys(notes)), **texts)


def _value(statement: _Statement, path: str, notes: list[str]) -> str | float | None:
    """Return a value in the unit of its field; None of one that says nothing or cannot be."""
    name = statement.name
    if name == "microscope":
        return KINDS.get(_letters(statement.value))
    try:
        number = float(statement.value)
    except ValueError:
        number = math.nan
    # Some programs write 0 for what they do not know.
    if number == 0:
        return None
    shown, bound = number, BOUNDS[name]
    if bound is WAVELENGTH:
        factor = micrometres_in(statement.unit)
        if factor is None:
            factor = 1e-3 if number > LARGEST_WITHOUT_UNIT else 1.0
        # Without the rounding of the factor: 0.52 of 520.
        number = float(f"{number * factor:.9g}")
    if bound.holds(number):
        return number
    unit = f" {statement.unit}" if statement.unit else ""
    told = f"{shown:g}{unit}" if not math.isnan(shown) else repr(statement.value[:40])
    notes.append(
        f"{path} states the {CALLED[name]} as {told}, which it cannot be; it is taken as not known."
    )
    return None


def _take_immersion(
    statements: Iterable[_Statement], values: dict[str, Any], sources: dict[str, str]
) -> None:
    """Take the usual refractive index of the immersion that is stated."""
    found = {
        IMMERSIONS[word]: one.where
        for one in statements
        if one.name == "immersion" and (word := _letters(one.value)) in IMMERSIONS
    }
    if len(found) == 1:
        ((index, where),) = found.items()
        values["refractive_index"], sources["refractive_index"] = index, where


def _refuse_impossible(
    values: dict[str, Any], sources: dict[str, str], path: str, notes: list[str]
) -> None:
    """Leave out figures that cannot be together."""
    _count_photons(values)
    for names in (("numerical_aperture", "refractive_index"), ("wavelength", "excitation")):
        together: dict[str, Any] = {
            name: values[name] for name in ("microscope", *names) if name in values
        }
        try:
            # Of a kind that has no excitation, or that is not known, that says nothing.
            _ = StoredMicroscope(together).optics
        except InputError:
            stated = " and the ".join(f"{CALLED[name]} as {values[name]:g}" for name in names)
            notes.append(
                f"{path} states the {stated}, which cannot both be; both are taken as not known."
            )
            for name in names:
                del values[name], sources[name]


def _count_photons(values: dict[str, Any]) -> None:
    """Take three photons for two where two of the excitation's have too little energy."""
    excitation, emission = values.get("excitation"), values.get("wavelength")
    if values.get("microscope") == "two-photon" and excitation and emission:
        values["microscope"] = "two-photon" if excitation < 2 * emission else "three-photon"
