"""What a step asks of the machinery: an engine for a device, and a solver for a problem."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.compute.devices import Device

__all__ = [
    "COMPATIBILITIES",
    "FFT",
    "FFTS",
    "LEAST_CORRECTION",
    "MOST_STRETCH",
    "Array",
    "Compatibility",
    "Engine",
    "HeldOut",
    "Likelihoods",
    "Memory",
    "Problem",
    "ProblemSize",
    "Solver",
    "Variation",
]

Array = NDArray[np.float32]

FFT = Literal["auto", "ducc0", "scipy", "vkfft", "opencl"]
FFTS: tuple[str, ...] = get_args(FFT)

# A program whose results are given where this package's own would differ.
Compatibility = Literal["clij2-fft"]
COMPATIBILITIES: tuple[str, ...] = get_args(Compatibility)

# Bytes of a gibibyte, in which people give and read memory.
GIB = 2**30

# An accelerated step multiplies a voxel of a plain step's result by this at most, or divides it.
MOST_STRETCH = 5.0

# ... and its plain step makes nothing of a voxel less than this: it must be possible to go back.
LEAST_CORRECTION = 1e-12


@dataclass(frozen=True)
class HeldOut:
    """A second image of the same light, which the iterations do not see.

    Attributes
    ----------
    image : numpy.ndarray
        float32, of the shape of the problem's image.
    scale : float
        Its light, in parts of the light of the problem's image.
    floor : float
        A model below this counts as this: what rounding leaves of darkness should not decide.
    """

    image: Array
    scale: float
    floor: float


@dataclass(frozen=True)
class Variation:
    """How the PSF of a problem changes over the grid.

    The PSF of a voxel, which its light is spread with, is the problem's plus each of the kernels
    times its weight there: one of the voxel's row and column, and further ones of these, each
    times a number of its plane.

    Attributes
    ----------
    kernels : numpy.ndarray
        float32, (kernels, *the PSF's shape), about the PSF's centre.
    weights : numpy.ndarray
        float32, (kernels, rows, columns) of the grid.
    further_weights : numpy.ndarray or None
        float32, (kernels, depths, rows, columns) of the grid; None where the planes do not matter.
    depths : numpy.ndarray or None
        float32, (depths, planes) of the grid: what each of the further weights counts times.
    """

    kernels: Array
    weights: Array
    further_weights: Array | None = None
    depths: Array | None = None

    def weights_in(self, kernel: int, planes: slice = slice(None)) -> Array:
        """Return a kernel's weights in some planes of the grid: they broadcast against these."""
        weights: Array = self.weights[kernel]
        if self.further_weights is not None and self.depths is not None:
            further = np.tensordot(self.depths[:, planes].T, self.further_weights[kernel], axes=1)
            further += weights
            return further
        return weights


@dataclass(frozen=True)
class Problem:
    """A Richardson-Lucy deconvolution on a grid, all of it with three axes.

    The image lies at the grid's corner, ``[0:n]`` on each axis, or ``[0:n * finer]`` where the
    grid's voxels are finer than its own; what lies before it is at the grid's end, since the
    convolution is circulant on the grid.

    Attributes
    ----------
    image : numpy.ndarray
        float32: the voxels that were measured.
    psf : numpy.ndarray
        float32, no larger than the grid; used as given.
    centre : tuple of int
        The PSF's voxel that is its centre.
    grid : tuple of int
    start : numpy.ndarray or float
        The first estimate, float32 of the grid's shape, or its value everywhere.
    region : tuple of slice
        The part of the grid that is the result.
    finer : tuple of int
        How many voxels of the grid one of the image has along z, y and x; see `compute.sampling`.
    origin : tuple of int
        The index on each axis where space begins: the first voxel's neighbour before is not its
        neighbour in space.
    normalised : bool
        Whether each update is divided by the light of a voxel that is seen; see `seen_light`.
    background : numpy.ndarray or float
        Light in the image that is not the estimate's; float32 of the image's shape, or a number.
    mask : numpy.ndarray or None
        bool, of the image's shape: the voxels that count.
    total_variation : float
        The weight of the regularisation; 0 is none.
    spacing : tuple of float
        Of voxels along z, y and x, in units of the finest; for the total variation.
    compatibility : {"clij2-fft"} or None
        Whose total variation it is; see `total_variation_factor`.
    momentum : bool
        Whether updates will have one.
    held_out : HeldOut or None
    variation : Variation or None
        None of a PSF that is the same everywhere.
    """

    image: Array
    psf: Array
    centre: tuple[int, ...]
    grid: tuple[int, ...]
    start: Array | float
    region: tuple[slice, ...]
    finer: tuple[int, int, int] = (1, 1, 1)
    origin: tuple[int, int, int] = (0, 0, 0)
    normalised: bool = False
    background: Array | float = 0.0
    mask: NDArray[np.bool_] | None = None
    total_variation: float = 0.0
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    compatibility: Compatibility | None = None
    momentum: bool = False
    held_out: HeldOut | None = None
    variation: Variation | None = None


@dataclass(frozen=True)
class ProblemSize:
    """What decides how much memory a problem needs.

    Attributes
    ----------
    image, grid : tuple of int
        Their shapes, of three axes.
    normalised, background, mask, total_variation, momentum, held_out : bool
        Whether the problem has one; a background that is a number does not count.
    finer : bool
        Whether the grid's voxels are finer than the image's.
    variations : int
        How many kernels say how the PSF changes; see `Variation`.
    depths : int
        How many further weights each of these has.
    """

    image: tuple[int, ...]
    grid: tuple[int, ...]
    normalised: bool = False
    background: bool = False
    mask: bool = False
    total_variation: bool = False
    momentum: bool = False
    held_out: bool = False
    finer: bool = False
    variations: int = 0
    depths: int = 0

    @property
    def spectrum_bytes(self) -> int:
        """Of a half spectrum, complex64."""
        return 8 * self.grid[0] * self.grid[1] * (self.grid[2] // 2 + 1)

    @property
    def array_bytes(self) -> int:
        """Of what every solver holds: the point, the OTF and a spectrum, and what goes with it."""
        grid, image = math.prod(self.grid), math.prod(self.image)
        arrays = 1 + self.normalised + self.momentum + self.total_variation
        boxes = self.mask + 4 * (self.background + self.held_out)
        total = 4 * grid * arrays + image * boxes + 2 * self.spectrum_bytes
        if self.variations:
            # Each kernel's OTF and weights, and the sums of what they make, in Fourier space and on
            # the grid.
            weights = 4 * self.grid[1] * self.grid[2] * (1 + self.depths)
            total += self.variations * (self.spectrum_bytes + weights)
            total += self.spectrum_bytes + 4 * grid
        return total


class Memory(NamedTuple):
    """Bytes of memory.

    Attributes
    ----------
    total : int
        All together.
    largest : int
        The largest piece.
    """

    total: int
    largest: int

    def within(self, budget: int | None) -> Memory:
        """Return as much of it as a budget allows; None allows all."""
        if budget is None:
            return self
        return Memory(min(self.total, budget), min(self.largest, budget))


class Likelihoods(NamedTuple):
    """Poisson log-likelihoods of a model, in nats, but for a constant of the image.

    Attributes
    ----------
    image : float
        Of the voxels that were measured and count.
    held_out : float or None
        Of the held-out image.
    divergence : float
        How much less likely the model is than the image itself.
    """

    image: float
    held_out: float | None
    divergence: float


class Solver(Protocol):
    """One running deconvolution; it holds the device's memory until it is closed.

    An iteration is `project` and then `update`. What they work on is the point: the estimate, but
    after an accelerated update one beyond it.
    """

    def project(self, likelihood: bool = False) -> Likelihoods | None:
        """Compare the point's model with the image; tell how likely it is, if asked."""

    def update(self, relaxation: float = 0.0, momentum: float = 0.0) -> None:
        """Take one Richardson-Lucy step from the point, which `project` has compared.

        A plain step multiplies the point by a correction. With a problem that has a momentum, the
        step's logarithm is longer by `relaxation` times itself and by `momentum` times the last
        step's logarithm, together at most by the logarithm of `MOST_STRETCH` either way.
        """

    def back(self) -> None:
        """Undo the last update, of a problem with a momentum."""

    def estimate(self) -> Array:
        """Return a copy of the point in the problem's region."""

    def close(self) -> None:
        """Free what the solver holds; it may be called twice."""


class Engine(Protocol):
    """A device with the FFT it is used with."""

    device: Device
    fft: str

    @property
    def description(self) -> str:
        """The device, the FFT and the precision, for people."""

    def good_size(self, n: int) -> int:
        """Return a size from n on that the FFT is fast for."""

    def memory_needed(self, size: ProblemSize) -> Memory:
        """Return the device's memory that a problem of this size needs."""

    def memory_limit(self) -> Memory:
        """Return the device's memory that a problem may take."""

    def solver(self, problem: Problem) -> Solver:
        """Put a problem on the device.

        Raises
        ------
        DeviceMemoryError
            The device has too little memory for it.
        DeviceError
            The device failed.
        """
