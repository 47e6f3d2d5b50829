"""When to stop Richardson-Lucy iterations: where counts held out are no longer told better.

Iterations first fit the object and then the noise. Split the counts into two images whose noise is
independent, iterate on the one, and ask after each iteration how likely the other is: that rises
while the object is fitted and falls once the noise is. Splitting needs no second exposure: photons
thinned at random make two independent Poisson images. Neufeld, Dharamshi, Gao and Witten, "Data
thinning for convolution-closed distributions", J. Mach. Learn. Res. 25, 2024, has the theory;
N. L. Oliveira, J. Lei and R. J. Tibshirani estimate errors so, "Unbiased test error estimation in
the Poisson means problem via coupled bootstrap techniques", arXiv:2212.01943, and with normal noise
in arXiv:2111.09447. Richardson-Lucy gradient consensus (J. Manton,
https://github.com/jdmanton/rlgc) halves a microscope's counts in this way too, and keeps a voxel
where its halves' updates disagree.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_psf_distiller.measure.noise import NoiseModel

__all__ = [
    "FRACTION",
    "Stopping",
    "binned",
    "bins_within",
    "block_sizes",
    "block_with_most",
    "informative_block",
    "mean_within",
    "split_counts",
]

# Of the counts, this much is deconvolved. With half, the iterations end up to a quarter early, as
# they should with half the light; 0.8 and 0.9 agree.
FRACTION = 0.9

# From so many photons on, a binomial number is drawn as a normal one.
MANY_PHOTONS = 10_000

# A stream of its own: an image simulated from the same seed would be split by its own noise.
STREAM = 0x7370_6C69_74

# A block of this size still deconvolves in seconds.
BLOCK_VOXELS = 4_000_000


def split_counts(
    image: NDArray[np.float32],
    noise: NoiseModel,
    fraction: float = FRACTION,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split an image into two whose noise is independent.

    Parameters
    ----------
    image : numpy.ndarray
        In any unit, with any offset.
    noise : NoiseModel
        See `noise_model`.
    fraction : float
        How much of the light the first gets, between 0 and 1.
    seed : int
        The same seed gives the same images.

    Returns
    -------
    training, held_out : numpy.ndarray
        float32, of expectation `fraction` and `1 - fraction` times the image's. The first is never
        negative, as Richardson-Lucy needs it. They add up to the image, except where that makes
        the first negative. What is held out may be negative: its expectation is what counts.

    Notes
    -----
    With n photons in a voxel and k of them drawn, ``k ~ Binomial(n, fraction)``, the training image
    is ``fraction * image + gain * (k - fraction * n)``. The number n is the one whose Poisson noise
    is the voxel's, read noise included: its variance divided by the gain squared, rounded (the
    shifted Poisson distribution of D. L. Snyder et al., J. Opt. Soc. Am. A 12, 1995). The parts'
    covariance is ``fraction * (1 - fraction)`` times the difference of the voxel's variance from
    the model's mean, 0 whatever the distribution, and the offset stays where it was. Without a
    gain the noise is normal.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the fraction {fraction} is not between 0 and 1")
    rng = np.random.default_rng((STREAM, seed))
    variance = noise.variance(image)
    drawn = rng.standard_normal(image.shape)
    drawn *= np.sqrt(fraction * (1 - fraction) * variance)
    few = variance < MANY_PHOTONS * noise.gain**2
    photons = np.rint(variance[few] / max(noise.gain, np.finfo(np.float64).tiny) ** 2)
    photons = photons.astype(np.int64)
    drawn[few] = noise.gain * (rng.binomial(photons, fraction) - fraction * photons)
    training = np.maximum(fraction * image + drawn, 0).astype(np.float32)
    held_out = ((1 - fraction) * image - drawn).astype(np.float32)
    return training, held_out


class Stopping:
    """Which iteration told the held-out counts best, and whether to go on.

    Parameters
    ----------
    patience : int
        So many iterations without a rise end it...
    share : float
        ... and so many times the best iteration's number, if that is more: late in a long run
        everything takes longer.

    Attributes
    ----------
    best : int
        The number of the best iteration so far.
    log_likelihood : float
        What it reached.
    """

    def __init__(self, patience: int = 10, share: float = 0.3) -> None:
        self.best = 0
        self.log_likelihood = -math.inf
        self._patience = patience
        self._share = share

    def go_on(self, iteration: int, log_likelihood: float) -> bool:
        """Take an estimate's log-likelihood of the held-out counts; return whether to go on.

        Parameters
        ----------
        iteration : int
            How many updates made the estimate: a likelihood computed before an update belongs to
            the number of updates before it.
        log_likelihood : float
            ``sum(h * log(m) - m)``, h the held-out counts and m the model of them. Voxels where h
            is negative belong to it: without them, darkness would be told wrong.
        """
        if log_likelihood > self.log_likelihood:
            self.best, self.log_likelihood = iteration, log_likelihood
        return iteration - self.best < max(self._patience, self._share * self.best)


def informative_block(
    image: NDArray[np.float32],
    psf_shape: tuple[int, ...],
    voxels: int = BLOCK_VOXELS,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[slice, ...]:
    """Choose the part of a large image that tells most about the iterations it needs.

    Parameters
    ----------
    image : numpy.ndarray
    psf_shape : tuple of int
        Its axes' ratio is the block's, as far as the image reaches.
    voxels : int
        The most it may hold.
    mask : numpy.ndarray, optional
        bool, of the image's shape: the voxels that count.

    Returns
    -------
    tuple of slice
        The whole image if it is small enough; else the block with the most detail: the sum of the
        absolute differences between the image, in bins of an eighth of the PSF, and its mean over
        the PSF's window. Wide haze counts for nothing there, and bright detail for more than dim,
        as it does in the likelihood.
    """
    if image.size <= voxels:
        return tuple(slice(0, n) for n in image.shape)
    sizes = block_sizes(image.shape, psf_shape, voxels)
    bins = bins_within(psf_shape, sizes)
    if mask is not None:
        # What does not count tells nothing: it is as the rest is on average.
        image = np.where(mask, image, image.mean(dtype=np.float32, where=mask))
    fine = binned(image, bins)
    detail = np.abs(fine - mean_within(fine, psf_shape, bins))
    return block_with_most(detail, bins, sizes, image.shape)


def bins_within(psf_shape: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return bins of an eighth of the PSF: fine enough to see what it passes, and quick."""
    return tuple(min(max(1, m // 8), b) for m, b in zip(psf_shape, sizes, strict=True))


def mean_within(
    fine: NDArray[np.float32], psf_shape: tuple[int, ...], bins: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the mean of binned voxels over the PSF's window around each."""
    windows = [max(1, round(m / b)) for m, b in zip(psf_shape, bins, strict=True)]
    mean: NDArray[np.float32] = ndimage.uniform_filter(fine, windows)
    return mean


def block_with_most(
    detail: NDArray[np.float32],
    bins: tuple[int, ...],
    sizes: tuple[int, ...],
    shape: tuple[int, ...],
) -> tuple[slice, ...]:
    """Return the block of some size that has the largest sum.

    Parameters
    ----------
    detail : numpy.ndarray
        In bins.
    bins, sizes : tuple of int
        Voxels of a bin and of the block along each axis.
    shape : tuple of int
        Of the image.
    """
    extents = [max(1, s // b) for s, b in zip(sizes, bins, strict=True)]
    sums: NDArray[np.floating] = detail
    for axis, extent in enumerate(extents):
        total = np.cumsum(sums, axis, dtype=np.float64)
        total = np.insert(total, 0, 0, axis)
        count = total.shape[axis]
        later = np.take(total, range(extent, count), axis)
        sums = later - np.take(total, range(count - extent), axis)
    at = np.unravel_index(int(np.argmax(sums)), sums.shape)
    starts = [min(int(i) * b, n - s) for i, b, n, s in zip(at, bins, shape, sizes, strict=True)]
    return tuple(slice(start, start + s) for start, s in zip(starts, sizes, strict=True))


def block_sizes(shape: tuple[int, ...], psf_shape: tuple[int, ...], voxels: int) -> tuple[int, ...]:
    """Return the largest block of the PSF's proportions, where the image reaches so far."""

    def sizes(times: float) -> tuple[int, ...]:
        return tuple(min(n, max(1, int(times * m))) for n, m in zip(shape, psf_shape, strict=True))

    low, high = 0.0, float(max(shape))
    for _ in range(60):
        middle = (low + high) / 2
        if math.prod(sizes(middle)) <= voxels:
            low = middle
        else:
            high = middle
    return sizes(low)


def binned(image: NDArray[np.float32], bins: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the means over bins; what is left over at the end of an axis is left out."""
    counts = [n // b for n, b in zip(image.shape, bins, strict=True)]
    part = image[tuple(slice(0, c * b) for c, b in zip(counts, bins, strict=True))]
    split = [n for pair in zip(counts, bins, strict=True) for n in pair]
    means: NDArray[np.float32] = part.reshape(split).mean(
        axis=tuple(range(1, 2 * image.ndim, 2)), dtype=np.float32
    )
    return means
