"""How near a distilled PSF comes to the truth, and whether it knows."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bead_cases import Array, crop_about_centre
from scipy import fft as scipy_fft
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

import napari_psf_distiller as psfd
from conditions.cases import Case
from conditions.point_spread import PSF
from conditions.scenes import Exposure

# An interval of so many standard errors to each side holds the truth 95 times of 100.
NORMAL_95 = 1.96

# The PSF's errors are looked at where it is above this part of its peak.
BRIGHT = 0.01

# With less light than this of the truth in the window, a displacement has lost it.
LEAST_LIGHT = 0.02

# A bead is found within so many voxels, or within a bead image's width.
REACH = 2.0


@dataclass(frozen=True)
class Row:
    """What came of a case.

    Attributes
    ----------
    case, told : str
    seed : int
    bound : float
        On l2; see `Case`.
    seconds : float
        Of distilling, detection included.
    refused, crashed : str
        What was said instead of a result.
    warnings : tuple of str
    l2 : float
        Norm of the difference over the truth's, both of sum 1, after the best displacement.
    stated : float
        The same that the voxels' standard errors let expect.
    off : tuple of float
        Of the widths along each axis, relative error.
    pulls : tuple of float
        The same in stated errors.
    held : float
        Share of the voxels above 1 % of the peak whose 95 % interval holds the truth.
    beads, used, false : int
        That stand alone, that were used, and that were used but are none of those.
    """

    case: str
    told: str
    seed: int
    bound: float
    seconds: float = 0.0
    refused: str = ""
    crashed: str = ""
    warnings: tuple[str, ...] = ()
    l2: float = np.nan
    stated: float = np.nan
    off: tuple[float, ...] = field(default=())
    pulls: tuple[float, ...] = field(default=())
    held: float = np.nan
    beads: int = 0
    used: int = 0
    false: int = 0

    @property
    def widths_held(self) -> tuple[bool, ...]:
        """Whether the 95 % interval of each width holds the truth."""
        return tuple(abs(pull) <= NORMAL_95 for pull in self.pulls)


def row_of(case: Case, told: str, seed: int) -> Row:
    """Distil a case's image, and compare with the truth; what the distiller refuses is told."""
    exposure, image = case.simulate(seed)
    head: dict[str, Any] = {"case": case.name, "told": told, "seed": seed, "bound": case.bound}
    begun = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", psfd.DistillerWarning)
            result = psfd.distill(image, case.spacing(), recipe=case.recipe(told))
    except psfd.DistillerError as error:
        return Row(**head, seconds=time.perf_counter() - begun, refused=str(error))
    seconds = time.perf_counter() - begun
    return Row(
        **head,
        seconds=seconds,
        warnings=result.warnings,
        beads=int(exposure.single.sum()),
        **_figures(case, exposure, result),
    )


def _figures(case: Case, exposure: Exposure, result: psfd.Result) -> dict[str, Any]:
    psf, error = (
        np.asarray(array, float).reshape((-1, *result.psf.shape[-2:]))
        for array in (result.psf, result.psf_error)
    )
    window = tuple(map(min, case.scored, psf.shape, _odd(exposure.psf.window, psf.shape)))
    l2, displacement = nearest(psf, exposure.psf, window)
    truth = exposure.psf.image(psf.shape, displacement)
    truth /= truth.sum()
    error = error / psf.sum()
    inner_truth, inner_psf, inner_error = (
        crop_about_centre(array, window) for array in (truth, psf / psf.sum(), error)
    )
    bright = inner_truth > BRIGHT * truth.max()
    held = np.abs(inner_psf - inner_truth) <= NORMAL_95 * inner_error
    shown = truth.astype(np.float32).reshape(result.psf.shape)
    width = np.array(psfd.fwhm(shown, case.spacing()))
    found, doubt = np.array(result.fwhm), np.array(result.fwhm_error)
    used = int(result.beads["used"].sum())
    return {
        "l2": l2,
        "stated": float(np.linalg.norm(inner_error) / np.linalg.norm(inner_truth)),
        "off": tuple((found / width - 1).tolist()),
        "pulls": tuple(((found - width) / doubt).tolist()),
        "held": float(held[bright].mean()),
        "used": used,
        "false": 0 if case.moved else _false(exposure, result, displacement),
    }


def _odd(window: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the truth's window; of a PSF in 2D, one plane of it."""
    return (1, *window[1:]) if shape[0] == 1 else window


def nearest(psf: Array, truth: PSF, window: tuple[int, ...]) -> tuple[float, Array]:
    """Return how far a PSF is from the truth at its best place.

    Parameters
    ----------
    psf : numpy.ndarray
        (Z, Y, X).
    truth : PSF
    window : tuple of int
        In which both are compared, with sum 1 there.

    Returns
    -------
    l2 : float
        Norm of the difference over the truth's.
    displacement : numpy.ndarray
        Of the truth from the PSF's centre, in voxels.
    """
    given = crop_about_centre(psf, window)
    given = given / given.sum()
    free = [axis for axis, n in enumerate(window) if n > 1]

    def difference(moves: Array) -> Array:
        displacement = np.zeros(3)
        displacement[free] = moves
        true = truth.image(window, displacement)
        if true.sum() < LEAST_LIGHT:
            return np.full(given.size, 2 / np.sqrt(given.size))
        true /= true.sum()
        return ((true - given) / np.linalg.norm(true)).ravel()

    # A PSF with several peaks may have been taken from another one of them.
    starts = {(0.0,) * 3, tuple(_correlated(given, truth))}
    fits = [
        least_squares(
            difference,
            np.array(start)[free],
            diff_step=np.full(len(free), 0.01),
            x_scale=0.5,
            xtol=1e-5,
        )
        for start in starts
    ]
    best = min(fits, key=lambda fit: fit.cost)
    displacement = np.zeros(3)
    displacement[free] = best.x
    return float(np.sqrt(2 * best.cost)), displacement


def _correlated(given: Array, truth: PSF) -> Array:
    """Return the whole voxels by which the truth is displaced, where both are most alike."""
    wide = tuple(2 * n - 1 if n > 1 else 1 for n in given.shape)
    true = truth.image(wide)
    spectrum = scipy_fft.rfftn(crop_about_centre(given, wide)) * scipy_fft.rfftn(true).conj()
    alike = scipy_fft.fftshift(scipy_fft.irfftn(spectrum, s=wide))
    place = np.unravel_index(alike.argmax(), wide)
    return np.array(place, float) - np.array(wide) // 2


def _false(exposure: Exposure, result: psfd.Result, displacement: Array) -> int:
    """Return how many of the used beads are none that stands alone."""
    used = result.beads[result.beads["used"]]
    places = used[["y", "x"]].to_numpy() + displacement[1:]
    shown = exposure.psf.planes(np.zeros(1))[0]
    wide = np.sqrt(np.count_nonzero(shown > shown.max() / 2))
    distance, which = cKDTree(exposure.centres[:, 1:]).query(places)
    right = (distance < max(REACH, wide)) & exposure.single[which]
    return int(np.count_nonzero(~right))
