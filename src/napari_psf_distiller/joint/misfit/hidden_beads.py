"""Peaks in bright beads' halos: which of them are beads, as the model of the halos tells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.image.detection import HALO_FRACTION
from napari_psf_distiller.joint.image.matched_filter import (
    NEIGHBOUR_DIRECTIONS,
    NEIGHBOUR_DISTANCE_WIDTHS,
)
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["HiddenBeads", "hidden_beads"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# A peak in a bead's halo is a bead if it exceeds the model by this many standard errors. They are
# those of the noise and of the model, which errs by this part of the beads' light there.
MIN_SIGMAS, MODEL_ERROR_FRACTION = 6.0, 0.15

# And if no bead is known within this many widths.
MIN_DISTANCE_WIDTHS = 0.8

# Beyond its window a bead's halo has no peak of more than this many times what is brightest at the
# window's sides.
MAX_RISE_BEYOND_WINDOW = 2.0

# With fewer beads than this, dim lobes are taken for parts of the PSF.
MIN_BEADS = 3


class HiddenBeads(NamedTuple):
    """Beads that were found in others' halos.

    Attributes
    ----------
    voxels : numpy.ndarray
        (beads, 3): their brightest voxels.
    amplitudes : numpy.ndarray
        (beads,): about all light of each, in the image's unit.
    """

    voxels: Places
    amplitudes: Floats


def hidden_beads(model: JointModel, candidates: Places, widths: Floats) -> HiddenBeads:
    """Return which peaks are beads.

    Parameters
    ----------
    model : JointModel
    candidates : numpy.ndarray
        (peaks, 3), voxels.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    """
    bead_image = model.bead_image
    shape = np.array(bead_image.intensity.shape)
    image = model.basis.bead(model.coefficients)
    peak = float(image.max())
    sides = _brightest_at_the_sides(image) * model.amplitudes
    lows = np.array([[part.start for part in box] for box in model.boxes])
    highs = np.array([[part.stop for part in box] for box in model.boxes])
    levels = bead_image.background.design_at(candidates.astype(np.float64))[:, 0] @ model.background
    around = np.round(NEIGHBOUR_DIRECTIONS * widths * NEIGHBOUR_DISTANCE_WIDTHS).astype(np.intp)
    psf_beads = np.flatnonzero(model.used)
    # With one bead or two, dim lobes of their own cannot be told from beads.
    least = (
        HALO_FRACTION * float(model.amplitudes[psf_beads].max())
        if len(psf_beads) < MIN_BEADS
        else 0.0
    )
    kept, amplitudes = [], []
    for voxel, level in zip(candidates, levels, strict=True):
        box = tuple(slice(max(v - 1, 0), min(v + 2, n)) for v, n in zip(voxel, shape, strict=True))
        light = model.light[box]
        residual = bead_image.intensity[box] - light - np.float32(level)
        noise_variance = model.variance(light, np.full_like(light, level))
        error_variance = (
            float(noise_variance.sum()) + (MODEL_ERROR_FRACTION * float(light.sum())) ** 2
        )
        shell = voxel + around
        at = tuple(shell[((shell >= 0) & (shell < shape)).all(axis=1)].T)
        # What is off all about is the halo's or the background's error.
        surrounding_residual = (
            float(np.mean(bead_image.intensity[at] - model.light[at])) - level
            if len(at[0])
            else 0.0
        )
        excess = float(residual.sum()) - residual.size * max(surrounding_residual, 0.0)
        outside = ((voxel < lows) | (voxel >= highs)).any(axis=1)
        beyond = MAX_RISE_BEYOND_WINDOW * float(sides[outside].max(initial=0.0)) * residual.size
        away = (
            np.linalg.norm((model.centres - voxel) / widths, axis=1) > MIN_DISTANCE_WIDTHS
        ).all()
        height = float(bead_image.intensity[tuple(voxel)] - model.light[tuple(voxel)]) - level
        amplitude = max(height, float(np.sqrt(bead_image.floor))) / peak
        if (
            away
            and excess > max(MIN_SIGMAS * np.sqrt(error_variance), beyond)
            and amplitude > least
        ):
            kept.append(voxel)
            amplitudes.append(amplitude)
    return HiddenBeads(np.array(kept, np.intp).reshape(-1, 3), np.array(amplitudes))


def _brightest_at_the_sides(image: Floats) -> float:
    """Return the highest value at a window's sides."""
    highest = 0.0
    for axis, n in enumerate(image.shape):
        if n > 1:
            highest = max(highest, float(image.take([0, n - 1], axis).max()))
    return highest
