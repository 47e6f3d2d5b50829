"""PSFs for other programs: one module a format, found by the name of the file."""

from napari_psf_distiller.export.exporter import Exporter
from napari_psf_distiller.export.options import FormatOption
from napari_psf_distiller.export.registry import exporter_for, exporters, save_as

__all__ = ["Exporter", "FormatOption", "exporter_for", "exporters", "save_as"]
