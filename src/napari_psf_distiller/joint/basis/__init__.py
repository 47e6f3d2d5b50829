"""The functions of which a PSF is a sum, and how free their coefficients are."""
