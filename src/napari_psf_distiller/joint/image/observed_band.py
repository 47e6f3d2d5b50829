"""Up to which frequencies the images of beads stand out from the noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_psf_distiller.joint.image.bead_image import BeadField
from napari_psf_distiller.joint.image.detection import Candidates
from napari_psf_distiller.optics import Band

__all__ = ["seen_band"]

Floats = NDArray[np.float64]

# So many beads are looked at, so many of their widths to each side along z and in the plane.
BEADS, REACH = 16, (5.0, 4.0)

# Power stands out if it exceeds the noise's by so many of its standard deviations and by this part,
# at two frequencies next to each other.
SIGNIFICANT, LEAST_EXCESS = 5.0, 0.05

# Frequencies at which smoothing left less than this of the noise's power, in units of its variance,
# are not looked at: there it is not well known.
LEAST_NOISE = 0.9


def seen_band(field: BeadField, candidates: Candidates) -> Band | None:
    """Return the highest frequencies at which beads' images have more power than the noise.

    Parameters
    ----------
    field : BeadField
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
    is alike, it is by how much (see `NoiseCorrelation`). What tapering makes neighbouring
    frequencies alike is told by the taper (P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 1967).
    """
    shape = np.array(field.image.shape)
    reach = np.array([REACH[0], REACH[1], REACH[1]])
    half = np.minimum(np.ceil(reach * candidates.widths).astype(int), (shape - 1) // 2)
    size = 2 * half + 1
    tapers = [np.hanning(n + 2)[1:-1] for n in size]
    taper = tapers[0][:, None, None] * tapers[1][:, None] * tapers[2]
    power, count = np.zeros(tuple(size)), 0
    for voxel, shaded in zip(candidates.voxels, candidates.overshadowed, strict=True):
        low = voxel - half
        low[0] = np.clip(low[0], 0, shape[0] - size[0])
        high = low + size
        if shaded or (low < 0).any() or (high > shape).any():
            continue
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        window = field.image[box].astype(np.float32)
        blank = field.history.blank
        if window.max() >= field.saturation or (blank is not None and blank[box].any()):
            continue
        noise = float((taper**2 * field.variance(window)).sum())
        off = window - float(field.level(voxel[None])[0])
        power += np.abs(fft.fftn(off * taper)) ** 2 / noise
        count += 1
        if count == BEADS:
            break
    if not count:
        return None
    power /= count
    noise_power = _noise_power(field, power.shape)
    told = noise_power > LEAST_NOISE
    power = np.where(told, power / noise_power, 0)
    # So many values of the periodogram tell as much as one that is independent of the others: half
    # of them are the others' conjugates.
    alike = 2 * math.prod(len(t) * float((t**4).sum() / (t**2).sum() ** 2) for t in tapers)
    frequencies = [fft.fftfreq(n, s) for n, s in zip(size, field.spacing, strict=True)]
    across = np.hypot(frequencies[1][:, None], frequencies[2])
    step = 1 / (min(size[1:] * field.spacing[1:]))
    ring = (across / step).astype(int).ravel()
    rings = int(0.5 / max(field.spacing[1:]) / step)
    sums, members = (
        np.array([np.bincount(ring, plane.ravel(), minlength=rings)[:rings] for plane in planes])
        for planes in (power, told)
    )
    independent = members * (count / alike)
    along = np.abs(frequencies[0])
    # What the optics pass reaches furthest in the plane at low axial frequencies, and along the
    # axis at middle ones in the plane.
    near = along <= along.max() / 4
    lateral = _reach(*(part[near].sum(axis=0) for part in (sums, members, independent)))
    middle = slice(0, max(2, (lateral + 1) // 2))
    order = np.unique(along)
    axial = _reach(
        *(
            np.array([part[along == f, middle].sum() for f in order])
            for part in (sums, members, independent)
        )
    )
    return Band(float(lateral * step), float(order[min(axial, len(order) - 1)]))


def _noise_power(field: BeadField, shape: tuple[int, ...]) -> Floats:
    """Return the power of the noise at a transform's frequencies, in units of its variance."""
    power = np.ones(shape)
    for axis, (n, line) in enumerate(zip(shape, field.history.correlation.along, strict=True)):
        turns = 2 * np.pi * np.outer(fft.fftfreq(n), np.arange(1, len(line)))
        one = 1 + 2 * np.cos(turns) @ line[1:]
        power *= np.expand_dims(one, [other for other in range(3) if other != axis])
    return power


def _reach(powers: Floats, members: Floats, independent: Floats) -> int:
    """Return behind which of some frequencies only noise is left.

    Parameters
    ----------
    powers : numpy.ndarray
        Of each, the sum over
    members : numpy.ndarray
        so many values,
    independent : numpy.ndarray
        which tell as much as so many that are independent.
    """
    known = members > 0
    if not known.any():
        return 0
    means = powers[known] / members[known]
    noise = float(np.percentile(means, 10))
    deviation = 1 / np.sqrt(np.maximum(independent[known], 1))
    stands_out = means > noise * (1 + LEAST_EXCESS + SIGNIFICANT * deviation)
    both = stands_out & np.r_[True, stands_out[:-1]]
    found = np.flatnonzero(known)[both]
    return int(found[-1]) + 1 if len(found) else 0
