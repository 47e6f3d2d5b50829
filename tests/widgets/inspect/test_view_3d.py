from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import SimulatedBeads
from napari_psf_distiller.widgets.viewer.viewpoint import scales_of

NAME = "Inspect PSF"


def camera_of(viewer: napari.Viewer) -> Any:
    return getattr(viewer, "scene", viewer).camera


def state(viewer: napari.Viewer) -> Any:
    return (
        [(layer.name, layer.visible) for layer in viewer.layers],
        viewer.dims.ndisplay,
        viewer.dims.order,
        viewer.dims.point,
        camera_of(viewer).model_dump(),
    )


def look(layer: Image) -> Any:
    return str(layer.rendering), layer.attenuation, layer.gamma, tuple(layer.contrast_limits)


@pytest.fixture
def scene(viewer: napari.Viewer, psf: Image) -> Image:
    """The PSF among larger layers, one of them hidden, in a view that somebody chose."""
    viewer.add_image(np.zeros((30, 90, 90)), name="field", scale=psf.scale, units=psf.units)
    viewer.add_image(np.zeros((30, 90, 90)), name="hidden", visible=False, units=psf.units)
    viewer.dims.set_point(0, 1.0)
    camera_of(viewer).center, camera_of(viewer).zoom = (0.0, 1.5, 2.5), 42.0
    psf.gamma = 0.9
    return psf


def test_it_shows_the_psf_alone_in_3d_and_goes_back(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    before, looks = state(viewer), look(scene)
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 3
    assert [layer.name for layer in viewer.layers if layer.visible] == ["psf"]
    assert str(scene.rendering) == "attenuated_mip"
    assert scene.gamma <= 0.5
    assert tuple(scene.contrast_limits) == pytest.approx((0, scene.data.max()))
    middle = (np.asarray(scene.extent.world).sum(axis=0)) / 2
    np.testing.assert_allclose(camera_of(viewer).center, middle)
    assert gui.inspector.view_3d.text == "&Back from 3D"
    scales = scales_of(viewer)
    assert [scale.visible for scale in scales] == [True, True]
    user.clicks(gui.inspector.view_3d)
    assert state(viewer) == before
    assert [scale.visible for scale in scales] == [False, False]
    assert look(scene) == looks
    assert gui.inspector.view_3d.text == "View in &3D"


@pytest.mark.parametrize("shape", [(40, 20, 20), (5, 30, 60), (21, 21, 21)])
def test_the_whole_psf_fits_into_the_view_with_a_margin(
    user: Any, viewer: napari.Viewer, scene: Image, shape: tuple[int, ...]
) -> None:
    viewer.add_image(np.zeros((2, 5, 200, 40)), name="series")
    long = viewer.add_image(np.ones(shape), name="long", scale=(3.0, 1.0, 1.0))
    gui = user.opens(NAME, psf=long)
    user.clicks(gui.inspector.view_3d)
    camera = camera_of(viewer)
    ends = (np.asarray(long.extent.world) - camera.center).T
    corners = np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3) * camera.zoom
    up = np.array(camera.up_direction)
    canvas = getattr(viewer, "canvas", None)
    room = np.array(viewer._canvas_size if canvas is None else canvas.size)
    filled = [
        2 * np.abs(corners @ direction).max() / side
        for direction, side in zip((up, np.cross(camera.view_direction, up)), room, strict=True)
    ]
    assert 0.8 < max(filled) < 0.92


def test_a_hidden_psf_is_shown_and_hidden_again(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    scene.visible = False
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    assert scene.visible
    user.clicks(gui.inspector.view_3d)
    assert not scene.visible


def test_the_viewers_own_way_out_of_3d_leads_back_too(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    gui = user.opens(NAME, psf=scene)
    before, looks = state(viewer), look(scene)
    user.clicks(gui.inspector.view_3d)
    viewer.dims.ndisplay = 2
    assert state(viewer) == before
    assert look(scene) == looks
    assert gui.inspector.view_3d.text == "View in &3D"


def test_whoever_was_in_3d_before_stays_there(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    viewer.dims.ndisplay = 3
    before = state(viewer)
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    user.clicks(gui.inspector.view_3d)
    assert state(viewer) == before


def test_turned_axes_are_turned_back(user: Any, viewer: napari.Viewer, scene: Image) -> None:
    viewer.add_image(np.zeros((2, 5, 30, 30)), name="series")
    viewer.dims.order = (1, 0, 3, 2)
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.displayed == (1, 2, 3)
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.order == (1, 0, 3, 2)


def test_it_goes_back_when_layers_were_deleted_meanwhile(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    viewer.layers.remove(scene)
    user.clicks(gui.inspector.view_3d)
    assert [(x.name, x.visible) for x in viewer.layers] == [("field", True), ("hidden", False)]
    assert viewer.dims.ndisplay == 2
    gui.psf.value = viewer.layers["field"]
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 3
    viewer.layers.clear()
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 2
    assert gui.inspector.view_3d.text == "View in &3D"


def test_it_goes_back_when_the_layer_was_renamed_or_another_added_meanwhile(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    scene.name = "renamed"
    viewer.add_image(np.zeros((3, 30, 30)), name="new")
    user.clicks(gui.inspector.view_3d)
    assert [(x.name, x.visible) for x in viewer.layers] == [
        ("renamed", True),
        ("field", True),
        ("hidden", False),
        ("new", True),
    ]


def test_it_goes_back_when_a_flat_image_is_chosen_meanwhile(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    gui.psf.value = viewer.add_image(scene.data[5], scale=scene.scale[1:], units=scene.units[1:])
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 2
    assert [layer.visible for layer in viewer.layers] == [True, True, False, True]


def test_closing_it_in_3d_leads_back(user: Any, psf: Image, bead_layer: Image) -> None:
    gui = user.opens(NAME, psf=psf)
    user.clicks(gui.inspector.view_3d)
    assert (user.viewer.dims.ndisplay, bead_layer.visible) == (3, False)
    user.closes(gui)
    assert (user.viewer.dims.ndisplay, bead_layer.visible) == (2, True)


def test_the_viewer_can_be_closed_in_3d(
    user_of: Any, make_napari_viewer: Any, field: SimulatedBeads, told: Any
) -> None:
    one = user_of(make_napari_viewer())
    one.viewer.add_image(field.psf.astype(np.float32))
    gui = one.opens(NAME)
    one.clicks(gui.inspector.view_3d)
    one.waits(lambda: not gui.inspector.busy)
    one.viewer.close()
    assert told.errors == []


def test_a_scale_bar_of_pixels_is_not_shown(user: Any, viewer: napari.Viewer) -> None:
    # Typed sizes are the PSF's, but not those of the layers.
    small = np.zeros((9, 9, 9))
    small[4, 4, 4] = 1
    layer = viewer.add_image(small, name="without a unit", scale=(0.2, 0.1, 0.1))
    before = viewer.dims.axis_labels
    gui = user.opens(NAME, psf=layer)
    user.clicks(gui.inspector.view_3d)
    assert [scale.visible for scale in scales_of(viewer)] == [False, True]
    assert viewer.dims.axis_labels == ("z", "y", "x")
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.axis_labels == before
