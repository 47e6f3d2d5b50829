"""`psf-distiller export`: a saved PSF in another format, or on other voxels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.export import exporter_for, exporters
from napari_psf_distiller.export.registry import OWN
from napari_psf_distiller.psf import read_psf
from napari_psf_distiller.results.staging import results_in
from napari_psf_distiller.wording import sizes_text

if TYPE_CHECKING:
    from napari_psf_distiller.cli.commands import Outlet

__all__ = ["add_format_options", "export", "formats_text"]

# What the places of a format's options begin with, among all arguments.
MARK = "format:"


def export(arguments: argparse.Namespace, _outlet: Outlet) -> str:
    """Read a PSF, and write it in the format that is asked for by its name or by the output's."""
    output: Path = arguments.output
    exporter = exporter_for(output, arguments.to)
    options = {
        name.removeprefix(MARK): value
        for name, value in vars(arguments).items()
        if name.startswith(MARK) and value is not None
    }
    psf = read_psf(arguments.psf)
    if not (arguments.spacing is arguments.shape is arguments.tails is None):
        if psf.model is None and not (arguments.interpolate or arguments.tails == "continued"):
            raise InputError(
                f"{arguments.psf} has no functions that could be evaluated on other voxels, which "
                "only the joint fit gives; give --interpolate to interpolate its voxels."
            )
        psf = psf.evaluate(
            arguments.spacing,
            arguments.shape,
            with_error=psf.error is not None,
            interpolate=arguments.interpolate,
            tails=arguments.tails,
        )
    if exporter.is_folder:
        _check_new(output, arguments)
        psf.save(output, arguments.to, **options)
    else:
        inputs = (arguments.psf,)
        with results_in(output.parent, (output.name,), arguments.overwrite, inputs) as staging:
            psf.save(staging / output.name, arguments.to, **options)
    return "\n".join(
        [
            f"PSF:    {output} ({exporter.name})",
            f"Voxels: {sizes_text(psf.shape)} of {sizes_text(psf.spacing)} µm",
        ]
    )


def _check_new(folder: Path, arguments: argparse.Namespace) -> None:
    """Refuse a folder that is there already, unless it may be replaced, and is not the input."""
    if not folder.exists():
        return
    if folder.samefile(arguments.psf):
        raise InputError(f"{folder} is one of the inputs; choose another output.")
    if not arguments.overwrite:
        raise InputError(
            f"{folder} exists already; choose another output, or give --overwrite to replace it."
        )


def formats_text() -> str:
    """Return which formats there are, a line each, with their endings and their options."""
    lines = []
    for name, exporter in exporters().items():
        lines.append(f"{', '.join(exporter.suffixes)}: {name}, {exporter.description}")
        options = [f"--{option.name} {' or '.join(option.choices)}" for option in exporter.options]
        if options:
            lines.append(f"    {', '.join(options)}")
    return "\n".join(lines)


def add_format_options(part: argparse.ArgumentParser) -> None:
    """Let a command ask for what can be chosen of this package's own formats."""
    # Those of others would have to be loaded for each command.
    options = {option.name: option for exporter in OWN for option in exporter.options}
    for name, option in options.items():
        part.add_argument(
            f"--{name}",
            dest=MARK + name,
            metavar=name.upper(),
            help=f"of some formats, {' or '.join(option.choices)} (default: {option.default}): "
            f"{option.help}",
        )
