"""Which formats a PSF can be saved in, and the one that a file's name asks for."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_psf_distiller.errors import DistillerWarning, InputError
from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.tiff import IMAGEJ_TIFF, OME_TIFF
from napari_psf_distiller.files import write_whole

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["GROUP", "exporter_for", "exporters", "save_as"]

# Other packages offer their formats under this name; see `Exporter`.
GROUP = "napari_psf_distiller.exporters"

OWN = (IMAGEJ_TIFF, OME_TIFF)


def exporters() -> dict[str, Exporter]:
    """Return the formats that a PSF can be saved in.

    Returns
    -------
    dict of str to Exporter
        By their names: this package's, then those of other packages.

    Warns
    -----
    DistillerWarning
        Another package offers one that cannot be loaded, or that has the name or the ending of one
        that is there already.

    Examples
    --------
    >>> import napari_psf_distiller as psfd
    >>> {name: exporter.suffixes for name, exporter in psfd.exporters().items()}
    {'ImageJ TIFF': ('.tif', '.tiff'), 'OME-TIFF': ('.ome.tif', '.ome.tiff')}
    """
    found = {exporter.name: exporter for exporter in OWN}
    for point in entry_points(group=GROUP):
        exporter, complaint = _loaded(point)
        if exporter is not None:
            complaint = _clash(exporter, found)
        if exporter is None or complaint:
            warnings.warn(
                f"The format {point.name!r} of {point.value} cannot be used: {complaint}.",
                DistillerWarning,
                stacklevel=2,
            )
            continue
        found[exporter.name] = exporter
    return found


def exporter_for(path: str | Path) -> Exporter:
    """Return the format that a file's name asks for, that with the longest ending that fits.

    Raises
    ------
    InputError
        There is none.
    """
    name = Path(path).name.lower()
    known = {suffix: exporter for exporter in exporters().values() for suffix in exporter.suffixes}
    fitting = [suffix for suffix in known if name.endswith(suffix)]
    if not fitting:
        *others, last = known
        raise InputError(
            f"{path} cannot be written: its name must end in {', '.join(others)} or {last}."
        )
    return known[max(fitting, key=len)]


def save_as(psf: PSF, path: str | Path, options: Mapping[str, Any]) -> None:
    """Write a PSF in the format that the file's name asks for; see `PSF.save`."""
    exporter = exporter_for(path)
    try:
        inspect.signature(exporter.write).bind(psf, Path(path), **options)
    except TypeError as error:
        raise InputError(f"{path} cannot be written as {exporter.name}: {error}.") from None
    write_whole(path, lambda part: exporter.write(psf, part, **options))


# What a package offers stays the same while this program runs.
@functools.cache
def _loaded(point: EntryPoint) -> tuple[Exporter | None, str]:
    """Return what an entry point leads to, or why it leads nowhere."""
    try:
        exporter = point.load()
    except Exception as error:  # another package's code can fail in any way
        return None, f"{type(error).__name__}: {error}".rstrip(".")
    if not isinstance(exporter, Exporter):
        return None, "it is no Exporter"
    return exporter, ""


def _clash(exporter: Exporter, found: Mapping[str, Exporter]) -> str:
    """Return what of an exporter is another one's already; "" is nothing."""
    if exporter.name in found:
        return "there is a format of this name already"
    taken = {suffix for other in found.values() for suffix in other.suffixes}
    both = [suffix for suffix in exporter.suffixes if suffix in taken]
    return f"there is a format with the ending {both[0]} already" if both else ""
