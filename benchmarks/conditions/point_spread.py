"""A PSF that can be looked at anywhere: at any height, displaced by any part of a voxel.

It is kept as the spectrum of a grid on which it has no frequencies beyond Nyquist's limit, finer
than the voxels where these are coarse. An image of it is that spectrum, turned by the displacement,
folded onto the voxels: exact for any voxels, and fast, since nothing larger than the voxels' own
window is transformed back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from bead_cases import ball_spectrum, crop_about_centre
from numpy.typing import NDArray
from scipy import fft as scipy_fft

from conditions.optics import Array, Microscope, intensity

# Voxels are this part of what Nyquist allows, at most.
SAFE = 0.97

# A window is tapered to 0 over this part of each side, so that nothing wraps round.
TAPER = 0.1


@dataclass(frozen=True)
class PSF:
    """Light of a point, in a window.

    Attributes
    ----------
    spectrum : numpy.ndarray
        Real transform of the fine grid, its centre at the origin.
    window : tuple of int
        In voxels, odd.
    fine : tuple of int
        So many points of the fine grid a voxel, along each axis.
    spacing : tuple of float
        Voxel size.
    """

    spectrum: NDArray[np.complex128]
    window: tuple[int, int, int]
    fine: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def grid(self) -> tuple[int, ...]:
        """Points of the fine grid along each axis."""
        return tuple(n * f for n, f in zip(self.window, self.fine, strict=True))

    @property
    def step(self) -> tuple[float, ...]:
        """Distance of the fine grid's points."""
        return tuple(s / f for s, f in zip(self.spacing, self.fine, strict=True))

    def of_ball(self, diameter: float) -> PSF:
        """Return the image of a uniform ball in place of a point."""
        if not diameter:
            return self
        return replace(self, spectrum=self.spectrum * ball_spectrum(self.grid, self.step, diameter))

    def planes(self, heights: Array, displacement: Array | tuple[float, float] = (0, 0)) -> Array:
        """Return the light on the window's voxels in planes at heights above the focus.

        Parameters
        ----------
        heights : numpy.ndarray
            (P,), in micrometres; planes outside the window are dark.
        displacement : array-like
            (2,), or (P, 2) where planes differ: along y and x, in micrometres.

        Returns
        -------
        numpy.ndarray
            (P, Y, X); all voxels of a fully sampled PSF have the sum 1.
        """
        heights = np.asarray(heights, float)
        move = np.broadcast_to(np.asarray(displacement, float), (len(heights), 2))
        kz, ky = (
            scipy_fft.fftfreq(n, d) for n, d in zip(self.grid[:2], self.step[:2], strict=True)
        )
        kx = scipy_fft.rfftfreq(self.grid[2], self.step[2])
        wave = np.exp(2j * np.pi * np.outer(heights, kz))
        turned = (wave @ self.spectrum.reshape(len(kz), -1)).reshape(-1, len(ky), len(kx))
        turned *= np.exp(-2j * np.pi * np.outer(move[:, 0], ky))[:, :, None]
        turned *= np.exp(-2j * np.pi * np.outer(move[:, 1], kx))[:, None, :]
        # Frequencies that coarser voxels cannot tell from each other add up.
        folded = turned.reshape(len(heights), self.fine[1], self.window[1], len(kx)).sum(axis=1)
        rows = scipy_fft.irfft(scipy_fft.ifft(folded, axis=1), n=self.grid[2], axis=2)
        light = scipy_fft.fftshift(rows[:, :, :: self.fine[2]], axes=(1, 2))
        light *= self.fine[2] / self.window[0]
        light[np.abs(heights) > self.spacing[0] * self.window[0] / 2] = 0
        return light

    def image(
        self, shape: tuple[int, ...], displacement: Array | tuple[float, ...] = (0, 0, 0)
    ) -> Array:
        """Return the light on voxels of a shape, displaced by so many of them from its centre."""
        moved = np.array(displacement) * self.spacing
        heights = (np.arange(shape[0]) - shape[0] // 2) * self.spacing[0] - moved[0]
        return crop_about_centre(self.planes(heights, moved[1:]), shape)


def psf_of(
    microscope: Microscope,
    spacing: tuple[float, float, float],
    window: tuple[int, int, int],
    *,
    integrating: bool = True,
) -> PSF:
    """Return a microscope's PSF.

    Parameters
    ----------
    microscope : Microscope
    spacing : tuple of float
    window : tuple of int
        Odd; what lies beyond is dark.
    integrating : bool
        Whether the camera's pixels take all light that falls on them; a scanner measures points.
    """
    along, across = microscope.band()
    z, y, x = (
        max(1, math.ceil(2 * highest * size / SAFE))
        for highest, size in zip((along, across, across), spacing, strict=True)
    )
    fine = (z, y, x)
    planes, pixels = window[0] * fine[0], window[2] * fine[2]
    heights = (np.arange(planes) - planes // 2) * spacing[0] / fine[0]
    light = intensity(microscope, heights, pixels, spacing[2] / fine[2])
    for axis, n in enumerate(light.shape):
        light *= _taper(n).reshape([-1 if a == axis else 1 for a in range(3)])
    psf = _from_array(light, window, fine, spacing)
    if not integrating:
        return psf
    ky = scipy_fft.fftfreq(psf.grid[1], psf.step[1])[:, None]
    kx = scipy_fft.rfftfreq(psf.grid[2], psf.step[2])
    return replace(psf, spectrum=psf.spectrum * np.sinc(ky * spacing[1]) * np.sinc(kx * spacing[2]))


def psf_of_array(array: Array, spacing: tuple[float, float, float]) -> PSF:
    """Return a PSF that is known on voxels fine enough for it, its focus at n // 2."""
    return _from_array(array, array.shape, (1, 1, 1), spacing)


def mean_psf(psfs: list[PSF]) -> PSF:
    """Return the mean of PSFs on the same grid."""
    return replace(psfs[0], spectrum=np.mean([psf.spectrum for psf in psfs], axis=0))


def _from_array(
    light: Array,
    window: tuple[int, int, int],
    fine: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> PSF:
    spectrum = scipy_fft.rfftn(scipy_fft.ifftshift(light / light.sum()))
    return PSF(spectrum, window, fine, spacing)


def _taper(n: int) -> Array:
    taper, width = np.ones(n), max(3, round(TAPER * n))
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
    taper[:width], taper[-width:] = ramp, ramp[::-1]
    return taper
