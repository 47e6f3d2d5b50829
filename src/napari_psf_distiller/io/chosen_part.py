"""Which scene, channel and time of a file is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from napari_psf_distiller.errors import InputError, shown

__all__ = ["THE_ONLY_ONE", "ChosenPart", "place_of"]

# A file may have thousands of times; a sentence names so many.
MOST_NAMED = 8


class ChosenPart(NamedTuple):
    """Which part of a file is read.

    Attributes
    ----------
    scene, channel, time : int, str or None
        A number from 0, or the name that the file has for it. None is the only one there is.
    """

    scene: int | str | None = None
    channel: int | str | None = None
    time: int | None = None


THE_ONLY_ONE = ChosenPart()


def place_of(
    what: str,
    chosen: int | str | None,
    count: int,
    path: str | Path,
    names: Sequence[str] = (),
) -> int:
    """Return the number of what is chosen.

    Parameters
    ----------
    what : {"scene", "channel", "time"}
    chosen : int, str or None
        A number from 0, or a name; a number that is written as a text is a number, unless it is a
        name too.
    count : int
        How many the file has.
    path : str or Path
        How the file is called in sentences.
    names : sequence of str, optional
        How the file calls them.

    Raises
    ------
    InputError
        There is no such one, or two of the name, or none is chosen of several.

    Examples
    --------
    >>> place_of("channel", "GFP", 2, "beads.czi", ["mCherry", "GFP"])
    1
    """
    if chosen is None:
        if count == 1:
            return 0
        raise InputError(
            f"{path} has {_listed(what, count, names)}. Choose one: {what}=0 in Python, --{what} 0 "
            "on the command line."
        )
    if isinstance(chosen, str):
        if names.count(chosen) == 1:
            return names.index(chosen)
        if chosen.isdecimal() and len(chosen) < 10:
            chosen = int(chosen)
    if type(chosen) is int and 0 <= chosen < count:
        return chosen
    raise InputError(
        f"The {what} is {shown(chosen)}, but {path} has {_listed(what, count, names)}. Choose one "
        "of these by its number from 0, or by a name that only one has."
    )


def _listed(what: str, count: int, names: Sequence[str]) -> str:
    """Return how many there are, and how they are called."""
    number = f"{count} {what}{'s' if count != 1 else ''}"
    if len(names) == count and any(names):
        named = [f"{n} {name!r}" for n, name in enumerate(names[:MOST_NAMED])]
        return f"{number} ({', '.join(named)}{', ...' if count > MOST_NAMED else ''})"
    return f"{number} (0)" if count == 1 else f"{number} (0 to {count - 1})"
