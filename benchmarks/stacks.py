"""What one PSF of several bead stacks is worth, and whether stacks that disagree are told.

    python benchmarks/stacks.py [--trials N] [--first N] [--only TEXT] [--device NAME]

Fields of 20 beads are simulated with the same PSF, each with its own exposure, background and
places. Three of them are distilled together; beside it stand the PSF of one field of 60 beads on
three times the area, and of each of the three alone. The error is the relative L2 one against the
simulated PSF, both scaled to the sum 1.

Then one of three stacks is another microscope's: of a smaller numerical aperture, so that its PSF
is 10 to 15 % wider along z, or with spherical aberration, or of another kind. How often it, and it
alone, is left out stands beside how often one of three that are alike is. Of fewer and of dim beads
less can be told; those trials are counted by themselves.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_psf_distiller import (
    DistillerWarning,
    InputError,
    Optics,
    Result,
    SimulatedBeads,
    distill,
    simulate_beads,
)

OPTICS = Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
SHAPE = (40, 192, 192)
STACKS, BEADS = 3, 20

# What differs in the odd stack.
ODD: dict[str, dict[str, Any]] = {
    "numerical aperture 1.14": {"numerical_aperture": 1.14},
    "spherical aberration": {"spherical": 0.08},
    "spinning disk": {"microscope": "spinning disk", "excitation": 0.488, "pinhole": 1.0},
}
ALIKE = "all alike"
# Beads a stack, and photons of a bead: from the first to the second, another for each stack.
CONDITIONS = {
    "20 beads": (20, 3e4, 2e5),
    "20 dim beads": (20, 4e3, 2e4),
    "5 beads": (5, 3e4, 2e5),
}


def field(
    rng: np.random.Generator, beads: int, photons: float, shape: Sequence[int] = SHAPE, **odd: Any
) -> SimulatedBeads:
    """Simulate a field with a background and a layout of its own."""
    return simulate_beads(
        shape,
        beads=beads,
        photons=photons,
        background=float(rng.uniform(5, 60)),
        offset=float(rng.uniform(90, 300)),
        layout="gel" if rng.random() < 0.3 else "slide",
        seed=int(rng.integers(2**31)),
        **odd,
    )


def distilled(images: Sequence[ArrayLike], device: str) -> Result:
    """Distil one PSF from some images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillerWarning)
        return distill(
            images if len(images) > 1 else images[0],
            (0.2, 0.08, 0.08),
            bead_diameter=0.1,
            optics=OPTICS,
            device=device,
        )


def error(found: ArrayLike, true: ArrayLike) -> float:
    """Return the relative L2 error of a PSF, in the part of the windows that both have."""
    arrays = [np.asarray(found, float), np.asarray(true, float)]
    shape = [min(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True)]
    parts = [
        array[
            tuple(
                slice(n // 2 - m // 2, n // 2 - m // 2 + m)
                for n, m in zip(array.shape, shape, strict=True)
            )
        ]
        for array in arrays
    ]
    one, other = (part / part.sum() for part in parts)
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def as_good_as_one(trials: range, device: str) -> str:
    """Return the errors of three stacks together, of one with all beads, and of each alone."""
    rows = []
    for trial in trials:
        rng = np.random.default_rng([1, trial])
        exposures = np.exp(rng.uniform(np.log(3e4), np.log(2e5), STACKS))
        fields = [field(rng, BEADS, float(photons)) for photons in exposures]
        wide = (*SHAPE[:2], STACKS * SHAPE[2])
        # As much light in all.
        whole = field(rng, STACKS * BEADS, float(exposures.mean()), wide)
        together = error(distilled([one.image for one in fields], device).psf, fields[0].psf)
        at_once = error(distilled([whole.image], device).psf, whole.psf)
        alone = [error(distilled([one.image], device).psf, one.psf) for one in fields]
        rows.append((together, at_once, float(np.mean(alone))))
    together, at_once, alone = np.mean(rows, axis=0)
    return (
        f"| {STACKS} stacks of {BEADS} beads | {100 * together:.2f} % |\n"
        f"| one field of {STACKS * BEADS} beads | {100 * at_once:.2f} % |\n"
        f"| one stack of {BEADS} beads | {100 * alone:.2f} % |"
    )


def left_out(images: Sequence[ArrayLike], device: str) -> list[int]:
    """Return which of some stacks were left out; [-1] where they were refused."""
    try:
        result = distilled(images, device)
    except InputError:
        return [-1]
    return [number for number, one in enumerate(result.stacks) if not one.used]


def told(trials: range, condition: str, odd: str | None, device: str) -> str:
    """Return how often one of three stacks is left out, and whether it is the right one."""
    beads, least, most = CONDITIONS[condition]
    found = []
    for trial in trials:
        rng = np.random.default_rng([2, trial])
        exposures = np.exp(rng.uniform(np.log(least), np.log(most), STACKS))
        place = int(rng.integers(STACKS))
        fields = [
            field(rng, beads, float(photons), **(ODD[odd] if odd and i == place else {}))
            for i, photons in enumerate(exposures)
        ]
        out = left_out([one.image for one in fields], device)
        found.append("right" if odd and out == [place] else "none" if out == [] else "wrong")
    counts = [found.count(name) for name in ("right", "none", "wrong")]
    return f"| {condition} | {odd or ALIKE} | {counts[0]} | {counts[1]} | {counts[2]} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first trial's number")
    parser.add_argument("--only", default="", help="only rows in which this stands")
    parser.add_argument("--device", default="numpy")
    arguments = parser.parse_args()
    trials = range(arguments.first, arguments.first + arguments.trials)
    for condition in CONDITIONS:
        for odd in (None, *ODD):
            if arguments.only in f"{condition}, {odd or ALIKE}":
                print(told(trials, condition, odd, arguments.device), flush=True)
    if not arguments.only:
        print(as_good_as_one(trials, arguments.device), flush=True)


if __name__ == "__main__":
    main()
