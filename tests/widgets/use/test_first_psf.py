"""A first PSF by mouse and keys: from an image to what is said of its PSF."""

from pathlib import Path

import pytest
import tifffile
from napari.layers import Image
from person import Person

from napari_psf_distiller import SimulatedBeads

LABELS = ("numerical aperture", "emission (µm)", "refractive index", "bead diameter (µm)")


def test_what_the_microscope_is_asked_at_the_top(person: Person, bead_layer: Image) -> None:
    person.opens("Plugins", "PSF Distiller", "PSF Distiller")
    for label in LABELS:
        field = person.field(label)
        assert field.isEnabled()
        assert person.height_of(field) < person.height_of("Find beads")


def test_voxel_size_of_a_file_of_imagej_is_read(
    person: Person, field: SimulatedBeads, tmp_path: Path
) -> None:
    z, y, x = field.spacing
    tifffile.imwrite(
        tmp_path / "beads.tif",
        field.image,
        imagej=True,
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZYX", "unit": "um", "spacing": z},
    )
    person.answers(lambda: person.names_file(str(tmp_path / "beads.tif"), "Open"))
    person.opens("File", "Open File(s)")
    person.waits(lambda: len(person.viewer.layers) == 1)
    person.opens("Plugins", "PSF Distiller", "PSF Distiller")
    sizes = [float(person.reads("voxel size (µm)", number)) for number in range(3)]
    assert sizes == pytest.approx(field.spacing, rel=1e-3)
