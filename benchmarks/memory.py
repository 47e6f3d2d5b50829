"""The memory and the time that a large deconvolution takes.

    python benchmarks/memory.py [--device NAME] [--fft NAME] [--memory GIB] [--method NAME]
                                [--shape Z Y X] [--psf Z Y X] [--iterations N]

Prints what is needed beforehand, and the process's largest resident memory, of which the image and
the result are the least. On PoCL the device's memory is the process's; POCL_MEMORY_LIMIT=2 in the
environment makes it a device of 2 GiB.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution.model import METHODS, Model
from napari_psf_distiller.deconvolution.tiled import deconvolution
from napari_psf_distiller.progress import finish

GIB = 2**30


def peak() -> float:
    """Return the largest resident memory of this process so far, in GiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fft", default="auto")
    parser.add_argument("--memory", type=float)
    parser.add_argument("--method", choices=METHODS, default="plain")
    parser.add_argument("--shape", type=int, nargs=3, default=(50, 2048, 2048))
    parser.add_argument("--psf", type=int, nargs=3, default=(50, 65, 65))
    parser.add_argument("--iterations", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    image = rng.poisson(20, arguments.shape).astype(np.float32)
    psf = rng.random(arguments.psf, dtype=np.float32)
    engine = open_engine(arguments.device, arguments.fft)
    print(f"image and result {2 * image.nbytes / GIB:.2f} GiB; before {peak():.2f} GiB")
    start = time.perf_counter()
    done = finish(
        deconvolution(
            image,
            psf,
            arguments.iterations,
            Model(method=arguments.method),
            engine,
            memory=None if arguments.memory is None else int(arguments.memory * GIB),
        ),
        lambda progress: print(progress.note) if progress.note else None,
    )
    seconds = time.perf_counter() - start
    print(
        f"{done.device}: {arguments.iterations} iterations in {seconds:.0f} s with set-up, "
        f"{arguments.shape} with a PSF of {arguments.psf}; at most {peak():.2f} GiB"
    )
    for warning in done.warnings:
        print(f"warning: {warning}")


if __name__ == "__main__":
    main()
