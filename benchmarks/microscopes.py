"""How near the PSFs of each kind of microscope come to the truth, on simulated bead fields.

    python benchmarks/microscopes.py [--kinds confocal,two-photon] [--told everything,nothing]
        [--seeds 2] [--first-seed 0] [--jobs 2]

One row for each case and what was told of the microscope: everything (its kind and its figures), or
nothing. The bead's diameter and the voxel size are told always.
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Literal

import numpy as np
from bead_cases import score

import napari_psf_distiller as psfd

SHAPE, BEADS = (32, 200, 200), 24


@dataclasses.dataclass(frozen=True)
class Case:
    """A microscope and how it looks at its beads.

    Attributes
    ----------
    optics : Optics
    spacing : tuple of float
        Voxel size in micrometres.
    photons : float
        Of a bead.
    bead_diameter : float
        In micrometres.
    layout : str
        See `simulate_beads`.
    """

    optics: psfd.Optics
    spacing: tuple[float, float, float]
    photons: float
    bead_diameter: float = 0.1
    layout: Literal["slide", "gel"] = "slide"

    @property
    def name(self) -> str:
        """The kind of microscope and what is its own."""
        known = self.optics
        parts = [f"{known.microscope}, {known.numerical_aperture:g}"]
        if known.pinhole is not None:
            parts.append(f"{known.pinhole:g} AU")
        if known.sheet is not None:
            parts.append(f"sheet {known.sheet:g} µm")
        return ", ".join(parts)

    @property
    def scanned(self) -> bool:
        """Whether it scans a single focus."""
        return self.optics.microscope not in ("widefield", "light sheet", "spinning disk")

    def simulated(self, seed: int) -> psfd.SimulatedBeads:
        """Return a field of its beads."""
        figures: dict[str, Any] = dataclasses.asdict(self.optics)
        del figures["support"]
        # A detector of a scanned focus counts photons; a camera adds its own noise.
        noise = {"background": 2.0, "read_noise": 0.5} if self.scanned else {"background": 10.0}
        return psfd.simulate_beads(
            SHAPE,
            self.spacing,
            beads=BEADS,
            bead_diameter=self.bead_diameter,
            layout=self.layout,
            photons=self.photons,
            seed=seed,
            **(figures | noise),
        )


def _optics(
    kind: Any, aperture: float, wavelength: float, index: float, **figures: Any
) -> psfd.Optics:
    return psfd.Optics(aperture, wavelength, index, microscope=kind, **figures)


BLUE, YELLOW, INFRARED = {"excitation": 0.488}, {"excitation": 0.561}, {"excitation": 0.92}
CASES = [
    Case(_optics("widefield", 1.2, 0.52, 1.33), (0.2, 0.08, 0.08), 1e5),
    Case(_optics("confocal", 1.4, 0.6, 1.515, **YELLOW, pinhole=0.3), (0.15, 0.05, 0.05), 1e4),
    Case(_optics("confocal", 1.3, 0.52, 1.515, **BLUE, pinhole=0.7), (0.15, 0.06, 0.06), 1e4),
    Case(_optics("confocal", 1.2, 0.52, 1.33, **BLUE, pinhole=1.0), (0.2, 0.07, 0.07), 1e4),
    Case(_optics("confocal", 0.8, 0.7, 1.0, **YELLOW, pinhole=2.0), (0.4, 0.12, 0.12), 1e4, 0.2),
    Case(_optics("spinning disk", 1.4, 0.6, 1.515, **YELLOW, pinhole=1.2), (0.15, 0.06, 0.06), 4e4),
    Case(_optics("spinning disk", 1.2, 0.52, 1.33, **BLUE, pinhole=0.8), (0.2, 0.08, 0.08), 4e4),
    Case(_optics("light sheet", 1.0, 0.52, 1.33, sheet=1.5), (0.3, 0.12, 0.12), 4e4, layout="gel"),
    Case(_optics("light sheet", 0.5, 0.6, 1.33, sheet=4.0), (0.8, 0.25, 0.25), 4e4, 0.2, "gel"),
    # As thin as a lattice light sheet.
    Case(_optics("light sheet", 1.1, 0.52, 1.33, sheet=0.5), (0.15, 0.1, 0.1), 4e4, layout="gel"),
    Case(_optics("two-photon", 1.05, 0.52, 1.33, **INFRARED), (0.3, 0.1, 0.1), 1e4, 0.2),
    Case(_optics("two-photon", 0.8, 0.6, 1.33, excitation=1.0), (0.5, 0.15, 0.15), 1e4, 0.2),
    Case(_optics("three-photon", 1.05, 0.6, 1.33, excitation=1.3), (0.4, 0.12, 0.12), 1e4, 0.2),
    Case(_optics("STED", 1.4, 0.6, 1.515), (0.15, 0.025, 0.025), 1e4, 0.04),
]

TOLD: dict[str, Callable[[psfd.Optics], psfd.Optics]] = {
    "everything": lambda optics: optics,
    "nothing": lambda _: psfd.Optics(),
}

HEADER = (
    "microscope",
    "told",
    "seed",
    "l2",
    "stated",
    "FWHM off z, y, x (%)",
    "in stated errors",
    "used",
    "said",
)


def row_of(case: Case, told: str, seed: int) -> list[str]:
    """Distil a field, and compare with the truth."""
    field = case.simulated(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)
        result = psfd.distill(
            field.image,
            case.spacing,
            bead_diameter=case.bead_diameter,
            optics=TOLD[told](case.optics),
            device="numpy",
        )
    psf = np.asarray(result.psf, np.float64)
    true = np.array(psfd.fwhm(field.psf, case.spacing))
    off = np.array(result.fwhm) - true
    error = np.zeros(()) if result.psf_error is None else result.psf_error
    stated = float(np.linalg.norm(error) / np.linalg.norm(psf))
    return [
        case.name,
        told,
        str(seed),
        f"{score(psf, field.psf).l2:.3f}",
        f"{stated:.3f}",
        ", ".join(f"{part:+.1f}" for part in 100 * off / true),
        ", ".join(f"{pull:+.1f}" for pull in off / np.array(result.fwhm_error)),
        f"{int(result.beads['used'].sum())} of {len(field.centres)}",
        "; ".join(" ".join(text.split()[:6]) + " ..." for text in result.warnings),
    ]


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default="", help="comma-separated; all by default")
    parser.add_argument("--told", default=",".join(TOLD), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    kinds = [kind for kind in arguments.kinds.split(",") if kind]
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    runs = [
        (case, told, seed)
        for case in CASES
        if not kinds or case.optics.microscope in kinds
        for seed in seeds
        for told in arguments.told.split(",")
    ]
    print("| " + " | ".join(HEADER) + " |")
    print("| " + " | ".join(["---"] * len(HEADER)) + " |")
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(row_of, *zip(*runs, strict=True)):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
