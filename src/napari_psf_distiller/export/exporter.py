"""What a format for PSFs is: its name, its endings, and how one is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.export.options import FormatOption

__all__ = ["Exporter"]


@dataclass(frozen=True)
class Exporter:
    """A format that a PSF can be saved in.

    A package that offers one names it as an entry point of the group
    ``napari_psf_distiller.exporters``; it is then among `exporters`, and chosen by its endings.

    Attributes
    ----------
    name : str
        Short, for people, such as ``"OME-TIFF"``.
    suffixes : tuple of str
        The endings of its files' names, in small letters with the point, such as
        ``(".ome.tif",)``; of two formats that fit a name the one with the longer ending is taken.
    description : str
        What such a file holds and what it is for, without a full stop.
    write : callable
        ``write(psf, path, **options)`` takes a `PSF`, the path of an empty file with the right
        ending, and what else it offers, by name. It raises an `InputError` where the PSF cannot be
        written so. The file is put in its place when it is complete, and only then.
    other_suffixes : tuple of str
        Endings that a file may have too if the format is asked for by its name; by another's, they
        choose that.
    options : tuple of FormatOption
        What can be chosen, for the command line and for the error's sentence; `write` takes each
        by its name.
    is_folder : bool
        Whether it is a folder and no file: `write` gets the path of an empty one. One that is there
        already is replaced only if it holds a PSF of this package.

    Raises
    ------
    InputError
        It has no name, or an ending is none.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_psf_distiller as psfd
    >>> def write_text(psf, path, digits=6):
    ...     np.savetxt(path, np.ravel(psf), fmt=f"%.{digits}g")
    >>> text = psfd.Exporter("text", (".txt",), "a value a line, z before y before x", write_text)
    >>> text.suffixes
    ('.txt',)
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    write: Callable[..., None]
    other_suffixes: tuple[str, ...] = ()
    options: tuple[FormatOption, ...] = ()
    is_folder: bool = False

    def check_options(self, given: Mapping[str, Any]) -> None:
        """Refuse a value that is none of an option's choices.

        Raises
        ------
        InputError
        """
        for option in self.options:
            if option.name in given:
                option.check(given[option.name], self.name)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"The exporter's name is {shown(self.name)}; it should be a text.")
        suffixes = self.suffixes
        if (
            not isinstance(suffixes, tuple)
            or not suffixes
            or not all(isinstance(s, str) and s[:1] == "." and s == s.lower() for s in suffixes)
        ):
            raise InputError(
                f"The suffixes of {self.name} are {shown(suffixes)}; they should be a tuple of "
                'endings in small letters, each with its point, such as (".tif",).'
            )
        if not callable(self.write):
            raise InputError(f"What writes {self.name} is {shown(self.write)}; it is not callable.")
