"""Lines through a PSF's peak: their values, widths and errors, and the same as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.measure.widths import peak_profiles, profile_width
from napari_psf_distiller.typed_numbers import MICROMETRES
from napari_psf_distiller.wording import width_text

__all__ = [
    "VOXELS",
    "Profile",
    "profile_table",
    "profile_width_text",
    "profile_widths_text",
    "profiles_of",
    "write_profiles",
]

Floats = NDArray[np.float64]

# In the place of a unit, where the voxel size is not known.
VOXELS = "voxels"


@dataclass(frozen=True)
class Profile:
    """A line through the brightest voxel.

    Attributes
    ----------
    axis : {"z", "y", "x"}
    positions : numpy.ndarray
        Distance from the brightest voxel, in the spacing's unit.
    values : numpy.ndarray
    errors : numpy.ndarray or None
        Standard errors of the values.
    width, width_error : float
        The full width at half maximum and its standard error, in the spacing's unit; NaN where
        there is none; see `fwhm`.
    """

    axis: str
    positions: Floats
    values: Floats
    errors: Floats | None
    width: float
    width_error: float


def profiles_of(
    psf: ArrayLike,
    spacing: Sequence[float],
    width_errors: Sequence[float] | None = None,
    psf_error: ArrayLike | None = None,
) -> tuple[Profile, ...]:
    """Return the lines through a PSF's peak, one along each axis; see `peak_profiles`.

    Parameters
    ----------
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float
        Voxel size, in micrometres or whatever the positions are wanted in.
    width_errors : sequence of float, optional
        Standard errors of the widths, in the spacing's unit.
    psf_error : array_like, optional
        Standard errors of the voxels.

    Raises
    ------
    InputError
        The PSF cannot be used, or its errors are of another shape.
    """
    array = check_image(psf, "The PSF", constant=True)
    peak = np.unravel_index(int(array.argmax()), array.shape)
    error = None if psf_error is None else np.asarray(psf_error, np.float64)
    if error is not None and error.shape != array.shape:
        raise InputError(
            f"The PSF has the shape {array.shape} and its errors {error.shape}; they must agree."
        )
    profiles = []
    for axis, values in enumerate(peak_profiles(array)):
        line = tuple(slice(None) if a == axis else int(p) for a, p in enumerate(peak))
        profiles.append(
            Profile(
                axis=AXES[axis - array.ndim],
                positions=_positions(len(values), int(peak[axis]), float(spacing[axis])),
                values=values,
                errors=None if error is None else error[line],
                width=profile_width(values) * spacing[axis],
                width_error=float("nan") if width_errors is None else float(width_errors[axis]),
            )
        )
    return tuple(profiles)


def profile_widths_text(
    psf: ArrayLike, spacing: Sequence[float] | None, errors: Sequence[float] | None = None
) -> str:
    """Return the FWHM along each axis as a line of text, in voxels if their size is missing.

    Parameters
    ----------
    psf : array_like
        (Z, Y, X) or (Y, X).
    spacing : sequence of float or None
        Voxel size in micrometres.
    errors : sequence of float, optional
        Standard errors of the widths in micrometres, one an axis.
    """
    array = np.asarray(psf)
    unit = VOXELS if spacing is None else MICROMETRES
    profiles = profiles_of(array, spacing or (1.0,) * array.ndim, errors)
    shown = ", ".join(f"{profile.axis} {profile_width_text(profile, unit)}" for profile in profiles)
    return f"FWHM {shown}" + (" (the layer has no voxel size)" if spacing is None else "")


def profile_width_text(profile: Profile, unit: str) -> str:
    """Return a profile's FWHM as people read it; see `width_text`."""
    if unit == MICROMETRES:
        return width_text(profile.width, profile.width_error)
    return width_text(profile.width) if math.isnan(profile.width) else f"{profile.width:.2f} voxels"


def profile_table(profiles: Sequence[Profile], unit: str = "um") -> pd.DataFrame:
    """Return profiles as one table, a row a voxel.

    Parameters
    ----------
    profiles : sequence of Profile
    unit : str
        Of the positions: their column is ``position_`` and this.

    Returns
    -------
    pandas.DataFrame
        With the columns ``axis``, ``position_um`` and ``value``, and ``standard_error`` where
        the profiles have errors.
    """
    parts = []
    for profile in profiles:
        columns = {
            "axis": profile.axis,
            f"position_{unit}": profile.positions,
            "value": profile.values,
        }
        if profile.errors is not None:
            columns["standard_error"] = profile.errors
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def write_profiles(path: str | Path, profiles: Sequence[Profile], unit: str = "um") -> None:
    """Write profiles as a CSV file, whole or not at all; see `profile_table`.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    table = profile_table(profiles, unit)
    write_whole(path, lambda part: table.to_csv(part, index=False, float_format="%.8g"))


def _positions(n: int, at: int, size: float) -> Floats:
    positions: Floats = (np.arange(n, dtype=np.float64) - at) * size
    return positions
