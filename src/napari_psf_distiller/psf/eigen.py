"""A PSF that changes over the field, as a sum of few kernels, each times a weight of the place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from napari_psf_distiller.psf.field import Extent, depth_polynomials
from napari_psf_distiller.psf.functions import FittedFunctions

__all__ = ["LEFT", "EigenPSFs", "constant_psf", "eigen_psfs"]

Floats = NDArray[np.float64]

# Of the PSF, in relative L2 over the field, so much may be left out: a fraction of what a fit to
# beads gets wrong, 5 to 8 %. With half of it a deconvolution comes no nearer to the truth, and
# takes one kernel or two more.
LEFT = 0.01


@dataclass(frozen=True, eq=False)
class EigenPSFs:
    """Kernels whose sum, each times its weight at a place, is the PSF there.

    A weight is the sum of one of the place in the plane and one of the depth.

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
        (kernels, degrees, degrees): of each weight, those of the products of Legendre's polynomials
        of y and x, which go from -1 to 1 over the extent. The first weight is 1 everywhere; of the
        others the mean square over the extent is 1.
    shares : tuple of float
        Of the sum of the PSF's squares over the field and the depth, the part that each kernel
        carries; what is left of 1 was left out.
    depth_extent : tuple of float
        Where the outermost beads lie along z, (first, last), in planes of the bead image. Of a
        plane beyond, the nearest one within counts.
    depth_coefficients : numpy.ndarray or None
        (kernels, degrees): of what the depth adds to each weight, those of Legendre's polynomials,
        which go from -1 to 1 over the extent; 0 in the mean over it. None of a PSF that is the same
        in all planes.
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
        degree = self.coefficients.shape[1] - 1
        down, across = (
            legendre.legvander(_relative(places, ends), degree)
            for places, ends in zip((rows, columns), self.extent, strict=True)
        )
        weights: NDArray[np.float32] = (down @ self.coefficients @ across.T).astype(np.float32)
        return weights

    def depth_weights_at(self, planes: Floats) -> NDArray[np.float32]:
        """Return what the depth adds to the weights at some planes.

        Parameters
        ----------
        planes : numpy.ndarray
            In planes of the bead image, which need not be whole.

        Returns
        -------
        numpy.ndarray
            float32, (kernels, planes): 0 where the PSF is the same in all planes.
        """
        if self.depth_coefficients is None:
            return np.zeros((len(self), len(planes)), np.float32)
        degree = self.depth_coefficients.shape[1] - 1
        down = legendre.legvander(_relative(planes, self.depth_extent), degree)
        weights: NDArray[np.float32] = (self.depth_coefficients @ down.T).astype(np.float32)
        return weights

    def at(self, y: float, x: float, z: float | None = None) -> NDArray[np.float32]:
        """Return the PSF at a place, about the kernels' common centre.

        Parameters
        ----------
        y, x : float
            In voxels of the bead image.
        z : float, optional
            The plane; without it in the mean over the depth.
        """
        weights = self.weights_at(np.array([y]), np.array([x]))[:, 0, 0]
        if z is not None:
            weights = weights + self.depth_weights_at(np.array([z]))[:, 0]
        psf: NDArray[np.float32] = np.tensordot(weights, self.kernels, axes=1)
        return psf


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
    values, which is not linear. All have one centre, that of the mean PSF: the polynomials know how
    the light is displaced against it from place to place, and it would make steps to have each
    about its own brightest voxel. At each place the PSF is not negative and has the sum 1, as
    `PSF.at` gives it. The kernels are the mean of these, and the singular vectors of what differs
    from it, each place counting by the part of the field that it stands for. Of one that changes
    with depth too, planes are further places, in the mean over the field: the polynomials have no
    products of place and depth, so that what these two change adds up.
    """
    over_field = model.over_field
    assert over_field is not None
    nodes, inverse = _nodes(over_field.degree + 2)
    parts = np.outer(inverse[0], inverse[0]).ravel()
    polynomials, depth = over_field.polynomials_at(_crossings(nodes, over_field.extent)), None
    if over_field.depth is not None:
        depth = over_field.depth
        planes, from_planes = _nodes(depth.degree + 2)
        in_planes = np.zeros((len(planes), polynomials.shape[1]))
        in_planes[:, 0] = 1
        first, last = depth.extent
        in_planes[:, -depth.degree :] = depth_polynomials(
            depth.degree, depth.extent, first + (planes + 1) / 2 * (last - first)
        )
        polynomials = np.concatenate([polynomials, in_planes])
        parts = np.concatenate([parts, from_planes[0]])
    places = len(nodes) ** 2
    psfs = _psfs_at(model, polynomials, spacing, shape)
    mean = _mean_of(psfs[:places], parts[:places])
    psfs[:places] -= mean.astype(np.float32)
    if depth is not None:
        psfs[places:] -= _mean_of(psfs[places:], parts[places:]).astype(np.float32)
    total, kept = float(mean @ mean), [mean]
    # Of few places and many voxels the smaller matrix is that of the places.
    psfs *= np.sqrt(parts)[:, np.newaxis].astype(np.float32)
    strengths, vectors = np.linalg.eigh((psfs @ psfs.T).astype(np.float64))
    strengths, vectors = np.maximum(strengths[::-1], 0), vectors[:, ::-1]
    total += float(strengths.sum())
    coefficients, with_depth = [np.zeros((len(nodes), len(nodes)))], []
    coefficients[0][0, 0] = 1.0
    if depth is not None:
        with_depth.append(np.zeros(len(planes)))
    shares = [float(mean @ mean) / total]
    while 1 - sum(shares) > left**2 and len(kept) <= len(strengths):
        n = len(kept) - 1
        kernel = vectors[:, n].astype(np.float32) @ psfs
        sign = np.sign(kernel[np.abs(kernel).argmax()])
        kept.append(sign * kernel)
        weights = sign * vectors[:, n] / np.sqrt(parts)
        over_places = weights[:places].reshape(len(nodes), len(nodes))
        coefficients.append(inverse @ over_places @ inverse.T)
        if depth is not None:
            with_depth.append(from_planes @ weights[places:])
        shares.append(float(strengths[n]) / total)
    return EigenPSFs(
        np.stack(kept).astype(np.float32).reshape(-1, *shape),
        tuple(spacing),
        over_field.extent,
        np.stack(coefficients),
        tuple(shares),
        *(() if depth is None else (depth.extent, np.stack(with_depth))),
    )


def _nodes(count: int) -> tuple[Floats, Floats]:
    """Return Chebyshev's nodes, and what makes Legendre's coefficients of the values there.

    The mean of a polynomial over -1 to 1 is its coefficient of the degree 0.
    """
    nodes: Floats = -np.cos(np.pi * np.arange(count) / (count - 1))
    inverse = np.linalg.inv(legendre.legvander(nodes, count - 1))
    return nodes, np.asarray(inverse, np.float64)


def _mean_of(psfs: NDArray[np.float32], parts: Floats) -> Floats:
    """Return the mean of PSFs, one a row, each counting by a part of 1."""
    mean = np.zeros(psfs.shape[1])
    for part, psf in zip(parts, psfs, strict=True):
        mean += part * psf
    return mean


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
        (places, polynomials): see `PSFField.polynomials_at`.
    """
    flat = len(shape) == 2
    sizes = (model.spacing[0], *spacing) if flat else spacing
    voxels = (1, *shape) if flat else tuple(shape)
    centre = model.centre_on(sizes, voxels)
    parts = np.empty((polynomials.shape[1], *voxels), np.float32)
    each = model.values_by_polynomial(sizes, voxels, centre)
    for part, values in zip(parts, each, strict=True):
        part[:] = values
    psfs = np.empty((len(polynomials), math.prod(shape)), np.float32)
    for psf, here in zip(psfs, polynomials.astype(np.float32), strict=True):
        psf[:] = model.as_psf(np.tensordot(here, parts, axes=1)).values.ravel()
    return psfs


def _crossings(nodes: Floats, extent: Extent) -> Floats:
    """Return the places (y, x) where nodes from -1 to 1 along each axis cross."""
    rows, columns = (first + (nodes + 1) / 2 * (last - first) for first, last in extent)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def _relative(places: Floats, ends: tuple[float, float]) -> Floats:
    """Return places within the ends as numbers from -1 to 1."""
    first, last = ends
    relative: Floats = 2 * (np.clip(places, first, last) - first) / max(last - first, 1) - 1
    return relative
