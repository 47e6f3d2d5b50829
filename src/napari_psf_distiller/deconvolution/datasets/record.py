"""The record of what is done of a data set, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from napari_psf_distiller.errors import InputError

__all__ = ["Record"]

ENDING = ".progress.jsonl"


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
    path : Path
        Of the record: the output's name, and ``.progress.jsonl``.
    """

    def __init__(self, output: Path) -> None:
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
        return task, {str(key) for key in done}

    def begin(self, task: dict[str, Any]) -> None:
        """Write what is to be done; nothing is yet."""
        self._write("w", task)

    def add(self, key: str) -> None:
        """Note that something is done."""
        self._write("a", key)

    def close(self) -> None:
        """Remove the record: all is done."""
        self.path.unlink(missing_ok=True)

    def _write(self, mode: str, content: Any) -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(json.dumps(content) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error}.") from error
