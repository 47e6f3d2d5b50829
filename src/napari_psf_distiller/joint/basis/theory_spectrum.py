"""The spectrum that a microscope's PSF has in theory, which no aberration raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.spectrum_prior import expected_spectrum
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.recipe.microscope import WITH_PINHOLE
from napari_psf_distiller.theory import theoretical_psf

__all__ = ["SpectrumLimit", "theory_spectrum"]

Floats = NDArray[np.float64]

# The power that a PSF of the sum 1 is expected to have at most in a basis: (waves, radial), see
# `FourierBessel.power`.
SpectrumLimit = Callable[[FourierBessel], Floats]

# A PSF may have this many times as much power: the optics' figures are known to a few per cent, and
# aberrations take from the sum to which it is scaled.
THEORY_MARGIN = 3.0

# A pinhole that is not known may be all but closed: of this diameter, in Airy units. Taken for one
# of the usual size, it made dim PSFs of smaller ones wider by 10 to 17 %.
CLOSED_PINHOLE = 0.1


def theory_spectrum(optics: Optics) -> SpectrumLimit | None:
    """Return what limits the spectrum of a microscope's PSF; None where there is no theory.

    Parameters
    ----------
    optics : Optics

    Notes
    -----
    At each frequency the transfer of an objective is a sum over pairs of rays with their phases,
    and largest where these are all the same. Of several foci that are multiplied the transfers are
    convolved, so that the product's is largest then too (M. Gu, Principles of Three-Dimensional
    Imaging in Confocal Microscopes, 1996).
    """
    if optics.microscope in WITH_PINHOLE and optics.pinhole is None:
        # A wider one passes less.
        optics = replace(optics, pinhole=CLOSED_PINHOLE)
    if theoretical_psf((1, 1), (0.1, 0.1), optics) is None:
        return None

    def limit(basis: FourierBessel) -> Floats:
        psf = theoretical_psf(basis.shape, basis.grid_spacing, optics)
        assert psf is not None
        symmetric = basis.fitted(psf)[: basis.sizes[0]]
        coefficients = np.r_[symmetric, np.zeros(sum(basis.sizes[1:]))]
        power = expected_spectrum(basis, coefficients / basis.total(coefficients))
        return THEORY_MARGIN * power

    return limit
