"""A region tried in Deconvolve: what is shown, what is left as it was, and what is put in."""

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import SimulatedBeads, try_region
from napari_psf_distiller.deconvolution.trial import usual_settings
from napari_psf_distiller.recipe import Deconvolve
from napari_psf_distiller.widgets.trial.region import MIDDLE, VIEW, box_in_view
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of

NAMES = [
    "beads: measured",
    "beads: automatic",
    "beads: 4 iterations",
    "beads: 4 iterations, total variation 0.005",
    "beads: headings",
]


@pytest.fixture
def psf(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    middle = tuple(slice(n // 2 - 3, n // 2 + 4) for n in field.psf.shape)
    return viewer.add_image(
        field.psf[middle].astype(np.float32),
        name="psf",
        scale=field.spacing,
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
    )


@pytest.fixture
def opened(user: Any, bead_layer: Image, psf: Image) -> Any:
    return user.opens("Deconvolve", image=bead_layer, psf=psf, iterations=4, device="numpy")


@pytest.fixture
def tries(user: Any, opened: Any) -> Callable[..., list[Any]]:
    """Press Try, wait, and return the layers that are shown then."""

    def press(region: str = "") -> list[Any]:
        if region:
            opened.trial_region.offer_layers()
            opened.trial_region.setCurrentText(region)
            assert opened.trial_region.currentText() == region
        before = list(user.viewer.layers)
        user.clicks(opened.trial.button)
        user.waits(lambda: not opened.trial.busy)
        return [layer for layer in user.viewer.layers if layer not in before]

    return press


def state_of(viewer: napari.Viewer) -> Any:
    layers = [(layer.name, layer.visible, np.array(layer.data)) for layer in viewer.layers]
    return [
        *((name, visible, data.sum()) for name, visible, data in layers),
        viewer.dims.point,
        viewer.dims.ndisplay,
        set(viewer.layers.selection),
    ]


def test_it_shows_the_region_in_several_ways(
    viewer: napari.Viewer, opened: Any, tries: Any, bead_layer: Image, psf: Image, told: Any
) -> None:
    layers = tries()
    assert [layer.name for layer in layers] == NAMES
    assert [layer.name for layer in viewer.layers if layer.visible] == NAMES
    trial = opened.trial.shown.trial
    expected = try_region(
        bead_layer.data,
        psf.data,
        trial.region,
        usual_settings(Deconvolve(iterations=4)),
        spacing=tuple(bead_layer.scale),
        device="numpy",
    )
    np.testing.assert_array_equal(layers[0].data, bead_layer.data[trial.region])
    for layer, attempt in zip(layers[1:], expected.attempts, strict=False):
        np.testing.assert_array_equal(layer.data, attempt.array)
    # In rows of two, the first where it lies in the image.
    corner = [part.start for part in trial.region]
    np.testing.assert_allclose(layers[0].data_to_world((0, 0, 0)), bead_layer.data_to_world(corner))
    low, high = (np.array([layer.extent.world[end][1:] for layer in layers[:4]]) for end in (0, 1))
    for left, right in ((0, 1), (2, 3)):
        assert high[left][1] < low[right][1]
        assert low[left][0] == low[right][0]
    assert high[0][0] < low[2][0]
    # None of them is an image to work on.
    assert not set(layers) & set(opened.image.choices)
    assert told.errors == []


def test_back_leaves_all_as_it_was(
    viewer: napari.Viewer, user: Any, opened: Any, tries: Any
) -> None:
    before = state_of(viewer)
    tries()
    assert opened.trial.back.text == "&Back"
    user.clicks(opened.trial.back)
    user.waits(lambda: not opened.trial.busy)
    assert state_of(viewer) == before
    # And there again, without a new run.
    user.clicks(opened.trial.back)
    user.waits(lambda: not opened.trial.busy)
    assert [layer.name for layer in viewer.layers if layer.visible] == NAMES


def test_the_next_trial_replaces_the_layers_of_the_last(
    viewer: napari.Viewer, opened: Any, tries: Any
) -> None:
    tries()
    count = len(viewer.layers)
    opened.total_variation.value = 0.01
    tries(MIDDLE)
    assert len(viewer.layers) == count
    assert "beads: 4 iterations, total variation 0.01" in viewer.layers
    assert len(opened.trial.use_buttons) == 3


def test_use_this_fills_in_the_fields(user: Any, opened: Any, tries: Any) -> None:
    opened.background.value = 20.0
    tries(MIDDLE)
    user.clicks(opened.trial.use_buttons[2])
    assert (opened.iterations.value, opened.total_variation.value) == (4, 0.005)
    user.clicks(opened.trial.use_buttons[0])
    assert (opened.iterations.value, opened.total_variation.value) == (0, 0)
    assert opened.iterations.native.text() == "automatic"
    assert opened.background.value == 20.0
    # A run is then what was seen.
    (layer,) = (one for one in user.runs(opened) if one.name == "beads deconvolved")
    trial = opened.trial.shown.trial
    seen = trial["automatic, background 20"].array
    part = layer.data[trial.region]
    assert np.linalg.norm(part - seen) < 1e-3 * np.linalg.norm(part)


def test_a_rectangle_and_the_view_are_regions(
    viewer: napari.Viewer, opened: Any, tries: Any, bead_layer: Image, user: Any
) -> None:
    low, high = (bead_layer.data_to_world((0, *corner))[1:] for corner in ((10, 20), (29, 59)))
    rectangle = np.array([low, (low[0], high[1]), high, (high[0], low[1])])
    shapes = viewer.add_shapes([rectangle], name="here", units=("micrometer",) * 2)
    (measured, *_) = tries("here")
    np.testing.assert_array_equal(measured.data, bead_layer.data[:, 10:30, 20:60])
    viewer.layers.remove(shapes)
    user.waits(lambda: not opened.trial.busy)
    user.clicks(opened.trial.button)
    assert "The layer 'here' is gone" in opened.trial.notice.text()
    (measured, *_) = tries(VIEW)
    assert measured.data.shape[0] == bead_layer.data.shape[0]


def test_the_view_s_region_is_what_is_shown(add_small: Callable[..., Image]) -> None:
    layer = add_small()
    layer.corner_pixels = np.array([[4, 6], [13, 20]])
    assert box_in_view(layer, layer.data.shape) == (slice(4, 14), slice(6, 21))


def test_the_view_of_several_resolutions_is_where_the_camera_looks(viewer: napari.Viewer) -> None:
    image = np.zeros((4000, 4000), np.float32)
    levels = [image[:: 2**n, :: 2**n] for n in range(4)]
    layer = viewer.add_image(levels, multiscale=True, scale=(0.1, 0.1), units=("micrometer",) * 2)
    assert isinstance(layer, Image)
    viewer.reset_view()
    assert layer.data_level > 0
    whole = box_in_view(layer, image.shape, viewer)
    middle = [(part.start + part.stop) / 2 for part in whole]
    np.testing.assert_allclose(middle, 2000, atol=2)
    camera_of(viewer).center = (0, 300, 90)
    moved = box_in_view(layer, image.shape, viewer)
    middle = [(part.start + part.stop) / 2 for part in moved]
    np.testing.assert_allclose(middle, (3000, 900), atol=2)
    assert [part.stop - part.start for part in moved] == [774, 774]


def test_a_trial_is_cancelled_and_adds_nothing(
    viewer: napari.Viewer, user: Any, opened: Any, gate: Any
) -> None:
    before = state_of(viewer)
    user.clicks(opened.trial.button)
    user.waits(lambda: gate.entered)
    assert not opened.trial.button.enabled
    user.clicks(opened.trial.cancel_button)
    assert opened.trial.status.text() == "cancelling"
    gate.open()
    user.waits(lambda: not opened.trial.busy)
    assert opened.trial.status.text() == "cancelled"
    assert opened.trial.button.enabled
    assert state_of(viewer) == before


def test_what_cannot_be_tried_is_said_there(
    user: Any, opened: Any, tries: Any, viewer: napari.Viewer, told: Any
) -> None:
    user.chooses(opened, psf=viewer.add_image(np.ones((5, 5)), name="plane"))
    assert tries() == []
    assert "The PSF has 2 axes, the image 3" in opened.trial.notice.text()
    assert opened.trial.status.text() == "not done"
    viewer.layers.clear()
    user.clicks(opened.trial.button)
    assert "No layer is chosen" in opened.trial.notice.text()


def test_a_closed_dock_takes_its_layers_along(
    viewer: napari.Viewer, opened: Any, tries: Any, psf: Image
) -> None:
    tries()
    viewer.window.remove_dock_widget("all")
    assert [layer.name for layer in viewer.layers] == ["beads", "psf"]
    assert psf.visible
