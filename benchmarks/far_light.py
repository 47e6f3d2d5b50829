"""How right a PSF is where much of the beads' light lies beyond its window.

    python benchmarks/far_light.py [--seeds N] [--first-seed N] [--jobs N]

Beads are simulated with all of a widefield microscope's light (`simulate_beads(reach=...)`), and
distilled with windows of several sizes, with the optics given and without. A row is a layout, a
window and what is known of the optics: the relative L2 error in the window, both PSFs scaled to lie
best upon each other, in the mean and at most; which part of the voxels lies within 1.96 stated
errors, in the mean and at least; and in how many fields a change over the field was found, of which
there is none.
"""

from __future__ import annotations

import argparse
import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np
from bead_cases import crop_about_centre

import napari_psf_distiller as psfd

SPACING = (0.25, 0.09, 0.09)
OPTICS = psfd.Optics(1.2, 0.52, 1.33)

# (Z, Y, X) of the image, how many beads, and how far their light is followed, in micrometres.
SHAPE, BEADS, REACH = (28, 128, 128), 20, 11.0

LAYOUTS = ("slide", "gel")

# Extents along z, y and x in micrometres; None leaves it to the program.
WINDOWS = (None, (6.0, 3.6, 3.6), (6.0, 2.6, 2.6), (3.0, 1.8, 1.8))

KNOWN = (True, False)


class Score(NamedTuple):
    """How wrong a PSF is, which part of its voxels is within its interval, and if it varies."""

    error: float
    within: float
    varies: bool


def scores(task: tuple[str, int]) -> list[Score]:
    """Return how good the PSFs of a field are, for each window and with and without optics."""
    layout, seed = task
    field = psfd.simulate_beads(
        SHAPE,
        SPACING,
        beads=BEADS,
        layout=layout,  # type: ignore[arg-type]
        reach=REACH,
        photons=3e5,
        seed=seed,
    )
    found = []
    for window, known in product(WINDOWS, KNOWN):
        recipe = psfd.Recipe(
            bead_diameter=field.bead_diameter,
            optics=OPTICS if known else psfd.Optics(),
            distill=psfd.JointFit(window=window),
            device="numpy",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", psfd.DistillerWarning)
            result = psfd.distill(field.image, SPACING, recipe=recipe)
        shape = tuple(np.minimum(result.psf.shape, field.psf.shape).tolist())
        psf, error, true = (
            crop_about_centre(np.asarray(of, np.float64), shape)
            for of in (result.psf, result.psf_error, field.psf)
        )
        true *= np.vdot(psf, true) / np.vdot(true, true)
        off = np.abs(psf - true)
        model = result.psf.model
        found.append(
            Score(
                float(np.linalg.norm(off) / np.linalg.norm(true)),
                float((off <= 1.96 * error).mean()),
                model is not None and model.over_field is not None,
            )
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6, help="fields of each layout")
    parser.add_argument("--first-seed", type=int, default=201)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    print("| beads | window | optics | l2 | largest | voxels within | least | varies |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for layout in LAYOUTS:
            fields = list(pool.map(scores, [(layout, seed) for seed in seeds]))
            cases = zip(product(WINDOWS, KNOWN), zip(*fields, strict=True), strict=True)
            for (window, known), of_fields in cases:
                errors, within, varies = np.array(of_fields).T
                size = "usual" if window is None else " x ".join(f"{side:g}" for side in window)
                print(
                    f"| {layout} | {size} | {'given' if known else 'not known'} "
                    f"| {errors.mean():.3f} | {errors.max():.3f} | {within.mean():.2f} "
                    f"| {within.min():.2f} | {varies.sum():.0f} of {len(varies)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
