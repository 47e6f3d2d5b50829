"""The proof of a PSF: beads before and after deconvolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_psf_distiller.beads import AXES, centres_of
from napari_psf_distiller.boxes import Box, whole
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.measure.beads import (
    PSFOfBead,
    isolated,
    measure_beads,
    widths_of,
)
from napari_psf_distiller.measure.flux import flux_of_beads
from napari_psf_distiller.measure.noise import noise_level

__all__ = [
    "Proof",
    "Spread",
    "background_of",
    "beads_in_part",
    "inside",
    "measurable",
    "prove",
    "spread_of",
    "write_proof",
]

Floats = NDArray[np.float64]


# A PSF that is right makes beads narrower by this factor at least along each axis, and gathers so
# much of their light in them.
NARROWER, LEAST_KEPT, MOST_KEPT = 1.1, 0.85, 1.15


class Spread(NamedTuple):
    """The median of some beads, and the quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Proof:
    """Beads before and after deconvolution.

    Attributes
    ----------
    beads : pandas.DataFrame
        One row a bead that was measured in both: its centre in voxels, for each axis
        ``fwhm_z_before`` and ``fwhm_z_after`` in `unit`, and the brightest voxel above the
        background, ``peak_before``, ``peak_after`` and their quotient ``peak_gain``.
    used : int
        How many beads there are in the image, of those that are used.
    unit : {"um", "voxels"}
        Of the widths.
    flux_before, flux_after : float
        Light of the beads that were measured: all that they sent, and what of it is gathered within
        twice their width; see `flux_of_beads`.
    background_before, background_after : float
        Intensity a voxel.
    """

    beads: pd.DataFrame
    used: int
    unit: str
    flux_before: float
    flux_after: float
    background_before: float
    background_after: float

    @property
    def axes(self) -> tuple[str, ...]:
        """The image's axes."""
        return tuple(axis for axis in AXES if f"fwhm_{axis}_before" in self.beads)

    def verdict(self) -> str:
        """Return in a sentence what deconvolution did to the beads, and whether that is right."""
        narrower = []
        for axis in self.axes:
            before, after = (
                spread_of(self.beads[f"fwhm_{axis}_{when}"]).median for when in ("before", "after")
            )
            narrower.append(before / after)
        gain = spread_of(self.beads["peak_gain"]).median
        planes = float(np.mean(narrower[-2:]))
        kept = f"hold {100 * self.flux_kept:.0f} % of their light"
        if min(narrower) < NARROWER or not gain > 1:
            along = f"{1 / narrower[0]:.1f} x as wide along z and " if len(narrower) == 3 else ""
            return (
                f"This PSF does not sharpen the beads: deconvolved, they are {along}"
                f"{1 / planes:.1f} x as wide in the plane, {gain:.3g} x as bright, and {kept}. It "
                "is not this image's, or much too narrow; or the beads are larger than its blur."
            )
        along = f"{narrower[0]:.1f} x along z and " if len(narrower) == 3 else ""
        done = f"Deconvolved, the beads are narrower by {along}{planes:.1f} x in the plane"
        if not np.isfinite(self.flux_kept):
            return f"{done} and {gain:.3g} x as bright; their light is not known."
        if self.flux_kept < LEAST_KEPT:
            return (
                f"{done} and {gain:.3g} x as bright, but {kept}: the rest lies about them. More "
                "iterations gather more; if these do not help, the PSF is too narrow."
            )
        if self.flux_kept > MOST_KEPT:
            return (
                f"{done} and {gain:.3g} x as bright, but {kept}: some was made up, or comes from "
                "beside them. Check the background, and that no beads were overlooked."
            )
        return f"{done}, {gain:.3g} x as bright, and {kept}, as they should."

    @property
    def flux_kept(self) -> float:
        """The flux after over that before: 1 where all light of the beads is gathered in them.

        NaN where there was none.
        """
        return self.flux_after / self.flux_before if self.flux_before > 0 else float("nan")


def background_of(image: NDArray[np.generic], beads: pd.DataFrame | None = None) -> float:
    """Return an image's background: that at its used beads, or else the median of its voxels.

    Parameters
    ----------
    image : numpy.ndarray
        Less than a sixth of its voxels are anything but background.
    beads : pandas.DataFrame, optional
        With ``used``, and ``background`` if it is known at each, as the joint fit tells it.
    """
    if beads is not None and "background" in beads:
        levels = beads.loc[beads["used"].astype(bool), "background"].to_numpy(dtype=float)
        levels = levels[np.isfinite(levels)]
        if len(levels):
            return float(np.median(levels))
    return noise_level(image).median


def beads_in_part(beads: pd.DataFrame, box: Box, inner: Box) -> pd.DataFrame:
    """Return the beads of an image in voxels of a part of it; those in its margin are not used.

    Parameters
    ----------
    beads : pandas.DataFrame
        Their centres in voxels of the image, and ``used``.
    box : tuple of slice
        The part, in voxels of the image.
    inner : tuple of slice
        The part without its margin, in voxels of the part.
    """
    axes = [name for name in AXES if name in beads]
    centres = {name: beads[name] - part.start for name, part in zip(axes, box, strict=True)}
    here = beads.assign(**centres)
    within = inside(centres_of(here), inner)
    return here.assign(used=here["used"].to_numpy(dtype=bool) & within)


