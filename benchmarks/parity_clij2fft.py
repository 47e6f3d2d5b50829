"""How near this package's Richardson-Lucy comes to clij2-fft's, for each engine and boundary.

    pip install clij2-fft        # and its libraries on the loader's path
    python benchmarks/parity_clij2fft.py

clij2-fft (B. Northan) runs on the first OpenCL device in the same process, on the same arrays;
what is printed is the relative L2 difference after 50 iterations.
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
from clij2fft.richardson_lucy import richardson_lucy as clij_circulant
from clij2fft.richardson_lucy import richardson_lucy_nc as clij_noncirculant

from napari_psf_distiller.compute import open_engine, richardson_lucy
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
ENGINES = (("numpy", None), ("cpu", "scipy"), ("cpu", "opencl"), ("cpu", "vkfft"))


def main() -> None:
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
        for boundary, theirs in (
            ("circulant", clij_circulant),
            ("noncirculant", clij_noncirculant),
        ):
            with contextlib.redirect_stdout(io.StringIO()):
                expected = theirs(image, psf, ITERATIONS)
            for engine in engines:
                ours = finish(richardson_lucy(image, psf, ITERATIONS, boundary, engine))
                difference = np.linalg.norm(ours - expected) / np.linalg.norm(expected)
                print(f"{name:24} {boundary:13} {difference:.1e}  {engine.description}")


if __name__ == "__main__":
    main()
