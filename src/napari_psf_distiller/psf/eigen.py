"""A PSF that changes over the field, as a sum of few kernels, each times a weight of the place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.psf.functions import FittedFunctions
from napari_psf_distiller.psf.polynomials import Extent

__all__ = ["LEFT", "EigenPSFs", "constant_psf", "eigen_psfs"]

Floats = NDArray[np.float64]

# Of the PSF, in relative L2 over the field, so much may be left out: a fraction of what a fit to
# beads gets wrong, 5 to 8 %. With half of it a deconvolution comes no nearer to the truth, and
# takes one kernel or two more.
LEFT = 0.01


@dataclass(frozen=True, eq=False)
class EigenPSFs:
    """Kernels whose sum, each times its weight at a place, is the PSF there.

    Attributes
    ----------
    kernels : numpy.ndarray
        float32, (kernels, Z, Y, X) or (kernels, Y, X), all about the same centre, at n // 2. The
        first is the PSF's mean over the field, of the sum 1; the others are what changes, of the
        sum 0, that which changes most first.
    spacing : tuple of float
        Voxel size in micrometres, one an axis.
    extent : tuple of tuple of float
        Where the outermost beads lie, (first, last) along y and along x, in voxels of the bead
        image. Of a place beyond, the nearest one within counts.
    coefficients : numpy.ndarray
        (kernels, degrees, degrees): of each weight in the mean over the depth, those of the
        products of Legendre's polynomials of y and x, which go from -1 to 1 over the extent. The
        first weight is 1 everywhere; of the others the mean square over the extent, and the depth,
        is 1.
    shares : tuple of float
        Of the sum of the PSF's squares over the field and the depth, the part that each kernel
        carries; what is left of 1 was left out.
    depth_extent : tuple of float
        Where the outermost beads lie along z, (first, last), in planes of the bead image. Of a
        plane beyond, the nearest one within counts.
    depth_coefficients : numpy.ndarray or None
        (kernels, depths, degrees, degrees): the same of what is added to each weight for each of
        Legendre's polynomials of the depth from the first degree on, times that; these go from -1
        to 1 over the extent. None of a PSF that is the same in all planes.
    """

    kernels: NDArray[np.float32] = field(repr=False)
    spacing: tuple[float, ...]
    extent: Extent
    coefficients: Floats = field(repr=False)
    shares: tuple[float, ...]
    depth_extent: tuple[float, float] = (0.0, 0.0)
    depth_coefficients: Floats | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of kernels."""
        return len(self.kernels)

    def weights_at(self, rows: Floats, columns: Floats) -> NDArray[np.float32]:
        """Return the weights at the crossings of some rows and columns, in the mean over the depth.

        Parameters
        ----------
        rows, columns : numpy.ndarray
            Places along y and along x in voxels of the bead image, which need not be whole.

        Returns
        -------
        numpy.ndarray
            float32, (kernels, rows, columns).
        """
        return self._at_crossings(self.coefficients, rows, columns)

    def depth_weights_at(self, rows: Floats, columns: Floats) -> NDArray[np.float32]:
        """Return what is added to the weights there for each polynomial of the depth.

        Parameters
        ----------
        rows, columns : numpy.ndarray
            See `weights_at`.

        Returns
        -------
        numpy.ndarray
            float32, (kernels, depths, rows, columns): each counts times the polynomial; see
            `depths_at`. No depths of a PSF that is the same in all planes.
        """
        if self.depth_coefficients is None:
            return np.zeros((len(self), 0, len(rows), len(columns)), np.float32)
        return self._at_crossings(self.depth_coefficients, rows, columns)

    def depths_at(self, planes: Floats) -> NDArray[np.float32]:
        """Return Legendre's polynomials of the depth at some planes, from the first degree on.

        Parameters
        ----------
        planes : numpy.ndarray
            In planes of the bead image, which need not be whole.

        Returns
        -------
        numpy.ndarray
            float32, (depths, planes).
        """
        degree = 0 if self.depth_coefficients is None else self.depth_coefficients.shape[1]
        down = legendre.legvander(_relative(planes, self.depth_extent), degree)
        return np.ascontiguousarray(down[:, 1:].T, np.float32)

    def at(self, y: float, x: float, z: float | None = None) -> NDArray[np.float32]:
        """Return the PSF at a place, about the kernels' common centre.

        Parameters
        ----------
        y, x : float
            In voxels of the bead image.
        z : float, optional
            The plane; without it in the mean over the depth.
        """
        row, column = np.array([y]), np.array([x])
        weights = self.weights_at(row, column)[:, 0, 0]
        if z is not None:
            depths = self.depths_at(np.array([z]))[:, 0]
            weights = weights + self.depth_weights_at(row, column)[:, :, 0, 0] @ depths
        psf: NDArray[np.float32] = np.tensordot(weights, self.kernels, axes=1)
        return psf

    def _at_crossings(
        self, coefficients: Floats, rows: Floats, columns: Floats
    ) -> NDArray[np.float32]:
        degree = coefficients.shape[-1] - 1
        down, across = (
            legendre.legvander(_relative(places, ends), degree)
            for places, ends in zip((rows, columns), self.extent, strict=True)
        )
        weights: NDArray[np.float32] = (down @ coefficients @ across.T).astype(np.float32)
        return weights


