"""Versioned JSON documents, such as recipes: read strictly, with a sentence for each fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from napari_psf_distiller.errors import InputError, shown

__all__ = ["Kind", "document_text", "read_content", "read_text"]

# In bytes; what people keep so has some thousand.
LARGEST_FILE = 10_000_000


class Kind(NamedTuple):
    """A kind of document.

    Attributes
    ----------
    name : str
        With its article, as a sentence calls one: "a recipe".
    format : str
        What such a document says of itself.
    version : int
        The latest, which is written; earlier ones are read too.
    content : str
        The name of the field with its content.
    """

    name: str
    format: str
    version: int
    content: str


def document_text(kind: Kind, content: Any) -> str:
    """Return a document as JSON text.

    Parameters
    ----------
    kind : Kind
    content : Any
        Plain data.
    """
    document = {"format": kind.format, "version": kind.version, kind.content: content}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def read_content(kind: Kind, text: str, source: str) -> Any:
    """Return what a document holds.

    Parameters
    ----------
    kind : Kind
    text : str
        JSON.
    source : str
        Where it comes from, for the error's sentence.

    Raises
    ------
    InputError
        Not JSON, not of the kind, with a field too many, or of a later version.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is not valid JSON: {shown(str(error))}.") from None
    if not isinstance(document, dict) or document.get("format") != kind.format:
        raise InputError(f'{source} is not {kind.name}: its "format" is not "{kind.format}".')
    version = document.get("version")
    if type(version) is not int or version < 1:
        raise InputError(
            f'{source}: "version" must be a whole number from 1, not {shown(version)}.'
        )
    if version > kind.version:
        raise InputError(
            f"{source} has version {shown(version)}; this program reads up to version "
            f"{kind.version}. Update napari-psf-distiller to use it."
        )
    unknown = sorted(set(document) - {"format", "version", kind.content})
    if unknown:
        raise InputError(f"{source} has the unknown field {shown(unknown[0])}.")
    return document.get(kind.content)


def read_text(path: str | Path, what: str) -> str:
    """Return the text of a document's file.

    Parameters
    ----------
    path : str or Path
    what : str
        How a sentence calls it: "The recipe".

    Raises
    ------
    InputError
        The file cannot be read, or is larger than any document.
    """
    place = Path(path)
    try:
        # A pipe would keep its reader waiting, and a device never ends.
        if place.exists() and not place.is_file():
            raise InputError(f"{what} {path} cannot be read: it is no file.")
        if place.stat().st_size > LARGEST_FILE:
            raise InputError(f"{what} {path} cannot be read: it is too large for one.")
        return place.read_text(encoding="utf-8")
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{what} {path} cannot be read: it is no text.") from None
    except ValueError as error:
        raise InputError(f"{what} {path} cannot be read: {shown(str(error))}.") from None
