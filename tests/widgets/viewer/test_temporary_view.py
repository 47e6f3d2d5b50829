"""What was shown before comes back, as far as it is still there."""

from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller.widgets.viewer.temporary_view import TemporaryView
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of, fill_view, grid_of


@pytest.fixture
def model() -> napari.components.ViewerModel:
    return napari.components.ViewerModel()


@pytest.fixture
def layers(model: Any) -> list[Image]:
    """Three, of which the second is hidden and the first selected."""
    added = [model.add_image(np.ones((5, 20, 30)), name=name) for name in ("a", "b", "c")]
    added[1].visible = False
    model.layers.selection = {added[0]}
    return added


def test_layers_are_shown_alone_and_all_comes_back(model: Any, layers: list[Image]) -> None:
    b = layers[1]
    camera_of(model).zoom = 7.0
    model.dims.set_current_step(0, 1)
    view = TemporaryView(model, [b])
    assert [layer.visible for layer in layers] == [False, True, False]
    view.change(b, gamma=0.5, opacity=0.3)
    view.change(b, gamma=0.7)
    view.change(grid_of(model), enabled=True)
    model.dims.set_current_step(0, 3)
    camera_of(model).zoom = 1.0
    view.leave()
    assert [layer.visible for layer in layers] == [True, False, True]
    assert (b.gamma, b.opacity, grid_of(model).enabled) == (1.0, 1.0, False)
    assert (camera_of(model).zoom, model.dims.current_step[0]) == (7.0, 1)


def test_it_is_left_in_parts(model: Any, layers: list[Image]) -> None:
    view = TemporaryView(model, [layers[1]])
    shown = [[layer.visible for layer in layers] for _ in view.leaving()]
    assert shown == [[False, True, True], [False, False, True], [True, False, True]]


@pytest.mark.parametrize("kept", [True, False])
def test_the_selection_comes_back_if_it_was_kept(
    model: Any, layers: list[Image], kept: bool
) -> None:
    a, b, c = layers
    model.layers.selection = {a, c}
    view = TemporaryView(model, [b])
    if kept:
        view.keep_selection()
    model.layers.selection = {b}
    model.layers.remove(c)
    view.leave()
    assert model.layers.selection == ({a} if kept else {b})


def test_what_is_added_meanwhile_shows(model: Any, layers: list[Image]) -> None:
    view = TemporaryView(model, layers[:1])
    added = model.add_image(np.ones((5, 20, 30)))
    assert added.visible
    model.layers.remove(layers[0])
    view.leave()
    assert added.visible
    assert [layer.visible for layer in layers] == [True, False, True]


def test_a_view_is_filled_with_a_part_of_what_there_is(model: Any, layers: list[Image]) -> None:
    model.add_image(np.ones((5, 200, 300)), name="large")
    fill_view(model, [layers[0]])
    zoom = camera_of(model).zoom
    np.testing.assert_allclose(camera_of(model).center[-2:], (9.5, 14.5), atol=0.6)
    fill_view(model, list(model.layers))
    assert zoom / camera_of(model).zoom == pytest.approx(10, rel=0.1)
