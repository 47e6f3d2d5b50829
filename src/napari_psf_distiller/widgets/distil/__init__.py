"""Distil PSF, and the PSF while it forms."""
