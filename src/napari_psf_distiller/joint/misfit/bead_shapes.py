"""How each bead's image differs from the model's: the coefficients of a few smooth patterns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.bead_core import inverse_information, reach_in_voxels
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["BeadShapes", "bead_shapes"]

Floats = NDArray[np.float64]

# Patterns of these total orders: 2 are widths and tilts, 3 coma, astigmatism through the focus and
# spherical aberration, 4 rings.
ORDERS = (2, 3, 4)


class BeadShapes(NamedTuple):
    """The residuals of beads, as sums of patterns.

    The patterns are orthonormal over the voxels, in units of a bead whose squares have the sum 1:
    a bead of coefficients c differs from the model's by the part ``|c|``.

    Attributes
    ----------
    beads : numpy.ndarray
        (beads,): their numbers in the model.
    orders : tuple of (int, int, int)
        The order of each pattern's Hermite function along z, y and x.
    coefficients : numpy.ndarray
        (beads, patterns).
    variances : numpy.ndarray
        (beads, patterns): the coefficients' variances that noise makes.
    unit : float
        The root of the sum of squares of a bead's image, relative to its peak.
    deviations : numpy.ndarray
        (3,): standard deviations of the patterns' Gaussian along each axis, in voxels.
    """

    beads: NDArray[np.intp]
    orders: tuple[tuple[int, int, int], ...]
    coefficients: Floats
    variances: Floats
    unit: float
    deviations: Floats

    def some(self, rows: NDArray[np.intp]) -> BeadShapes:
        """Return some of the beads."""
        return self._replace(
            beads=self.beads[rows],
            coefficients=self.coefficients[rows],
            variances=self.variances[rows],
        )

    def profile(self, coefficients: Floats, axis: int, places: Floats) -> Floats:
        """Return what a bead's profile through its centre gains, relative to its peak.

        Parameters
        ----------
        coefficients : numpy.ndarray
            (patterns,)
        axis : int
        places : numpy.ndarray
            In voxels from the centre.
        """
        gained = np.zeros(len(places))
        for order, coefficient in zip(self.orders, coefficients, strict=True):
            values = np.full(len(places), coefficient * self.unit)
            for along in range(3):
                at = places if along == axis else np.zeros(1)
                values = values * _hermite(order[along], at, self.deviations[along])
            gained += values
        return gained


def bead_shapes(model: JointModel, widths: Floats, beads: Sequence[int]) -> BeadShapes:
    """Return by what beads' images differ from the model's.

    Parameters
    ----------
    model : JointModel
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    beads : sequence of int

    Notes
    -----
    The patterns are Hermite functions about a bead's centre, products of one along each axis, of
    orders that add up to 2, 3 or 4: those of a bead's own width span what small changes of a
    bell-shaped image look like. With amplitude and place they are fitted to the residuals by
    weighted least squares.
    """
    flat = model.bead_image.intensity.shape[0] == 1
    deviations = (
        np.where(np.arange(3) == 0, 1.0, widths * SIGMAS_PER_FWHM)
        if flat
        else widths * SIGMAS_PER_FWHM
    )
    most = max(ORDERS)
    numbers, alongs = range(most + 1), range(1 if flat else most + 1)
    orders = tuple(
        order for order in itertools.product(alongs, numbers, numbers) if sum(order) in ORDERS
    )
    reach = reach_in_voxels(widths)
    bead = model.basis.bead(model.coefficients)
    peak = float(bead.max())
    unit = float(np.sqrt((bead**2).sum())) / peak
    coefficients = np.zeros((len(beads), len(orders)))
    variances = np.ones_like(coefficients)
    for row, number in enumerate(beads):
        box = model.positions.inner_box(number, reach)
        light = model.light[box]
        residual, weight = model.weighted_residual(number, box)
        along = [
            np.stack([_hermite(n, places, s) for n in range(most + 1)])
            for places, s in zip(model.positions.offsets(number, box), deviations, strict=True)
        ]
        if flat:
            along[0] = np.ones((1, light.shape[0]))
        scale = float(model.amplitudes[number]) * peak
        patterns = [
            np.multiply.outer(np.multiply.outer(along[0][a], along[1][b]), along[2][c]) * unit
            for a, b, c in orders
        ]
        moved = [np.gradient(light, axis=axis) for axis in range(3) if light.shape[axis] > 1]
        rows = np.stack([*(part * scale for part in patterns), light, *moved])
        rows = rows.reshape(len(rows), -1).astype(np.float64)
        weighted = rows * weight.ravel().astype(np.float64)
        vector = weighted @ residual.ravel()
        inverse = inverse_information(weighted @ rows.T)
        coefficients[row] = (inverse @ vector)[: len(orders)]
        variances[row] = np.diag(inverse)[: len(orders)]
    return BeadShapes(np.asarray(beads, np.intp), orders, coefficients, variances, unit, deviations)


def _hermite(order: int, places: Floats, deviation: float) -> Floats:
    """Return an orthonormal Hermite function, at places in voxels."""
    u = places / deviation
    series = np.zeros(order + 1)
    series[order] = 1 / math.sqrt(2**order * math.factorial(order) * math.sqrt(math.pi) * deviation)
    return np.asarray(np.polynomial.hermite.hermval(u, series) * np.exp(-0.5 * u**2), np.float64)
