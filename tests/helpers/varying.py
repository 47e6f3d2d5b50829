"""PSFs that change over the field, without a fit to beads."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike
from varying_psfs import varying_psf

from napari_psf_distiller import PSF
from napari_psf_distiller.deconvolution.variation import PSFVariation
from napari_psf_distiller.psf import grids
from napari_psf_distiller.psf.eigen import EigenPSFs
from napari_psf_distiller.psf.polynomials import Extent

# Of the image of beads that `fitted` is from.
IMAGE_SHAPE = (120, 160)

SQRT3 = np.sqrt(3)


def mixture(
    ends: ArrayLike, extent: Extent, depth_extent: tuple[float, float] | None = None
) -> EigenPSFs:
    """Return the PSF that goes from one of `ends` to the next along y, and of two more along x.

    With a depth it goes half of these ways there, a fourth with the depth, and a fourth with the
    product of both. It is positive everywhere where they are, and exactly its kernels' sum.
    """
    top, bottom, left, right = (end / end.sum() for end in np.asarray(ends, float))
    mean = (top + bottom + left + right) / 4
    # Of the mean square 1 over the extent, a weight that is linear goes from -root 3 to root 3.
    changes = [(bottom - top) / 4 / SQRT3, (right - left) / 4 / SQRT3]
    coefficients = np.zeros((3, 2, 2))
    coefficients[0, 0, 0], coefficients[1, 1, 0], coefficients[2, 0, 1] = 1, SQRT3, SQRT3
    kernels = np.stack([mean, *changes]).astype(np.float32)
    spacing, shares = (0.1,) * mean.ndim, (1.0, 0.0, 0.0)
    if depth_extent is None:
        return EigenPSFs(kernels, spacing, extent, coefficients, shares)
    coefficients[1:] /= 2
    with_depth = np.zeros((3, 1, 2, 2))
    with_depth[1, 0, 0, 0], with_depth[1, 0, 1, 0] = SQRT3 / 4, SQRT3 / 4
    with_depth[2, 0, 0, 0], with_depth[2, 0, 0, 1] = -SQRT3 / 4, SQRT3 / 4
    return EigenPSFs(kernels, spacing, extent, coefficients, shares, depth_extent, with_depth)


def random_mixture(
    psf_shape: tuple[int, ...], image_shape: tuple[int, ...], seed: int
) -> tuple[np.ndarray, PSFVariation]:
    """Return a random PSF's mean, and how it changes over an image of this shape.

    In a volume it changes with depth, too.
    """
    rng = np.random.default_rng(seed)
    ends = rng.gamma(0.5, 1, (4, *psf_shape)) + 1e-6
    return over_image(ends, image_shape, deep=len(image_shape) == 3 and image_shape[0] > 1)


def over_image(
    ends: ArrayLike, image_shape: tuple[int, ...], *, deep: bool = False
) -> tuple[np.ndarray, PSFVariation]:
    """Return a mixture's mean, and how it changes from one side of an image to the other."""
    rows, columns = (np.arange(n, dtype=float) for n in image_shape[-2:])
    extent = ((0.0, image_shape[-2] - 1.0), (0.0, image_shape[-1] - 1.0))
    depth_extent = (0.0, image_shape[0] - 1.0) if deep else None
    eigen = mixture(ends, extent, depth_extent)
    planes = np.arange(image_shape[0], dtype=float) if deep else None
    return eigen.kernels[0], PSFVariation(eigen, rows, columns, (1.0, 1.0), planes)


def blurred(truth: np.ndarray, variation: PSFVariation) -> np.ndarray:
    """Return the image of an object, each voxel spread with the PSF of its place, on a circle."""
    eigen = variation.eigen
    image = np.zeros(np.shape(truth))
    grids = [np.arange(m) - m // 2 for m in eigen.kernels.shape[1:]]
    for place in np.argwhere(truth):
        psf = variation.psf_at(place[-2], place[-1], place[0])
        voxels = [(p + g) % n for p, g, n in zip(place.tolist(), grids, truth.shape, strict=True)]
        image[np.ix_(*voxels)] += truth[tuple(place)] * psf
    return image


def fitted(change: float = 1.0, ndim: int = 3) -> PSF:
    """Return a PSF with functions, with coma to the right and wider to the bottom."""
    found = varying_psf(
        [(lambda _, x: 0.3 * change * x, 1), (lambda y, _: -0.2 * change * y, 0)],
        image_shape=IMAGE_SHAPE,
        extent=((4.0, IMAGE_SHAPE[0] - 5.0), (6.0, IMAGE_SHAPE[1] - 7.0)),
    )
    spacing, shape = found.spacing[-ndim:], (7, 17, 17)[-ndim:]
    assert found.model is not None
    model = dataclasses.replace(found.model, clip=True)
    array = grids.evaluated(model, spacing, shape).values.astype(np.float32)
    return PSF(array, spacing, model=model)
