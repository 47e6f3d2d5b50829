"""`psf-distiller`: from a bead image to a PSF without a viewer."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn, Self, TextIO

from tqdm import tqdm

import napari_psf_distiller
from napari_psf_distiller.cli import commands
from napari_psf_distiller.cli.colours import coloured_labels, coloured_word
from napari_psf_distiller.cli.parser import argument_parser
from napari_psf_distiller.ending import ENDING_SIGNALS
from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.starting import PROGRAM, started

__all__ = ["main"]

FAILED, INTERRUPTED = 2, 130


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
        arguments = argument_parser().parse_args(argv)
        with _Terminal() as terminal, warnings.catch_warnings():
            warnings.showwarning = terminal.show_warning
            with _logging_to(terminal, arguments.verbose):
                outlet = commands.Outlet(terminal.warn, terminal.tell, terminal.progress)
                text = arguments.command(arguments, outlet)
        _print(text)
    except SystemExit as end:
        # argparse ends so after --help and --version.
        return int(end.code or 0)
    except KeyboardInterrupt as end:
        _say(f"interrupted; {_left_by(end)}")
        return INTERRUPTED
    except _Ended as end:
        _say(f"ended by {end.name}; {_left_by(end)}")
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


def _left_by(end: BaseException) -> str:
    """Return what a command that was ended has left behind, as it noted itself, or nothing."""
    return " ".join(getattr(end, "__notes__", ())) or "nothing was written."


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
        for number in ENDING_SIGNALS
        # Who started the program may have it ignore some, as nohup does.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
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
    line = f"{PROGRAM}: {coloured_word(' '.join(text.split()), sys.stderr)}"
    # A name in a sentence can have letters that the terminal does not.
    print(line.encode("utf-8", "backslashreplace").decode("utf-8"), file=sys.stderr)


def _print(text: str) -> None:
    """Print on stdout, whatever letters the names of files have."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    known = text.encode(encoding, "backslashreplace").decode(encoding)
    print(coloured_labels(known, sys.stdout))


class _LogHandler(logging.Handler):
    """Hands the package's log to the terminal."""

    def __init__(self, terminal: _Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.log(self.format(record))


@contextmanager
def _logging_to(terminal: _Terminal, verbosity: int) -> Iterator[None]:
    """Print the package's log meanwhile: nothing at 0, phases at 1, rounds too from 2 on."""
    if not verbosity:
        yield
        return
    package, handler = logging.getLogger(napari_psf_distiller.__name__), _LogHandler(terminal)
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)


class _Terminal:
    """Warnings and progress on stderr: bars if someone looks at it, else a line for each step."""

    def __init__(self) -> None:
        self._shown = ""
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_bar(whole=error is None)

    def tell(self, text: str) -> None:
        self._end_bar()
        _say(text)

    def warn(self, text: str) -> None:
        self.tell(f"warning: {text}")

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
        if progress.title != self._shown or progress.note:
            self._end_bar(whole=progress.title != self._shown)
            self._shown = progress.title
            note = f" ({progress.note})" if progress.note else ""
            if note or not seen:
                _say(f"{progress.title}{note} ...")
            if seen:
                self._bar = tqdm(
                    total=progress.total,
                    initial=progress.iteration,
                    desc=progress.title,
                    file=sys.stderr,
                )
        if self._bar is not None:
            # It may be an estimate.
            self._bar.total = progress.total
            self._bar.update(progress.iteration - self._bar.n)

    def log(self, text: str) -> None:
        """Print a line of the log above the bar, if there is one."""
        if self._bar is None:
            _say(text)
            return
        with tqdm.external_write_mode(file=sys.stderr):
            _say(text)

    def _end_bar(self, *, whole: bool = False) -> None:
        """End the bar; of a step that is done, at 100 %, though it needed less than it might."""
        if self._bar is not None:
            if whole:
                self._bar.total = self._bar.n
                self._bar.refresh()
            self._bar.close()
            self._bar = None
