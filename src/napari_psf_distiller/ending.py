"""What ends a program from outside."""

from __future__ import annotations

import signal

__all__ = ["ENDING_SIGNALS"]

# Those that this system has. The shell's exit code for one is 128 more than its number.
ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
