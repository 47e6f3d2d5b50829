"""Beads before a microscope: where they lie, and the light that they send to the camera.

Lengths are in micrometres, places in voxels (z, y, x), light in photons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from bead_cases import overlap
from numpy.typing import NDArray
from scipy import ndimage

from conditions.optics import Array, Microscope
from conditions.point_spread import PSF, mean_psf, psf_of

Layout = Literal["slide", "gel", "one plane", "tilted", "layers"]
Varying = Literal["", "width", "astigmatism", "coma", "depth"]

# A scene of one plane is part of so many, since a bead is a ball.
PLANES_IN_2D = 33

# So many places are tried for each bead.
TRIES = 300

# How far a PSF that varies differs at the image's sides from its middle: relative aperture, or
# waves.
NARROWER, ASTIGMATIC, COMATIC, SPHERICAL = 0.09, 0.11, 0.09, 0.12


@dataclass(frozen=True)
class Scene:
    """What is before the camera.

    Attributes
    ----------
    microscope : Microscope
    spacing : tuple of float
    shape : tuple of int
        Of the image; one plane is an image in 2D.
    window : tuple of int
        Beyond which a point has no light, in voxels.
    integrating : bool
        See `psf_of`.
    beads : int
        Wanted; fewer where they do not find room.
    diameter, larger, larger_share : float
        Of the beads; a share of them has another diameter.
    photons, spread : float
        Of a bead, and the spread of its logarithm.
    background : float
        Photons a voxel.
    layout : str
    level, thickness : float
        Where the slide lies, as a part of the image's depth, and the spread about it in voxels.
    margin : tuple of float
        Least distance from the image's ends along z, as a part of its depth, and from its sides, in
        voxels.
    apart : float
        Least distance of two beads in the plane.
    clumps : float
        Of this share of the beads one or two others touch each.
    haze : float
        Of out-of-focus light, at its brightest.
    varying : str
        What changes from place to place.
    drift : tuple of float
        Voxels by which the stage moves along z, y and x from the first plane to the last.
    jitter : float
        Standard deviation of a plane's displacement, in voxels.
    bleaching : float
        Light that is lost until the last plane, as a part.
    """

    microscope: Microscope = field(default_factory=Microscope)
    spacing: tuple[float, float, float] = (0.25, 0.095, 0.095)
    shape: tuple[int, int, int] = (34, 200, 200)
    window: tuple[int, int, int] = (61, 97, 97)
    integrating: bool = True
    beads: int = 24
    diameter: float = 0.11
    larger: float = 0.0
    larger_share: float = 0.5
    photons: float = 1.2e5
    spread: float = 0.22
    background: float = 18.0
    layout: Layout = "slide"
    level: float = 0.5
    thickness: float = 1.4
    margin: tuple[float, float] = (0.33, 12)
    apart: float = 1.4
    clumps: float = 0.0
    haze: float = 0.0
    varying: Varying = ""
    drift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    jitter: float = 0.0
    bleaching: float = 0.0


@dataclass(frozen=True)
class Exposure:
    """Light on the camera, and the truth behind it.

    Attributes
    ----------
    spacing : tuple of float
    light : numpy.ndarray
        Photons expected in each voxel, (Z, Y, X).
    psf : PSF
        Where it varies, the mean over the beads' places.
    centres, amplitudes : numpy.ndarray
        (N, 3) and (N,), voxels and photons.
    single : numpy.ndarray
        bool, (N,): no other touches it.
    """

    spacing: tuple[float, float, float]
    light: Array
    psf: PSF
    centres: Array
    amplitudes: Array
    single: NDArray[np.bool_]


@dataclass(frozen=True)
class _Beads:
    centres: Array
    amplitudes: Array
    diameters: Array
    single: NDArray[np.bool_]


def expose(scene: Scene, rng: np.random.Generator) -> Exposure:
    """Throw a scene's beads, and return their light."""
    beads = _with_clumps(scene, _thrown(scene, rng), rng)
    path = _path(scene, rng)
    light, psf = _light(scene, beads, path)
    depth = scene.shape[0]
    if scene.bleaching:
        light *= (1 - scene.bleaching * np.linspace(0, 1, depth))[:, None, None]
    light = np.maximum(light, 0) + scene.background + _haze(scene, rng)
    return Exposure(scene.spacing, light, psf, beads.centres, beads.amplitudes, beads.single)


def _thrown(scene: Scene, rng: np.random.Generator) -> _Beads:
    """Place beads at random, so that none lies too near to one before it."""
    kept: list[Array] = []
    for _ in range(TRIES * scene.beads):
        if len(kept) == scene.beads:
            break
        place = _place(scene, rng)
        apart = [math.hypot(*(place - other)[1:]) * scene.spacing[2] for other in kept]
        if min(apart, default=math.inf) >= scene.apart:
            kept.append(place)
    centres = np.array(kept).reshape(-1, 3)
    amplitudes = scene.photons * np.exp(rng.normal(0, scene.spread, len(kept)))
    diameters = np.full(len(kept), scene.diameter)
    if scene.larger:
        other = rng.random(len(kept)) < scene.larger_share
        diameters[other] = scene.larger
        # As bright as their volume says, within what a camera can show beside the others.
        amplitudes[other] *= min((scene.larger / scene.diameter) ** 3, 8)
    return _Beads(centres, amplitudes, diameters, np.ones(len(kept), bool))


