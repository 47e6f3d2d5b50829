"""`psf-distiller`: from a bead image to a PSF without a viewer."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TextIO

from tqdm import tqdm

from napari_psf_distiller import __version__
from napari_psf_distiller.cli import commands
from napari_psf_distiller.compute import BOUNDARIES, FFTS
from napari_psf_distiller.deconvolution.richardson_lucy import METHODS
from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.recipe import Deconvolve
from napari_psf_distiller.starting import PROGRAM, started

__all__ = ["main"]

FAILED, INTERRUPTED = 2, 130

# What ends a program from outside; the shell's exit code for it is 128 more.
ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

DEVICE_HELP = (
    "what computes: auto (a usable OpenCL GPU, else numpy), gpu or cpu (OpenCL's), numpy (no "
    f"OpenCL), or a part of a device's name as '{PROGRAM} devices' lists it"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the program's name; by default the process's.

    Returns
    -------
    int
        0 if all went well, 2 after an error, 130 after Ctrl-C, 128 and a signal's number after
        another signal that ends programs; errors are one line on stderr.
    """
    started()
    with _ending_well():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        with _Terminal() as terminal, warnings.catch_warnings():
            warnings.showwarning = terminal.show_warning
            text = arguments.command(arguments, commands.Outlet(terminal.warn, terminal.progress))
        _print(text)
    except SystemExit as end:
        # argparse ends so after --help and --version.
        return int(end.code or 0)
    except KeyboardInterrupt:
        _say("interrupted; nothing was written.")
        return INTERRUPTED
    except _Ended as end:
        _say(f"ended by {end.name}; nothing was written.")
        return 128 + end.number
    except MemoryError:
        _say("error: There is not enough memory. Crop the image, or close other programs.")
        return FAILED
    except (DistillerError, OSError) as error:
        _say(f"error: {error}")
        return FAILED
    except Exception as error:  # whatever it is, the user reads one line
        _say(f"error: unexpected, {type(error).__name__}: {error}. Please report it.")
        return FAILED
    return 0


class _Ended(BaseException):
    """A signal ended the program."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.name = signal.Signals(number).name


@contextmanager
def _ending_well() -> Iterator[None]:
    """Let the first signal that ends the program unwind it, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.getsignal(number)
        for number in (getattr(signal, name, None) for name in ENDING)
        # Who started the program may have it ignore some, as nohup does.
        if number is not None
        and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    }

    def end(number: int, _frame: object) -> NoReturn:
        # What is tidied up now is done in a moment; another signal would leave it half done.
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else _Ended(number)

    try:
        for number in before:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """Print one line on stderr."""
    line = f"{PROGRAM}: {' '.join(text.split())}"
    # A name in a sentence can have letters that the terminal does not.
    print(line.encode("utf-8", "backslashreplace").decode("utf-8"), file=sys.stderr)


