"""`psf-distiller`: the command line."""
