"""How near this package's Richardson-Lucy comes to clij2-fft's, for each engine and boundary.

    pip install clij2-fft        # and its libraries on the loader's path
    python benchmarks/parity_clij2fft.py
    python benchmarks/parity_clij2fft.py --store-total-variation tests/data/clij2fft_tv.npz

clij2-fft (B. Northan) runs on the first OpenCL device in the same process, on the same arrays;
what is printed is the relative L2 difference after 50 iterations. The second line stores what it
gives with total variation, for the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from clij2fft.richardson_lucy import richardson_lucy as clij_circulant
from clij2fft.richardson_lucy import richardson_lucy_nc as clij_noncirculant

from napari_psf_distiller.compute import Boundary, open_engine
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.richardson_lucy import richardson_lucy
from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.progress import finish
from napari_psf_distiller.simulate import simulate_beads, simulate_psf

ITERATIONS = 50
CASES = {
    "even": ((24, 40, 48), (8, 16, 16)),
    "odd": ((25, 41, 47), (9, 15, 17)),
    "even PSF, odd grid": ((17, 50, 49), (4, 12, 14)),
    "image smaller than PSF": ((16, 20, 24), (24, 32, 33)),
}
CLIJ: dict[Boundary, Any] = {"circulant": clij_circulant, "noncirculant": clij_noncirculant}
ENGINES = (
    ("numpy", "scipy"),
    ("numpy", "ducc0"),
    ("cpu", "opencl"),
    ("cpu", "vkfft"),
)
TOTAL_VARIATION = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store-total-variation", type=Path, metavar="FILE")
    path = parser.parse_args().store_total_variation
    if path is None:
        compare()
    else:
        store_total_variation(path)


def compare() -> None:
    engines = []
    for device, fft in ENGINES:
        try:
            engines.append(open_engine(device, fft))
        except DistillerError as error:
            print(f"left out: {error}")
    for name, (shape, window) in CASES.items():
        spacing = (0.2, 0.08, 0.08)
        image = simulate_beads(shape, spacing, beads=4, separation=0.5).image.astype(np.float32)
        psf = simulate_psf(window, spacing, spherical=0.1).astype(np.float32)
        for boundary, theirs in CLIJ.items():
            for weight in (0.0, TOTAL_VARIATION):
                with contextlib.redirect_stdout(io.StringIO()):
                    expected = theirs(image, psf, ITERATIONS, weight)
                for engine in engines:
                    model = Model(boundary, total_variation=weight, compatibility="clij2-fft")
                    ours = finish(richardson_lucy(image, psf, ITERATIONS, model, engine))
                    difference = np.linalg.norm(ours - expected) / np.linalg.norm(expected)
                    print(
                        f"{name:24} {boundary:13} total variation {weight:5} {difference:.1e}  "
                        f"{engine.description}"
                    )


def store_total_variation(path: Path) -> None:
    """Store images, PSFs, and what clij2-fft gives for them with total variation.

    `factor_WEIGHT` is the factor itself: with a delta as PSF and the image as start, the first
    update is nothing else.
    """
    spacing = (0.2, 0.08, 0.08)
    image = simulate_beads((16, 18, 20), spacing, beads=3, separation=0.5).image
    image = image[2:13].astype(np.float32)
    stored: dict[str, Any] = {"image": image}
    for name, window in (("odd", (5, 7, 9)), ("even", (6, 8, 10))):
        psf = simulate_psf(window, spacing, spherical=0.1).astype(np.float32)
        stored[f"{name}_psf"] = psf
        for boundary, theirs in CLIJ.items():
            for iterations in (20, 50):
                for weight in (0.001, 0.01):
                    key = f"{name}_{boundary}_{iterations}_{weight}"
                    stored[key] = theirs(image, psf, iterations, weight)
    # Already of smooth sizes, so that nothing is padded.
    image = np.random.default_rng(0).uniform(1, 2, (6, 10, 12)).astype(np.float32)
    delta = np.zeros((3, 3, 3), np.float32)
    delta[1, 1, 1] = 1
    stored["factor_image"] = image
    for weight in (0.001, 0.01, 0.1):
        stored[f"factor_{weight}"] = clij_circulant(image, delta, 1, weight) / image
    np.savez_compressed(path, **stored)


if __name__ == "__main__":
    main()
