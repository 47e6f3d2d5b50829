"""How right a distilled PSF is on voxels of another size than its own.

A field of beads is simulated and distilled, and its PSF evaluated on voxels of 0.5 to 2 times its
own size along z, in the plane, and along all axes. Each is compared with the microscope's PSF on
these voxels, which is computed anew from the pupil, in a window larger than what is compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from bead_cases import crop_about_centre
from numpy.typing import NDArray
from scipy import ndimage

import napari_psf_distiller as psfd
from conditions.cases import Case
from conditions.optics import Array, Microscope, nyquist
from conditions.point_spread import psf_of
from conditions.scenes import Scene
from conditions.scoring import BRIGHT, NORMAL_95, nearest
from conditions.table import CASES as CONDITIONS

__all__ = ["CASES", "HEADER", "SUMMARY", "Row", "rows_of", "summary"]

# The axes along which the other voxels have another size.
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
    "functions held",
)
# Of all fields of a case.
SUMMARY = (
    "case",
    "fields",
    "axes",
    "voxels",
    "l2",
    "of own voxels'",
    "in each field",
    "splines",
    "held",
    "held above 1 %",
    "functions held",
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
    held_functions : float
        Share of all voxels where the interval holds it about the sum of the functions, from which
        nothing negative was taken away.
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
    held_functions: float

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
            f"{100 * self.held_functions:.0f} %",
        )


def summary(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each size of voxels in each case: root mean squares over its fields."""
    own = {(row.case, row.seed): row.l2 for row in rows if not row.axes}
    for case, axes, size in dict.fromkeys((row.case, row.axes, row.size) for row in rows):
        found = [row for row in rows if (row.case, row.axes, row.size) == (case, axes, size)]
        l2, of_own, splines = (
            float(np.sqrt(np.mean(np.square(values))))
            for values in (
                [row.l2 for row in found],
                [own[row.case, row.seed] for row in found],
                [row.splines for row in found],
            )
        )
        ratios = [row.ratio for row in found]
        held = ("held", "held_bright", "held_functions")
        yield (
            case,
            str(len(found)),
            axes or "own",
            f"{size:g}",
            f"{l2:.4f}",
            f"{l2 / of_own:.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{splines:.4f}",
            *(_shares([getattr(row, name) for row in found]) for name in held),
        )


def _shares(values: Sequence[float]) -> str:
    low, high = (f"{100 * value:.0f}" for value in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def rows_of(name: str, seed: int, sizes: Sequence[float]) -> Iterator[Row]:
    """Yield a row for each size of voxels, in the own ones, which come first."""
    case = CASES[name]
    _, image = case.simulate(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        psf = psfd.distill(image, case.spacing(), recipe=case.recipe("all"), device="numpy").psf
    own = _row(name, seed, psf, "", 1.0, None)
    yield own
    for axes in AXES:
        for size in sizes:
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
    held = _held(there, truth, compared)
    assert psf.model is not None
    as_they_are = replace(psf, model=replace(psf.model, clip=False))
    functions = as_they_are.evaluate((z, y, x), there.shape, with_error=True)
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
        float(_held(functions, truth, compared).mean()),
    )


def _held(psf: psfd.PSF, truth: Array, compared: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where the 95 % interval of a PSF holds the truth, which is scaled to its light."""
    assert psf.error is not None
    found, error = (
        crop_about_centre(array.astype(np.float64), compared) for array in (psf.array, psf.error)
    )
    return np.abs(found - truth * (found.sum() / truth.sum())) <= NORMAL_95 * error


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