def constant_psf(array: NDArray[np.float32], spacing: tuple[float, ...]) -> EigenPSFs:
    """Return a PSF that is the same everywhere, as the one kernel that it has."""
    return EigenPSFs(array[np.newaxis], spacing, ((0.0, 0.0),) * 2, np.ones((1, 1, 1)), (1.0,))


def eigen_psfs(
    model: FittedFunctions,
    spacing: tuple[float, ...],
    shape: Sequence[int],
    left: float = LEFT,
) -> EigenPSFs:
    """Return the kernels of functions that change over the field.

    Parameters
    ----------
    model : FittedFunctions
        With ``over_field``.
    spacing : tuple of float
        Of the kernels' voxels, (z, y, x) or (y, x), in micrometres.
    shape : sequence of int
        Of a kernel, of as many axes; within the window that the functions were fitted in.
    left : float
        What may be left out of the PSF, in relative L2 over the field.

    Notes
    -----
    The PSF is evaluated where two sets of Chebyshev's nodes cross, one more along each axis than
    its polynomials need, so that their interpolation is exact but for what becomes of negative
    values, which is not linear. Of one that changes with depth there are three sets, as many as are
    needed. All have one centre, that of the mean PSF: the polynomials know how
    the light is displaced against it from place to place, and it would make steps to have each
    about its own brightest voxel. At each place the PSF is not negative and has the sum 1, as
    `PSF.at` gives it. The kernels are the mean of these, and the singular vectors of what differs
    from it, each place counting by the part of the field that it stands for.
    """
    over_field = model.over_field
    assert over_field is not None
    depth = over_field.depth
    nodes, inverse = _nodes(over_field.degree + (2 if depth is None else 1))
    levels, from_levels = np.zeros(1), np.ones((1, 1))
    if depth is not None:
        levels, from_levels = _nodes(over_field.depth_degree + 1)
    parts = np.einsum("i,j,k->ijk", from_levels[0], inverse[0], inverse[0]).ravel()
    psfs = _psfs_at(model, _crossings(levels, nodes, over_field), spacing, shape)
    mean = np.zeros(psfs.shape[1])
    for part, psf in zip(parts, psfs, strict=True):
        mean += part * psf
    psfs -= mean.astype(np.float32)
    total, kept = float(mean @ mean), [mean]
    # Of few places and many voxels the smaller matrix is that of the places.
    psfs *= np.sqrt(parts)[:, np.newaxis].astype(np.float32)
    strengths, vectors = np.linalg.eigh((psfs @ psfs.T).astype(np.float64))
    strengths, vectors = np.maximum(strengths[::-1], 0), vectors[:, ::-1]
    total += float(strengths.sum())
    crossed = (len(levels), len(nodes), len(nodes))
    coefficients = [np.zeros(crossed)]
    coefficients[0][0, 0, 0] = 1.0
    shares = [float(mean @ mean) / total]
    while 1 - sum(shares) > left**2 and len(kept) <= len(strengths):
        n = len(kept) - 1
        kernel = vectors[:, n].astype(np.float32) @ psfs
        sign = np.sign(kernel[np.abs(kernel).argmax()])
        kept.append(sign * kernel)
        weights = sign * (vectors[:, n] / np.sqrt(parts)).reshape(crossed)
        coefficients.append(
            np.einsum("pi,yj,xk,ijk->pyx", from_levels, inverse, inverse, weights, optimize=True)
        )
        shares.append(float(strengths[n]) / total)
    of_places = np.stack(coefficients)
    return EigenPSFs(
        np.stack(kept).astype(np.float32).reshape(-1, *shape),
        tuple(spacing),
        over_field.extent,
        of_places[:, 0],
        tuple(shares),
        *(() if depth is None else (depth.extent, of_places[:, 1:])),
    )


