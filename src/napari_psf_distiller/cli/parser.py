"""What `psf-distiller` can be asked for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from napari_psf_distiller import __version__
from napari_psf_distiller.cli import commands
from napari_psf_distiller.cli.argument_parser import Parser
from napari_psf_distiller.cli.dataset import deconvolve_data, is_dataset
from napari_psf_distiller.cli.distill import distill, replay
from napari_psf_distiller.cli.export import add_format_options, export, formats_text
from napari_psf_distiller.cli.maps import map_psf
from napari_psf_distiller.cli.options import add_options, add_part, chosen_part, typed_as
from napari_psf_distiller.cli.presets import add_presets
from napari_psf_distiller.cli.trial import region_of, try_region
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.io import STACK_AXES
from napari_psf_distiller.recipe import (
    Camera,
    Deconvolve,
    JointFit,
    Optics,
    Recipe,
    RichardsonLucy,
)
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.recipe.quantities import TAILS
from napari_psf_distiller.starting import PROGRAM
from napari_psf_distiller.typed_numbers import MICROMETRES, TypedNumber

__all__ = ["argument_parser"]

# What --spacing is of an image that is deconvolved.
SPACING_OF_IMAGE = (
    "the image's voxel size in micrometres, Z Y X or Y X (default: the file's, else the PSF's)"
)


class _AnAxis(argparse.Action):
    """Two or three numbers, one an axis."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if len(values) not in (2, 3):
            parser.error(f"{option_string} takes 3 numbers (Z Y X), or 2 (Y X) for a 2D image")
        setattr(namespace, self.dest, values)


class _ListFormats(argparse.Action):
    """Tell which formats there are, and end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        sys.stdout.write(f"{formats_text()}\n")
        parser.exit()


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of all that can be asked for."""
    parser = Parser(
        prog=PROGRAM,
        description="Distil a microscope's point spread function (PSF) from an image of "
        "fluorescent beads, and use it.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    subparsers = parser.add_subparsers(metavar="command", required=True)
    _add_demo(subparsers)
    _add_distill(subparsers)
    _add_deconvolve(subparsers)
    _add_try(subparsers)
    _add_export(subparsers)
    _add_maps(subparsers)
    _add_replay(subparsers)
    add_presets(subparsers)
    text = "list what can compute on this machine, and why something cannot"
    part = subparsers.add_parser("devices", help=text, description=_sentence(text))
    part.set_defaults(command=commands.list_devices)
    _add_verbose(parser, 0)
    parser.show_examples("")
    commands_by_name = {part: name for name, part in reversed(subparsers.choices.items())}
    for part, name in commands_by_name.items():
        # One given before the command stays.
        _add_verbose(part, argparse.SUPPRESS)
        part.show_examples(name)
    return parser


def _add_mask(part: argparse.ArgumentParser) -> None:
    """Add the option for a mask of the image."""
    part.add_argument(
        "--mask",
        type=Path,
        metavar="TIF",
        help="a TIFF of the image's shape: where it is 0, the image does not count",
    )


def _add_spacing(part: argparse.ArgumentParser, text: str) -> None:
    """Add the option for a voxel size."""
    size = typed_as(TypedNumber("", MICROMETRES))
    part.add_argument("--spacing", type=size, nargs="+", action=_AnAxis, metavar="SIZE", help=text)


def _add_demo(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "simulate a field of beads, distil its PSF, and compare that with the truth"
    part = subparsers.add_parser("demo", help=text, description=_sentence(text))
    part.set_defaults(command=commands.demo)
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("psf-distiller-demo"),
        metavar="DIR",
        help="folder for beads.tif, psf.tif, psf_error.tif, residual.tif, recipe.json, beads.csv "
        "and report.html; made if its parent exists (default: %(default)s)",
    )
    part.add_argument(
        "--layout",
        choices=("slide", "gel"),
        default="slide",
        help="beads near one plane, or all through the volume (default: %(default)s)",
    )
    part.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="another one gives another field"
    )
    _add_common(part)


