"""Which formats a PSF can be saved in, and the one that a file's name asks for."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_psf_distiller.errors import DistillerWarning, InputError, shown
from napari_psf_distiller.export.cubic_spline import CUBIC_SPLINE
from napari_psf_distiller.export.dv import DV, PRIISM_OTF
from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.huygens import HUYGENS
from napari_psf_distiller.export.numpy_archive import NUMPY
from napari_psf_distiller.export.ome_zarr import OME_ZARR
from napari_psf_distiller.export.plain_tiff import DECONWOLF, PLAIN_TIFF
from napari_psf_distiller.export.radial_otf import CUDADECON
from napari_psf_distiller.export.tiff import IMAGEJ_TIFF, OME_TIFF
from napari_psf_distiller.files import write_whole, write_whole_folder
from napari_psf_distiller.io import is_psf_file
from napari_psf_distiller.wording import listed

if TYPE_CHECKING:
    from napari_psf_distiller.psf import PSF

__all__ = ["GROUP", "exporter_for", "exporters", "save_as"]

# Other packages offer their formats under this name; see `Exporter`.
GROUP = "napari_psf_distiller.exporters"

OWN = (
    IMAGEJ_TIFF,
    OME_TIFF,
    PLAIN_TIFF,
    DECONWOLF,
    CUDADECON,
    DV,
    PRIISM_OTF,
    HUYGENS,
    CUBIC_SPLINE,
    OME_ZARR,
    NUMPY,
)


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
    >>> psfd.exporters()["deconwolf"].suffixes
    ('.deconwolf.tif',)
    >>> list(psfd.exporters())[:4]
    ['ImageJ TIFF', 'OME-TIFF', 'plain TIFF', 'deconwolf']
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


def exporter_for(path: str | Path, format_name: str | None = None) -> Exporter:
    """Return the format that a file's name asks for, that with the longest ending that fits.

    Parameters
    ----------
    path : str or Path
    format_name : str, optional
        A format's name, in small or large letters, with blanks or hyphens; the file's name must
        then have one of its endings.

    Raises
    ------
    InputError
        There is none.
    """
    name = Path(path).name.lower()
    if format_name is not None:
        exporter = _named(format_name)
        endings = (*exporter.suffixes, *exporter.other_suffixes)
        if not name.endswith(endings):
            raise InputError(
                f"{path} cannot be written as {exporter.name}: its name must end in "
                f"{listed(endings, 'or')}."
            )
        return exporter
    known = {suffix: exporter for exporter in exporters().values() for suffix in exporter.suffixes}
    fitting = [suffix for suffix in known if name.endswith(suffix)]
    if not fitting:
        raise InputError(
            f"{path} cannot be written: its name must end in {listed(tuple(known), 'or')}."
        )
    return known[max(fitting, key=len)]


def save_as(
    psf: PSF, path: str | Path, options: Mapping[str, Any], format_name: str | None = None
) -> None:
    """Write a PSF in a format, by default that which the file's name asks for; see `PSF.save`."""
    exporter = exporter_for(path, format_name)
    try:
        inspect.signature(exporter.write).bind(psf, Path(path), **options)
    except TypeError as error:
        has = ", ".join(option.name for option in exporter.options)
        advice = f" Its options are {has}." if has else ""
        raise InputError(
            f"The PSF cannot be written as {exporter.name}: {error}.{advice}"
        ) from None
    exporter.check_options(options)

    def write(part: Path) -> None:
        exporter.write(psf, part, **options)

    if exporter.is_folder:
        write_whole_folder(path, write, is_psf_file)
    else:
        write_whole(path, write)


def _named(format_name: str) -> Exporter:
    """Return the format of a name, blanks and hyphens and the letters' sizes being all the same."""
    known = {_plain(name): exporter for name, exporter in exporters().items()}
    if not isinstance(format_name, str) or _plain(format_name) not in known:
        raise InputError(
            f"There is no format {shown(format_name)}; there are {listed(tuple(exporters()))}."
        )
    return known[_plain(format_name)]


def _plain(name: str) -> str:
    return name.lower().replace("-", " ")


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
