"""The record of what is done of a data set, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_psf_distiller.datasets.on_disk import flush_folder
from napari_psf_distiller.errors import InputError

try:
    import fcntl
except ImportError:  # Windows has other locks.
    fcntl = None  # type: ignore[assignment]

__all__ = ["Record"]

ENDING = ".progress.jsonl"
LOCK = ".lock"


class Record:
    """A file beside the output: what is to be done, and line by line what is.

    Each line is written to the disk before the next region is counted, and a line that was cut
    short by the end of a run is not read: what it would have said is done again.

    Parameters
    ----------
    output : Path
        The data set that is written.

    Attributes
    ----------
    output : Path
    path : Path
        Of the record: the output's name, and ``.progress.jsonl``.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(output.name + ENDING)

    def read(self) -> tuple[dict[str, Any], set[str]] | None:
        """Return the task of the run that was stopped, and what it did; None where there is none.

        Raises
        ------
        InputError
            It cannot be read.
        """
        try:
            lines = self.path.read_text("utf-8").split("\n")[:-1]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error}.") from error
        try:
            task, *done = [json.loads(line) for line in lines]
        except ValueError:
            return None
        if not isinstance(task, dict):
            return None
        return task, {str(key) for key in done}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs from the same output, where the system can tell; it ends with the run.

        Raises
        ------
        InputError
            Another run writes this output.
        """
        if fcntl is None:
            yield
            return
        lock = self.path.with_name(self.path.name + LOCK)
        try:
            file = lock.open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{lock} cannot be written: {error}.") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"{self.output} is being written by another run: wait for its end, or give "
                    "another name."
                ) from error
            except OSError:
                # Some network drives have no locks.
                pass
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)

    def resume(self) -> None:
        """Drop a line that was cut short, so that what is added stands on a line of its own."""
        try:
            with self.path.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error}.") from error

    def begin(self, task: dict[str, Any]) -> None:
        """Write what is to be done; nothing is yet."""
        self._write("w", task)
        flush_folder(self.path.parent)

    def add(self, key: str) -> None:
        """Note that something is done."""
        self._write("a", key)

    def close(self) -> None:
        """Remove the record: all is done."""
        self.path.unlink(missing_ok=True)
        flush_folder(self.path.parent)

    def _write(self, mode: str, content: Any) -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(json.dumps(content) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error}.") from error
