"""Writing several files into a folder: all of them, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import check_replaceable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["results_in"]

# How the folder begins that results lie in until they are complete.
STAGING = ".psf-distiller-"


@contextmanager
def results_in(
    folder: Path,
    names: Sequence[str],
    overwrite: bool,
    inputs: Sequence[Path] = (),
    option: str = "--overwrite",
) -> Iterator[Path]:
    """Give a folder to write results to, and move them into `folder` if nothing was raised.

    That `folder` can be written is known before anything is computed. If something is raised, or
    the user interrupts, `folder` is as it was before. Results that another program put there
    meanwhile are not replaced unless `overwrite` says so.

    Parameters
    ----------
    folder : Path
        Made if its parent exists.
    names : sequence of str
        Of the files that will be written, or may be: one that is not has no successor, and of an
        earlier run it goes.
    overwrite : bool
        Whether files of these names may be replaced.
    inputs : sequence of Path
        What the results are made from, and must never be replaced.
    option : str
        What a user gives to let files be replaced, for the error's sentence.
    """
    try:
        made = _check_output(folder, names, overwrite, inputs, option)
        folder.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
    except OSError as error:
        raise InputError(
            f"The output folder {folder} cannot be written: {error.strerror or error}."
        ) from None
    try:
        yield staging
        with _alone_in(folder):
            _move_all(staging, folder, names, overwrite, option)
    finally:
        _clear(staging, folder if made else None)


def _check_output(
    folder: Path, names: Sequence[str], overwrite: bool, inputs: Sequence[Path], option: str
) -> bool:
    """Refuse a folder that results cannot be put into; return whether it has to be made."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} cannot be the output folder: it is a file.")
    if not folder.parent.is_dir():
        raise InputError(
            f"The output folder {folder} cannot be made: {folder.parent} does not exist."
        )
    there = [folder / name for name in names if (folder / name).exists()]
    for path in there:
        check_replaceable(path)
        if any(path.samefile(source) for source in inputs):
            raise InputError(f"{path} is one of the inputs; choose another output.")
    if there and not overwrite:
        raise InputError(
            f"{there[0]} exists already; choose another output, or give {option} to replace it."
        )
    return not folder.exists()


def _clear(staging: Path, made: Path | None) -> None:
    """Remove the folder that results were written to, and the one that was made for nothing."""
    try:
        shutil.rmtree(staging, ignore_errors=True)
        if made is not None and not any(made.iterdir()):
            made.rmdir()
    except OSError:
        # Another program puts something there just now.
        return
    except BaseException:
        # A signal came; there is time for this yet.
        shutil.rmtree(staging, ignore_errors=True)
        raise


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one program at a time move its results into a folder, where the system can tell."""
    with ExitStack() as stack:
        if fcntl is not None:
            # Some network drives cannot.
            with suppress(OSError):
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _move_all(
    staging: Path, folder: Path, names: Sequence[str], overwrite: bool, option: str
) -> None:
    """Move files to their folder: all of them, or, if one cannot be replaced, none."""
    before = staging / "before"
    before.mkdir()
    written = {name for name in names if (staging / name).exists()}
    try:
        for name in names:
            if overwrite and (folder / name).exists():
                (folder / name).replace(before / name)
            if name in written:
                _place(staging / name, folder / name)
    except BaseException as error:
        failed = folder / name
        for each in names:
            # What has left its place here is ours there.
            if each in written and not (staging / each).exists():
                (folder / each).unlink(missing_ok=True)
            if (before / each).exists():
                (before / each).replace(folder / each)
        if isinstance(error, FileExistsError):
            raise InputError(
                f"{failed} was made by another program meanwhile; choose another output, or "
                f"give {option} to replace it."
            ) from None
        if isinstance(error, OSError):
            raise InputError(
                f"{failed} cannot be replaced: {error.strerror or error}. Is it open in "
                "another program?"
            ) from None
        raise


def _place(source: Path, target: Path) -> None:
    """Move a file to a name that nobody has; unlike a move, a link never replaces a file."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        # This file system has no links. The name is taken first, which one program alone can do.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        source.replace(target)
    else:
        source.unlink()