def _add_distill(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "distil the PSF from an image of beads, or one PSF from several"
    # Half of the world writes it with one l.
    part = subparsers.add_parser(
        "distill", aliases=["distil"], help=text, description=_sentence(text)
    )
    part.set_defaults(command=distill)
    part.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="image",
        help="the beads: a TIFF with the axes Z Y X, or Y X; or an OME-Zarr; or CZI, ND2 or LIF, "
        "with the extra czi or bioio; of several, or of a folder of them, one PSF is distilled, "
        "and those whose PSF is another one are left out",
    )
    add_part(part)
    _add_axis(part)
    part.add_argument(
        "--each",
        action="store_true",
        help="distil a PSF from each stack, into a folder of its own in DIR, and not one from all; "
        "psfs.csv in DIR has a row a stack: widths with errors, beads, warnings",
    )
    _add_folder(part)
    _add_spacing(
        part, "voxel size in micrometres, Z Y X or Y X (default: the file's, else the recipe's)"
    )
    add_options(part, Recipe, "bead_diameter")
    source = part.add_mutually_exclusive_group()
    source.add_argument(
        "--recipe", type=Path, metavar="JSON", help="take the parameters from this file"
    )
    source.add_argument(
        "--notebook",
        action="store_true",
        help="take the steps and numbers of the notebook this program grew from",
    )
    source.add_argument(
        "--stepwise",
        action="store_true",
        help="one step after the other, with Richardson-Lucy, instead of the joint fit; uses "
        "neither bead diameter, optics nor camera, which are only noted in the recipe",
    )
    part.add_argument(
        "--microscope-preset",
        metavar="NAME",
        help="take optics and camera of a microscope that is kept by this name, see psf-distiller "
        "presets; what the options below say counts before it",
    )
    add_options(part, Optics)
    add_options(part, Camera)
    _add_note(part)
    _add_ome(part)
    _add_common(part)
    add_options(part, JointFit)
    add_options(part, RichardsonLucy)


def _add_deconvolve(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "deconvolve an image with a PSF by Richardson-Lucy"
    part = subparsers.add_parser("deconvolve", help=text, description=_sentence(text))
    part.set_defaults(command=_deconvolve)
    part.add_argument(
        "image",
        type=Path,
        help="a TIFF with the axes Z Y X, or Y X; or CZI, ND2 or LIF, with the extra czi or bioio; "
        "or a data set: an OME-Zarr, or a folder of TIFFs; of an OME-Zarr one image if the output "
        "is a TIFF",
    )
    add_part(part)
    part.add_argument(
        "psf",
        type=Path,
        nargs="+",
        help="a TIFF, its centre at n // 2; one of the joint fit is evaluated on the image's "
        "voxels, another must have them, or those of the finer result, or be interpolated; of a "
        "data set with channels one for all, or one for each",
    )
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write: float32, .tif for ImageJ's TIFF or .ome.tif for OME-TIFF; of a data "
        "set an OME-Zarr, .zarr",
    )
    _add_spacing(part, SPACING_OF_IMAGE)
    add_options(part, Deconvolve)
    _add_mask(part)
    part.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="of a data set: how many processes of this machine (default: as many as it has "
        "processors, and memory for)",
    )
    part.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a data set: a scheduler of dask's whose workers do it, such as "
        "tcp://192.168.0.5:8786",
    )
    _add_common(part)


def _deconvolve(arguments: argparse.Namespace, outlet: commands.Outlet) -> str:
    """Deconvolve an image, or a data set."""
    if is_dataset(arguments.image, arguments.output):
        if arguments.mask is not None:
            raise InputError("--mask is for an image, and not for a data set: leave it out.")
        for what, value in chosen_part(arguments).items():
            if value is not None:
                raise InputError(
                    f"--{what} is for an image, and not for a data set, of which all is "
                    "deconvolved: leave it out, or give an output that ends in .tif."
                )
        return deconvolve_data(arguments, outlet)
    only = {"--scheduler": arguments.scheduler, "--workers": arguments.workers}
    for option, value in only.items():
        if value is not None:
            raise InputError(f"{option} is for data sets, and {arguments.image} is an image.")
    if len(arguments.psf) > 1:
        raise InputError(f"{arguments.image} is an image, which takes one PSF: give one.")
    arguments.psf = arguments.psf[0]
    return commands.deconvolve(arguments, outlet)


def _add_try(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "deconvolve one region in several ways side by side, to choose before a long run"
    part = subparsers.add_parser("try", help=text, description=_sentence(text))
    part.set_defaults(command=try_region)
    part.add_argument(
        "image",
        type=Path,
        help="what deconvolve takes: an image, or a data set, of which only the region and its "
        "surroundings are read; --scene is then the position, a number or a name such as B/2/0",
    )
    add_part(part)
    part.add_argument("psf", type=Path, nargs="+", help="as for deconvolve")
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="TIF",
        help="file to write: the measured region and each result as a channel, float32, .tif for "
        "ImageJ's TIFF or .ome.tif for OME-TIFF; and beside it a picture of the same name, .png",
    )
    part.add_argument(
        "--region",
        type=region_of,
        metavar="Z0:Z1,Y0:Y1,X0:X1",
        help="in voxels from 0, the last not included; a : alone is all of an axis (default: "
        "where the image, or the middle of a data set's first stack, has the most bright detail "
        "that is in focus)",
    )
    part.add_argument(
        "--iterations",
        type=typed_as(TypedNumber("", whole=True)),
        nargs="+",
        metavar="N",
        help="try these numbers of iterations beside the automatic end (default: one, and one "
        "with total variation)",
    )
    part.add_argument(
        "--total-variation",
        type=typed_as(TypedNumber("")),
        nargs="+",
        metavar="W",
        help="try these weights of the total variation too, with the first number of iterations, "
        "or else with the automatic end",
    )
    _add_spacing(part, SPACING_OF_IMAGE)
    others = (one.field for one in declared(Deconvolve))
    tried = ("iterations", "total_variation")
    add_options(part, Deconvolve, *(field for field in others if field not in tried))
    _add_mask(part)
    part.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="of a data set: how many processes will share the memory, for the time that all takes",
    )
    _add_common(part)


