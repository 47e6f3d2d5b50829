"""What can go wrong, as exceptions whose text is the sentence that the user reads."""

from __future__ import annotations

__all__ = ["DeviceError", "DeviceMemoryError", "DistillerError", "DistillerWarning", "InputError"]


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
