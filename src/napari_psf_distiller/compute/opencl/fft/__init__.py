"""Real-input Fourier transforms on OpenCL devices, without a vendor library.

The transforms are mixed-radix Stockham autosort FFTs [1]_ in single precision, with twiddle
factors computed in double precision.  A line that fits into the local memory of a work-group
goes through all its passes there; a longer one makes each pass through global memory.  Real lines
of even length are transformed as complex lines of half the length [2]_.

References
----------
.. [1] N. K. Govindaraju, B. Lloyd, Y. Dotsenko, B. Smith and J. Manferdelli, "High performance
   discrete Fourier transforms on graphics processors", SC '08 (2008).
.. [2] W. H. Press, S. A. Teukolsky, W. T. Vetterling and B. P. Flannery, *Numerical Recipes*,
   3rd ed., section 12.3 (2007).
"""

from napari_psf_distiller.compute.opencl.fft.real_fft import OpenCLFFT

__all__ = ["OpenCLFFT"]
