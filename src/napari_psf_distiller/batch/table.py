"""The table of a batch: a row an image, with the PSF's widths or why there is none."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.results import Result

__all__ = ["TABLE_NAME", "BatchRow", "batch_table", "write_batch_table"]

# Of the file that lies beside the folders of the PSFs.
TABLE_NAME = "psfs.csv"

NANOMETRES = 1000
# Of the numbers in the file, more than any of them is known to.
DIGITS = "%.6g"


@dataclasses.dataclass(frozen=True)
class BatchRow:
    """What came of one image of a batch.

    Attributes
    ----------
    image : str
        The image's name.
    error : str
        Why it gave no PSF; "" if it did.
    fwhm, fwhm_error : tuple of float
        Of the PSF, in micrometres, see `Result`; empty if there is none.
    used, found : int
        How many beads the PSF is from, and how many there are.
    warnings : tuple of str
        What a user should know before using the PSF.
    seconds : float
        How long it took; NaN if there is no PSF.
    psf : Path or None
        Where the PSF was saved; None if it was not.
    """

    image: str
    error: str = ""
    fwhm: tuple[float, ...] = ()
    fwhm_error: tuple[float, ...] = ()
    used: int = 0
    found: int = 0
    warnings: tuple[str, ...] = ()
    seconds: float = math.nan
    psf: Path | None = None

    @classmethod
    def of(cls, image: str, result: Result, psf: Path | None = None) -> Self:
        """Return the row of an image that gave a PSF."""
        return cls(
            image,
            fwhm=result.fwhm,
            fwhm_error=result.fwhm_error,
            used=int(result.beads["used"].sum()),
            found=len(result.beads),
            warnings=result.warnings,
            seconds=result.timings["total"],
            psf=psf,
        )


def batch_table(rows: Sequence[BatchRow], folder: Path | None = None) -> pd.DataFrame:
    """Return a batch as a table, which names the images.

    Parameters
    ----------
    rows : sequence of BatchRow
    folder : Path, optional
        From which the places of the PSFs are told.

    Returns
    -------
    pandas.DataFrame
        ``fwhm_z_nm`` and so on are nanometres, NaN where there is no PSF, or none with such an
        axis.
    """
    table = pd.DataFrame([_entries(row, folder) for row in rows], columns=_columns())
    return table.set_index("image")


def write_batch_table(folder: Path, rows: Sequence[BatchRow]) -> Path:
    """Write a batch's table beside its PSFs; images of an earlier batch keep their rows there.

    Parameters
    ----------
    folder : Path
    rows : sequence of BatchRow

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        The file cannot be written, or one of its name is something else.
    """
    path = folder / TABLE_NAME
    table = batch_table(rows, folder)
    if path.exists():
        before = _read(path)
        # What gave no PSF now has that of the earlier batch there still.
        table = table[(table["error"] == "") | ~table.index.isin(before.index)]
        table = pd.concat([before[~before.index.isin(table.index)], table])
    write_whole(path, functools.partial(table.to_csv, float_format=DIGITS))
    return path


def _read(path: Path) -> pd.DataFrame:
    try:
        found = pd.read_csv(path, dtype={"image": str}, keep_default_na=True)
    except (OSError, ValueError):
        found = pd.DataFrame()
    if list(found.columns) != _columns():
        raise InputError(
            f"{path} is something else than a table of PSFs: move it, or choose another folder."
        )
    return found.set_index("image")


def _columns() -> list[str]:
    widths = [f"fwhm_{axis}{kind}_nm" for axis in AXES for kind in ("", "_error")]
    return [
        "image",
        *widths,
        "beads_used",
        "beads_found",
        "seconds",
        "psf",
        "warnings",
        "error",
    ]


def _entries(row: BatchRow, folder: Path | None) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "image": row.image,
        "beads_used": row.used,
        "beads_found": row.found,
        "seconds": row.seconds,
        "psf": "",
        "warnings": " ".join(row.warnings),
        "error": row.error,
    }
    axes = AXES[-len(row.fwhm) :] if row.fwhm else ()
    for axis, width, error in zip(axes, row.fwhm, row.fwhm_error, strict=True):
        entries[f"fwhm_{axis}_nm"] = NANOMETRES * width
        entries[f"fwhm_{axis}_error_nm"] = NANOMETRES * error
    if row.psf is not None:
        inside = folder is not None and row.psf.is_relative_to(folder)
        place = row.psf.relative_to(folder) if folder is not None and inside else row.psf
        entries["psf"] = place.as_posix()
    return entries
