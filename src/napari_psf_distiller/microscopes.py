"""Microscopes that a user keeps by name, in one readable file."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from napari_psf_distiller.documents import Kind, document_text, read_content, read_text
from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.recipe import Camera, Optics
from napari_psf_distiller.recipe.section import Section

__all__ = ["MicroscopePreset", "MicroscopePresets", "check_preset_name"]

DOCUMENT = Kind(
    "a file of microscopes", "napari-psf-distiller microscopes", version=1, content="microscopes"
)

# Names another file than the user's own, such as one on a disk that a group shares.
VARIABLE = "PSF_DISTILLER_MICROSCOPES"

# In characters: what still fits on a line of a menu.
LONGEST_NAME = 60


@dataclass(frozen=True)
class MicroscopePreset(Section):
    """What belongs to a microscope, and stays from image to image.

    The voxel size is not part of it, which goes with zoom, binning and the step along z; nor is the
    bead diameter, which the sample has.

    Attributes
    ----------
    optics : Optics
    camera : Camera

    Examples
    --------
    >>> MicroscopePreset(Optics(numerical_aperture=1.4, refractive_index=1.515)).optics.wavelength
    """

    optics: Optics = field(default_factory=Optics)
    camera: Camera = field(default_factory=Camera)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of it as plain data for JSON."""
        return {
            name: {key: value for key, value in part.items() if value is not None}
            for name, part in super().to_dict().items()
        }


