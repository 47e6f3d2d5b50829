"""What distilling and deconvolving give, and the files that a distillation is kept as."""

from napari_psf_distiller.results.deconvolved import Deconvolved, WhyEnded
from napari_psf_distiller.results.result import Clock, Result
from napari_psf_distiller.results.stacks import StackResult

__all__ = ["Clock", "Deconvolved", "Result", "StackResult", "WhyEnded"]
