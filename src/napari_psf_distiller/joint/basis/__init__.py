"""The functions of which a PSF is a sum, and the priors of their coefficients."""
