"""What is known of the PSF that a layer shows."""

from pathlib import Path

import napari
import numpy as np
import pytest
import tifffile
from varying_psfs import varying_psf

from napari_psf_distiller import PSF
from napari_psf_distiller.widgets.layers.psf_layer import (
    changes_over_field,
    note_of_psf,
    psf_of_layer,
)
from napari_psf_distiller.widgets.layers.source import read_image_layer

# Which napari gives to its own reader.
NAME = "psf.tif"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    varying_psf([(lambda y, _: 0.3 * y, 0)]).save(tmp_path / NAME)
    return tmp_path / NAME


def test_a_file_that_another_reader_opened_says_what_it_is(
    viewer: napari.Viewer, path: Path
) -> None:
    (layer,) = viewer.open(path, plugin="napari")
    note = note_of_psf(layer)
    assert changes_over_field(note)
    found = psf_of_layer(read_image_layer(layer), note)
    assert isinstance(found, PSF)
    assert found.model is not None
    # Once it was edited, its voxels are all that is known.
    layer.data = 2 * layer.data
    edited = psf_of_layer(read_image_layer(layer), note_of_psf(layer))
    assert isinstance(edited, PSF)
    assert edited.model is None


def test_other_files_and_no_files_say_nothing(viewer: napari.Viewer, tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones((4, 5), np.float32))
    (layer,) = viewer.open(other, plugin="napari")
    assert note_of_psf(layer) is None
    assert note_of_psf(viewer.add_image(np.ones((3, 4)))) is None
    assert not changes_over_field(None)


def test_a_file_that_is_gone_says_nothing(viewer: napari.Viewer, path: Path) -> None:
    (layer,) = viewer.open(path, plugin="napari")
    path.unlink()
    assert note_of_psf(layer) is None
