"""Bead fields with a known PSF, and that PSF: sample data, tests, benchmarks."""

from napari_psf_distiller.simulate.beads import SimulatedBeads, simulate_beads
from napari_psf_distiller.simulate.psf import simulate_psf

__all__ = ["SimulatedBeads", "simulate_beads", "simulate_psf"]
