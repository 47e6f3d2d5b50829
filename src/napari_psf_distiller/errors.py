"""What can go wrong, as exceptions whose text is the sentence that the user reads."""

from __future__ import annotations

from typing import Any

__all__ = [
    "DeviceError",
    "DeviceMemoryError",
    "DistillerError",
    "DistillerWarning",
    "InputError",
    "shown",
]

# A sentence that quotes a value is read up to here.
LONGEST = 60


class DistillerError(Exception):
    """Base of every error of this package; its text says what is wrong, where, and what to do.

    Not a `RuntimeError`: napari's generator workers take one of those for a deleted worker and
    return it as if it were the result.
    """


class InputError(DistillerError, ValueError):
    """An image, a parameter, a file or a recipe that cannot be used."""


class DeviceError(DistillerError):
    """A computing device that does not exist, does not work, or failed on the way."""


class DeviceMemoryError(DeviceError):
    """A device that has too little memory for what it is to do."""


class DistillerWarning(UserWarning):
    """Something that was done, but that the user should know of."""


def shown(value: Any) -> str:
    """Return a value as an error's sentence shows it: on one line, and not at any length."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whatever it is, a sentence can be made
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
