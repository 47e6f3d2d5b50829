"""The conditions that users are in: bead fields whose PSF is known, and how a PSF is judged."""