def _add_export(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "save a PSF for another program, or on voxels of another size"
    part = subparsers.add_parser("export", help=text, description=_sentence(text))
    part.set_defaults(command=export)
    part.add_argument("psf", type=Path, help="a TIFF with a PSF and its voxel size")
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write; its ending chooses the format, such as .tif or .ome.tif",
    )
    part.add_argument(
        "--to",
        metavar="FORMAT",
        help="the format's name, such as deconwolf, where the ending alone does not say it",
    )
    part.add_argument(
        "--list",
        "--formats",
        action=_ListFormats,
        nargs=0,
        help="list the formats: what each is for, its endings and its options; and end",
    )
    _add_spacing(
        part,
        "evaluate the PSF on voxels of this size in micrometres, Z Y X or Y X (default: its own)",
    )
    part.add_argument(
        "--shape",
        type=int,
        nargs="+",
        action=_AnAxis,
        metavar="N",
        help="evaluate the PSF on this many voxels, Z Y X or Y X (default: what covers its extent)",
    )
    part.add_argument(
        "--interpolate",
        action="store_true",
        help="with --spacing or --shape, interpolate a PSF that the joint fit did not make",
    )
    part.add_argument(
        "--tails",
        choices=TAILS,
        help="continued: with --shape, the PSF goes on as theory says beyond the window that it "
        "was measured in; none: without what was continued before (default: as the PSF is)",
    )
    add_format_options(part)
    part.add_argument(
        "--overwrite", action="store_true", help="replace a file that is there already"
    )


def _add_maps(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "map a PSF over the field of view: its widths, aberrations and focus"
    part = subparsers.add_parser("maps", help=text, description=_sentence(text))
    part.set_defaults(command=map_psf)
    part.add_argument("psf", type=Path, help="a PSF of the joint fit, as distill saves it")
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for field.csv, a row a place, and field.png; made if its parent exists",
    )
    part.add_argument(
        "--beads",
        type=Path,
        metavar="CSV",
        help="the beads.csv that was written with the PSF: of beads on a slide it tells the focus",
    )
    part.add_argument(
        "--places",
        type=int,
        default=9,
        metavar="N",
        help="how many places along y and along x (default: %(default)s)",
    )
    part.add_argument(
        "--overwrite", action="store_true", help="replace files that are there already"
    )


def _add_replay(subparsers: argparse._SubParsersAction[Parser]) -> None:
    text = "distil again as a saved recipe says"
    part = subparsers.add_parser("replay", help=text, description=_sentence(text))
    part.set_defaults(command=replay)
    part.add_argument("recipe", type=Path, help="a recipe.json that an earlier run wrote")
    part.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="image",
        help="the bead image of that run, or its images in their order",
    )
    add_part(part)
    _add_axis(part)
    _add_folder(part)
    _add_note(part)
    _add_ome(part)
    _add_common(part)


def _add_axis(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "--axis",
        choices=tuple(STACK_AXES),
        help="take each point of time (t, time) or each position (p, position, scene) in a file as "
        "a stack of its own, of which one PSF is distilled",
    )


def _add_folder(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for psf.tif, recipe.json, beads.csv and report.html, of the joint fit "
        "psf_error.tif and residual.tif, and of a PSF that changes over the field field.csv and "
        "field.png; made if its parent exists",
    )


def _add_note(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "--note",
        default="",
        metavar="TEXT",
        help="whatever is to be kept with the PSF and to stand in its report: who took the image, "
        "which slide, which objective",
    )


def _add_ome(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "--ome",
        action="store_true",
        help="write OME-TIFF: psf.ome.tif in the place of psf.tif, ...",
    )


def _add_verbose(part: argparse.ArgumentParser, default: int | str) -> None:
    part.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=default,
        help="say on stderr what each phase found, such as beads, noise and iterations; "
        "twice (-vv): each round too",
    )


def _add_common(part: argparse.ArgumentParser) -> None:
    add_options(part, Recipe, "device", "fft", "memory")
    part.add_argument(
        "--overwrite", action="store_true", help="replace results that are there already"
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
