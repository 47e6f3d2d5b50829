"""Numbers and lengths as people type them: 0.52, 0,52, 520 nm, .1, 1e-1."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from math import inf, isfinite
from typing import NoReturn

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.length_units import micrometres_in
from napari_psf_distiller.lengths import Bound, Likely

__all__ = ["MICROMETRES", "TypedNumber", "TypedNumberError", "number_text"]

# The unit of all lengths, whatever they are typed in.
MICROMETRES = "µm"

NUMBER = re.compile(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)\s*(.*)", re.IGNORECASE)

# Thousands may be meant by it, or thousandths.
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")

# As many digits as a number keeps.
DIGITS = 15


class TypedNumberError(InputError):
    """What was typed cannot be used.

    Attributes
    ----------
    likely : Likely or None
        What was likely meant.
    """

    def __init__(self, sentence: str, likely: Likely | None = None) -> None:
        super().__init__(sentence)
        self.likely = likely


@dataclass(frozen=True)
class TypedNumber:
    """A number that somebody types: how it is called, its unit, and what it can be.

    Attributes
    ----------
    name : str
        Such as "emission wavelength"; "" where it is said beside what this one says.
    unit : str
        "µm" of a length, which may be typed in any unit of length; of another number a word that
        may follow it, and "" if there is none.
    whole : bool
        Whether it has no decimals.
    bound : Bound or None
        From where to where it can be at all.
    unset : str
        A word that stands for 0, such as "not known"; "" if there is none.

    Examples
    --------
    >>> from napari_psf_distiller.lengths import EMISSION
    >>> emission = TypedNumber("emission wavelength", "µm", bound=EMISSION, unset="not known")
    >>> [emission.read(text) for text in ("0,52", "520 nm", "5.2e-1", ".52µm", "not known")]
    [0.52, 0.52, 0.52, 0.52, 0.0]
    """

    name: str
    unit: str = ""
    whole: bool = False
    bound: Bound | None = None
    unset: str = ""

    def read(self, text: str, low: float = -inf, high: float = inf) -> float:
        """Return the number that was typed, in the unit.

        Parameters
        ----------
        text : str
            A point or a comma is before the decimals; thousands are not grouped.
        low, high : float
            The least and the largest value that are taken.

        Raises
        ------
        TypedNumberError
            It is none, or not one that can be.
        """
        # Other programs write spaces, digits and the minus in many ways.
        plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").strip()
        if self.unset and plain.casefold() in ("", self.unset.casefold()):
            return 0.0
        # Who types beside that word means the number.
        plain = plain.replace(self.unset, "").strip() if self.unset else plain
        found = NUMBER.fullmatch(plain)
        if found is None:
            self._refuse(f"{shown(text)} is no number{self._such}")
        number, unit = found[1].replace(",", "."), found[2].strip()
        if self.whole:
            self._check_whole(found[1])
        value = self._in_unit(number, unit, text)
        if not isfinite(value):
            self._refuse(f"{shown(text)} is too large")
        if self.whole and not value.is_integer():
            self._refuse(f"{shown(text)} is not a whole number")
        return self.check(value, low, high)

    def check(self, value: float, low: float = -inf, high: float = inf) -> float:
        """Return a number that can be, or say what is likely meant; see `read`."""
        if value == 0 and self.unset:
            return value
        if self.bound is not None:
            try:
                self.bound.check(value)
            except InputError as error:
                raise TypedNumberError(str(error), self.bound.likely(value)) from None
        if not low <= value <= high:
            limits = f"from {number_text(low)} to {number_text(high)}"
            self._refuse(f"it is {number_text(value)}, and can be {limits}")
        return value

    @property
    def _such(self) -> str:
        return "; type one such as 0.52 or 520 nm" if self.unit == MICROMETRES else ""

    def _check_whole(self, number: str) -> None:
        if GROUPED.fullmatch(number):
            plain = re.sub("[.,]", "", number)
            self._refuse(
                f"{number!r} is not clear; type a whole number without a point or comma",
                Likely(float(plain), plain),
            )

    def _in_unit(self, number: str, unit: str, text: str) -> float:
        """Return a number that was typed in some unit in the own one."""
        try:
            value = Decimal(number)
            if not unit or unit.casefold() == unicodedata.normalize("NFKC", self.unit).casefold():
                return float(value)
            factor = micrometres_in(unit) if self.unit == MICROMETRES else None
            if factor is not None:
                # As the decimals say: 561 times 0.001 is 0.5610000000000001 otherwise.
                return float(value * Decimal(repr(factor)))
        except (DecimalException, OverflowError):
            return inf
        if any(letter.isdigit() for letter in unit):
            self._refuse(f"{shown(text)} is not one number")
        self._refuse(f"{shown(text)} cannot be: {self._units(unit)}")

    def _refuse(self, sentence: str, likely: Likely | None = None) -> NoReturn:
        name = f"{self.name[:1].upper()}{self.name[1:]}: " if self.name else ""
        raise TypedNumberError(f"{name}{sentence}.", likely)

    def _units(self, unit: str) -> str:
        if self.unit == MICROMETRES:
            return f"{unit!r} is no unit of length: nm, µm and mm are"
        return f"its unit is {self.unit}" if self.unit else "it has no unit"


def number_text(value: float) -> str:
    """Return a number with all decimals that it has, and no more.

    Examples
    --------
    >>> number_text(0.1 + 0.2), number_text(30.0), number_text(1.515)
    ('0.3', '30', '1.515')
    """
    return f"{value:.{DIGITS}g}"
