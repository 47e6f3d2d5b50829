"""A PSF as Huygens stores its measured PSFs, in HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.options import SCALE
from napari_psf_distiller.export.shaping import scaled
from napari_psf_distiller.io.huygens_files import IMAGE, IMAGE_GROUP, METRE, h5py_module
from napari_psf_distiller.io.huygens_files import SCALE as DIMENSION_SCALE

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["HUYGENS"]

# How far a figure is to be trusted, as Huygens calls it.
STATES = {"Invalid": 111, "Default": 112, "Estimated": 113, "Reported": 114, "Verified": 115}

# Huygens' kinds of microscope, as far as their names are known.
KINDS = {
    "widefield": "widefield",
    "confocal": "confocal",
    "spinning disk": "nipkowdiskconfocal",
}

# Photons that a dye takes in at once.
PHOTONS = {"two-photon": 2, "three-photon": 3}

AXES = "CTZYX"

# Of the image in the file.
GROUP = "psf"


def write_huygens(psf: PSF, path: Path, *, scale: str = SCALE.default) -> None:
    """Write the voxels with their size, and what the recipe says of the microscope."""
    h5py = h5py_module(path)
    values = scaled(psf.array, scale).astype(np.float32)
    values = values.reshape((1,) * (len(AXES) - values.ndim) + values.shape)
    with h5py.File(path, "w") as file:
        group = file.create_group(GROUP)
        _write_image(h5py, group.create_group(IMAGE_GROUP), values, psf.spacing)
        _write_microscope(h5py, group.create_group("PhysicalData"), psf)


def _write_image(h5py: Any, group: Any, values: Any, spacing: Sequence[float]) -> None:
    """Write the voxels, what lies along each axis, and where they begin."""
    image = group.create_dataset(IMAGE, data=values)
    sizes = dict(zip(AXES[-len(spacing) :], spacing, strict=True))
    for number, axis in enumerate(AXES):
        image.dims[number].label = axis
        if axis not in "ZYX":
            continue
        # A single plane has no distance to others.
        known = axis in sizes
        one = _put(h5py, group, f"{DIMENSION_SCALE}{axis}", sizes.get(axis, 0.0) / METRE, known)
        one.make_scale(axis)
        image.dims[number].attach_scale(one)
        _put(h5py, group, f"{axis}Offset", 0.0, False)
    _put(h5py, group, "TOffset", 0.0, False)
    # Without these, of the coverslip, Huygens is said not to take the scales.
    _put(h5py, group, "PrimaryGlassMediumInterfacePosition", 0.0, False)
    _put(h5py, group, "SecondaryGlassMediumInterfacePosition", 1.0, False)


def _write_microscope(h5py: Any, group: Any, psf: PSF) -> None:
    """Write what is known of the microscope, as arrays of one channel."""
    group.create_dataset("Title", data="PSF of napari-psf-distiller")
    optics = None if psf.recipe is None else psf.recipe.optics
    if optics is None:
        return
    known = {
        "NumericalAperture": optics.numerical_aperture,
        "RefractiveIndexLensImmersionMedium": optics.refractive_index,
        "EmissionWavelength": None if optics.wavelength is None else optics.wavelength / METRE,
        "ExcitationWavelength": None if optics.excitation is None else optics.excitation / METRE,
    }
    for name, value in known.items():
        if value is not None:
            _put(h5py, group, name, [value], True)
    _put(h5py, group, "ExcitationPhotonCount", [PHOTONS.get(optics.microscope, 1)], True)
    if optics.microscope in KINDS:
        _put(h5py, group, "MicroscopeTypeStr", KINDS[optics.microscope], True)


def _put(h5py: Any, group: Any, name: str, value: Any, known: bool) -> Any:
    """Write a figure with how far it is to be trusted, and return its data set."""
    made = group.create_dataset(name, data=value)
    kind = h5py.enum_dtype(STATES, basetype="i4")
    state = STATES["Reported" if known else "Default"]
    shape = (1,) if isinstance(value, str) else np.shape(value)
    made.attrs.create("State", np.full(shape, state, "i4"), dtype=kind)
    return made


HUYGENS = Exporter(
    name="Huygens",
    suffixes=(".h5",),
    description="for Huygens: HDF5 of float32, with voxel size and what is known of the "
    "microscope; needs h5py, the extra huygens",
    write=write_huygens,
    other_suffixes=(".hdf5",),
    options=(SCALE,),
)
