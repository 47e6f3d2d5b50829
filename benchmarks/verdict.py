"""How often Prove's verdict on a PSF is wrong: python verdict.py.

Beads are simulated with random light, sizes, numbers and two kinds of microscope. The right PSF
should leave nothing but noise of them, a wrong one a structure, as far as the light shows it.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import napari_psf_distiller as psfd
from napari_psf_distiller.measure.beads import widths_of
from napari_psf_distiller.measure.structure import psf_structure_steps
from napari_psf_distiller.progress import finish

SHAPE = (30, 150, 150)
WAVELENGTH, EXCITATION = 0.52, 0.488

# Whoever finds beads is off by so many voxels.
OFF = 0.2

# A verdict says from which size on a fault would have shown; of those up to this part of the peak
# it is asked whether they were seen.
CLEAR = 0.05


def main() -> int:
    """Print a row a PSF: how many verdicts say that a structure is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=0)
    given = parser.parse_args()
    found: dict[str, list[tuple[bool, float]]] = {}
    for seed in range(given.first_seed, given.first_seed + given.fields):
        for name, verdict in verdicts(seed).items():
            found.setdefault(name, []).append(verdict)
    print(f"| PSF | structure | where {100 * CLEAR:g} % would show |")
    print("| --- | --- | --- |")
    for name, rows in found.items():
        clear = [structured for structured, visible in rows if visible < CLEAR]
        print(
            f"| {name} | {sum(structured for structured, _ in rows)} of {len(rows)} | "
            f"{sum(clear)} of {len(clear)} |"
        )
    return 0


def verdicts(seed: int) -> dict[str, tuple[bool, float]]:
    """Return whether each PSF leaves a structure of a field, and what would have shown."""
    rng = np.random.default_rng(seed)
    optics: dict[str, Any] = {"wavelength": WAVELENGTH}
    if rng.random() < 0.5:
        optics |= {"microscope": "confocal", "excitation": EXCITATION, "pinhole": 1.0}
    field = psfd.simulate_beads(
        SHAPE,
        seed=seed,
        photons=float(10 ** rng.uniform(4, 5.7)),
        bead_diameter=float(rng.choice([0.05, 0.1, 0.2])),
        beads=int(rng.choice([6, 12, 20])),
        **optics,
    )
    wider = {
        name: 1.03 * value for name, value in optics.items() if name in ("wavelength", "excitation")
    }
    psfs = {
        "right": field.psf,
        "3 % wider": _psf(field, **optics | wider),
        "NA 1.1 for 1.2": _psf(field, **optics, numerical_aperture=1.1),
        "spherical aberration of 0.05 waves": _psf(field, **optics, spherical=0.05),
        "leaning by 0.1 voxels a plane": leaning(field.psf, 0.1),
    }
    found = {name: _verdict(field, psf, field.bead_diameter, rng) for name, psf in psfs.items()}
    return found | {"beads taken for points": _verdict(field, field.psf, 0.0, rng)}


def leaning(psf: NDArray[np.float64], voxels: float) -> NDArray[np.float64]:
    """Return a PSF that is displaced by so many voxels along x from plane to plane."""
    frequency = np.fft.fftfreq(psf.shape[-1])
    depth = np.arange(len(psf)) - len(psf) // 2
    phase = np.exp(-2j * np.pi * frequency * voxels * depth[:, None])[:, None]
    moved: NDArray[np.float64] = np.maximum(np.fft.ifft(np.fft.fft(psf) * phase).real, 0)
    moved /= moved.sum()
    return moved


def _psf(field: psfd.SimulatedBeads, **optics: Any) -> NDArray[np.float64]:
    psf: NDArray[np.float64] = psfd.simulate_psf(field.psf.shape, field.spacing, **optics)
    psf = psf / psf.sum()
    return psf


def _verdict(
    field: psfd.SimulatedBeads,
    psf: NDArray[np.float64],
    diameter: float,
    rng: np.random.Generator,
) -> tuple[bool, float]:
    places = field.centres + rng.normal(0, OFF, field.centres.shape)
    beads = pd.DataFrame(places, columns=list("zyx")).assign(used=True)
    found = finish(
        psf_structure_steps(field.image, psf, beads, widths_of(psf), field.spacing, diameter)
    )
    assert found.common is not None
    return found.common.structured, found.common.visible


if __name__ == "__main__":
    sys.exit(main())