def _nodes(count: int) -> tuple[Floats, Floats]:
    """Return Chebyshev's nodes, and what makes Legendre's coefficients of the values there.

    The mean of a polynomial over -1 to 1 is its coefficient of the degree 0. One node is 0.
    """
    nodes: Floats = -np.cos(np.pi * np.arange(count) / max(count - 1, 1)) * (count > 1)
    inverse = np.linalg.inv(legendre.legvander(nodes, count - 1))
    return nodes, np.asarray(inverse, np.float64)


def _psfs_at(
    model: FittedFunctions,
    polynomials: Floats,
    spacing: tuple[float, ...],
    shape: Sequence[int],
) -> NDArray[np.float32]:
    """Return the PSFs at some places on voxels, about the mean PSF's centre: one a row.

    Parameters
    ----------
    polynomials : numpy.ndarray
        (places, polynomials): their values at the places; see `PSFField.polynomials_at`.
    """
    flat = len(shape) == 2
    sizes = (model.spacing[0], *spacing) if flat else spacing
    voxels = (1, *shape) if flat else tuple(shape)
    centre = model.centre_on(sizes, voxels)
    parts = _parts_of(model, sizes, voxels, centre)
    finer = model.finer_than(sizes, voxels, centre)
    finer_parts = None
    if finer is not None:
        finer_parts = _parts_of(model, finer.spacing, finer.shape, finer.centre)
    psfs = np.empty((len(polynomials), math.prod(shape)), np.float32)
    for psf, here in zip(psfs, polynomials.astype(np.float32), strict=True):
        values = np.tensordot(here, parts, axes=1)
        if finer is not None and finer_parts is not None:
            values = values + finer.added(np.tensordot(here, finer_parts, axes=1))
        psf[:] = model.as_psf(values, sizes).values.ravel()
    return psfs


def _parts_of(
    model: FittedFunctions,
    spacing: Sequence[float],
    shape: Sequence[int],
    centre: Sequence[float] | Floats,
) -> NDArray[np.float32]:
    """Return what each polynomial adds on voxels, (polynomials, Z, Y, X)."""
    count = 1 if model.over_field is None else len(model.over_field.amplitudes)
    parts = np.empty((count, *shape), np.float32)
    each = model.values_by_polynomial(spacing, shape, centre)
    for part, values in zip(parts, each, strict=True):
        part[:] = values
    return parts


def _crossings(levels: Floats, nodes: Floats, over_field: PSFField) -> Floats:
    """Return the polynomials where nodes from -1 to 1 along z, y and x cross, one place a row."""
    first, last = (0.0, 0.0) if over_field.depth is None else over_field.depth.extent
    along = [(levels, first, last), *((nodes, *ends) for ends in over_field.extent)]
    axes = (low + (places + 1) / 2 * (high - low) for places, low, high in along)
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return over_field.polynomials_at(places)


def _relative(places: Floats, ends: tuple[float, float]) -> Floats:
    """Return places within the ends as numbers from -1 to 1."""
    first, last = ends
    relative: Floats = 2 * (np.clip(places, first, last) - first) / max(last - first, 1) - 1
    return relative
