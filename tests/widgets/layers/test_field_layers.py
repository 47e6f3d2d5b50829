"""Maps of a PSF over the field, as layers in a real viewer."""

import napari
import numpy as np
import pytest
from napari.layers import Image, Vectors
from varying_psfs import IMAGE_SHAPE, varying_psf

from napari_psf_distiller.widgets.layers.field_layers import field_map_layers

# Coma along x, and trefoil is none of the terms.
PARTS = [(lambda y, x: 0.6 * x, 1), (lambda y, x: 0.3, 3)]


def added(viewer, maps, image=None):
    layers = [
        viewer.add_layer(napari.layers.Layer.create(*data))
        for data in field_map_layers(maps, image)
    ]
    return {layer.name: layer for layer in layers}


@pytest.fixture
def maps():
    return varying_psf(PARTS).field_maps((2, 4))


def test_each_map_lies_on_the_bead_image(viewer: napari.Viewer, maps):
    image = viewer.add_image(
        np.zeros((5, *IMAGE_SHAPE)),
        scale=(0.3, 0.2, 0.1),
        translate=(1, 20, 30),
        units="micrometer",
        axis_labels=("z", "y", "x"),
    )
    layers = added(viewer, maps, image)
    assert list(layers) == [
        "FWHM z (nm)",
        "FWHM y (nm)",
        "FWHM x (nm)",
        "coma (%)",
        "astigmatism (%)",
        "coma, direction",
        "astigmatism, direction",
        "beyond the beads",
    ]
    width = layers["FWHM y (nm)"]
    assert isinstance(width, Image)
    np.testing.assert_allclose(width.data, 1000 * maps.widths["y"].values, rtol=1e-6)
    for row, y in enumerate(maps.rows):
        for column, x in enumerate(maps.columns):
            place = image.data_to_world((0, y, x))[1:]
            np.testing.assert_allclose(width.data_to_world((row, column)), place)
    assert [layer.visible for layer in layers.values()] == [True, *(False,) * 6, True]
    assert width.units == image.units[1:]


def test_arrows_lie_at_their_places(viewer: napari.Viewer, maps):
    coma = added(viewer, maps)["coma, direction"]
    assert isinstance(coma, Vectors)
    (order,) = (one for one in maps.orders if one.order == 1)
    told = np.isfinite(order.direction)
    assert len(coma.data) == told.sum()
    start, step = coma.data[0]
    np.testing.assert_allclose(start + step / 2, [maps.rows[0], maps.columns[0]], rtol=1e-5)
    angle = np.degrees(np.arctan2(step[0], step[1])) % 360
    assert angle == pytest.approx(order.direction[0, 0] % 360, abs=1e-3)
    lengths = np.linalg.norm(coma.data[:, 1], axis=1)
    assert lengths.max() < min(maps.step)
    np.testing.assert_allclose(coma.features["strength (%)"], 100 * order.strength[told])
    np.testing.assert_allclose(coma.scale, maps.pixel)


def test_without_places_beyond_the_beads_nothing_is_darkened(maps):
    flat = varying_psf([]).field_maps(1)
    names = [keywords["name"] for _, keywords, _ in field_map_layers(flat)]
    assert names == ["FWHM z (nm)", "FWHM y (nm)", "FWHM x (nm)"]