def measurable(beads: pd.DataFrame, shape: Sequence[int], widths: Floats) -> NDArray[np.bool_]:
    """Return which beads are used, isolated and in the image.

    Parameters
    ----------
    beads : pandas.DataFrame
        See `prove`.
    shape : sequence of int
        Of the image.
    widths : numpy.ndarray
        See `isolated`.

    Raises
    ------
    InputError
        There is none.
    """
    centres = centres_of(beads)
    used = beads["used"].to_numpy(dtype=bool) & inside(centres, whole(shape))
    if not used.any():
        raise InputError(
            "No used bead lies here, so none can be measured. Choose a region with beads, or mark "
            "which are used."
        )
    chosen = used & isolated(centres, widths)
    if not chosen.any():
        raise InputError(
            f"None of the {int(used.sum())} used beads here stands alone, so none can be measured. "
            "Choose a larger region, or a sparser sample."
        )
    return chosen


def prove(
    before: NDArray[np.generic],
    after: NDArray[np.generic],
    beads: pd.DataFrame,
    psf: NDArray[np.floating],
    backgrounds: tuple[float, float],
    spacing: Sequence[float] | None = None,
    psf_of_bead: PSFOfBead | None = None,
    bead_diameter: float = 0.0,
) -> Proof:
    """Measure the isolated beads before and after deconvolution.

    Parameters
    ----------
    before, after : numpy.ndarray
        (Z, Y, X) or (Y, X), the same shape.
    beads : pandas.DataFrame
        Their centres in voxels, and ``used``; those that are not make others not isolated.
    psf : numpy.ndarray
        With which it was deconvolved.
    backgrounds : (float, float)
        Before and after.
    spacing : sequence of float, optional
        Voxel size in micrometres; without it widths are in voxels.
    psf_of_bead : callable, optional
        Of a PSF that changes over the image, of which ``psf`` is the mean then; see `PSFOfBead`.
    bead_diameter : float
        In micrometres; see `flux_of_beads`.

    Raises
    ------
    InputError
        The images differ in shape, no isolated bead is used in them, or the PSF cannot be used.
    """
    if before.shape != after.shape:
        raise InputError(
            f"The image has the shape {before.shape}, the deconvolved one {after.shape}; they "
            "must be the same."
        )
    widths = widths_of(psf)
    chosen = measurable(beads, before.shape, widths)
    centres = centres_of(beads)
    sizes = np.ones(before.ndim) if spacing is None else np.array(spacing, float)
    axes = AXES[-before.ndim :]
    columns = dict(zip(axes, centres[chosen].T, strict=True))
    for when, image, level in zip(("before", "after"), (before, after), backgrounds, strict=True):
        found, peaks = measure_beads(image, centres[chosen], widths, level)
        for axis, values in zip(axes, (found * sizes).T, strict=True):
            columns[f"fwhm_{axis}_{when}"] = values
        columns[f"peak_{when}"] = peaks
    table = pd.DataFrame(columns, index=beads.index[chosen])
    # Only what was measured in both tells what deconvolution did.
    measured = np.isfinite(table.to_numpy()).all(axis=1)
    table = table[measured & (table["peak_before"] > 0).to_numpy()]
    if len(table) == 0:
        raise InputError(
            f"None of the {int(chosen.sum())} isolated beads could be measured: they do not fall "
            "to half of their maximum on all sides. Check the voxel size and that PSF, beads and "
            "image belong together."
        )
    table["peak_gain"] = table["peak_after"] / table["peak_before"]
    sent, gathered = flux_of_beads(
        before,
        after,
        psf_of_bead or psf,
        centres_of(table),
        widths,
        backgrounds[1],
        spacing=spacing,
        bead_diameter=bead_diameter,
    )
    here = inside(centres, whole(before.shape))
    return Proof(
        beads=table,
        used=int((beads["used"].to_numpy(dtype=bool) & here).sum()),
        unit="voxels" if spacing is None else "um",
        flux_before=float(sent.sum()),
        flux_after=float(gathered.sum()),
        background_before=backgrounds[0],
        background_after=backgrounds[1],
    )


def inside(centres: Floats, box: Box) -> NDArray[np.bool_]:
    """Return which centres lie in a box of voxels."""
    low, high = np.array([[part.start, part.stop] for part in box]).T
    within = (centres >= low - 0.5) & (centres < high - 0.5)
    return np.asarray(within.all(axis=1))


def spread_of(values: ArrayLike) -> Spread:
    """Return the median and the quartiles."""
    low, middle, high = np.percentile(np.asarray(values, float), (25, 50, 75))
    return Spread(float(middle), float(low), float(high))


def write_proof(path: str | Path, proof: Proof) -> None:
    """Write a proof as a CSV table, whole or not at all: a row a quantity and bead.

    The medians and quartiles of the beads come first; ``bead`` says which row is which.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    rows: list[tuple[str, str, str, float, float]] = []
    quantities = [*(f"fwhm_{axis}" for axis in proof.axes), "peak"]
    units = [*[proof.unit] * len(proof.axes), "intensity"]
    for name, unit in zip(quantities, units, strict=True):
        pair = [spread_of(proof.beads[f"{name}_{when}"]) for when in ("before", "after")]
        for label, first, second in zip(
            ("median", "lower quartile", "upper quartile"), *pair, strict=True
        ):
            rows.append((name, label, unit, first, second))
    rows.append(("flux", "all", "intensity", proof.flux_before, proof.flux_after))
    for name, unit in zip(quantities, units, strict=True):
        before, after = (proof.beads[f"{name}_{when}"] for when in ("before", "after"))
        rows += [
            (name, str(bead), unit, float(a), float(b))
            for bead, a, b in zip(proof.beads.index, before, after, strict=True)
        ]
    table = pd.DataFrame(rows, columns=["quantity", "bead", "unit", "before", "after"])
    table["after_over_before"] = table["after"] / table["before"]
    write_whole(path, lambda part: table.to_csv(part, index=False, float_format="%.6g"))
