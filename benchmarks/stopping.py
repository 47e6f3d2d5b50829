"""How near the automatic end of a deconvolution comes to the best one: python stopping.py."""

from __future__ import annotations

import argparse
import re
import sys
import time

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from stopping_cases import CASES, Case, Shown, shown

from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.model import Method, Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate
from napari_psf_distiller.deconvolution.stopping import enough_iterations
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.progress import finish

# Iterations whose error is looked at, at most.
MOST = {"accelerated": 200, "plain": 1000}

# Of the truth and the estimate: both are looked at with this part of the PSF's width.
RESOLUTION = 0.5

# Where the error is so many times the least, it has passed it.
WORSE = 1.5

# At the border an object is not known; so many voxels of each axis' ends do not count.
MARGIN = (2, 6, 6)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression of the cases' names")
    parser.add_argument("--seeds", type=int, default=1, help="how many images of each case")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--method", default="accelerated", choices=tuple(MOST))
    arguments = parser.parse_args()
    print("| case | chosen | best | error | least | ratio | s | said |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    ratios = []
    for case in CASES:
        if not re.search(arguments.only, case.name):
            continue
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            line, ratio, warned = judged(case, seed, arguments.method)
            print(line, flush=True)
            ratios.append((ratio, warned))
    found = np.array([ratio for ratio, warned in ratios if not warned])
    if len(found):
        print(
            f"\n{len(found)} without a warning: at most 1.2 in {np.sum(found <= 1.2)}, "
            f"largest {found.max():.2f}; {len(ratios) - len(found)} with one."
        )
    return 0


def judged(case: Case, seed: int, method: Method) -> tuple[str, float, bool]:
    """Return a row of the table, the ratio of errors, and whether there was a warning."""
    given = shown(case, seed)
    image = np.asarray(given.image, np.float32)
    engine, model = open_engine("numpy", "auto"), Model(method=method)
    begun = time.perf_counter()
    enough = finish(enough_iterations(image, given.psf, engine, model))
    seconds = time.perf_counter() - begun
    errors = errors_of(given, image, model, MOST[method])
    best = min(errors, key=errors.__getitem__)
    error = errors[min(errors, key=lambda n: abs(n - enough.iterations))]
    said = " ".join(enough.warnings)
    ratio = error / errors[best]
    row = (
        f"| {case.name} | {enough.iterations} | {best} | {error:.3f} | {errors[best]:.3f} | "
        f"{ratio:.2f} | {seconds:.0f} | {said[:60]} |"
    )
    return row, ratio, bool(said)


def errors_of(
    given: Shown, image: NDArray[np.float32], model: Model, most: int
) -> dict[int, float]:
    """Return the relative error after each number of iterations, or after some of many."""
    engine = open_engine("numpy", "auto")
    widths = np.array(fwhm(given.psf, (1.0,) * given.psf.ndim))
    sigmas = RESOLUTION * widths / 2.3548
    truth = blurred(given.truth, sigmas)
    problem = problem_of(np.maximum(image, 0), given.psf, model, engine)
    errors, least = {}, np.inf
    for iteration, _, solver in iterate(problem, engine, most, model.method):
        if iteration % max(1, iteration // 15):
            continue
        estimate = solver.estimate().reshape(image.shape)
        errors[iteration] = distance(blurred(estimate, sigmas), truth)
        least = min(least, errors[iteration])
        if errors[iteration] > WORSE * least:
            break
    return errors


def blurred(array: NDArray[np.floating], sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inner part of an object at the resolution at which it is looked at."""
    margin = MARGIN[-array.ndim :]
    part = ndimage.gaussian_filter(array.astype(np.float64), sigmas)
    return part[tuple(slice(m, -m) for m in margin)]


def distance(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Return how far an estimate is from the truth at the best scale and level, in parts of it."""
    off_truth, off = truth - truth.mean(), estimate - estimate.mean()
    correlation = float(np.vdot(off, off_truth) / np.linalg.norm(off) / np.linalg.norm(off_truth))
    # The part of the truth that no multiple of the estimate tells.
    return float(np.sqrt(max(1 - correlation**2, 0)))


if __name__ == "__main__":
    sys.exit(main())
