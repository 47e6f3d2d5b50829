"""What can be written as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import pandas as pd

from napari_psf_distiller.files import write_whole

__all__ = ["Table"]


class Table(ABC):
    """Figures of a PSF that are a table, in memory and as a file."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return the figures as a table, a row a place."""

    def write_csv(self, path: str | Path) -> None:
        """Write the table of `to_frame` to a file, whole or not at all.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        InputError
            The file cannot be written.
        """
        frame = self.to_frame()
        write_whole(path, lambda part: frame.to_csv(part, index=False))
