"""What a PSF that changes over the field is worth to a deconvolution, and what it costs.

    python benchmarks/varying_deconvolution.py [--field NAME] [--iterations N] [--side N] [--seed N]

Beads, and a specimen of filaments and spheres, are imaged by a lens whose aberrations change over
the field: the vectorial PSF is computed from the pupil for each bead at its own centre, and for the
specimen at the crossings of a grid over the field, between which each voxel is spread by a mixture
of the four around it (their distance is small against that over which the PSF changes). A PSF is
distilled from the beads, and the specimen's image is deconvolved with it as it changes, with its
mean, and with the true PSF of many places. The error is the relative L2 one against the truth, both
seen at a common resolution, in the middle third of the field and in its outer third.

Beads cannot tell a displacement that changes over the field, such as of the light's centroid with
coma: it is taken for their place. So the specimen is imaged by true PSFs that are displaced at each
place to where they lie best upon the PSF that they are compared with: for the one distilled and the
true one upon the distilled one, and for the mean upon the mean. Each image has noise of its own.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lens_fields import BACKGROUND, FIELDS, OIL, Lens, Pupil, bead_image, seen
from numpy.typing import NDArray
from scipy import fft, ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.progress import finish
from napari_psf_distiller.psf.eigen import EigenPSFs, constant_psf

Floats = NDArray[np.float64]
SPACING = OIL.spacing
PSF_SHAPE = (21, 41, 41)

# Places along an axis at which the specimen's PSF is computed, and at which displacements are.
PLACES, DISPLACED = 17, 5

# Photons of a filament's piece of a quarter of a voxel, and of a voxel of a sphere.
LIGHT = 1000

# Full widths at half maximum, in micrometres, that truth and result are seen with.
SEEN_WITH = (0.5, 0.2, 0.2)


def distilled(
    lens: Lens, count: int, rng: np.random.Generator, kept: Path | None = None
) -> psfd.PSF:
    """Return a PSF that was distilled from some beads, or in an earlier run, where that is kept."""
    beads = bead_image(lens, count, rng)
    if kept is not None and kept.exists():
        return psfd.read_psf(kept)
    optics = psfd.Optics(OIL.numerical_aperture, OIL.wavelength, OIL.index)
    begin = time.perf_counter()
    result = psfd.distill(
        beads, spacing=SPACING, bead_diameter=OIL.bead, optics=optics, device="numpy"
    )
    print(f"distilled in {time.perf_counter() - begin:.0f} s: {' '.join(result.warnings)}")
    if kept is not None:
        result.psf.save(kept)
    return result.psf


def specimen(side: int, rng: np.random.Generator) -> Floats:
    """Return filaments and hollow spheres, in photons a voxel."""
    shape = (28, side, side)
    truth = np.zeros(shape)
    for _ in range(side // 8):
        place = rng.uniform((9, 12, 12), (19, side - 13, side - 13))
        heading = rng.uniform(0, 2 * np.pi)
        for _ in range(int(rng.uniform(40, 120) / 0.25)):
            heading += rng.normal(0, 0.04)
            place = place + 0.25 * np.array([rng.normal(0, 0.08), np.sin(heading), np.cos(heading)])
            if (place < (8, 10, 10)).any() or (place > (20, side - 11, side - 11)).any():
                break
            truth[tuple(np.rint(place).astype(int))] += LIGHT
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    for _ in range(side // 16):
        cz, cy, cx = rng.uniform((12, 20, 20), (16, side - 21, side - 21))
        radius = rng.uniform(0.4, 0.8)
        away = np.sqrt(
            ((z - cz) * SPACING[0]) ** 2
            + ((y - cy) * SPACING[1]) ** 2
            + ((x - cx) * SPACING[2]) ** 2
        )
        truth += LIGHT * (np.abs(away - radius) < 0.09)
    return truth


def true_eigen(lens: Lens, places: Floats, moves: Callable[[float, float], Floats]) -> EigenPSFs:
    """Return the true PSFs of many places as kernels, all of them, displaced as `moves` says."""
    psfs = []
    for y in places:
        for x in places:
            psf = lens.psf(PSF_SHAPE, y, x, moved=tuple(moves(y, x)))
            psfs.append((psf / psf.sum()).ravel())
    stacked = np.array(psfs)
    mean = stacked.mean(axis=0)
    _, values, right = np.linalg.svd(stacked - mean, full_matrices=False)
    kept = int((np.cumsum(values[::-1] ** 2)[::-1] > (5e-3 * np.linalg.norm(stacked)) ** 2).sum())
    count = 8
    at = np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
    relative = 2 * (at - places[0]) / (places[-1] - places[0]) - 1
    basis = np.polynomial.legendre.legvander2d(relative[:, 0], relative[:, 1], [count - 1] * 2)
    coefficients = [np.zeros((count, count))]
    coefficients[0][0, 0] = 1
    weights = (stacked - mean) @ right[:kept].T
    coefficients += list(np.linalg.lstsq(basis, weights, rcond=None)[0].T.reshape(-1, count, count))
    kernels = np.concatenate([mean[None], right[:kept]]).reshape(-1, *PSF_SHAPE)
    ends = float(places[0]), float(places[-1])
    shares = np.concatenate([[mean @ mean * len(stacked)], values[:kept] ** 2])
    shares /= mean @ mean * len(stacked) + (values**2).sum()
    return EigenPSFs(
        kernels.astype(np.float32),
        SPACING,
        (ends, ends),
        np.array(coefficients),
        tuple(shares.tolist()),
    )


def displacements(lens: Lens, places: Floats, onto: EigenPSFs) -> Callable[[float, float], Floats]:
    """Return by how many voxels the true PSF is displaced where it lies best upon another."""
    moves = np.empty((len(places), len(places), 3))
    for i, y in enumerate(places.tolist()):
        for j, x in enumerate(places.tolist()):
            wanted, moved = onto.at(y, x).astype(np.float64), np.zeros(3)
            for _ in range(4):
                psf = lens.psf(PSF_SHAPE, y, x, moved=tuple(moved))
                psf /= psf.sum()
                # A displacement by a little takes the slope away.
                slopes = [-slope.ravel() for slope in np.gradient(psf)]
                design = np.stack([*slopes, psf.ravel()], axis=1)
                step = np.linalg.lstsq(design, (wanted - psf).ravel(), rcond=None)[0]
                moved = moved + np.clip(step[:3], -1, 1)
            moves[i, j] = moved
    low, high = float(places[0]), float(places[-1])

    def at(y: float, x: float) -> Floats:
        place = [[(v - low) / (high - low) * (len(places) - 1)] for v in (y, x)]
        return np.array(
            [
                ndimage.map_coordinates(moves[..., axis], place, order=3, mode="nearest")[0]
                for axis in range(3)
            ]
        )

    return at


def imaged(truth: Floats, eigen: EigenPSFs) -> Floats:
    """Return the image of a specimen, each voxel spread with the PSF of its place."""
    sizes = [fft.next_fast_len(n + m) for n, m in zip(truth.shape, PSF_SHAPE, strict=True)]
    everywhere = np.arange(truth.shape[1], dtype=float)
    total: Any = 0
    for kernel, weights in zip(
        eigen.kernels, eigen.weights_at(everywhere, everywhere), strict=True
    ):
        total = total + fft.rfftn(truth * weights, sizes) * fft.rfftn(kernel, sizes)
    light = fft.irfftn(total, sizes)
    return np.maximum(
        light[
            tuple(slice(m // 2, m // 2 + n) for n, m in zip(truth.shape, PSF_SHAPE, strict=True))
        ],
        0,
    )


def errors(found: NDArray[Any], truth: Floats) -> tuple[float, float]:
    """Return the relative L2 errors in the middle third and in the outer third of the field."""
    sigmas = [width / 2.3548 / size for width, size in zip(SEEN_WITH, SPACING, strict=True)]
    one, other = (ndimage.gaussian_filter(np.asarray(a, float), sigmas) for a in (found, truth))
    side = truth.shape[1]
    away = np.abs(2 * (np.arange(side) + 0.5) / side - 1)
    away = np.maximum(away[:, None], away)
    parts = away < 1 / 3, away > 2 / 3
    middle, outer = (
        float(np.linalg.norm((one - other)[:, part]) / np.linalg.norm(other[:, part]))
        for part in parts
    )
    return middle, outer


def longer_an_iteration(image: NDArray[Any], psf: psfd.PSF, rounds: int = 5) -> float:
    """Return how many times as long an iteration takes with the PSF as it changes as with its mean.

    They take turns; of each the least time counts.
    """
    engine = open_engine("numpy")
    solvers, found = [], np.empty((rounds, 2))
    for choice in ("mean", "varying"):
        settings = psfd.Deconvolve(over_field=choice)
        recipe = psfd.Recipe(spacing=SPACING, deconvolve=settings)
        on_image = psf_on_image(psf, image.shape, recipe)
        model = Model(method="accelerated", background=120.0, variation=on_image.variation)
        problem = problem_of(image.astype(np.float32), on_image.array, model, engine)
        solvers.append(engine.solver(problem))
    for turn in range(rounds):
        for number, solver in enumerate(solvers):
            begin = time.perf_counter()
            solver.project(likelihood=True)
            solver.update(0.1, 0.1)
            found[turn, number] = time.perf_counter() - begin
    for solver in solvers:
        solver.close()
    mean, varying = found.min(axis=0).tolist()
    return float(varying / mean)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Deconvolution with a PSF that changes.")
    parser.add_argument("--field", choices=FIELDS, default="coma")
    parser.add_argument("--iterations", type=int, help="by default the automatic number")
    parser.add_argument("--side", type=int, default=208, help="of the field, in voxels")
    parser.add_argument("--beads", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--psf", type=Path, help="a TIFF to keep the PSF in for the next run")
    parser.add_argument("--left", type=float, help="what may be left out of the distilled PSF")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", psfd.DistillerWarning)
    rng = np.random.default_rng(arguments.seed)
    lens = Lens(Pupil(), FIELDS[arguments.field], arguments.side)
    whole = distilled(lens, arguments.beads, rng, arguments.psf)
    psf = whole.evaluate(shape=PSF_SHAPE)
    eigen = psf.eigen_psfs() if arguments.left is None else psf.eigen_psfs(left=arguments.left)
    print(f"{len(eigen)} eigen-PSFs, of the PSF's squares left out {1 - sum(eigen.shares):.1e}")
    truth = specimen(arguments.side, rng)
    places = np.linspace(0, arguments.side - 1, PLACES)
    few = np.linspace(0, arguments.side - 1, DISPLACED)
    rows = np.arange(arguments.side, dtype=float)
    runs: list[tuple[str, NDArray[Any], dict[str, Any]]] = []
    for onto in ("distilled", "mean"):
        there = eigen if onto == "distilled" else constant_psf(psf.array, psf.spacing)
        true = true_eigen(lens, places, displacements(lens, few, there))
        image = seen(imaged(truth, true), rng)
        if onto == "distilled":
            exact = PSFVariation(true, rows, rows, (1.0, 1.0))
            found = PSFVariation(eigen, rows, rows, (1.0, 1.0))
            print(f"the true PSF as {len(true)} kernels")
            runs.append(("true", image, {"psf": true.kernels[0], "variation": exact}))
            runs.append(("distilled", image, {"psf": eigen.kernels[0], "variation": found}))
        else:
            runs.append(("mean", image, {"psf": psf.array}))
    print(f"{'PSF':10} {'iterations':>10} {'middle third':>13} {'outer third':>12} {'seconds':>8}")
    recipe = psfd.Recipe(
        spacing=SPACING,
        device="numpy",
        deconvolve=psfd.Deconvolve(iterations=arguments.iterations, background=BACKGROUND + 100),
    )
    for name, image, options in runs:
        begin = time.perf_counter()
        steps = deconvolve_step(image, recipe=recipe, **options)
        done = finish(steps)
        middle, outer = errors(done.array, truth)
        took = time.perf_counter() - begin
        print(
            f"{name:10} {done.iterations:10d} {middle:13.3f} {outer:12.3f} {took:8.1f}", flush=True
        )
    ratio = longer_an_iteration(runs[0][1], psf)
    print(f"an iteration with {len(eigen)} kernels: {ratio:.1f} times as long as with one")


if __name__ == "__main__":
    main()
