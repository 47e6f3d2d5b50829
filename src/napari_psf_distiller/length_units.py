"""Units of length, however files spell them, in micrometres."""

from __future__ import annotations

import re

__all__ = ["micrometres_in"]

# OME's units of length that can be a microscope's, in micrometres. Upper and lower case differ: its
# Mm is a megametre.
OME_UNITS = {
    "m": 1e6,
    "dm": 1e5,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "nm": 1e-3,
    "pm": 1e-6,
    "Å": 1e-4,
    "in": 25400.0,
    "thou": 25.4,
}

# How people and programs spell them elsewhere, in lower case and without a plural's s.
SPELT = {
    **{unit.lower(): length for unit, length in OME_UNITS.items()},
    "um": 1.0,
    "mu": 1.0,
    "micron": 1.0,
    "microm": 1.0,
    "a": 1e-4,
    "angstrom": 1e-4,
    "ångström": 1e-4,
    "ångstrom": 1e-4,
    "inch": 25400.0,
    "inche": 25400.0,
    **{
        prefix + ending: length
        for prefix, length in (
            ("", 1e6),
            ("deci", 1e5),
            ("centi", 1e4),
            ("milli", 1e3),
            ("micro", 1.0),
            ("nano", 1e-3),
            ("pico", 1e-6),
        )
        for ending in ("meter", "metre")
    },
}

# The two micro signs of Unicode, and how ImageJ escapes them.
MICRO = re.compile(r"\\u00b5|\\u03bc|\N{GREEK SMALL LETTER MU}", re.IGNORECASE)


def micrometres_in(unit: str) -> float | None:
    """Return how many micrometres a unit of length is; None of what is none.

    Examples
    --------
    >>> micrometres_in("µm"), micrometres_in("Micrometers"), micrometres_in("nm")
    (1.0, 1.0, 0.001)
    >>> micrometres_in("pixel") is None
    True
    """
    text = MICRO.sub("µ", unit).strip()
    if text in OME_UNITS:
        return OME_UNITS[text]
    text = text.lower().rstrip(".")
    return SPELT.get(text, SPELT.get(text.removesuffix("s")))
