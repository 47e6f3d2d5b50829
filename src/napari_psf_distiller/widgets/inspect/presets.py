"""Looks at the pictures of a PSF that are one click away."""

from typing import NamedTuple

__all__ = ["PRESETS", "Preset"]


class Preset(NamedTuple):
    """A look at the pictures of a PSF.

    Attributes
    ----------
    vmax : float
        The brightest intensity shown, as a part of the PSF's maximum.
    gamma : float
        Exponent of the intensity.
    logarithmic : bool
    tooltip : str
    """

    vmax: float
    gamma: float
    logarithmic: bool
    tooltip: str


# The notebook's two looks at a PSF, as it is and where artefacts show, and one for its tails.
PRESETS = {
    "Plain": Preset(1.0, 1.0, False, "From 0 to the maximum."),
    "Find artefacts": Preset(
        0.5,
        0.4,
        False,
        "To half of the maximum with gamma 0.4: a grainy or boxy surround, stripes and second "
        "peaks show.",
    ),
    "Logarithmic": Preset(
        1.0, 1.0, True, "Four decades below the maximum: how far the tails reach."
    ),
}
