"""What a PSF that changes with depth is in each plane, with its errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_whole
from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.psf.functions import FittedFunctions
from napari_psf_distiller.psf.local_shape import local_shapes, local_width_errors
from napari_psf_distiller.psf.table import Table

__all__ = ["DepthProfile", "profile_in_depth"]

Floats = NDArray[np.float64]

# Nobody looks at more.
MOST_PLACES = 1000


@dataclass(frozen=True, eq=False)
class DepthProfile(Table):
    """How wide a PSF is in each depth, with its errors; see `PSF.depth_profile`.

    Attributes
    ----------
    planes : numpy.ndarray
        (places,), in planes of the bead image; they need not be whole.
    depths : numpy.ndarray
        The same in micrometres, from the bead image's first plane.
    covered : numpy.ndarray
        bool, (places,): whether beads lie both above and below. Beyond it is extrapolated.
    widths, errors : dict of str to numpy.ndarray
        Full width at half maximum along "z", "y" and "x", in micrometres, on lines through the
        peak, and its standard error; NaN where it is not known. It is that in the mean over the
        field.
    """

    planes: Floats
    depths: Floats
    covered: NDArray[np.bool_]
    widths: dict[str, Floats]
    errors: dict[str, Floats]

    def sentence(self) -> str:
        """Return what it says, in words."""
        told = self.covered if self.covered.any() else ~self.covered
        ranges = []
        for axis, width in self.widths.items():
            seen = 1000 * width[told]
            if np.isfinite(seen).any():
                ranges.append(f"{axis} {np.nanmin(seen):.0f} to {np.nanmax(seen):.0f} nm")
        first, last = self.depths[told][[0, -1]]
        return (
            f"The PSF changes with depth: from {first:.1f} to {last:.1f} µm FWHM "
            f"{', '.join(ranges)}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return it as a table, a row a place.

        Returns
        -------
        pandas.DataFrame
            ``z`` in planes of the bead image and ``z_um`` in micrometres from its first, and
            ``covered``. Of each axis ``fwhm_z_um`` and ``fwhm_z_error_um``.
        """
        table: dict[str, NDArray[np.generic]] = {
            "z": self.planes,
            "z_um": self.depths,
            "covered": self.covered,
        }
        for axis, width in self.widths.items():
            table[f"fwhm_{axis}_um"] = width
            table[f"fwhm_{axis}_error_um"] = self.errors[axis]
        return pd.DataFrame(table)


def profile_in_depth(
    functions: FittedFunctions, over_field: PSFField, pixel: tuple[float, ...], places: int
) -> DepthProfile:
    """Return how wide functions are in each depth; see `PSF.depth_profile`.

    Parameters
    ----------
    functions : FittedFunctions
    over_field : PSFField
        Of these, with a depth.
    pixel : tuple of float
        Size of the pixels that measure the light, (y, x) in micrometres.
    places : int
    """
    depth = over_field.depth
    assert depth is not None
    count = check_whole(places, "number of places", 1, MOST_PLACES)
    planes = (np.arange(count) + 0.5) * depth.planes / count - 0.5
    (top, bottom), (left, right) = over_field.extent
    row, column = (top + bottom) / 2, (left + right) / 2
    at = np.column_stack([planes, np.full(count, row), np.full(count, column)])
    shapes = local_shapes(functions, pixel, at)
    widths = np.array([shape.widths for shape in shapes]).T
    known = local_width_errors(functions, pixel, at, shapes)
    errors = np.full((len(AXES), count), np.nan) if known is None else known.T
    covered = [over_field.is_covered(row, column, plane) for plane in planes.tolist()]
    return DepthProfile(
        planes,
        planes * depth.spacing,
        np.array(covered),
        dict(zip(AXES, widths, strict=True)),
        dict(zip(AXES, errors, strict=True)),
    )
