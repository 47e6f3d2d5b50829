"""The joint fit: the PSF, and every bead's place and light, from a raw image at once."""
