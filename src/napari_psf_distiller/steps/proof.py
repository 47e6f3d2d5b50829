"""The proof of a PSF: beads before and after deconvolution, and what a fit left of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.steps.beads import AXES, centres_of
from napari_psf_distiller.steps.noise import noise_level
from napari_psf_distiller.steps.psf import fwhm, profile_width

__all__ = [
    "Proof",
    "Spread",
    "Structure",
    "background_of",
    "isolated",
    "measurable",
    "measure_beads",
    "prove",
    "residual_structure",
    "spread_of",
    "widths_of",
    "write_proof",
]

Floats = NDArray[np.float64]

# A bead is isolated if no other one is nearer than so many widths: then none of its profiles,
# which reach so far, goes through another one.
ALONE, REACH = 4.0, 2.0

# What lies so many widths from every bead is elsewhere.
ELSEWHERE = 3.0

# The residual of so many voxels tells as much as that of all.
SAMPLE = 4_000_000


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
        The sum above the background.
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

    @property
    def flux_kept(self) -> float:
        """The flux after over that before; NaN where there was none."""
        return self.flux_after / self.flux_before if self.flux_before > 0 else float("nan")


class Structure(NamedTuple):
    """What a fit left of an image, over its noise; 1 is noise alone.

    Attributes
    ----------
    beads : int
        How many are used.
    cores : float
        Root mean square in the cores of the used beads.
    elsewhere : float
        Root mean square far from every bead; NaN where there is no such place.
    """

    beads: int
    cores: float
    elsewhere: float


def widths_of(psf: ArrayLike) -> Floats:
    """Return a PSF's full width at half maximum along each axis, in voxels.

    Where it does not fall to the half it is half of the window.

    Raises
    ------
    InputError
        The PSF cannot be used.
    """
    array = check_image(psf, "The PSF", constant=True)
    widths = np.array(fwhm(array, (1.0,) * array.ndim))
    return np.where(np.isfinite(widths), widths, np.array(array.shape) / 2)


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


def isolated(centres: Floats, widths: Floats) -> NDArray[np.bool_]:
    """Return which beads have no other one within some widths.

    Parameters
    ----------
    centres : numpy.ndarray
        (N, axes), voxels.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along each axis, in voxels.
    """
    if len(centres) < 2:
        return np.ones(len(centres), bool)
    apart, _ = cKDTree(centres / widths).query(centres / widths, k=[2])
    return np.ravel(apart) >= ALONE


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
    used = beads["used"].to_numpy(dtype=bool) & _inside(centres, shape)
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


def measure_beads(
    image: NDArray[np.generic], centres: Floats, widths: Floats, background: float = 0.0
) -> tuple[Floats, Floats]:
    """Measure each bead on the lines through its brightest voxel.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    centres, widths : numpy.ndarray
        See `isolated`; the brightest voxel is sought within half a width of the centre.
    background : float
        Half of the maximum is half of what is above it.

    Returns
    -------
    numpy.ndarray
        (N, axes): full widths at half maximum in voxels; NaN where a line does not fall to the
        half within twice the width, or the image's border is nearer.
    numpy.ndarray
        (N,): the brightest voxels, above the background; NaN for a centre outside the image.
    """
    shape = np.array(image.shape)
    found, peaks = np.full(centres.shape, np.nan), np.full(len(centres), np.nan)
    near = np.maximum(np.round(widths / 2), 1).astype(int)
    reach = np.ceil(REACH * widths).astype(int) + 1
    for bead, centre in enumerate(np.floor(centres + 0.5).astype(int)):
        if (centre < 0).any() or (centre >= shape).any():
            continue
        low = np.maximum(centre - near, 0)
        core = image[tuple(map(slice, low, centre + near + 1))]
        peak = low + np.unravel_index(int(core.argmax()), core.shape)
        peaks[bead] = float(image[tuple(peak)]) - background
        for axis, at in enumerate(peak):
            line: list[int | slice] = list(peak)
            line[axis] = slice(max(at - reach[axis], 0), at + reach[axis] + 1)
            profile = image[tuple(line)].astype(np.float64) - background
            # Noise far down the line may not be taken for the bead.
            if int(profile.argmax()) == at - max(at - reach[axis], 0):
                found[bead, axis] = profile_width(profile)
    return found, peaks


def prove(
    before: NDArray[np.generic],
    after: NDArray[np.generic],
    beads: pd.DataFrame,
    widths: Floats,
    backgrounds: tuple[float, float],
    spacing: Sequence[float] | None = None,
) -> Proof:
    """Measure the isolated beads before and after deconvolution, and the flux.

    Parameters
    ----------
    before, after : numpy.ndarray
        (Z, Y, X) or (Y, X), the same shape.
    beads : pandas.DataFrame
        Their centres in voxels, and ``used``; those that are not make others not isolated.
    widths : numpy.ndarray
        See `isolated`.
    backgrounds : (float, float)
        Before and after.
    spacing : sequence of float, optional
        Voxel size in micrometres; without it widths are in voxels.

    Raises
    ------
    InputError
        The images differ in shape, or no isolated bead is used in them.
    """
    if before.shape != after.shape:
        raise InputError(
            f"The image has the shape {before.shape}, the deconvolved one {after.shape}; they "
            "must be the same."
        )
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
    return Proof(
        beads=table,
        used=int((beads["used"].to_numpy(dtype=bool) & _inside(centres, before.shape)).sum()),
        unit="voxels" if spacing is None else "um",
        flux_before=_flux(before, backgrounds[0]),
        flux_after=_flux(after, backgrounds[1]),
        background_before=backgrounds[0],
        background_after=backgrounds[1],
    )


def _inside(centres: Floats, shape: Sequence[int]) -> NDArray[np.bool_]:
    within = (centres >= -0.5) & (centres < np.array(shape) - 0.5)
    return np.asarray(within.all(axis=1))


def _flux(image: NDArray[np.generic], background: float) -> float:
    return float(image.sum(dtype=np.float64)) - image.size * background


def spread_of(values: ArrayLike) -> Spread:
    """Return the median and the quartiles."""
    low, middle, high = np.percentile(np.asarray(values, float), (25, 50, 75))
    return Spread(float(middle), float(low), float(high))


def residual_structure(
    residual: NDArray[np.generic], beads: pd.DataFrame, widths: Floats
) -> Structure:
    """Return how much more than noise a fit left of an image.

    Parameters
    ----------
    residual : numpy.ndarray
        (Z, Y, X) or (Y, X).
    beads : pandas.DataFrame
        Their centres in voxels, ``used``, and ``chi_squared``: the mean square of the residuals
        in each one's core, over the noise's.
    widths : numpy.ndarray
        See `isolated`.

    Raises
    ------
    InputError
        No used bead has a ``chi_squared``.
    """
    chi = beads.loc[beads["used"].astype(bool), "chi_squared"].to_numpy(dtype=float)
    chi = chi[np.isfinite(chi)]
    if len(chi) == 0:
        raise InputError("No used bead has a chi squared; choose the beads that Distil PSF wrote.")
    flat = residual.ndim == 2
    step = 1 if flat else max(1, residual.size // SAMPLE)
    planes = np.asarray(residual[None] if flat else residual[::step], np.float32)
    free = np.ones(planes.shape, bool)
    reach = np.ceil(ELSEWHERE * widths[-2:]).astype(int)
    # A widefield PSF spreads from a bead in any plane, so the beads of all planes are left out.
    for y, x in np.floor(centres_of(beads)[:, -2:] + 0.5).astype(int):
        free[
            :,
            max(y - reach[0], 0) : max(y + reach[0] + 1, 0),
            max(x - reach[1], 0) : max(x + reach[1] + 1, 0),
        ] = False
    # Second differences hold no structure that is wider than a voxel: they tell the noise.
    rough = (planes[..., 2:] - 2 * planes[..., 1:-1] + planes[..., :-2]) / np.sqrt(6)
    there = free[..., 2:] & free[..., 1:-1] & free[..., :-2]
    elsewhere = float("nan")
    if there.any():
        # Not their median, which is 0 where a camera's steps are coarser than its noise.
        noise = float(np.sqrt(np.mean(rough[there].astype(np.float64) ** 2)))
        rms = float(np.sqrt(np.mean(planes[free].astype(np.float64) ** 2)))
        elsewhere = rms / noise if noise > 0 else float("nan")
    return Structure(len(chi), float(np.sqrt(chi.mean())), elsewhere)


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