class MicroscopePresets(Mapping[str, MicroscopePreset]):
    """The user's microscopes by name, as they are in a file.

    Each look reads the file, and each change writes it, whole or not at all; so what another
    program changes meanwhile is seen. A file that cannot be understood is never written over.

    Parameters
    ----------
    path : str or Path, optional
        The JSON file; it need not be there yet. By default the one that the environment variable
        ``PSF_DISTILLER_MICROSCOPES`` names, else the user's own, which the viewer and the command
        line use too.

    Attributes
    ----------
    path : Path

    Examples
    --------
    >>> import tempfile
    >>> presets = MicroscopePresets(Path(tempfile.mkdtemp()) / "microscopes.json")
    >>> oil = Optics(numerical_aperture=1.4, wavelength=0.52, refractive_index=1.515)
    >>> presets.save("Lab 63x oil", MicroscopePreset(oil))
    >>> list(presets), presets["Lab 63x oil"].optics.numerical_aperture
    (['Lab 63x oil'], 1.4)
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else _own_path()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __getitem__(self, name: str) -> MicroscopePreset:
        """Return the microscope of a name.

        Raises
        ------
        InputError
            There is none, or the file cannot be read.
        """
        presets = self._read()
        self._check_there(name, presets)
        return presets[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the microscope of a name, or something else if there is none.

        Raises
        ------
        InputError
            The file cannot be read.
        """
        return self._read().get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def save(self, name: str, preset: MicroscopePreset, *, overwrite: bool = False) -> None:
        """Keep a microscope under a name.

        Parameters
        ----------
        name : str
            At most 60 characters on one line; spaces around it are left out.
        preset : MicroscopePreset
        overwrite : bool
            Whether it may take the place of another of this name.

        Raises
        ------
        InputError
            The name cannot be one or is taken, or the file cannot be read or written.
        """
        if not isinstance(preset, MicroscopePreset):
            raise InputError(f"The preset is {shown(preset)}; it should be a MicroscopePreset.")
        name = check_preset_name(name)
        presets = self._read()
        if not overwrite:
            _check_free(name, presets)
        self._write(presets | {name: preset})

    def delete(self, name: str) -> None:
        """Forget the microscope of a name.

        Raises
        ------
        InputError
            There is none, or the file cannot be read or written.
        """
        presets = self._read()
        self._check_there(name, presets)
        del presets[name]
        self._write(presets)

    def rename(self, name: str, new_name: str) -> None:
        """Give a microscope another name.

        Raises
        ------
        InputError
            There is none of the name, the new one cannot be one or is taken, or the file cannot be
            read or written.
        """
        new_name = check_preset_name(new_name)
        presets = self._read()
        self._check_there(name, presets)
        if new_name != name:
            _check_free(new_name, presets)
        preset = presets.pop(name)
        self._write(presets | {new_name: preset})

    def export(self, path: str | Path, *names: str) -> None:
        """Write microscopes to another file, to hand them out.

        Parameters
        ----------
        path : str or Path
            It is replaced if it is there.
        *names : str
            Of which; by default all.

        Raises
        ------
        InputError
            There is none, or none of a name, it is the file that they are kept in, or a file cannot
            be read or written.
        """
        presets = self._read()
        if not presets and not names:
            raise InputError(f"No microscope is kept in {self.path} yet.")
        for name in names:
            self._check_there(name, presets)
        # Those that are not asked for would be lost.
        if os.path.realpath(path) == os.path.realpath(self.path):
            raise InputError(f"The microscopes are kept in {path}; choose another file.")
        _write_presets(path, {name: presets[name] for name in names or presets})

    def add_from(self, path: str | Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Add all microscopes of a file that `export` wrote, or none of them.

        Parameters
        ----------
        path : str or Path
        overwrite : bool
            Whether they may take the place of others of the same names.

        Returns
        -------
        tuple of str
            Their names.

        Raises
        ------
        InputError
            A name is taken by another microscope, or a file cannot be read or written.
        """
        added = _read_presets(path)
        if not added:
            raise InputError(f"{path} has no microscopes.")
        presets = self._read()
        for name, preset in added.items():
            if not overwrite and presets.get(name) != preset:
                _check_free(name, presets)
        self._write(presets | added)
        return tuple(added)

    def _check_there(self, name: str, presets: Mapping[str, MicroscopePreset]) -> None:
        if name in presets:
            return
        near = difflib.get_close_matches(str(name), presets, n=1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        elif presets:
            hint = f"there are {', '.join(map(repr, presets))}."
        else:
            hint = f"none is kept in {self.path} yet."
        raise InputError(f"There is no microscope {shown(name)}; {hint}")

    def _read(self) -> dict[str, MicroscopePreset]:
        return _read_presets(self.path) if os.path.lexists(self.path) else {}

    def _write(self, presets: Mapping[str, MicroscopePreset]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror or error}.") from None
        _write_presets(self.path, presets)


def check_preset_name(name: str) -> str:
    """Return a name that a microscope can have, without spaces around it.

    Raises
    ------
    InputError
        It is no text, empty, too long, or has more than one line.

    Examples
    --------
    >>> check_preset_name(" Lab confocal 63x ")
    'Lab confocal 63x'
    """
    if not isinstance(name, str):
        raise InputError(f"The microscope's name is {shown(name)}; it should be a text.")
    # The same letters, whichever way a keyboard or a file writes their accents.
    text = unicodedata.normalize("NFC", name).strip()
    if not text:
        raise InputError("The microscope's name is empty; give it one, such as 'Lab confocal 63x'.")
    if len(text) > LONGEST_NAME:
        raise InputError(
            f"The microscope's name {shown(text)} has {len(text)} characters; "
            f"at most {LONGEST_NAME} can be kept."
        )
    if not text.isprintable():
        raise InputError(
            f"The microscope's name {shown(text)} has characters that cannot be shown; leave them "
            "out."
        )
    return text


def _own_path() -> Path:
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    return platformdirs.user_config_path("psf-distiller", appauthor=False) / "microscopes.json"


def _check_free(name: str, presets: Mapping[str, MicroscopePreset]) -> None:
    if name in presets:
        raise InputError(
            f"There is a microscope {name!r} already; delete or rename it, or ask for it to be "
            "replaced."
        )


def _read_presets(path: str | Path) -> dict[str, MicroscopePreset]:
    content = read_content(DOCUMENT, read_text(path, "The file of microscopes"), str(path))
    if not isinstance(content, dict):
        raise InputError(f'{path}: "microscopes" must be an object, not {shown(content)}.')
    presets = {}
    for name, data in content.items():
        try:
            presets[check_preset_name(name)] = MicroscopePreset.from_dict(data, f"{name!r}")
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return dict(sorted(presets.items(), key=lambda item: item[0].casefold()))


def _write_presets(path: str | Path, presets: Mapping[str, MicroscopePreset]) -> None:
    ordered = sorted(presets.items(), key=lambda item: item[0].casefold())
    text = document_text(DOCUMENT, {name: preset.to_dict() for name, preset in ordered})
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
