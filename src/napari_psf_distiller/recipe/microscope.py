"""The microscope and its camera, as far as they are known: sections of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import NUMERICAL_APERTURE, REFRACTIVE_INDEX, WAVELENGTH
from napari_psf_distiller.recipe.parameter import Option, Parameter
from napari_psf_distiller.recipe.quantities import Intensity, Positive, PositiveIntensity
from napari_psf_distiller.recipe.section import Section

__all__ = ["Camera", "Optics"]


@dataclass(frozen=True)
class Optics(Section):
    """The microscope, as far as it is known: the joint fit keeps to the frequencies that it passes.

    All three or none count; without them the band is taken from the beads' width.

    Attributes
    ----------
    numerical_aperture : float or None
    wavelength : float or None
        Emission wavelength in micrometres.
    refractive_index : float or None
        Of the immersion medium.
    """

    numerical_aperture: Annotated[
        Positive | None,
        Parameter(
            tooltip="Of the objective. With the wavelength and the refractive index it tells which "
            "frequencies the PSF can have; without all three the beads' width does. 0 is not "
            "known.",
            minimum=0.0,
            maximum=2.0,
            step=0.05,
            unset_word="not known",
            option=Option(
                "--na",
                "numerical aperture; with wavelength and refractive index, all three or none, the "
                "joint fit knows which detail the microscope passes",
            ),
        ),
    ] = None
    wavelength: Annotated[
        Positive | None,
        Parameter(
            label="emission",
            unit="µm",
            tooltip="Wavelength of the light that the beads emit, such as 0.52 for green ones. "
            "0 is not known.",
            minimum=0.0,
            maximum=10.0,
            step=0.01,
            unset_word="not known",
            option=Option("--wavelength", "of emission, in micrometres; see --na", "W"),
        ),
    ] = None
    refractive_index: Annotated[
        Positive | None,
        Parameter(
            tooltip="Of the objective's immersion: 1 for air, 1.33 for water, 1.515 for oil. 0 is "
            "not known.",
            minimum=0.0,
            maximum=4.0,
            step=0.01,
            unset_word="not known",
            option=Option("--refractive-index", "of the immersion; see --na", "N"),
        ),
    ] = None

    @property
    def figures(self) -> tuple[float, float, float] | None:
        """Numerical aperture, wavelength and refractive index; None where one is not known."""
        aperture, wavelength, index = (
            self.numerical_aperture,
            self.wavelength,
            self.refractive_index,
        )
        if aperture is None or wavelength is None or index is None:
            return None
        return aperture, wavelength, index

    def __post_init__(self) -> None:
        super().__post_init__()
        aperture, index = self.numerical_aperture, self.refractive_index
        for value, bound, name in (
            (aperture, NUMERICAL_APERTURE, "numerical_aperture"),
            (self.wavelength, WAVELENGTH, "wavelength"),
            (index, REFRACTIVE_INDEX, "refractive_index"),
        ):
            if value is not None:
                bound.check(value, f"Optics.{name}")
        if aperture is not None and index is not None and aperture >= index:
            raise InputError(
                f"Optics.numerical_aperture is {aperture:g}, but it is always less than the "
                f"refractive index of the immersion, which is given as {index:g} (oil has 1.515, "
                "glycerol 1.47, water 1.33, air 1)."
            )


@dataclass(frozen=True)
class Camera(Section):
    """The camera, as far as it is known; the rest is estimated from the image.

    Attributes
    ----------
    offset : float or None
        The intensity without light.
    gain : float or None
        Intensity units a photoelectron.
    saturation : float or None
        Voxels of this intensity or more do not count.
    """

    METHODS = ("joint",)

    offset: Annotated[
        Intensity | None,
        Parameter(
            name="camera_offset",
            tooltip="The image's intensity without light, such as 100. 0 estimates it from the "
            "image, which is good in most cases.",
            minimum=0.0,
            maximum=1e9,
            unset_word="estimated",
            seldom=True,
            option=Option(
                "--camera-offset",
                "the intensity without light, for the joint fit (default: told from the image)",
                "LEVEL",
            ),
        ),
    ] = None
    gain: Annotated[
        PositiveIntensity | None,
        Parameter(
            name="camera_gain",
            tooltip="Intensity units a photoelectron, often 0.2 to 5. 0 estimates it from the "
            "image's noise, which is good in most cases.",
            minimum=0.0,
            maximum=1e9,
            step=0.1,
            unset_word="estimated",
            seldom=True,
            option=Option(
                "--camera-gain",
                "intensity units a photoelectron, for the joint fit (default: told from the image)",
                "G",
            ),
        ),
    ] = None
    saturation: Annotated[
        Intensity | None,
        Parameter(
            name="camera_saturation",
            tooltip="Voxels of this intensity or more do not count; without it the image tells.",
            in_viewer=False,
            option=Option(
                "--saturation",
                "voxels of this intensity or more do not count in the joint fit (default: told "
                "from the image)",
                "LEVEL",
            ),
        ),
    ] = None
