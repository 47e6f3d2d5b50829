"""How long a PSF takes from the image of beads, beside the notebook's way by clij2-fft.

    python benchmarks/distilling.py                    # 40 x 384 x 384, 60 beads
    python benchmarks/distilling.py --shape 50 2048 2048 --beads 400 --iterations 0

In one process, on the same image: the joint fit from array to PSF, on each device, and the
notebook's 300 circulant iterations of Richardson-Lucy with the true object in the PSF's place.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from speed import Case, UnavailableError, clij2fft

import napari_psf_distiller as psfd
from napari_psf_distiller.beads import true_object

SPACING, DIAMETER = (0.2, 0.08, 0.08), 0.1
OPTICS = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(40, 384, 384), metavar="N")
    parser.add_argument("--beads", type=int, default=60)
    parser.add_argument("--iterations", type=int, default=300, help="of clij2-fft; 0 leaves it out")
    parser.add_argument("--devices", nargs="+", default=("numpy", "cpu"), help="for the joint fit")
    parser.add_argument("--rounds", type=int, default=3, help="the shortest of so many counts")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    given = parser.parse_args()
    field = psfd.simulate_beads(
        given.shape, SPACING, beads=given.beads, bead_diameter=DIAMETER, separation=1.0, seed=1
    )
    rows = ["| | seconds | beside the notebook's |", "| --- | --- | --- |"]
    notebook = float("nan")
    if given.iterations:
        notebook = seconds_of_notebook(field, given.iterations)
        rows.append(f"| clij2-fft, {given.iterations} circulant iterations | {notebook:.2f} | 1 |")
    psfs: dict[str, NDArray[np.float32]] = {}
    for device in given.devices:
        best = min((run(field, device) for _ in range(given.rounds)), key=total)
        psfs[device] = best.psf.array
        for name, seconds in best.timings.items():
            share = f"1/{notebook / seconds:.0f}" if seconds > 1e-2 else ""
            rows.append(f"| joint fit, {device}: {name} | {seconds:.2f} | {share} |")
    table = "\n".join(rows)
    if given.markdown is not None:
        given.markdown.write_text(table + "\n", encoding="utf-8")
    print(table)
    first, *others = psfs.values()
    for device, psf in zip(list(psfs)[1:], others, strict=True):
        off = float(np.linalg.norm(psf - first) / np.linalg.norm(first))
        print(f"PSF on {device} and on {next(iter(psfs))}: {off:.1e} apart")


def run(field: psfd.SimulatedBeads, device: str) -> psfd.Result:
    """Distil once."""
    recipe = psfd.Recipe(bead_diameter=DIAMETER, optics=OPTICS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        return psfd.distill(field.image, SPACING, recipe=recipe, device=device)


def total(result: psfd.Result) -> float:
    """Return the seconds from array to PSF."""
    return result.timings["total"]


def seconds_of_notebook(field: psfd.SimulatedBeads, iterations: int) -> float:
    """Return how long clij2-fft takes for the notebook's distilling, its preparations left out."""
    image = field.image.astype(np.float32)
    beads = true_object(image.shape, field.centres, field.amplitudes)
    try:
        contestant = clij2fft(Case(image, beads, "cpu"), "circulant")
    except UnavailableError as error:
        print(f"clij2-fft: {error}")
        return float("nan")
    contestant.first()
    return iterations * contestant.sample(iterations).iteration


if __name__ == "__main__":
    main()
