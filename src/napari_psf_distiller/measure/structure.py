"""Whether a PSF explains its beads: what it leaves of them, as figures and as a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.beads import HELD_OUT, centres_of
from napari_psf_distiller.boxes import whole
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.bead_fits import fit_beads_steps
from napari_psf_distiller.measure.beads import PSFOfBead, isolated
from napari_psf_distiller.measure.mean_residual import MeanResidual, mean_residual
from napari_psf_distiller.measure.noise import noise_model
from napari_psf_distiller.measure.proof import inside
from napari_psf_distiller.measure.stored_values import step_of
from napari_psf_distiller.progress import Steps

__all__ = ["Structure", "psf_structure_steps", "residual_structure"]

Floats = NDArray[np.float64]

# What lies so many widths from every bead is elsewhere.
ELSEWHERE = 3.0

# The residual of so many voxels tells as much as that of all.
SAMPLE = 4_000_000

# A PSF is fitted to so many beads at most, the brightest, which takes seconds: a fault that so many
# do not show is small.
MOST_FITTED = 50

# Residuals of so many times the noise are structure, not chance.
STRUCTURED = 1.5

# Beads that were held out have so many times the residuals of the used ones where the PSF does not
# hold for them.
HELD_OUT_RATIO = 1.1


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
    common : MeanResidual or None
        What is left at all used beads alike; None where their brightness is not known.
    held_out : int
        How many beads there are that the PSF was not fitted to, and that test it.
    held_out_cores : float
        Root mean square in their cores; NaN where there is none.
    fitted : bool
        Whether the PSF was fitted to each bead for this, and nothing is known of elsewhere.
    """

    beads: int
    cores: float
    elsewhere: float
    common: MeanResidual | None = None
    held_out: int = 0
    held_out_cores: float = float("nan")
    fitted: bool = False

    @property
    def is_noise(self) -> bool:
        """Whether nothing but noise is left, as far as this can be told."""
        return not self._fault()

    def verdict(self) -> str:
        """Return in a sentence what is left, and what that means.

        Examples
        --------
        >>> Structure(beads=40, cores=1.0, elsewhere=float("nan")).verdict()
        'Residual: 1.00 x the noise in the cores of 40 beads: noise, no structure.'
        """
        said = self._fault() or "noise, no structure."
        if self.is_noise and self.common is not None and np.isfinite(self.common.visible):
            said += (
                " A fault of the PSF that all beads share would show from "
                f"{100 * self.common.visible:.2g} % of its peak on."
            )
        elsewhere = f", {self.elsewhere:.2f} x elsewhere" if np.isfinite(self.elsewhere) else ""
        held_out = (
            f", {self.held_out_cores:.2f} x in those of {self.held_out} held out"
            if self.held_out
            else ""
        )
        what = "Residual of this PSF, fitted to each bead" if self.fitted else "Residual"
        return (
            f"{what}: {self.cores:.2f} x the noise in the cores of {self.beads} beads"
            f"{held_out}{elsewhere}: {said}"
        )

    def _fault(self) -> str:
        """Return what is left beside noise; nothing where there is nothing."""
        shared = "" if self.common is None else self.common.described()
        if shared:
            return f"all beads share a structure, {shared}."
        if self.cores > STRUCTURED:
            return "the beads differ from the model; look at the residual there."
        if self.held_out_cores > HELD_OUT_RATIO * self.cores:
            return "the PSF does not hold for the beads that it was not fitted to; use more beads."
        if self.elsewhere > STRUCTURED:
            return "beads that were not found, or a background that is not flat; look there."
        return ""


def residual_structure(
    residual: NDArray[np.generic],
    beads: pd.DataFrame,
    widths: Floats,
    image: NDArray[np.generic],
    psf: NDArray[np.floating],
) -> Structure:
    """Return how much more than noise a fit left of an image.

    Parameters
    ----------
    residual : numpy.ndarray
        (Z, Y, X) or (Y, X).
    beads : pandas.DataFrame
        Their centres in voxels, ``used``, and ``chi_squared``: the mean square of the residuals
        in each one's core, over the noise's. With ``amplitude``, the light of each, what all beads
        have in common is told; with ``reason``, what is left at those that were held out.
    widths : numpy.ndarray
        See `isolated`.
    image : numpy.ndarray
        Of which the residual is left.
    psf : numpy.ndarray
        Its window is that of the beads.

    Raises
    ------
    InputError
        No used bead has a ``chi_squared``.
    """
    of_all = beads["chi_squared"].to_numpy(dtype=float)
    known = np.isfinite(of_all)
    chi = of_all[known & beads["used"].to_numpy(dtype=bool)]
    held_out = of_all[known & (beads["reason"] == HELD_OUT)] if "reason" in beads else of_all[:0]
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
    common = _common(residual, beads, widths, image, psf)
    return Structure(
        beads=len(chi),
        cores=float(np.sqrt(chi.mean())),
        elsewhere=elsewhere,
        common=common,
        held_out=len(held_out),
        held_out_cores=float(np.sqrt(held_out.mean())) if len(held_out) else float("nan"),
    )


