import inspect

import napari
import numpy as np
import pytest

from napari_psf_distiller import simulate_beads
from napari_psf_distiller.widgets.files.samples import OPTICS


@pytest.mark.parametrize("layout", ["slide", "gel"])
def test_samples_open_with_their_voxel_size_and_truth(viewer: napari.Viewer, layout: str) -> None:
    key = {"slide": "beads_on_slide", "gel": "beads_in_gel"}[layout]
    (layer,) = viewer.open_sample("napari-psf-distiller", key)
    field = simulate_beads(layout=layout)
    np.testing.assert_array_equal(layer.data, field.image)
    assert tuple(layer.scale) == field.spacing
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.metadata["bead_diameter"] == field.bead_diameter
    np.testing.assert_array_equal(layer.metadata["true_psf"], field.psf)
    # The microscope that they were simulated with is the default's.
    for name, value in OPTICS.items():
        assert inspect.signature(simulate_beads).parameters[name].default == value
        assert layer.metadata[name] == value
    assert list(viewer.layers) == [layer]
