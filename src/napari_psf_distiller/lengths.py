"""What lengths and figures a microscope can have, and what is likely meant by others.

The one place for such bounds. A length is in micrometres everywhere; one that was typed in another
unit, 520 for 520 nm, is far outside of what can be, and is refused with what it would be.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from napari_psf_distiller.errors import InputError

__all__ = [
    "BEAD_DIAMETER",
    "EMISSION",
    "EXCITATION",
    "NUMERICAL_APERTURE",
    "PINHOLE",
    "REFRACTIVE_INDEX",
    "SHEET",
    "SPACING",
    "WAVELENGTH",
    "Bound",
    "Likely",
]

# Units that people type instead of micrometres, and how many micrometres they are.
OTHER_UNITS = {"nm": 1e-3, "m": 1e6, "mm": 1e3}


class Likely(NamedTuple):
    """What is likely meant by a figure that cannot be.

    Attributes
    ----------
    value : float
        In the unit that the figure should have.
    text : str
        As people write it, such as "520 nm".
    """

    value: float
    text: str


class Bound(NamedTuple):
    """From where to where a figure can be.

    Attributes
    ----------
    what : str
        How the figure is called, and what it belongs to.
    low, high : float
        Its least and its largest possible value.
    unit : str
        "" of a figure that has none.
    """

    what: str
    low: float
    high: float
    unit: str = "micrometres"

    def holds(self, value: float) -> bool:
        """Return whether a value can be; NaN cannot."""
        return self.low <= value <= self.high

    def check(self, value: float, where: str = "") -> float:
        """Return a value that can be, or say what is likely meant.

        Parameters
        ----------
        value : float
        where : str
            How the figure is called where it was given; by default `what`.

        Raises
        ------
        InputError
            It cannot be.
        """
        if self.holds(value):
            return value
        name = where or f"The {self.what}"
        unit = f" {self.unit}" if self.unit else ""
        text = f"{name} is {value:.6g}{unit}, but {self._article()} is from {self.low:g} to "
        text += f"{self.high:g}{unit}"
        text += self._hint(value)
        raise InputError(text if text.endswith("?") else f"{text}.")

    def likely(self, value: float) -> Likely | None:
        """Return what is likely meant by a value that cannot be; None where it cannot be told.

        Examples
        --------
        >>> EMISSION.likely(520)
        Likely(value=0.52, text='520 nm')
        >>> NUMERICAL_APERTURE.likely(145)
        Likely(value=1.45, text='1.45')
        """
        if not math.isfinite(value) or value <= 0:
            return None
        if not self.unit:
            # The point is easily left out: an objective says 1.45.
            meant = (value / 10**n for n in (1, 2))
            return next((Likely(one, f"{one:.3g}") for one in meant if self.holds(one)), None)
        for unit, factor in OTHER_UNITS.items() if self.unit == "micrometres" else ():
            # Without what a product of fractions has too much in its last digit.
            meant_length = float(f"{value * factor:.15g}")
            if self.holds(meant_length):
                return Likely(meant_length, f"{value:.6g} {unit}")
        return None

    def _article(self) -> str:
        return f"{'an' if self.what[0] in 'aeiou' else 'a'} {self.what}"

    def _hint(self, value: float) -> str:
        """Return how the sentence about a value goes on."""
        likely = self.likely(value)
        if likely is not None:
            return f"; {likely.text} is {likely.value:.6g}" if self.unit else f" ({likely.text}?)"
        typed = self.unit and math.isfinite(value) and value > 0
        return "; is it in another unit?" if typed else ""


# Voxels of less than a nanometre or more than this are no microscope's.
SPACING = Bound("voxel size", 0.001, 50.0)

# From the far ultraviolet to the mid-infrared.
WAVELENGTH = Bound("wavelength", 0.1, 5.0)
EMISSION = WAVELENGTH._replace(what="emission wavelength")
EXCITATION = WAVELENGTH._replace(what="excitation wavelength")

# Quantum dots are of some nanometres; beads larger than this are seen without a microscope.
BEAD_DIAMETER = Bound("bead diameter", 0.001, 50.0)

# Water and oil immersion end at 1.49 to 1.7, solid ones below 2.5.
NUMERICAL_APERTURE = Bound("numerical aperture", 0.01, 2.5, unit="")

# From air's to that of solid immersion lenses.
REFRACTIVE_INDEX = Bound("refractive index", 1.0, 4.0, unit="")

# Below a hundredth of an Airy disc hardly any light comes through, and beyond 50 a pinhole is none.
PINHOLE = Bound("pinhole", 0.01, 50.0, unit="Airy units")

# From a lattice light sheet to one that lights the whole specimen.
SHEET = Bound("light sheet's width", 0.1, 1000.0)
