"""The time that steps take."""

from __future__ import annotations

import time

__all__ = ["Clock"]


class Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def note(self, step: str) -> None:
        """Count the time since the last note to a step."""
        now = time.perf_counter()
        self._seconds[step] = now - self._last
        self._last = now

    def total(self) -> dict[str, float]:
        """Return the seconds of each step and of all."""
        return self._seconds | {"total": time.perf_counter() - self._start}
