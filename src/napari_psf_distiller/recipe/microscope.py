"""The microscope and its camera, as far as they are known: sections of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import (
    EMISSION,
    EXCITATION,
    NUMERICAL_APERTURE,
    PINHOLE,
    REFRACTIVE_INDEX,
    SHEET,
)
from napari_psf_distiller.optics import PHOTONS
from napari_psf_distiller.recipe.parameter import Option, Parameter, declared
from napari_psf_distiller.recipe.quantities import Intensity, Positive, PositiveIntensity
from napari_psf_distiller.recipe.section import Section

__all__ = ["WITH_PINHOLE", "Camera", "Optics"]


WITH_PINHOLE = ("confocal", "spinning disk")

# The kinds of microscope that scan a focus over the specimen, and how many photons excite there.
SCANNED = dict.fromkeys(WITH_PINHOLE, 1) | PHOTONS

# Those that scan a single focus: a voxel is what was measured with the focus there, however far the
# next one is. A camera's pixel takes all light that falls on it.
MEASURING_POINTS = ("confocal", *PHOTONS, "STED")

# What must be known of a kind for the frequencies that it passes; what a kind that is not listed
# passes is not known.
NEEDED = {
    "widefield": ("numerical_aperture", "wavelength", "refractive_index"),
    "confocal": ("numerical_aperture", "wavelength", "refractive_index", "excitation"),
    "spinning disk": ("numerical_aperture", "wavelength", "refractive_index", "excitation"),
    "light sheet": ("numerical_aperture", "wavelength", "refractive_index"),
    "two-photon": ("numerical_aperture", "refractive_index", "excitation"),
    "three-photon": ("numerical_aperture", "refractive_index", "excitation"),
}


@dataclass(frozen=True)
class Optics(Section):
    """The microscope, as far as it is known: the joint fit keeps to the frequencies that it passes.

    All figures of its kind that `missing` asks for or none count; without them the frequencies are
    taken from the beads.

    Attributes
    ----------
    microscope : str
        Its kind: "widefield", "confocal", "spinning disk", "light sheet", "two-photon",
        "three-photon", "STED" or "other".
    numerical_aperture : float or None
    wavelength : float or None
        Emission wavelength in micrometres.
    refractive_index : float or None
        Of the immersion medium.
    excitation : float or None
        Excitation wavelength in micrometres, of a confocal, a spinning disk, a two-photon and a
        three-photon microscope.
    pinhole : float or None
        Diameter of the pinhole in Airy units, of a confocal and a spinning disk; None where it is
        not known.
    sheet : float or None
        Full width at half maximum of the light sheet along z, in micrometres; None where it is not
        known.
    support : {"microscope", "auto", "data"}
        Which frequencies the PSF may have: those that the microscope passes, those unless the beads
        contradict, or those that the beads show.

    Examples
    --------
    >>> Optics(1.3, 0.52, 1.515, microscope="confocal", excitation=0.488, pinhole=1).missing
    ()
    """

    microscope: Annotated[
        Literal[
            "widefield",
            "confocal",
            "spinning disk",
            "light sheet",
            "two-photon",
            "three-photon",
            "STED",
            "other",
        ],
        Parameter(
            tooltip="Its kind, which decides what a PSF can be. Choose other for one that is not "
            "listed; the frequencies that the PSF has are then taken from the beads.",
            option=Option(
                "--microscope",
                "the kind of microscope (default: {default}); it and the optics' figures tell the "
                "joint fit which detail the microscope passes",
            ),
        ),
    ] = field(default="widefield", kw_only=True)
    numerical_aperture: Annotated[
        Positive | None,
        Parameter(
            tooltip="Of the objective. With the wavelengths and the refractive index it tells "
            "which frequencies the PSF can have; if one of them is missing, the beads' width does. "
            "0 is not known.",
            minimum=0.0,
            maximum=2.5,
            step=0.05,
            bound=NUMERICAL_APERTURE,
            unset_word="not known",
            option=Option(
                "--na",
                "numerical aperture; with the refractive index and the wavelengths that the kind "
                "of microscope needs, all or none, the joint fit knows which detail it passes",
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
            bound=EMISSION,
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
            bound=REFRACTIVE_INDEX,
            unset_word="not known",
            option=Option("--refractive-index", "of the immersion; see --na", "N"),
        ),
    ] = None
    excitation: Annotated[
        Positive | None,
        Parameter(
            unit="µm",
            tooltip="Wavelength of the light that excites the beads, such as 0.488 of a confocal's "
            "laser, or 0.92 of a two-photon microscope's. 0 is not known.",
            minimum=0.0,
            maximum=10.0,
            step=0.01,
            bound=EXCITATION,
            unset_word="not known",
            when=("microscope", tuple(SCANNED)),
            must_count=True,
            option=Option(
                "--excitation",
                "wavelength in micrometres, of a confocal, spinning disk, two-photon or "
                "three-photon microscope; it needs it beside those of --na",
                "W",
            ),
        ),
    ] = field(default=None, kw_only=True)
    pinhole: Annotated[
        Positive | None,
        Parameter(
            unit="Airy units",
            tooltip="Diameter of the pinhole, as the microscope's program states it; 1 is usual. "
            "0 is not known.",
            minimum=0.0,
            maximum=50.0,
            step=0.1,
            bound=PINHOLE,
            unset_word="not known",
            when=("microscope", WITH_PINHOLE),
            must_count=True,
            option=Option(
                "--pinhole", "diameter in Airy units, of a confocal or a spinning disk", "AU"
            ),
        ),
    ] = field(default=None, kw_only=True)
    sheet: Annotated[
        Positive | None,
        Parameter(
            label="light sheet",
            unit="µm",
            tooltip="Full width at half maximum of the light sheet along z, where the beads lie. "
            "0 is not known.",
            minimum=0.0,
            maximum=1000.0,
            step=0.1,
            bound=SHEET,
            unset_word="not known",
            when=("microscope", ("light sheet",)),
            must_count=True,
            option=Option(
                "--sheet", "full width at half maximum of the light sheet, in micrometres", "W"
            ),
        ),
    ] = field(default=None, kw_only=True)
    support: Annotated[
        Literal["microscope", "auto", "data"],
        Parameter(
            label="frequencies from",
            tooltip="Which detail the PSF may have: what the microscope passes, what it passes "
            "unless the beads contradict (auto), or what the beads show (data).",
            unset_value=None,
            when=("microscope", tuple(NEEDED)),
            seldom=True,
            option=Option(
                "--support",
                "which detail the PSF may have: what the microscope passes, what it passes unless "
                "the beads contradict (auto), or what the beads show (data) (default: {default})",
            ),
        ),
    ] = field(default="microscope", kw_only=True)

    @property
    def missing(self) -> tuple[str, ...]:
        """The figures that are not given, and without which the microscope's band is not known."""
        needed = NEEDED.get(self.microscope, ())
        return tuple(name for name in needed if getattr(self, name) is None)

    @property
    def measures_points(self) -> bool:
        """Whether a voxel is the light at a point, and not all that falls on a camera's pixel."""
        return self.microscope in MEASURING_POINTS

    def __post_init__(self) -> None:
        super().__post_init__()
        aperture, index = self.numerical_aperture, self.refractive_index
        for one in declared(type(self)):
            value, bound = getattr(self, one.field), one.parameter.bound
            if value is not None and bound is not None:
                bound.check(value)
        if aperture is not None and index is not None and aperture >= index:
            raise InputError(
                f"The numerical aperture is {aperture:g}, but it is always less than the "
                f"refractive index of the immersion, which is given as {index:g} (oil has 1.515, "
                "glycerol 1.47, water 1.33, air 1)."
            )
        self._check_kind()
        self._check_excitation()

    def _check_kind(self) -> None:
        """Refuse figures that the kind of microscope does not have.

        They would change nothing, and mean most likely that the kind was forgotten.
        """
        for one in declared(type(self)):
            value, when = getattr(self, one.field), one.parameter.when
            if value is None or when is None or not one.parameter.must_count:
                continue
            if self.microscope not in when[1]:
                raise InputError(
                    f"The {one.field} is {value:g}, but the microscope is {self.microscope!r}, "
                    "which has none: choose "
                    f"{' or '.join(repr(kind) for kind in when[1])}, or leave it out."
                )

    def _check_excitation(self) -> None:
        """Refuse an excitation that cannot make the emission."""
        excitation, emission = self.excitation, self.wavelength
        if excitation is None or emission is None:
            return
        photons = SCANNED[self.microscope]
        given = (
            f"The excitation wavelength is {excitation:g} and the emission wavelength "
            f"{emission:g} micrometres"
        )
        if photons == 1 and excitation > emission:
            raise InputError(
                f"{given}, but one photon cannot make another of more energy: the excitation's "
                "wavelength is the shorter one. Was one taken for the other?"
            )
        if photons > 1 and not emission < excitation < photons * emission:
            raise InputError(
                f"{given}, but a {self.microscope} microscope's excitation is longer than the "
                f"emission and shorter than {photons} times of it: below one photon would do, and "
                f"beyond {photons} have too little energy."
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
