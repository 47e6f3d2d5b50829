"""Colours in the terminal, where one is looked at."""

from __future__ import annotations

import os
import re
from typing import TextIO

__all__ = ["coloured_labels", "coloured_word", "has_colours"]

RESET = "\x1b[0m"
# By the word that they set off.
STYLES = {"error:": "\x1b[1;31m", "warning:": "\x1b[33m"}
BOLD = "\x1b[1m"

# What stands before a value, at the beginning of a line, such as "FWHM:".
LABEL = re.compile(r"^[A-Z][A-Za-z]*:", re.MULTILINE)


def has_colours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colours, and they are wanted.

    A variable ``NO_COLOR`` of the environment says that they are not (https://no-color.org).
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    # Windows' old console writes the codes out.
    old_console = os.name == "nt" and not {"WT_SESSION", "TERM"} & set(os.environ)
    return stream.isatty() and not old_console


def coloured_word(text: str, stream: TextIO) -> str:
    """Return a sentence with "error:" or "warning:" in its colour, where the stream shows them."""
    word = text.partition(" ")[0]
    if word in STYLES and has_colours(stream):
        return f"{STYLES[word]}{word}{RESET}{text.removeprefix(word)}"
    return text


def coloured_labels(text: str, stream: TextIO) -> str:
    """Return lines with what stands before their values in bold, where the stream shows it."""
    if not has_colours(stream):
        return text
    return LABEL.sub(lambda found: f"{BOLD}{found[0]}{RESET}", text)
