"""The report: one HTML file that shows a distilled PSF and says how it was made."""

from napari_psf_distiller.figures.report.report import write_report

__all__ = ["write_report"]