def _place(scene: Scene, rng: np.random.Generator) -> Array:
    depth, height, width = scene.shape
    margin = scene.margin[1]
    y = rng.uniform(margin, height - 1 - margin)
    x = rng.uniform(margin, width - 1 - margin)
    if depth == 1:
        return np.array([0.0, y, x])
    low, high = scene.margin[0] * depth, (1 - scene.margin[0]) * depth - 1
    if scene.layout == "gel":
        z = rng.uniform(low, high)
    elif scene.layout == "one plane":
        z = scene.level * depth + 0.35 + rng.uniform(-0.05, 0.05)
    elif scene.layout == "tilted":
        z = depth * (0.5 + 0.42 * (y / height - 0.5))
    elif scene.layout == "layers":
        z = depth * rng.choice([0.33, 0.67]) + rng.normal(0, 0.3)
    else:
        z = rng.normal(scene.level * depth, scene.thickness)
    return np.array([z, y, x])


def _with_clumps(scene: Scene, beads: _Beads, rng: np.random.Generator) -> _Beads:
    """Stick one or two others to some of the beads."""
    count = round(scene.clumps * len(beads.centres))
    centres, single = [beads.centres], beads.single.copy()
    single[:count] = False
    hosts = [bead for bead in range(count) for _ in range(1 + bead % 2)]
    for bead in hosts:
        step = rng.normal(size=3) * (scene.shape[0] > 1, 1, 1)
        step *= beads.diameters[bead] / np.linalg.norm(step)
        centres.append(beads.centres[bead : bead + 1] + step / scene.spacing)
    return _Beads(
        np.concatenate(centres),
        np.concatenate([beads.amplitudes, beads.amplitudes[hosts]]),
        np.concatenate([beads.diameters, beads.diameters[hosts]]),
        np.concatenate([single, np.zeros(len(hosts), bool)]),
    )


def _path(scene: Scene, rng: np.random.Generator) -> Array:
    """Return where the stage is at each plane, (Z, 3) in voxels."""
    depth = scene.shape[0]
    path = np.linspace(-0.5, 0.5, depth)[:, None] * np.array(scene.drift)
    if scene.jitter:
        path[:, 1:] += rng.normal(0, scene.jitter, (depth, 2))
    return path


def _light(scene: Scene, beads: _Beads, path: Array) -> tuple[Array, PSF]:
    """Return the beads' light without background, and their PSF."""
    light = np.zeros(scene.shape)
    blurred = {} if scene.varying else {d: _bead_psf(scene, d) for d in set(beads.diameters)}
    psfs = []
    for centre, amplitude, diameter in zip(
        beads.centres, beads.amplitudes, beads.diameters, strict=True
    ):
        if scene.varying:
            psfs.append(_psf(_at(scene, centre)))
        bead = psfs[-1].of_ball(diameter) if scene.varying else blurred[diameter]
        _add(light, amplitude, bead, centre, path)
    return light, mean_psf(psfs) if scene.varying else psf_of_scene(scene)


def _add(light: Array, amplitude: float, bead: PSF, centre: Array, path: Array) -> None:
    """Add a bead's light to an image's."""
    places = centre + path
    whole = np.round(centre).astype(int)
    heights = (np.arange(len(light)) - places[:, 0]) * bead.spacing[0]
    shown = np.flatnonzero(np.abs(heights) <= bead.spacing[0] * bead.window[0] / 2)
    moved = (places - whole)[:, 1:] * bead.spacing[1:]
    planes = bead.planes(heights[shown], moved[shown])
    target, source = overlap(whole[1:], bead.window[1:], light.shape[1:])
    place: tuple[Any, ...] = (shown, *target)
    light[place] += amplitude * planes[(slice(None), *source)]


def _haze(scene: Scene, rng: np.random.Generator) -> Array | float:
    if not scene.haze:
        return 0.0
    depth = scene.shape[0]
    cloud = ndimage.gaussian_filter(rng.random(scene.shape), (depth / 4, 24, 24), mode="wrap")
    return scene.haze * (cloud - cloud.min()) / np.ptp(cloud)


def _at(scene: Scene, centre: Array) -> Scene:
    """Return a scene with the microscope as it is at a place."""
    depth, height, width = scene.shape
    v, u = 2 * centre[1] / height - 1, 2 * centre[2] / width - 1
    microscope = scene.microscope
    if scene.varying == "width":
        aperture = microscope.numerical_aperture * (1 - NARROWER * (1 + v) / 2)
        return replace(scene, microscope=replace(microscope, numerical_aperture=aperture))
    more: tuple[tuple[int, int, float], ...]
    if scene.varying == "astigmatism":
        # As of a curved field: grows with the square of the distance, along the radius.
        more = ((2, 2, ASTIGMATIC * (u * u - v * v)), (2, -2, ASTIGMATIC * 2 * u * v))
    elif scene.varying == "coma":
        more = ((3, 1, COMATIC * u), (3, -1, COMATIC * v))
    else:
        more = ((4, 0, SPHERICAL * (2 * centre[0] / depth - 1)),)
    return replace(scene, microscope=replace(microscope, aberrations=microscope.aberrations + more))


def psf_of_scene(scene: Scene) -> PSF:
    """Return the PSF of a scene that is the same everywhere."""
    return _psf(_optics_alone(scene))


def _bead_psf(scene: Scene, diameter: float) -> PSF:
    return psf_of_scene(scene).of_ball(diameter)


def _optics_alone(scene: Scene) -> Scene:
    """Return a scene with all that has no part in the PSF as it is by default."""
    depth, (planes, height, width) = scene.shape[0], scene.window
    return Scene(
        microscope=scene.microscope,
        spacing=scene.spacing,
        window=(PLANES_IN_2D if depth == 1 else planes, height, width),
        integrating=scene.integrating,
    )


@lru_cache(maxsize=4)
def _psf(scene: Scene) -> PSF:
    return psf_of(scene.microscope, scene.spacing, scene.window, integrating=scene.integrating)
