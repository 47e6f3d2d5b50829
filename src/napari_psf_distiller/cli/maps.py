"""`psf-distiller maps`: what a saved PSF is at each place of the field of view."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf import read_psf
from napari_psf_distiller.results.folder import (
    DEPTH,
    MAPS,
    write_depth_profile,
    write_field_maps,
)
from napari_psf_distiller.results.staging import results_in

if TYPE_CHECKING:
    from napari_psf_distiller.cli.commands import Outlet

__all__ = ["map_psf"]


def map_psf(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    """Write the maps of a file's PSF as a table and as a picture, and say what they say."""
    folder: Path = arguments.output
    inputs = [path for path in (arguments.psf, arguments.beads) if path is not None]
    with results_in(folder, (*MAPS, *DEPTH), arguments.overwrite, inputs) as staging:
        psf = read_psf(arguments.psf)
        beads = None if arguments.beads is None else _read_beads(arguments.beads)
        maps = psf.field_maps(arguments.places, beads)
        write_field_maps(staging, maps, beads)
        profile = psf.depth_profile()
        if profile is not None:
            write_depth_profile(staging, profile)
    table, picture = (folder / name for name in MAPS)
    said = [f"Maps:    {table}", f"Picture: {picture}", *maps.sentences()]
    if profile is not None:
        table, picture = (folder / name for name in DEPTH)
        said += [f"Depth:   {table}", f"Picture: {picture}", profile.sentence()]
    return "\n".join(said)


def _read_beads(path: Path) -> pd.DataFrame:
    """Return the table of beads that a file has."""
    try:
        return pd.read_csv(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError:
        raise InputError(
            f"{path} is no table of beads: give the beads.csv that lies beside the PSF."
        ) from None
