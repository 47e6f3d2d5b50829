"""Prove PSF: beads deconvolved with it."""
