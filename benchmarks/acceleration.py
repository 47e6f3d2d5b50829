"""How many plain iterations' time the accelerated Richardson-Lucy needs to get as far as 200.

    python benchmarks/acceleration.py [--device NAME] [--fft NAME] [--rounds N]

For each of four images: the log-likelihood of the estimate after 200 plain iterations, the fewest
accelerated ones that reach it, and their time over that of one plain iteration. Both are timed in
turn in this process, without set-up; the median over the rounds counts. So does whether an
accelerated estimate is ever less likely than the plain one of as many iterations.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy import ndimage, signal

from napari_psf_distiller import simulate_beads
from napari_psf_distiller.compute import Engine, open_engine
from napari_psf_distiller.deconvolution.model import Method, Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate

SHAPE = (40, 256, 256)
PLAIN = 200
MOST = 40
# The two methods are compared at each of these counts.
COMPARED = (2, 3, 5, 10, 20, 40)


def images() -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    """Return name: (image, PSF, boundary)."""
    field = simulate_beads(SHAPE, beads=60, seed=1)
    psf = gaussian_psf((15, 21, 21), (2.5, 1.8, 1.8))
    rng = np.random.default_rng(0)
    rough = ndimage.gaussian_filter(rng.normal(size=SHAPE), (1, 2, 2))
    cells = 200 * np.maximum(rough / rough.std(), 0) ** 2 + 5
    threads = np.full(SHAPE, 1.0)
    for _ in range(100):
        start, step = rng.uniform(0, SHAPE), rng.normal(size=3) * (0.2, 1, 1)
        path = start + np.arange(500)[:, np.newaxis] * step
        inside = ((path >= 0) & (path <= np.array(SHAPE) - 1)).all(axis=1)
        threads[tuple(np.rint(path[inside]).astype(int).T)] += 300
    flat = np.full((1024, 1024), 2.0)
    for _ in range(900):
        flat[tuple(rng.integers(0, 1024, 2))] += rng.uniform(200, 4000)
    return {
        "beads": (field.image, field.psf, "noncirculant"),
        "cells": (observed(cells, psf, rng), psf, "noncirculant"),
        "threads, few photons": (observed(threads / 30, psf, rng), psf, "circulant"),
        "points, 2D": (observed(flat, psf[7], rng), psf[7], "noncirculant"),
    }


def gaussian_psf(shape: tuple[int, ...], sigmas: tuple[float, ...]) -> np.ndarray:
    """Return a Gaussian of sum 1 about n // 2."""
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    psf = np.exp(-0.5 * sum((g / s) ** 2 for g, s in zip(grids, sigmas, strict=True)))
    return (psf / psf.sum()).astype(np.float32)


def observed(truth: np.ndarray, psf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a noisy image of an object."""
    blurred = signal.fftconvolve(truth, psf / psf.sum(), mode="same")
    return rng.poisson(np.maximum(blurred, 0)).astype(np.float32)


def run(
    image: np.ndarray, psf: np.ndarray, boundary: str, engine: Engine, method: Method, count: int
) -> tuple[float, float]:
    """Return the estimate's log-likelihood after some iterations, and their seconds."""
    model = Model(boundary, method, start="flat")  # type: ignore[arg-type]
    problem = problem_of(image.astype(np.float32), psf, model, engine)
    steps = iterate(problem, engine, count, method)
    next(steps)
    start = time.perf_counter()
    for iteration, _, solver in steps:
        if iteration == count:
            # The first iteration came with the set-up.
            seconds = (time.perf_counter() - start) * count / (count - 1)
            found = solver.project(True)
            assert found is not None
            steps.close()
            return found.image, seconds
    raise ValueError("at least two iterations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fft", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    engine = open_engine(arguments.device, arguments.fft)
    print(engine.description)
    print("| image | accelerated iterations | in plain iterations' time (min..max) | ever below |")
    print("| --- | --- | --- | --- |")
    for name, (image, psf, boundary) in images().items():
        goal, _ = run(image, psf, boundary, engine, "plain", PLAIN)
        needed = next(
            (
                count
                for count in range(2, MOST)
                if run(image, psf, boundary, engine, "accelerated", count)[0] >= goal
            ),
            None,
        )
        if needed is None:
            print(f"| {name} | more than {MOST} | | |")
            continue
        ratios = []
        for _ in range(arguments.rounds):
            _, plain = run(image, psf, boundary, engine, "plain", 20)
            _, accelerated = run(image, psf, boundary, engine, "accelerated", needed)
            ratios.append(accelerated / (plain / 20))
        below = [
            count
            for count in COMPARED
            if run(image, psf, boundary, engine, "accelerated", count)[0]
            < run(image, psf, boundary, engine, "plain", count)[0] - 1e-6 * abs(goal)
        ]
        print(
            f"| {name} | {needed} | {np.median(ratios):.1f} ({min(ratios):.1f}..{max(ratios):.1f})"
            f" | {', '.join(map(str, below)) or 'no'} |"
        )


if __name__ == "__main__":
    main()
