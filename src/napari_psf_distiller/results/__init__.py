"""What distilling and deconvolving give, and the files that a distillation is kept as."""

from napari_psf_distiller.results.deconvolved import Deconvolved, WhyEnded
from napari_psf_distiller.results.result import Clock, Result

__all__ = ["Clock", "Deconvolved", "Result", "WhyEnded"]
