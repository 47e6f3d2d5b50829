"""A PSF at every place: the functions that it is a sum of."""

from napari_psf_distiller.psf.functions import FittedFunctions

__all__ = ["FittedFunctions"]
