"""Several images of one microscope's beads: which of them agree, and their one PSF."""
