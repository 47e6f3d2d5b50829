"""What an image shows before a PSF is fitted: beads, background, noise, history."""