def _common(
    residual: NDArray[np.generic],
    beads: pd.DataFrame,
    widths: Floats,
    image: NDArray[np.generic],
    psf: NDArray[np.floating],
) -> MeanResidual | None:
    """Return the mean residual of the used beads, in parts of their peaks."""
    if "amplitude" not in beads:
        return None
    used = beads[beads["used"].to_numpy(dtype=bool) & (beads["amplitude"] > 0).to_numpy()]
    centres = centres_of(used)
    here = inside(centres, whole(residual.shape))
    if not here.any():
        return None
    noise = noise_model(image, step=step_of(image))
    flat = residual.ndim == 2
    left, shown = (each[None] if flat else each for each in (residual, image))

    def variance(box: tuple[slice, ...]) -> NDArray[np.float32]:
        model = shown[box].astype(np.float32) - left[box].astype(np.float32)
        return noise.variance(model).astype(np.float32)

    places = centres[here]
    if flat:
        places = np.insert(places, 0, 0.0, axis=1)
    reach = [0] * flat + [int(n) for n in np.ceil(widths)]
    window = [0] * flat + [n // 2 for n in psf.shape]
    peaks = used["amplitude"].to_numpy(dtype=float)[here] * float(psf.max() / psf.sum())
    return mean_residual(left, variance, places, peaks, reach, window)


def psf_structure_steps(
    image: NDArray[np.generic],
    psf: NDArray[np.floating],
    beads: pd.DataFrame,
    widths: Floats,
    spacing: Sequence[float] | None = None,
    bead_diameter: float = 0.0,
    psf_of_bead: PSFOfBead | None = None,
) -> Steps[Structure]:
    """Return how much more than noise a PSF leaves of beads, whoever made it.

    It is fitted to each used bead that stands alone: a generator of progress.

    Parameters
    ----------
    image : numpy.ndarray
        (Z, Y, X) or (Y, X).
    psf : numpy.ndarray
        On the image's voxels.
    beads : pandas.DataFrame
        Their centres in voxels, and ``used``; those that are not, and those that are not alone, are
        fitted for their light alone.
    widths : numpy.ndarray
        See `isolated`.
    spacing : sequence of float, optional
        Voxel size in micrometres.
    bead_diameter : float
        In micrometres; 0 where the PSF holds the beads' size, or they are points.
    psf_of_bead : callable, optional
        Of a PSF that changes over the image, of which ``psf`` is the mean then; see `PSFOfBead`.

    Raises
    ------
    InputError
        No bead can be used, the PSF was fitted to none, or the image has no noise.
    """
    known = beads[inside(centres_of(beads), whole(image.shape))]
    centres = centres_of(known)
    alone = known["used"].to_numpy(dtype=bool) & isolated(centres, widths)
    if not alone.any():
        raise InputError(
            "No used bead stands alone here, so it is not known what the PSF leaves of them."
        )
    if alone.sum() > MOST_FITTED:
        middle = tuple(np.floor(centres + 0.5).astype(int).T)
        bright = np.where(alone, image[middle].astype(np.float64), -np.inf)
        alone &= bright >= np.sort(bright)[-MOST_FITTED]
    noise = noise_model(image, step=step_of(image))
    if noise.absent:
        raise InputError(
            "The image has no noise, as one that was computed has none: what the PSF leaves of it "
            "cannot be told from noise."
        )
    fits = yield from fit_beads_steps(
        image,
        psf_of_bead or psf,
        centres,
        widths,
        noise,
        alone=alone,
        spacing=spacing,
        bead_diameter=bead_diameter,
    )
    flat = image.ndim == 2
    residual, expected = (each[None] if flat else each for each in (fits.residual, fits.expected))
    places = np.insert(fits.centres, 0, 0.0, axis=1) if flat else fits.centres
    core = [0] * flat + [int(n) for n in np.ceil(widths)]
    common = mean_residual(
        residual,
        lambda box: noise.variance(expected[box]).astype(np.float32),
        places,
        fits.peaks,
        core,
        [0] * flat + list(fits.reach),
    )
    return Structure(
        beads=len(places),
        cores=float(np.sqrt(fits.chi_squared.mean())),
        elsewhere=float("nan"),
        common=common,
        fitted=True,
    )
