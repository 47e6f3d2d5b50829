"""What can be measured of a PSF, of beads, and of an image's noise."""
