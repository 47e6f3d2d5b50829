"""Up to which frequencies the images of beads stand out from the noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_psf_distiller.joint.image.bead_image import BeadImage
from napari_psf_distiller.joint.image.detection import Candidates
from napari_psf_distiller.optics import Band

__all__ = ["observed_band"]

Floats = NDArray[np.float64]

# Beads that are looked at, at most, and how many of their widths to each side, along z and in the
# plane.
MAX_BEADS, WINDOW_REACH_WIDTHS = 16, (5.0, 4.0)

# Power stands out if it exceeds the noise's by this many of its standard deviations and by this
# part, at two frequencies next to each other.
MIN_SIGMAS, MIN_RELATIVE_EXCESS = 5.0, 0.05

# Frequencies at which smoothing left less than this of the noise's power, in units of its variance,
# are not looked at: there it is not well known.
MIN_NOISE_POWER = 0.9


def observed_band(bead_image: BeadImage, candidates: Candidates) -> Band | None:
    """Return the highest frequencies at which beads' images have more power than the noise.

    Parameters
    ----------
    bead_image : BeadImage
    candidates : Candidates

    Returns
    -------
    Band or None
        In cycles a micrometre; None where no bead lies far enough from the image's sides, from
        blank areas and from saturated voxels.

    Notes
    -----
    The mean periodogram of windows about beads, each tapered with Hann's window, so that what
    passes the window's ends does not look like fine detail. The noise's power is that of the
    frequencies that have least, as it is the same at all of them; where neighbouring voxels' noise
    is correlated, its correlation tells how it falls off (see `NoiseCorrelation`). Tapering
    correlates neighbouring frequencies, which makes independent values fewer (P. D. Welch, IEEE
    Trans. Audio Electroacoust. 15, 1967).
    """
    shape = np.array(bead_image.intensity.shape)
    reach = np.array([WINDOW_REACH_WIDTHS[0], WINDOW_REACH_WIDTHS[1], WINDOW_REACH_WIDTHS[1]])
    half = np.minimum(np.ceil(reach * candidates.widths).astype(int), (shape - 1) // 2)
    size = 2 * half + 1
    tapers = [np.hanning(n + 2)[1:-1] for n in size]
    taper = tapers[0][:, None, None] * tapers[1][:, None] * tapers[2]
    power, count = np.zeros(tuple(size)), 0
    for voxel, in_halo in zip(candidates.voxels, candidates.in_halo, strict=True):
        low = voxel - half
        low[0] = np.clip(low[0], 0, shape[0] - size[0])
        high = low + size
        if in_halo or (low < 0).any() or (high > shape).any():
            continue
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        window = bead_image.intensity[box].astype(np.float32)
        blank = bead_image.history.blank
        if window.max() >= bead_image.saturation or (blank is not None and blank[box].any()):
            continue
        noise = float((taper**2 * bead_image.variance(window)).sum())
        signal = window - float(bead_image.level(voxel[None])[0])
        power += np.abs(fft.fftn(signal * taper)) ** 2 / noise
        count += 1
        if count == MAX_BEADS:
            break
    if not count:
        return None
    power /= count
    noise_power = _noise_power(bead_image, power.shape)
    usable = noise_power > MIN_NOISE_POWER
    power = np.where(usable, power / noise_power, 0)
    # Values of the periodogram that tell as much as one independent value: half of them are the
    # others' conjugates.
    correlated_values = 2 * math.prod(
        len(t) * float((t**4).sum() / (t**2).sum() ** 2) for t in tapers
    )
    frequencies = [fft.fftfreq(n, s) for n, s in zip(size, bead_image.spacing, strict=True)]
    across = np.hypot(frequencies[1][:, None], frequencies[2])
    step = 1 / (min(size[1:] * bead_image.spacing[1:]))
    ring = (across / step).astype(int).ravel()
    rings = int(0.5 / max(bead_image.spacing[1:]) / step)
    sums, members = (
        np.array([np.bincount(ring, plane.ravel(), minlength=rings)[:rings] for plane in planes])
        for planes in (power, usable)
    )
    independent = members * (count / correlated_values)
    along = np.abs(frequencies[0])
    # What the optics pass reaches furthest in the plane at low axial frequencies, and along the
    # axis at middle ones in the plane.
    near = along <= along.max() / 4
    lateral = _last_significant(*(part[near].sum(axis=0) for part in (sums, members, independent)))
    middle = slice(0, max(2, (lateral + 1) // 2))
    order = np.unique(along)
    axial = _last_significant(
        *(
            np.array([part[along == f, middle].sum() for f in order])
            for part in (sums, members, independent)
        )
    )
    return Band(float(lateral * step), float(order[min(axial, len(order) - 1)]))


def _noise_power(bead_image: BeadImage, shape: tuple[int, ...]) -> Floats:
    """Return the power of the noise at a transform's frequencies, in units of its variance."""
    power = np.ones(shape)
    for axis, (n, line) in enumerate(zip(shape, bead_image.history.correlation.along, strict=True)):
        phases = 2 * np.pi * np.outer(fft.fftfreq(n), np.arange(1, len(line)))
        one = 1 + 2 * np.cos(phases) @ line[1:]
        power *= np.expand_dims(one, [other for other in range(3) if other != axis])
    return power


def _last_significant(powers: Floats, members: Floats, independent: Floats) -> int:
    """Return behind which of some frequencies only noise is left.

    Parameters
    ----------
    powers : numpy.ndarray
        (frequencies,): sums of the periodogram's values.
    members : numpy.ndarray
        (frequencies,): the number of values in each sum.
    independent : numpy.ndarray
        (frequencies,): the number of independent values that tell as much.
    """
    known = members > 0
    if not known.any():
        return 0
    means = powers[known] / members[known]
    noise = float(np.percentile(means, 10))
    deviation = 1 / np.sqrt(np.maximum(independent[known], 1))
    stands_out = means > noise * (1 + MIN_RELATIVE_EXCESS + MIN_SIGMAS * deviation)
    both = stands_out & np.r_[True, stands_out[:-1]]
    found = np.flatnonzero(known)[both]
    return int(found[-1]) + 1 if len(found) else 0
