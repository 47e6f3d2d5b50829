"""How right a distilled PSF is on voxels of another size than its own.

A field of beads is simulated and distilled, and its PSF evaluated on voxels of 0.5 to 2 times its
own size along z, in the plane, and along all axes. Each is compared with the microscope's PSF on
these voxels, which is computed anew from the pupil, in a window larger than what is compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from bead_cases import crop_about_centre
from scipy import ndimage

import napari_psf_distiller as psfd
from conditions.cases import Case
from conditions.optics import Array, Microscope, nyquist
from conditions.point_spread import psf_of
from conditions.scenes import Scene
from conditions.scoring import BRIGHT, NORMAL_95, nearest
from conditions.table import CASES as CONDITIONS

__all__ = ["CASES", "HEADER", "Row", "rows_of"]

# Sizes of the other voxels, in those of the PSF's own, and the axes along which they are so large.
SIZES = (0.5, 0.7, 1.4, 2.0)
AXES = {"z": (True, False, False), "y, x": (False, True, True), "all": (True, True, True)}

WATER = Microscope(1.2, 1.333, 0.52)
SCENE = Scene(WATER, (0.25, 0.09, 0.09), diameter=0.1, window=(61, 121, 121))
COMATIC = ((4, 0, 0.06), (3, 1, 0.05), (2, 2, 0.05))
COARSE = (1.3 * nyquist(WATER)[0], 1.3 * nyquist(WATER)[1], 1.3 * nyquist(WATER)[1])

CASES = {
    "widefield": Case("widefield", SCENE),
    "aberrated": Case("aberrated", replace(SCENE, microscope=replace(WATER, aberrations=COMATIC))),
    **{name: CONDITIONS[f"f/{name}"] for name in ("confocal", "two-photon", "STED")},
    "coarse": Case(
        "coarse",
        replace(SCENE, spacing=COARSE, shape=(24, 200, 200), window=(41, 81, 81), beads=40),
        scored=(13, 21, 21),
    ),
}

HEADER = (
    "case",
    "seed",
    "axes",
    "voxels",
    "l2",
    "of own voxels'",
    "splines",
    "held",
    "held above 1 %",
)


@dataclass(frozen=True)
class Row:
    """What a PSF is worth on some voxels.

    Attributes
    ----------
    case : str
    seed : int
    axes : str
        Of `AXES`, empty on the PSF's own voxels.
    size : float
        Of the voxels along these, in the own ones.
    l2, splines : float
        Norm of the difference from the truth over the truth's, both of the sum 1, after the best
        displacement: of the PSF that is evaluated, and of cubic splines through its own voxels.
    ratio : float
        The first over that on the own voxels.
    held, held_bright : float
        Share of the voxels whose stated 95 % interval holds the truth: of all, and of those above
        1 % of the peak.
    """

    case: str
    seed: int
    axes: str
    size: float
    l2: float
    ratio: float
    splines: float
    held: float
    held_bright: float

    def cells(self) -> tuple[str, ...]:
        return (
            self.case,
            str(self.seed),
            self.axes or "own",
            f"{self.size:g}",
            f"{self.l2:.4f}",
            f"{self.ratio:.2f}",
            f"{self.splines:.4f}",
            f"{100 * self.held:.0f} %",
            f"{100 * self.held_bright:.0f} %",
        )


def rows_of(name: str, seed: int) -> Iterator[Row]:
    """Yield a row for each size of voxels, the own ones first."""
    case = CASES[name]
    _, image = case.simulate(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        psf = psfd.distill(image, case.spacing(), recipe=case.recipe("all"), device="numpy").psf
    own = _row(name, seed, psf, "", 1.0, None)
    yield own
    for axes in AXES:
        for size in SIZES:
            yield _row(name, seed, psf, axes, size, own.l2)


def _row(name: str, seed: int, psf: psfd.PSF, axes: str, size: float, own: float | None) -> Row:
    case = CASES[name]
    scene = case.scene
    times = np.where(AXES.get(axes, (False,) * 3), size, 1.0)
    z, y, x = (float(t * s) for t, s in zip(times, scene.spacing, strict=True))
    there = psf.evaluate((z, y, x), with_error=True)
    compared = tuple(
        min(_odd(n / t), 2 * ((m - 1) // 2) + 1)
        for n, t, m in zip(case.scored, times, there.shape, strict=True)
    )
    planes, rows, columns = (_odd(n / t) for n, t in zip(scene.window, times, strict=True))
    window = (planes, rows, columns)
    true = psf_of(scene.microscope, (z, y, x), window, integrating=scene.integrating)
    array = np.asarray(there, np.float64)
    l2, displacement = nearest(array, true, compared)
    splines, _ = nearest(_through_voxels(psf, there), true, compared)
    truth = crop_about_centre(true.image(there.shape, displacement), compared)
    found = crop_about_centre(array, compared)
    # Both have as much light in what is compared.
    truth *= found.sum() / truth.sum()
    assert there.error is not None
    error = crop_about_centre(there.error.astype(np.float64), compared)
    held = np.abs(found - truth) <= NORMAL_95 * error
    return Row(
        name,
        seed,
        axes,
        size,
        l2,
        l2 / (l2 if own is None else own),
        splines,
        float(held.mean()),
        float(held[truth > BRIGHT * truth.max()].mean()),
    )


def _odd(n: float) -> int:
    return 2 * round((n - 1) / 2) + 1


def _through_voxels(psf: psfd.PSF, other: psfd.PSF) -> Array:
    """Return cubic splines through a PSF's voxels at those of another."""
    places = [
        (np.arange(n) - n // 2) * new / old + m // 2
        for n, m, new, old in zip(other.shape, psf.shape, other.spacing, psf.spacing, strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij")
    return ndimage.map_coordinates(psf.array.astype(np.float64), grid, order=3, mode="nearest")
