"""A PSF as an object: its voxels, how well they are known, and what it is between them."""

from napari_psf_distiller.psf.depth_profile import DepthProfile
from napari_psf_distiller.psf.eigen import EigenPSFs
from napari_psf_distiller.psf.field_maps import FieldMaps
from napari_psf_distiller.psf.functions import FittedFunctions
from napari_psf_distiller.psf.psf import PSF, read_psf

__all__ = ["PSF", "DepthProfile", "EigenPSFs", "FieldMaps", "FittedFunctions", "read_psf"]
