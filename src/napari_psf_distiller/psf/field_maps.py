"""Maps of a PSF over the field of view: its widths, its aberrations, and where it is in focus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.psf.angular_orders import OrderMap
from napari_psf_distiller.psf.table import Table
from napari_psf_distiller.wording import width_text

__all__ = ["FieldMap", "FieldMaps", "FocusMap"]

Floats = NDArray[np.float64]

# What is said of a PSF that is the same everywhere.
ONE = "The PSF is one: no change over the field was found or looked for, or it is of one place."

# An angular order of a smaller part of the PSF, anywhere in the field, is not worth a sentence.
LEAST_STRENGTH = 0.05


# Of a degree, that of no slide matters.
FINEST_DIGITS = 4


class FieldMap(NamedTuple):
    """A quantity over the field.

    Attributes
    ----------
    values : numpy.ndarray
        (rows, columns).
    error : numpy.ndarray
        (rows, columns): standard errors; NaN where they are not known.
    """

    values: Floats
    error: Floats


class FocusMap(NamedTuple):
    """In which plane beads on a slide are brightest, over the field.

    Attributes
    ----------
    values : numpy.ndarray
        (rows, columns), in micrometres, from that in the middle of the beads, towards larger z.
    error : numpy.ndarray
        (rows, columns): its standard error, from what the beads scatter by.
    tilt, tilt_error : tuple of float
        Slope along y and x in the middle, in degrees: of the slide, or of the camera.
    sag, sag_error : float
        How much higher the sides are than the middle, in micrometres: the curvature of the field;
        NaN where the beads are too few to tell it.
    scatter : float
        By how much the beads lie off the surface, in micrometres: the standard deviation.
    """

    values: Floats
    error: Floats
    tilt: tuple[float, float]
    tilt_error: tuple[float, float]
    sag: float
    sag_error: float
    scatter: float


@dataclass(frozen=True, eq=False)
class FieldMaps(Table):
    """Maps of a PSF over the field of view, with their errors; see `PSF.field_maps`.

    Each map has a value at each of the places where a row and a column cross. A place is the middle
    of one of the equal parts that the bead image is divided into.

    Attributes
    ----------
    rows, columns : numpy.ndarray
        (rows,) and (columns,): y and x of the places, in voxels of the bead image.
    image_shape : tuple of int
        (Y, X) of the bead image.
    pixel : tuple of float
        Size of its voxels along y and x, in micrometres.
    covered : numpy.ndarray
        bool, (rows, columns): whether a place lies among the beads. Beyond the outermost ones maps
        are extrapolated.
    varies : bool
        Whether the PSF changes over the field. Else the maps are flat.
    widths : dict of str to FieldMap
        Full width at half maximum along "z", "y" and "x", in micrometres, on lines through the
        peak; NaN where the PSF does not fall to the half within its window.
    theory : dict of str to float
        That of a microscope without aberrations, of the axes that there is a theory of.
    orders : tuple of OrderMap
        How strong each angular order is, and which way it points.
    focus : FocusMap or None
        None where it cannot be told; `focus_note` says why.
    focus_note : str
        Empty where there is a map of the focus.
    """

    rows: Floats
    columns: Floats
    image_shape: tuple[int, int]
    pixel: tuple[float, float]
    covered: NDArray[np.bool_]
    varies: bool
    widths: dict[str, FieldMap]
    theory: dict[str, float]
    orders: tuple[OrderMap, ...]
    focus: FocusMap | None
    focus_note: str

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self.rows), len(self.columns)

    @property
    def step(self) -> tuple[float, float]:
        """Size of a place's part of the bead image along y and x, in voxels."""
        (rows, columns), (height, width) = self.shape, self.image_shape
        return height / rows, width / columns

    def sentences(self) -> tuple[str, ...]:
        """Return what the maps say, in words.

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
        >>> psf = psfd.distill(field.image, spacing=field.spacing, device="numpy").psf
        >>> psf.field_maps().sentences()[0]
        'The PSF is one: no change over the field was found or looked for, or it is of one place.'
        """
        said = self._changes() if self.varies else [ONE]
        said.append(self.focus_note if self.focus is None else _focus_text(self.focus))
        beyond = int((~self.covered).sum())
        if beyond:
            said.append(
                f"{beyond} of {self.covered.size} places lie beyond the outermost beads: the maps "
                "are extrapolated there."
            )
        return tuple(said)

    def _changes(self) -> list[str]:
        told = self.covered if self.covered.any() else ~self.covered
        ranges = []
        for axis, width in self.widths.items():
            seen = width.values[told]
            if np.isfinite(seen).any():
                low, high = 1000 * np.nanmin(seen), 1000 * np.nanmax(seen)
                ranges.append(f"{axis} {low:.0f} to {high:.0f} nm")
        said = [f"The PSF changes over the field: FWHM {', '.join(ranges)}."]
        for one in self.orders:
            most = float(one.strength[told].max())
            if most >= LEAST_STRENGTH:
                name = one.name if one.order else f"change of {one.name}"
                said.append(f"{name[0].upper()}{name[1:]}: up to {100 * most:.0f} % of the PSF.")
        return said

    def to_frame(self) -> pd.DataFrame:
        """Return the maps as a table, a row a place.

        Returns
        -------
        pandas.DataFrame
            ``y`` and ``x`` in voxels, ``y_um`` and ``x_um`` in micrometres, and ``covered``. Of
            each axis ``fwhm_z_um``, ``fwhm_z_error_um``, and where there is a theory
            ``fwhm_z_of_theory``, the ratio to it. ``focus_um`` and ``focus_error_um`` where the
            focus is known. Of each angular order, such as coma, ``coma`` and ``coma_error`` as
            parts of the PSF, ``coma_degrees`` and ``coma_degrees_error``; see `OrderMap`.
        """
        rows, columns = (
            values.ravel() for values in np.meshgrid(self.rows, self.columns, indexing="ij")
        )
        table: dict[str, NDArray[np.generic]] = {
            "y": rows,
            "x": columns,
            "y_um": rows * self.pixel[0],
            "x_um": columns * self.pixel[1],
            "covered": self.covered.ravel(),
        }
        for axis, width in self.widths.items():
            table[f"fwhm_{axis}_um"] = width.values.ravel()
            table[f"fwhm_{axis}_error_um"] = width.error.ravel()
            if axis in self.theory:
                table[f"fwhm_{axis}_of_theory"] = width.values.ravel() / self.theory[axis]
        if self.focus is not None:
            table["focus_um"] = self.focus.values.ravel()
            table["focus_error_um"] = self.focus.error.ravel()
        for one in self.orders:
            name = one.name.replace(" ", "_")
            table[name] = one.strength.ravel()
            table[f"{name}_error"] = one.strength_error.ravel()
            if one.order:
                table[f"{name}_degrees"] = one.direction.ravel()
                table[f"{name}_degrees_error"] = one.direction_error.ravel()
        return pd.DataFrame(table)


def _focus_text(focus: FocusMap) -> str:
    """Return how the beads' plane lies, in a sentence."""
    down, across = (
        _degrees_text(slope, error)
        for slope, error in zip(focus.tilt, focus.tilt_error, strict=True)
    )
    curved = (
        ""
        if math.isnan(focus.sag)
        else f", and its sides lie {width_text(abs(focus.sag), focus.sag_error)} "
        f"{'above' if focus.sag >= 0 else 'below'} its middle"
    )
    return (
        f"The plane of the beads is tilted by {down} along y and {across} along x{curved}; beads "
        f"lie {width_text(focus.scatter)} off it (standard deviation)."
    )


def _degrees_text(angle: float, error: float) -> str:
    """Return an angle with as many digits as are known."""
    digits = min(max(0, 1 - math.floor(math.log10(error))), FINEST_DIGITS) if error > 0 else 2
    return f"{angle:.{digits}f} ± {error:.{digits}f}°"
