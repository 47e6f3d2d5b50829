"""How well a PSF that changes over the field is found from beads.

    python benchmarks/field.py [--fields NAMES] [--seeds N] [--first-seed N] [--jobs N] [--out FILE]

Fields of beads are simulated with a lens whose aberrations change over the field (`lens_fields`),
and distilled with the optics and the beads' diameter told. At 5 x 5 places, the outermost 0.9 of
the way to the sides, the PSF of the place (`PSF.at`) is compared with the true one, which is
displaced to where it lies best upon it: beads cannot tell a displacement. The widths are those of
the maps (`PSF.field_maps`), in the middles of 5 x 5 equal parts of the image. Where the PSF changes
with depth, as of beads in a gel, it is 5 planes of each of 5 places, and the widths are those in
the middles of 9 equal parts of the depth (`PSF.depth_profile`), as far as there are beads.

A row is a field: degrees of the polynomials of place and of depth; relative L2 error in the mean
and at most; at most the error of the widths along z and in the plane; which part of the voxels and
of the widths lies within 1.96 stated errors; beads that were refused (all are single ones, but some
touch by chance); the fit's processor time over that of one with the same PSF everywhere; and chi
squared of held-out beads over that of the others.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lens_fields import FIELDS, OIL, SLIDE_PLANES, Lens, Objective, Pupil, bead_image
from numpy.typing import NDArray

import napari_psf_distiller as psfd
from napari_psf_distiller.measure.widths import profile_width

Floats = NDArray[np.float64]

WATER = Objective(1.2, 1.33, 0.58, (0.25, 0.1, 0.1))
DRY = Objective(0.8, 1.0, 0.52, (0.6, 0.16, 0.16), bead=0.2)


class Case(NamedTuple):
    """A field, with which objective, and how many beads in how many pixels a side."""

    field: str
    objective: Objective = OIL
    beads: int = 90
    side: int = 320
    planes: int = SLIDE_PLANES


CASES = {
    "uniform": Case("uniform", beads=60),
    "coma": Case("coma"),
    "curved field": Case("curved"),
    "spherical across": Case("spherical"),
    "coma, 60 beads": Case("coma", beads=60),
    "curved field, 200 beads": Case("curved", beads=200, side=448),
    "off axis, water": Case("off axis", WATER, 120),
    "one side, water": Case("one side", WATER, 120),
    "coma, dry": Case("coma", DRY, 150),
    "uniform, dry": Case("uniform", DRY, 60),
    "depth": Case("depth", beads=60, side=224, planes=90),
    "depth and coma": Case("depth and coma", side=288, planes=90),
    "depth, water": Case("depth", WATER, 80, side=256, planes=90),
    "uniform, in a gel": Case("uniform", beads=60, side=224, planes=90),
}

# Where PSFs are compared, from -1 to 1 along both axes, and in which window.
PLACES, WINDOW = (-0.9, -0.45, 0.0, 0.45, 0.9), (25, 33, 33)

# In a gel: places along y and x, and how deep, of all planes; and of how many equal parts of the
# depth the widths are measured in the middle, as far as there are beads.
GEL_PLACES = ((0.0, 0.0), (-0.8, -0.8), (-0.8, 0.8), (0.8, -0.8), (0.8, 0.8))
DEPTHS = (0.18, 0.34, 0.5, 0.66, 0.82)
WIDTHS_IN_DEPTH = 9

# Of a line on which a true width is measured, places a voxel.
LINE_STEPS = 4

HELD_OUT = 0.2


def places_of(case: Case) -> list[tuple[float, float, float | None]]:
    """Return the places where PSFs are compared: y, x, and in a gel the plane."""
    if case.planes == SLIDE_PLANES:
        middles = [(1 + place) * case.side / 2 for place in PLACES]
        return [(y, x, None) for y in middles for x in middles]
    return [
        ((1 + y) * case.side / 2, (1 + x) * case.side / 2, depth * case.planes)
        for y, x in GEL_PLACES
        for depth in DEPTHS
    ]


def true_psf(lens: Lens, y: float, x: float, z: float | None, found: Floats) -> Floats:
    """Return the true PSF at a place where it lies best upon another one, scaled as that is."""
    start = lens.psf(WINDOW, y, x, z)
    moved = np.array(np.unravel_index(found.argmax(), WINDOW), float)
    moved -= np.unravel_index(start.argmax(), WINDOW)
    for _ in range(8):
        psf = lens.psf(WINDOW, y, x, z, moved=tuple(moved))
        slopes = [-slope.ravel() for slope in np.gradient(psf)]
        design = np.stack([*slopes, psf.ravel()], axis=1)
        step = np.linalg.lstsq(design, found.ravel(), rcond=None)[0]
        moved = moved + np.clip(step[:3] / step[3], -1, 1)
    psf = lens.psf(WINDOW, y, x, z, moved=tuple(moved))
    scale = float(np.vdot(psf, found) / np.vdot(psf, psf))
    return scale * psf


def middle(array: NDArray[Any]) -> Floats:
    """Return the part of a PSF in the window."""
    part = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m)
        for n, m in zip(array.shape, WINDOW, strict=True)
    )
    return np.asarray(array[part], np.float64)


def widths_of(lens: Lens, y: float, x: float, z: float | None = None) -> Floats:
    """Return the true PSF's full widths at half maximum through its peak, in micrometres."""
    moved = np.zeros(3)
    for _ in range(4):
        psf = lens.psf(WINDOW, y, x, z, moved=tuple(moved))
        top = np.unravel_index(int(psf.argmax()), WINDOW)
        for axis, place in enumerate(top):
            before, here, after = (
                psf[(*top[:axis], place + step, *top[axis + 1 :])] for step in (-1, 0, 1)
            )
            # The peak of a parabola goes into the middle of a voxel.
            moved[axis] -= (after - before) / (4 * here - 2 * before - 2 * after)
    widths = []
    for axis, size in enumerate(lens.pupil.objective.spacing):
        # On lines of so many places a voxel, so that no spline between voxels decides.
        line = np.empty((WINDOW[axis], LINE_STEPS))
        for step in range(LINE_STEPS):
            displaced = moved.copy()
            displaced[axis] -= step / LINE_STEPS
            psf = lens.psf(WINDOW, y, x, z, moved=tuple(displaced))
            line[:, step] = np.moveaxis(psf, axis, -1)[*np.delete(top, axis)]
        widths.append(profile_width(line.ravel()) * size / LINE_STEPS)
    return np.array(widths)


