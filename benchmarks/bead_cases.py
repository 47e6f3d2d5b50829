"""Bead fields whose PSF is known, and the error of a PSF that was found from one.

The PSF is psfmodels' (vectorial or scalar Gibson and Lanni), sampled at or finer than Nyquist, so
that shifting it by part of a voxel in the Fourier domain is exact. A bead is a uniform ball.
Lengths are in micrometres, positions in voxels (z, y, x), brightness in photons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft as scipy_fft
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.spatial import cKDTree

Array = NDArray[np.floating]

# The PSF's window in which it is simulated, and the one in which it is scored.
SIMULATED = (57, 97, 97)
SCORED = (25, 33, 33)
# The score moves the estimate in a window that is larger by this, so that little light wraps round.
SLACK = 16
# An isolated bead has no other within so many lateral resolutions, wavelength / (2 NA).
ISOLATED = 4
# A bead counts as found within so many voxels of its true centre.
REACH = 2.0


@dataclass(frozen=True)
class Case:
    """What a field is made from.

    Attributes
    ----------
    name : str
    seed : int
    shape : tuple of int
        Of the image.
    beads : int
        Without those stuck to others.
    numerical_aperture, wavelength : float
    immersion_index, sample_index : float
        Refractive indices; where they differ, depth brings spherical aberration.
    depth : float
        Of the beads in the sample.
    spacing : tuple of float
        Voxel size.
    bead_diameter : float
    photons, spread : float
        Mean of one bead, and the spread of its logarithm.
    background, gradient : float
        Photons a voxel, and their rise from the first column to the last.
    offset, read_noise : float
        The camera's; the noise in electrons.
    clumps : int
        So many beads have one or two others stuck to them.
    margin : tuple of int
        Least distance of a bead from the border in voxels.
    thickness : float
        Spread of the beads along z in voxels; above 5, they lie all through the volume.
    """

    name: str
    seed: int
    shape: tuple[int, int, int] = (36, 320, 320)
    beads: int = 50
    numerical_aperture: float = 1.3
    wavelength: float = 0.58
    immersion_index: float = 1.515
    sample_index: float = 1.515
    depth: float = 0.0
    spacing: tuple[float, float, float] = (0.22, 0.09, 0.09)
    bead_diameter: float = 0.1
    photons: float = 2e5
    spread: float = 0.25
    background: float = 20.0
    gradient: float = 0.0
    offset: float = 100.0
    read_noise: float = 1.6
    clumps: int = 0
    margin: tuple[int, int, int] = (13, 12, 12)
    thickness: float = 3.0


CASES = {
    case.name: case
    for case in (
        Case("slide", 101),
        Case(
            "dry200",
            102,
            bead_diameter=0.2,
            numerical_aperture=0.9,
            immersion_index=1.0,
            sample_index=1.0,
            spacing=(0.35, 0.12, 0.12),
            shape=(34, 448, 448),
        ),
        Case("dim", 103, photons=2e4),
        Case("crowded", 104, beads=160),
        Case("clumps", 105, clumps=10),
        Case("gradient", 106, gradient=70.0),
        Case("aberrated", 107, sample_index=1.34, depth=4.0),
        Case("gel", 108, thickness=9.0, shape=(60, 288, 288), beads=70),
    )
}


@dataclass(frozen=True)
class Field:
    """A simulated image and the truth behind it.

    Attributes
    ----------
    case : Case
    image : numpy.ndarray
        uint16, with noise and the camera's offset.
    expected : numpy.ndarray
        Photons a voxel without noise and offset.
    background : numpy.ndarray
        Photons a voxel that are no bead's; one row of the image.
    psf : numpy.ndarray
        Sum 1, its focus at n // 2.
    centres, amplitudes : numpy.ndarray
        (N, 3) and (N,), voxels and photons.
    clumped : numpy.ndarray
        bool, (N,): one of beads that touch.
    """

    case: Case
    image: NDArray[np.uint16]
    expected: Array
    background: Array
    psf: Array
    centres: Array
    amplitudes: Array
    clumped: NDArray[np.bool_]

    @property
    def isolated(self) -> NDArray[np.bool_]:
        """Which beads stand alone, seen along z."""
        reach = ISOLATED * self.case.wavelength / (2 * self.case.numerical_aperture)
        places = self.centres[:, 1:] * self.case.spacing[1:]
        pairs = cKDTree(places).query_pairs(reach, output_type="ndarray")
        alone = ~self.clumped
        alone[pairs.ravel()] = False
        return alone


def random_case(seed: int) -> Case:
    """Return a case whose optics, voxels, beads and light are drawn at random."""
    rng = np.random.default_rng([7, seed])
    index = float(rng.choice([1.0, 1.33, 1.515]))
    low, high = {1.0: (0.7, 0.95), 1.33: (1.0, 1.2), 1.515: (1.2, 1.42)}[index]
    aperture, wavelength = rng.uniform(low, high), rng.uniform(0.48, 0.67)
    # Beads in water under an oil immersion; an aperture above the sample's index would not do.
    deep = index == 1.515 and aperture < 1.32 and rng.random() < 0.5
    cosine = math.sqrt(1 - (aperture / index) ** 2)
    axial = rng.uniform(0.5, 0.7) * wavelength / (2 * index * (1 - cosine))
    lateral = rng.uniform(0.72, 0.95) * wavelength / (4 * aperture)
    gel = rng.random() < 0.3
    width = int(rng.integers(256, 385))
    return Case(
        f"random {seed}",
        seed,
        shape=(int(rng.integers(52, 65) if gel else rng.integers(34, 43)), width, width),
        beads=round(math.exp(rng.uniform(math.log(30), math.log(130)))),
        numerical_aperture=aperture,
        wavelength=wavelength,
        immersion_index=index,
        sample_index=1.34 if deep else index,
        depth=rng.uniform(1, 5) if deep else 0.0,
        spacing=(axial, lateral, lateral),
        bead_diameter=rng.uniform(0.25, 0.6) * wavelength / (2 * aperture),
        photons=math.exp(rng.uniform(math.log(3e4), math.log(4e5))),
        spread=rng.uniform(0.1, 0.4),
        background=rng.uniform(5, 60),
        gradient=rng.uniform(20, 90) if rng.random() < 0.3 else 0.0,
        offset=rng.uniform(80, 400),
        read_noise=rng.uniform(0.8, 3),
        clumps=int(rng.integers(3, 10)) if rng.random() < 0.3 else 0,
        thickness=9.0 if gel else rng.uniform(1, 4),
    )


def _optical_psf(case: Case) -> Array:
    try:
        import psfmodels
    except ImportError:
        raise SystemExit(
            "This benchmark simulates its PSFs with psfmodels: pip install psfmodels (GPL, with "
            "wheels up to Python 3.11)."
        ) from None
    psf = psfmodels.make_psf(
        z=SIMULATED[0],
        nx=SIMULATED[2],
        dxy=case.spacing[2],
        dz=case.spacing[0],
        pz=case.depth,
        NA=case.numerical_aperture,
        ni0=case.immersion_index,
        ni=case.immersion_index,
        ns=case.sample_index,
        wvl=case.wavelength,
        model="vectorial" if case.numerical_aperture > 1 else "scalar",
    )
    result: Array = psf.astype(float)
    return result


def true_psf(case: Case) -> Array:
    """Return a case's PSF on the image's voxels, sum 1, its brightest plane at n // 2."""
    psf = _optical_psf(case)
    if case.depth:
        brightest = np.unravel_index(psf.argmax(), psf.shape)[0]
        psf = np.roll(psf, psf.shape[0] // 2 - brightest, axis=0)
    # Tapered at the window's edge, so that a shift does not ring.
    for axis, n in enumerate(psf.shape):
        taper, width = np.ones(n), max(3, n // 10)
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / width)
        taper[:width], taper[-width:] = ramp, ramp[::-1]
        psf *= taper.reshape([-1 if a == axis else 1 for a in range(3)])
    psf[psf < 0] = 0
    return psf / psf.sum()


def frequencies(shape: tuple[int, ...]) -> list[Array]:
    """Return the frequencies along z, y, x of each voxel of a real transform, in 1 / voxel."""
    along = [np.fft.fftfreq(n) for n in shape[:-1]]
    return list(np.meshgrid(*along, np.fft.rfftfreq(shape[-1]), indexing="ij"))


def shift_factor(frequency: list[Array], shift: Array) -> NDArray[np.complex128]:
    """Return what a spectrum is multiplied with to move its array by a shift in voxels."""
    kz, ky, kx = frequency
    return np.exp(-2j * np.pi * (kz * shift[0] + ky * shift[1] + kx * shift[2]))


def ball_spectrum(shape: tuple[int, ...], spacing: tuple[float, ...], diameter: float) -> Array:
    """Return the Fourier transform of a uniform ball of sum 1 on a real transform's grid."""
    kz, ky, kx = frequencies(shape)
    q = (
        np.pi
        * diameter
        * np.sqrt((kz / spacing[0]) ** 2 + (ky / spacing[1]) ** 2 + (kx / spacing[2]) ** 2)
    )
    with np.errstate(all="ignore"):
        spectrum = 3 * (np.sin(q) - q * np.cos(q)) / q**3
    spectrum[q < 1e-3] = 1
    return spectrum


def overlap(
    centre: NDArray[np.intp], window: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a window about a voxel lies in the image, and which part of it does.

    Both are empty along an axis where it lies outside.
    """
    low = centre - np.array(window) // 2
    start = np.maximum(low, 0)
    stop = np.maximum(np.minimum(low + window, shape), start)
    return (
        tuple(slice(a, b) for a, b in zip(start, stop, strict=True)),
        tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True)),
    )


def simulate(case: Case) -> Field:
    """Make the field of a case; the same case gives the same image."""
    rng = np.random.default_rng(case.seed)
    psf = true_psf(case)
    centres, amplitudes, clumped = _placed(case, rng)
    light = _rendered(case, psf, centres, amplitudes)
    background = case.background + case.gradient * np.linspace(0, 1, case.shape[-1])
    expected = np.maximum(light, 0) + background
    level = rng.poisson(expected) + rng.normal(0, case.read_noise, case.shape) + case.offset
    image = np.clip(np.round(level), 0, 65535).astype(np.uint16)
    return Field(case, image, expected, background, psf, centres, amplitudes, clumped)


def _placed(case: Case, rng: np.random.Generator) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return centres, amplitudes, and which beads touch another."""
    low = np.array(case.margin)
    high = np.array(case.shape) - 1 - low
    z = rng.normal(case.shape[0] / 2, case.thickness, case.beads).clip(low[0], high[0])
    if case.thickness > 5:
        z = rng.uniform(low[0], high[0], case.beads)
    y = rng.uniform(low[1], high[1], case.beads)
    x = rng.uniform(low[2], high[2], case.beads)
    centres = np.column_stack([z, y, x])
    amplitudes = case.photons * np.exp(rng.normal(0, case.spread, case.beads))
    clumped = np.zeros(case.beads, bool)
    clumped[: case.clumps] = True
    for bead in range(case.clumps):
        for _ in range(1 + bead % 2):
            step = rng.normal(size=3)
            step *= case.bead_diameter / np.linalg.norm(step)
            centres = np.vstack([centres, centres[bead] + step / case.spacing])
            amplitudes = np.append(amplitudes, amplitudes[bead])
            clumped = np.append(clumped, True)
    return centres, amplitudes, clumped


def _rendered(case: Case, psf: Array, centres: Array, amplitudes: Array) -> Array:
    """Return the beads' light without background."""
    ball = ball_spectrum(psf.shape, case.spacing, case.bead_diameter)
    spectrum = scipy_fft.rfftn(scipy_fft.ifftshift(psf)) * ball
    frequency = frequencies(psf.shape)
    light = np.zeros(case.shape)
    for centre, amplitude in zip(centres, amplitudes, strict=True):
        whole = np.round(centre).astype(int)
        factor = shift_factor(frequency, centre - whole)
        bead = scipy_fft.fftshift(scipy_fft.irfftn(spectrum * factor, s=psf.shape))
        target, source = overlap(whole, psf.shape, case.shape)
        light[target] += amplitude * bead[source]
    return light


def crop_about_centre(array: Array, shape: tuple[int, ...]) -> Array:
    """Crop or pad with zeros, so that n // 2 stays n // 2."""
    result = np.zeros(shape, array.dtype)
    target, source = overlap(np.array(shape) // 2, array.shape, shape)
    result[target] = array[source]
    return result


def widths(psf: Array) -> Array:
    """Return the full widths at half maximum along z, y, x in voxels.

    Of the profiles through the brightest voxel, on a cubic spline; no Gaussian is assumed.
    """
    peak = np.unravel_index(psf.argmax(), psf.shape)
    found = []
    for axis in range(3):
        line = psf[tuple(slice(None) if a == axis else p for a, p in enumerate(peak))].astype(float)
        place = np.linspace(0, len(line) - 1, 50 * len(line))
        value = CubicSpline(np.arange(len(line)), line)(place)
        top = value.argmax()
        left = np.flatnonzero(value[:top] < value[top] / 2)
        right = np.flatnonzero(value[top:] < value[top] / 2)
        first = place[left[-1]] if len(left) else place[0]
        last = place[top + right[0]] if len(right) else place[-1]
        found.append(last - first)
    return np.array(found)


@dataclass(frozen=True)
class Score:
    """How near a PSF comes to the truth.

    Attributes
    ----------
    l2 : float
        Norm of the difference over that of the truth, both with sum 1 in the window.
    shape : float
        The same at the best scale.
    bias : numpy.ndarray
        Relative error of the full widths at half maximum along z, y, x.
    found, truth : numpy.ndarray
        What was compared: cropped, aligned, sum 1.
    shift : numpy.ndarray
        By which the estimate was moved, in voxels.
    """

    l2: float
    shape: float
    bias: Array
    found: Array
    truth: Array
    shift: Array


def score(estimate: NDArray[np.floating], truth: Array, window: tuple[int, ...] = SCORED) -> Score:
    """Compare a PSF with the truth in a window, after the best shift by parts of a voxel."""
    wide = tuple(n + SLACK for n in window)
    true = crop_about_centre(truth, window)
    true /= true.sum()
    raw = crop_about_centre(np.nan_to_num(np.asarray(estimate, float)), wide)
    if raw.max() <= 0:
        return Score(1.0, 1.0, np.full(3, np.nan), np.zeros(window), true, np.zeros(3))
    peak = np.array(np.unravel_index(raw.argmax(), wide))
    whole = np.array(wide) // 2 - peak
    spectrum = scipy_fft.rfftn(np.roll(raw, tuple(whole), (0, 1, 2)))
    frequency = frequencies(wide)

    def moved(shift: Array) -> Array:
        array: Array = scipy_fft.irfftn(spectrum * shift_factor(frequency, shift), s=wide)
        array = crop_about_centre(array, window)
        return array / array.sum()

    def loss(shift: Array) -> float:
        return ((moved(shift) - true) ** 2).sum() / (true**2).sum()

    best = minimize(
        loss,
        np.zeros(3),
        method="Nelder-Mead",
        options={
            "xatol": 1e-3,
            "fatol": 1e-7,
            "initial_simplex": np.vstack([np.zeros(3), 0.5 * np.eye(3)]),
        },
    )
    found = moved(best.x)
    cosine = (found * true).sum() / np.sqrt((found**2).sum() * (true**2).sum())
    return Score(
        l2=float(np.sqrt(best.fun)),
        shape=float(np.sqrt(max(0, 1 - cosine**2))),
        bias=widths(found) / widths(true) - 1,
        found=found,
        truth=true,
        shift=whole + best.x,
    )
