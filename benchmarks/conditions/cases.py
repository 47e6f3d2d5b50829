"""A condition, and what the distiller is told of it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bead_cases import SCORED

import napari_psf_distiller as psfd
from conditions.cameras import Camera, Image, camera
from conditions.point_spread import psf_of_array
from conditions.scenes import Exposure, Scene, expose

# What the distiller may be told: the optics too, or voxel size and bead diameter alone.
TOLD = ("all", "size")

# The l2 that a good method keeps, of a usual image.
BOUND = 0.10


@dataclass(frozen=True)
class Case:
    """A condition that users are in.

    Attributes
    ----------
    name : str
        "section/what".
    scene : Scene
    camera : callable
    bound : float
        The relative L2 error that a good method keeps.
    wrong : mapping
        What is told otherwise than it is: spacing, bead_diameter, numerical_aperture, wavelength,
        refractive_index, microscope (its kind).
    told : tuple of str
        Of `TOLD`, what makes sense here.
    scored : tuple of int
        Window in voxels in which the PSF is compared.
    moved : bool
        Whether the camera moved the beads, so that their places are not known.
    """

    name: str
    scene: Scene = field(default_factory=Scene)
    camera: Camera = camera
    bound: float = BOUND
    wrong: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = TOLD
    scored: tuple[int, int, int] = SCORED
    moved: bool = False

    def simulate(self, seed: int) -> tuple[Exposure, Image]:
        """Return the truth and the image, (Z, Y, X) or (Y, X); the same seed gives the same."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])
        exposure = expose(self.scene, rng)
        image = self.camera(exposure.light, rng)
        return exposure, image[0] if len(image) == 1 else image

    def spacing(self) -> tuple[float, ...]:
        """Return the voxel size that is told."""
        spacing: tuple[float, ...] = self.wrong.get("spacing", self.scene.spacing)
        return spacing[1:] if self.scene.shape[0] == 1 else spacing

    def recipe(self, told: str) -> psfd.Recipe:
        """Return the default recipe with what is told."""
        microscope = self.scene.microscope
        diameter = self.wrong.get("bead_diameter", self.scene.diameter)
        if told == "size":
            return psfd.Recipe(bead_diameter=diameter)
        names = ("numerical_aperture", "wavelength")
        known = {name: self.wrong.get(name, getattr(microscope, name)) for name in names}
        index = self.wrong.get("refractive_index", microscope.index)
        known["refractive_index"] = index
        # Of another kind, what is the true one's own is not told.
        told_kind = self.wrong.get("microscope")
        known |= microscope.of_its_kind() if told_kind is None else {"microscope": told_kind}
        return psfd.Recipe(bead_diameter=diameter, optics=psfd.Optics(**known))


@dataclass(frozen=True)
class PackageCase(Case):
    """The package's own simulation, at points where this benchmark integrates over pixels."""

    def simulate(self, seed: int) -> tuple[Exposure, Image]:
        scene = self.scene
        made = psfd.simulate_beads(
            scene.shape,
            scene.spacing,
            beads=scene.beads,
            bead_diameter=scene.diameter,
            layout="gel" if scene.layout == "gel" else "slide",
            numerical_aperture=scene.microscope.numerical_aperture,
            wavelength=scene.microscope.wavelength,
            refractive_index=scene.microscope.index,
            photons=scene.photons,
            background=scene.background,
            separation=scene.apart,
            seed=seed,
        )
        psf = psf_of_array(made.psf, scene.spacing)
        single = np.ones(len(made.centres), bool)
        # Of the image, only the noisy one is there.
        light = made.image.astype(float)
        exposure = Exposure(scene.spacing, light, psf, made.centres, made.amplitudes, single)
        return exposure, made.image