def found_and_true_widths(psf: psfd.PSF, lens: Lens) -> tuple[Floats, Floats, Floats]:
    """Return the widths over the field or in depth, their stated errors, and the true ones.

    Each is (places, 3), in micrometres.
    """
    profile = psf.depth_profile(WIDTHS_IN_DEPTH)
    if profile is not None:
        middle_of_field = lens.side / 2
        told = profile.covered
        true = [widths_of(lens, middle_of_field, middle_of_field, z) for z in profile.planes[told]]
        values, errors = (
            np.stack([of[axis][told] for axis in "zyx"], axis=-1)
            for of in (profile.widths, profile.errors)
        )
        return values, errors, np.array(true)
    maps = psf.field_maps(len(PLACES))
    true = [widths_of(lens, y, x) for y in maps.rows for x in maps.columns]
    values, errors = (
        np.stack([getattr(maps.widths[axis], of).ravel() for axis in "zyx"], axis=-1)
        for of in ("values", "error")
    )
    return values, errors, np.array(true)


def fit(image: NDArray[Any], objective: Objective, **options: Any) -> tuple[psfd.Result, float]:
    """Return what a fit found, and its processor time."""
    recipe = psfd.Recipe(
        spacing=objective.spacing,
        bead_diameter=objective.bead,
        optics=psfd.Optics(objective.numerical_aperture, objective.wavelength, objective.index),
        device="numpy",
        distill=psfd.JointFit(**options),
    )
    begin = time.process_time()
    result = psfd.distill(image, recipe=recipe)
    return result, time.process_time() - begin


def measured(name: str, seed: int) -> dict[str, Any]:
    """Return what is found of a field."""
    warnings.simplefilter("ignore", psfd.DistillerWarning)
    case = CASES[name]
    rng = np.random.default_rng([seed, list(CASES).index(name)])
    lens = Lens(Pupil(case.objective), FIELDS[case.field], case.side, case.planes)
    image = bead_image(lens, case.beads, rng)
    result, seconds = fit(image, case.objective)
    _, usual = fit(image, case.objective, over_field="constant")
    tested, _ = fit(image, case.objective, held_out=HELD_OUT)
    beads = tested.beads
    chi = beads["chi_squared"]
    errors, within = [], []
    for y, x, z in places_of(case):
        psf = result.psf.at(y, x, z)
        found = middle(psf.array)
        true = true_psf(lens, y, x, z, found)
        errors.append(float(np.linalg.norm(found - true) / np.linalg.norm(true)))
        if psf.error is not None:
            within.append(float((np.abs(found - true) < 1.96 * middle(psf.error)).mean()))
    found_widths, stated, true_widths = found_and_true_widths(result.psf, lens)
    widths = np.abs(found_widths / true_widths - 1).max(axis=0)
    widths_within = np.abs(found_widths - true_widths) < 1.96 * stated
    over_field = None if result.psf.model is None else result.psf.model.over_field
    return {
        "field": name,
        "seed": seed,
        "degree": 0 if over_field is None else over_field.degree,
        "depth degree": 0 if over_field is None else over_field.depth_degree,
        "l2": float(np.mean(errors)),
        "largest l2": float(np.max(errors)),
        "width z": float(widths[0]),
        "width yx": float(widths[1:].max()),
        "voxels within": float(np.mean(within)) if within else float("nan"),
        "widths within": float(widths_within.mean()) if np.isfinite(stated).any() else float("nan"),
        "refused": int((~result.beads["used"]).sum()),
        "beads": len(result.beads),
        "time": seconds / usual,
        "seconds": seconds,
        "held out": float(chi[beads["reason"] == "held out"].mean() / chi[beads["used"]].mean()),
    }


def row_of(found: dict[str, Any]) -> str:
    """Return a row of the table."""
    return (
        f"| {found['field']} | {found['seed']} | {found['degree']}, {found['depth degree']} | "
        f"{found['l2']:.3f} | "
        f"{found['largest l2']:.3f} | {100 * found['width z']:.1f} % | "
        f"{100 * found['width yx']:.1f} % | {found['voxels within']:.2f} | "
        f"{found['widths within']:.2f} | {found['refused']} of {found['beads']} | "
        f"{found['time']:.1f} | {found['held out']:.3f} |"
    )


HEADER = (
    "| field | seed | degrees | l2 | largest | width z | in the plane | voxels within | "
    "widths within | refused | time | held out |\n" + "| --- " * 12 + "|"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fields", default=";".join(CASES), help="names, with semicolons between")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="append each field's figures to this file, JSON")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.fields.split(";")]
    print(HEADER, flush=True)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        jobs = [pool.submit(measured, name, seed) for seed in seeds for name in names]
        for job in jobs:
            found = job.result()
            print(row_of(found), flush=True)
            if arguments.out is not None:
                with arguments.out.open("a") as file:
                    file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
