"""`psf-distiller export`: a saved PSF in another format, or on other voxels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.export import exporter_for, exporters
from napari_psf_distiller.psf import read_psf
from napari_psf_distiller.results.staging import results_in
from napari_psf_distiller.wording import sizes_text

if TYPE_CHECKING:
    from napari_psf_distiller.cli.commands import Outlet

__all__ = ["export", "formats_text"]


def export(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    """Read a PSF, and write it in the format that the output's name asks for."""
    output: Path = arguments.output
    exporter = exporter_for(output)
    psf = read_psf(arguments.psf)
    if arguments.spacing is not None:
        if psf.model is None and not arguments.interpolate:
            raise InputError(
                f"{arguments.psf} has no functions that could be evaluated on other voxels, which "
                "only the joint fit gives; give --interpolate to interpolate its voxels."
            )
        psf = psf.evaluate(
            arguments.spacing, with_error=psf.error is not None, interpolate=arguments.interpolate
        )
    inputs = (arguments.psf,)
    with results_in(output.parent, (output.name,), arguments.overwrite, inputs) as staging:
        psf.save(staging / output.name)
    return "\n".join(
        [
            f"PSF:    {output} ({exporter.name})",
            f"Voxels: {sizes_text(psf.shape)} of {sizes_text(psf.spacing)} µm",
        ]
    )


def formats_text() -> str:
    """Return which formats there are, a line each, with the endings of their files."""
    return "\n".join(
        f"{', '.join(exporter.suffixes)}: {name}, {exporter.description}"
        for name, exporter in exporters().items()
    )
