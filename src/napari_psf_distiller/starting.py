"""Ctrl-C while the command line's program starts: one line, as later, and no traceback.

The libraries that it imports take a second or more. To be imported before them, by the program or
by anything else; but it changes only what the program does.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["PROGRAM", "started"]

PROGRAM = "psf-distiller"
INTERRUPTED = 130


def _end(_number: int, _frame: object) -> None:
    # There is nothing to tidy up yet, and half-imported libraries would complain if they were left
    # in another way.
    os.write(2, f"{PROGRAM}: interrupted; nothing was written.\n".encode())
    os._exit(INTERRUPTED)


def started() -> None:
    """Let Ctrl-C raise an error again, as the program that has started knows it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_program() -> bool:
    name = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - pathlib takes time
    return name.removesuffix(".exe").removesuffix("-script.py") == PROGRAM


if _is_program() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
