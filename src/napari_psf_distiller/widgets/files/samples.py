"""Sample data for File > Open Sample: bead fields with a known PSF."""

from typing import Literal

from napari_psf_distiller.simulate import simulate_beads
from napari_psf_distiller.widgets.layers.new_layer import LayerData

__all__ = ["beads_in_gel", "beads_on_slide"]


def beads_on_slide() -> list[LayerData]:
    """Return a simulated slide: beads near one plane."""
    return [_sample("slide", "beads on a slide")]


def beads_in_gel() -> list[LayerData]:
    """Return simulated beads in a gel: all through the volume."""
    return [_sample("gel", "beads in a gel")]


# Of the microscope that the samples are simulated with, by default.
OPTICS = {"numerical_aperture": 1.2, "wavelength": 0.52, "refractive_index": 1.33}


def _sample(layout: Literal["slide", "gel"], name: str) -> LayerData:
    field = simulate_beads(layout=layout)
    keywords = {
        "name": name,
        "scale": field.spacing,
        "units": ("micrometer",) * 3,
        "axis_labels": ("z", "y", "x"),
        "metadata": {
            "bead_diameter": field.bead_diameter,
            "microscope": "widefield",
            **OPTICS,
            "true_psf": field.psf,
        },
    }
    return field.image, keywords, "image"
