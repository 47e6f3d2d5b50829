"""What is used of napari, Qt and magicgui beyond their public API, and may be gone in the next one.

All that is of that kind lies in this folder. Where it is gone, the plugin does without, and says so
in the log of debugging only: what is lost is comfort, no result.
"""

import logging
from typing import Any

__all__ = ["note_missing", "private"]

logger = logging.getLogger(__name__)


def private(owner: object, name: str, without: str) -> Any:
    """Return an attribute that is not public, or None where this version has none.

    Parameters
    ----------
    owner : object
        Of napari, Qt, magicgui or Python.
    name : str
        The attribute's.
    without : str
        What happens instead, for the log.
    """
    found = getattr(owner, name, None)
    if found is None:
        note_missing(f"{getattr(owner, '__name__', type(owner).__name__)}.{name}", without)
    return found


def note_missing(what: str, without: str) -> None:
    """Note in the log that something is not there, and what happens instead."""
    logger.debug("There is no %s here: %s", what, without)
