"""A PSF from each of several bead images, and a table of what came of them."""