def _print(text: str) -> None:
    """Print on stdout, whatever letters the names of files have."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


class _Terminal:
    """Warnings and progress on stderr: bars if someone looks at it, else a line for each step."""

    def __init__(self) -> None:
        self._step = ""
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_bar()

    def warn(self, text: str) -> None:
        self._end_bar()
        _say(f"warning: {text}")

    def show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Show a warning from the library as one of the program's own."""
        self.warn(str(message))

    def progress(self, progress: Progress) -> None:
        seen = sys.stderr.isatty()
        if progress.step != self._step or progress.note:
            self._end_bar()
            self._step = progress.step
            note = f" ({progress.note})" if progress.note else ""
            if note or not seen:
                _say(f"{progress.step}{note} ...")
            if seen:
                self._bar = tqdm(
                    total=progress.total,
                    initial=progress.iteration,
                    desc=progress.step,
                    file=sys.stderr,
                )
        if self._bar is not None:
            self._bar.update(progress.iteration - self._bar.n)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Leave wrong arguments to `main`, as every other error."""
        raise InputError(f"{message} (see {self.prog} --help)")


class _Spacing(argparse.Action):
    """Two or three lengths."""

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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Distil a microscope's point spread function (PSF) from an image of "
        "fluorescent beads, and use it.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    subparsers = parser.add_subparsers(metavar="command", required=True)
    _add_demo(subparsers)
    _add_distill(subparsers)
    _add_deconvolve(subparsers)
    _add_replay(subparsers)
    text = "list what can compute on this machine, and why something cannot"
    part = subparsers.add_parser("devices", help=text, description=_sentence(text))
    part.set_defaults(command=commands.list_devices)
    return parser


def _add_demo(subparsers: argparse._SubParsersAction[_Parser]) -> None:
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


def _add_distill(subparsers: argparse._SubParsersAction[_Parser]) -> None:
    text = "distil the PSF from an image of beads"
    part = subparsers.add_parser("distill", help=text, description=_sentence(text))
    part.set_defaults(command=commands.distill)
    part.add_argument("image", type=Path, help="the beads: a TIFF with the axes Z Y X, or Y X")
    _add_folder(part)
    part.add_argument(
        "--spacing",
        type=float,
        nargs="+",
        action=_Spacing,
        metavar="SIZE",
        help="voxel size in micrometres, Z Y X or Y X (default: the file's, else the recipe's)",
    )
    part.add_argument(
        "--bead-diameter",
        type=float,
        metavar="D",
        help="in micrometres; the joint fit takes the bead's size out of the PSF (default: a "
        "point)",
    )
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
        "--na",
        type=float,
        help="numerical aperture; with wavelength and refractive index, all three or none, the "
        "joint fit knows which detail the microscope passes",
    )
    part.add_argument(
        "--wavelength", type=float, metavar="W", help="of emission, in micrometres; see --na"
    )
    part.add_argument(
        "--refractive-index", type=float, metavar="N", help="of the immersion; see --na"
    )
    part.add_argument(
        "--camera-offset",
        type=float,
        metavar="LEVEL",
        help="the intensity without light, for the joint fit (default: told from the image)",
    )
    part.add_argument(
        "--camera-gain",
        type=float,
        metavar="G",
        help="intensity units a photoelectron, for the joint fit (default: told from the image)",
    )
    part.add_argument(
        "--saturation",
        type=float,
        metavar="LEVEL",
        help="voxels of this intensity or more do not count in the joint fit (default: told from "
        "the image)",
    )
    _add_ome(part)
    _add_common(part)
    part.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help="of Richardson-Lucy (default: the recipe's); the joint fit ends by itself",
    )


def _add_deconvolve(subparsers: argparse._SubParsersAction[_Parser]) -> None:
    text = "deconvolve an image with a PSF by Richardson-Lucy"
    part = subparsers.add_parser("deconvolve", help=text, description=_sentence(text))
    part.set_defaults(command=commands.deconvolve)
    part.add_argument("image", type=Path, help="a TIFF with the axes Z Y X, or Y X")
    part.add_argument(
        "psf", type=Path, help="a TIFF with the same voxel size, its centre at n // 2"
    )
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="TIF",
        help="file to write: float32, .tif for ImageJ's TIFF or .ome.tif for OME-TIFF",
    )
    default = Deconvolve()
    part.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help="how many (default: it stops by itself where the image's noise begins to be fitted)",
    )
    part.add_argument(
        "--method",
        choices=METHODS,
        default=default.method,
        help="accelerated, 20 iterations get as far as 200 plain ones (default: %(default)s)",
    )
    part.add_argument(
        "--boundary",
        choices=BOUNDARIES,
        default=default.boundary,
        help="beyond the image lies unknown light, or its other side (default: %(default)s)",
    )
    part.add_argument(
        "--total-variation",
        type=float,
        default=default.total_variation,
        metavar="W",
        help="weight of the total variation, which smooths and keeps edges: 0 is none, 0.001 to "
        "0.01 are usual (default: %(default)g)",
    )
    part.add_argument(
        "--background",
        type=float,
        default=default.background,
        metavar="LEVEL",
        help="light in the image that is no object's, in its intensity units; better than to "
        "subtract it before (default: %(default)g)",
    )
    part.add_argument(
        "--saturation",
        type=float,
        metavar="LEVEL",
        help="voxels of this intensity or more do not count (default: all count)",
    )
    part.add_argument(
        "--mask",
        type=Path,
        metavar="TIF",
        help="a TIFF of the image's shape: where it is 0, the image does not count",
    )
    _add_common(part)


def _add_replay(subparsers: argparse._SubParsersAction[_Parser]) -> None:
    text = "distil again as a saved recipe says"
    part = subparsers.add_parser("replay", help=text, description=_sentence(text))
    part.set_defaults(command=commands.replay)
    part.add_argument("recipe", type=Path, help="a recipe.json that an earlier run wrote")
    part.add_argument("image", type=Path, help="the bead image of that run")
    _add_folder(part)
    _add_ome(part)
    _add_common(part)


def _add_folder(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for psf.tif, recipe.json, beads.csv and report.html, and of the joint fit "
        "psf_error.tif and residual.tif; made if its parent exists",
    )


def _add_ome(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "--ome",
        action="store_true",
        help="write OME-TIFF: psf.ome.tif in the place of psf.tif, ...",
    )


def _add_common(part: argparse.ArgumentParser) -> None:
    part.add_argument("--device", help=DEVICE_HELP)
    part.add_argument(
        "--fft",
        choices=FFTS,
        help="Richardson-Lucy's Fourier transforms: auto takes the fastest that is installed, "
        f"'{PROGRAM} devices' lists those of each device",
    )
    part.add_argument(
        "--memory",
        type=float,
        metavar="GIB",
        help="what Richardson-Lucy may use on the device (default: most of what is free); an image "
        "that needs more is deconvolved in tiles",
    )
    part.add_argument(
        "--overwrite", action="store_true", help="replace results that are there already"
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
