"""Thresholding that follows the hand."""

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels, Surface
from qtpy.QtCore import QPoint, Qt
from scipy.ndimage import binary_dilation

from napari_psf_distiller.stepwise.threshold import threshold_value
from napari_psf_distiller.widgets.threshold import overlay as threshold_overlay
from napari_psf_distiller.widgets.threshold import preview as threshold_preview
from napari_psf_distiller.widgets.threshold.overlay import Shown, ThresholdOverlay
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of

NAME = "Threshold"


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    # Nothing is done for a widget that nobody sees.
    return make_napari_viewer(show=True)


@pytest.fixture
def opened(user: Any) -> Callable[..., Any]:
    """Open the widget, and wait until it has looked at the image."""

    def open_widget(image: Image, **values: Any) -> Any:
        gui = user.opens(NAME, image=image)
        user.waits(lambda: gui.preview.summary.text() != "")
        return user.chooses(gui, **values)

    return open_widget


def preview_of(gui: Any) -> Image:
    layer = gui.preview.overlay.layer
    assert isinstance(layer, Image)
    return layer


def painted(layer: Image) -> np.ndarray:
    """Where the layer is not transparent, by its contrast limits and colormap."""
    low, high = layer.contrast_limits
    places = (layer.data.astype(np.float64) - low) / (high - low)
    colours = layer.colormap.map(places.clip(0, 1).ravel())
    return (colours[:, 3] > 0).reshape(layer.data.shape)


def other_layers(viewer: napari.Viewer, gui: Any) -> list[Any]:
    return [layer for layer in viewer.layers if layer is not gui.preview.overlay.layer]


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_the_overlay_is_what_the_step_takes(
    user: Any, viewer: napari.Viewer, opened: Any, add_small: Any, dtype: Any
) -> None:
    small = add_small().data
    viewer.layers.clear()
    source = viewer.add_image(small.astype(dtype), name="typed", scale=(0.2, 0.3))
    gui = opened(source, method="manual")
    for value in (0.5, 20, 33.3, 70):
        gui.value.value = value
        layer = preview_of(gui)
        assert layer.data is source.data
        np.testing.assert_array_equal(painted(layer), source.data > value)
    for method in ("otsu", "li", "triangle"):
        gui.method.value = method
        expected = source.data > threshold_value(source.data, method)
        np.testing.assert_array_equal(painted(preview_of(gui)), expected)
    assert layer.name == "typed threshold preview"
    np.testing.assert_array_equal(layer.scale, source.scale)
    # Its own layer is the user's choice still.
    assert viewer.layers.selection.active is source


def test_noise_and_local(user: Any, viewer: napari.Viewer, opened: Any, bead_layer: Image) -> None:
    gui = opened(bead_layer, factor=7.0)
    level = threshold_value(bead_layer.data, "noise", factor=7.0)
    np.testing.assert_array_equal(painted(preview_of(gui)), bead_layer.data > level)
    np.testing.assert_array_equal(preview_of(gui).translate, bead_layer.translate)
    gui.window.value = 2.0
    gui.method.value = "local"
    user.waits(lambda: gui.preview.summary.text() != "")
    gui.offset.value = 50.0
    shown = painted(preview_of(gui))
    (labels,) = user.runs(gui)
    # Rounding decides where a voxel is as bright as the threshold.
    assert np.mean(shown != labels.data.astype(bool)) < 1e-4


def test_the_number_of_objects_follows(user: Any, opened: Any, add_small: Any) -> None:
    source = add_small()
    gui = opened(source, method="manual")
    gui.value.value = 50.0
    percent = 100 * np.mean(source.data > 50)
    user.waits(lambda: gui.preview.summary.text() == f"1 object, {percent:.3g} % of the voxels")
    gui.value.value = float(source.data.max())
    user.waits(lambda: gui.preview.summary.text() == "Nothing is above the threshold.")
    gui.value.value = float(source.data.min())
    user.waits(lambda: "too many for beads" in gui.preview.summary.text())


def test_by_hand_it_goes_on_from_the_present_level(opened: Any, add_small: Any) -> None:
    source = add_small()
    gui = opened(source, method="otsu")
    gui.method.value = "manual"
    assert gui.value.value == pytest.approx(threshold_value(source.data, "otsu"))


def test_the_line_in_the_histogram_can_be_dragged(opened: Any, add_small: Any, qtbot: Any) -> None:
    source = add_small()
    gui = opened(source)
    histogram = gui.preview.histogram
    target = float(source.data.mean())
    place = QPoint(round(histogram.place_of(target)), histogram.height() // 2)
    qtbot.mousePress(histogram, Qt.MouseButton.LeftButton, pos=QPoint(place.x() + 30, place.y()))
    first = gui.value.value
    qtbot.mouseMove(histogram, place)
    qtbot.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=place)
    assert gui.method.value == "manual"
    assert gui.value.value < first
    span = float(np.ptp(source.data))
    assert gui.value.value == pytest.approx(target, abs=0.05 * span)
    np.testing.assert_array_equal(painted(preview_of(gui)), source.data > gui.value.value)
    before = gui.value.value
    qtbot.keyClick(histogram, Qt.Key.Key_Right)
    assert before < gui.value.value < before + 0.05 * span


def test_nothing_appears_before_the_first_change(viewer: napari.Viewer, opened: Any) -> None:
    source = viewer.add_image(np.random.default_rng(0).random((9, 10)))
    gui = opened(source)
    assert list(viewer.layers) == [source]
    gui.factor.value = 3.0
    assert list(viewer.layers) == [source, preview_of(gui)]
    gui.live.value = False
    gui.factor.value = 4.0
    assert list(viewer.layers) == [source]
    gui.live.value = True
    assert list(viewer.layers) == [source, preview_of(gui)]


def test_the_labels_take_its_place(
    user: Any, viewer: napari.Viewer, opened: Any, add_small: Any, told: Any
) -> None:
    source = add_small()
    gui = opened(source, method="otsu")
    old = preview_of(gui)
    user.clicks(gui.call_button)
    user.waits(lambda: not gui.runner.running)
    assert old not in viewer.layers
    first, labels = viewer.layers
    assert first is source
    assert isinstance(labels, Labels)
    # What fails leaves the preview where it is.
    user.chooses(gui, method="manual", value=gui.value.max)
    assert user.runs(gui) == []
    assert other_layers(viewer, gui) == [source, labels]
    assert preview_of(gui) in viewer.layers
    assert len(told.errors) == 1


def test_the_preview_is_no_image_to_choose(opened: Any, add_small: Any) -> None:
    source = add_small()
    gui = opened(source, factor=3.0)
    assert preview_of(gui) not in gui.image.choices
    assert gui.image.choices == (source,)


def test_what_the_user_deletes(
    user: Any, viewer: napari.Viewer, opened: Any, add_small: Any, told: Any
) -> None:
    source, other = add_small(), add_small("other")
    gui = opened(source, factor=3.0)
    viewer.layers.remove(preview_of(gui))
    user.waits(lambda: gui.preview.overlay.layer is None)
    assert list(viewer.layers) == [source, other]
    gui.factor.value = 4.0
    assert preview_of(gui) in viewer.layers
    viewer.layers.remove(source)
    user.waits(lambda: list(viewer.layers) == [other])
    user.waits(lambda: gui.preview.summary.text() != "")
    gui.factor.value = 5.0
    assert preview_of(gui).data is other.data
    viewer.layers.clear()
    user.waits(lambda: gui.preview.overlay.layer is None)
    assert told.errors == []


def test_another_image_and_new_data(
    user: Any, viewer: napari.Viewer, opened: Any, add_small: Any
) -> None:
    source, other = add_small(), add_small("other")
    gui = opened(source, factor=3.0)
    gui.image.value = other
    user.waits(lambda: gui.preview.overlay.image is other)
    assert other_layers(viewer, gui) == [source, other]
    other.data = other.data[::2] * 3
    user.waits(lambda: preview_of(gui).data is other.data)
    other.scale = (0.5, 0.7)
    user.waits(lambda: tuple(preview_of(gui).scale) == (0.5, 0.7))


def test_a_closed_widget_leaves_nothing(
    user: Any, viewer: napari.Viewer, opened: Any, add_small: Any, told: Any
) -> None:
    source = add_small()
    gui = opened(source, factor=3.0)
    user.closes(gui)
    assert list(viewer.layers) == [source]
    source.scale = (3, 3)
    assert told.errors == []


def test_what_cannot_be_thresholded_is_said_once(
    user: Any, viewer: napari.Viewer, told: Any
) -> None:
    rgb = viewer.add_image(np.random.default_rng(0).random((8, 8, 3)), rgb=True)
    gui = user.opens(NAME, image=rgb)
    user.waits(gui.preview.histogram.isVisible)
    assert told.errors == []
    for factor in (3.0, 4.0, 5.0):
        gui.factor.value = factor
    (error,) = told.errors
    assert "is an RGB picture" in error
    assert list(viewer.layers) == [rgb]


@pytest.fixture
def stood_in(
    user: Any,
    viewer: napari.Viewer,
    opened: Any,
    bead_layer: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A widget whose preview stands in for its image in 3D."""
    monkeypatch.setattr(threshold_overlay, "VOXELS_IN_3D", 10_000)
    gui = opened(bead_layer, factor=7.0)
    viewer.dims.ndisplay = 3
    user.waits(lambda: preview_of(gui).visible)
    assert not bead_layer.visible
    return gui


def test_a_large_image_in_3d_is_stood_in_for(
    stood_in: Any, viewer: napari.Viewer, bead_layer: Image
) -> None:
    gui = stood_in
    layer = preview_of(gui)
    assert layer.data.size <= 10_000
    assert layer.data.max() == bead_layer.data.max()
    assert not bead_layer.visible
    middle = (np.array(layer.data.shape) - 1) / 2
    expected = (np.array(bead_layer.data.shape) - 1) / 2
    block = np.array(layer.scale) / bead_layer.scale
    np.testing.assert_allclose(
        bead_layer.world_to_data(layer.data_to_world(middle)), expected, atol=block.max()
    )
    viewer.dims.ndisplay = 2
    assert layer.data is bead_layer.data
    assert bead_layer.visible
    viewer.dims.ndisplay = 3
    assert not bead_layer.visible
    gui.live.value = False
    assert bead_layer.visible
    assert list(viewer.layers) == [bead_layer]


def picture_of(viewer: napari.Viewer) -> Surface | None:
    """What is drawn in the place of the volume while the camera does not turn."""
    found = [layer for layer in viewer.layers if isinstance(layer, Surface) and layer.visible]
    return found[0] if found else None


def blue(viewer: napari.Viewer) -> np.ndarray:
    shot = viewer.screenshot(canvas_only=True, flash=False).astype(int)
    return shot[..., 2] - shot[..., 0] > 40


@pytest.mark.parametrize("angles", [(0, 0, 90), (20, -50, 70), (80, 10, 30)])
def test_in_3d_a_picture_of_the_volume_follows_the_hand(
    user: Any, viewer: napari.Viewer, stood_in: Any, angles: tuple[float, float, float]
) -> None:
    camera = camera_of(viewer)
    user.waits(lambda: picture_of(viewer) is not None)
    camera.angles = angles
    volume = preview_of(stood_in)
    assert volume.visible
    assert picture_of(viewer) is None
    expected = blue(viewer)
    user.waits(lambda: picture_of(viewer) is not None)
    assert not volume.visible
    seen = blue(viewer)
    assert expected.sum() > 100
    # The camera casts its own rays, and the blocks of the volume reach beyond the image.
    assert np.mean(~binary_dilation(expected, iterations=4)[seen]) < 0.01
    assert np.mean(~binary_dilation(seen, iterations=4)[expected]) < 0.05
    stood_in.factor.value = 30.0
    fewer = blue(viewer)
    assert 0 < fewer.sum() < seen.sum()
    assert not np.any(fewer & ~seen)
    # The same threshold of the volume itself.
    camera.perspective = 1
    assert volume.visible
    assert np.mean(~binary_dilation(fewer, iterations=8)[blue(viewer)]) < 0.05


def test_the_picture_leaves_the_view_as_it_is(
    user: Any, viewer: napari.Viewer, stood_in: Any, bead_layer: Image
) -> None:
    before = viewer.dims.range
    user.waits(lambda: picture_of(viewer) is not None)
    assert viewer.dims.range == before
    assert viewer.layers.selection.active is bead_layer
    assert picture_of(viewer) not in stood_in.image.choices
    viewer.dims.ndisplay = 2
    assert list(viewer.layers) == [bead_layer, preview_of(stood_in)]
    assert preview_of(stood_in).visible
    viewer.dims.ndisplay = 3
    user.waits(lambda: picture_of(viewer) is not None)
    viewer.layers.remove(picture_of(viewer))
    user.waits(lambda: list(viewer.layers) == [bead_layer])


def test_a_hidden_preview_stays_hidden(
    user: Any, viewer: napari.Viewer, stood_in: Any, bead_layer: Image
) -> None:
    user.waits(lambda: picture_of(viewer) is not None)
    picture_of(viewer).visible = False
    camera_of(viewer).angles = (10, 20, 30)
    stood_in.factor.value = 9.0
    assert not preview_of(stood_in).visible


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 3.7, -1024.0, 65536.0, 1e-20])
def test_the_next_number_above_the_level_is_taken(viewer: napari.Viewer, level: float) -> None:
    level = float(np.float32(level))
    higher, lower = (np.nextafter(np.float32(level), np.float32(end)) for end in (1e9, -1e9))
    if level == 0:
        higher, lower = np.float32(1e-25), np.float32(-1e-25)
    data = np.array([[level, higher, lower], [1, level + 1e5, level - 1e5]], np.float32)
    source = viewer.add_image(data)
    overlay = ThresholdOverlay(lambda: None, lambda _: None)
    overlay.show(viewer, Shown(source, data, data.min(), data.max(), {"scale": (1, 1)}), 5e4)
    assert overlay.layer is not None
    sliced: list[Any] = []
    overlay.layer.events.set_data.connect(sliced.append)
    overlay.set_level(level)
    np.testing.assert_array_equal(painted(overlay.layer), data > level)
    # napari did not work out anew what it draws.
    assert sliced == []
    overlay.remove()


@pytest.mark.parametrize("end", ["image", "preview", "all", "widget", "viewer", "2D"])
def test_the_image_is_never_left_hidden(
    user: Any, viewer: napari.Viewer, stood_in: Any, bead_layer: Image, told: Any, end: str
) -> None:
    ends = {
        "image": lambda: viewer.layers.remove(bead_layer),
        "preview": lambda: viewer.layers.remove(preview_of(stood_in)),
        "all": viewer.layers.clear,
        "widget": lambda: user.closes(stood_in),
        "viewer": viewer.close,
        "2D": lambda: setattr(viewer.dims, "ndisplay", 2),
    }
    ends[end]()
    user.waits(lambda: bead_layer.visible)
    assert told.errors == []


@pytest.mark.parametrize("error", [MemoryError(), ValueError("odd axes")])
def test_what_fails_in_3d_leaves_the_image_shown(
    user: Any,
    viewer: napari.Viewer,
    opened: Any,
    bead_layer: Image,
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(threshold_overlay, "VOXELS_IN_3D", 10_000)
    monkeypatch.setattr(threshold_overlay, "reduce_by_maximum", fail)
    gui = opened(bead_layer, factor=7.0)
    viewer.dims.ndisplay = 3
    user.waits(lambda: told.errors != [])
    assert bead_layer.visible
    assert list(viewer.layers) == [bead_layer]
    (sentence,) = told.errors
    assert "memory" in sentence or "cannot be drawn in 3D: odd axes." in sentence
    assert not gui.preview.overlay.layer


def test_what_fails_unexpectedly_is_said_and_the_next_change_counts(
    user: Any,
    opened: Any,
    add_small: Any,
    told: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("broken")

    gui = opened(add_small(), method="manual")
    with monkeypatch.context() as patch, qtbot.capture_exceptions() as exceptions:
        patch.setattr(threshold_preview, "count_objects", fail)
        gui.value.value = 50.0
        user.waits(lambda: told.errors != [])
    # Whoever mends it gets the traceback all the same.
    assert "broken" in str(exceptions[0][1])
    assert told.errors == ["Threshold: It failed unexpectedly: broken"]
    gui.value.value = 60.0
    user.waits(lambda: "1 object" in gui.preview.summary.text())


def test_another_time_point_gets_its_own_threshold(
    user: Any, viewer: napari.Viewer, opened: Any, add_small: Any
) -> None:
    frame = add_small().data
    viewer.layers.clear()
    series = np.stack([frame, 2 * frame + 7])
    source = viewer.add_image(series, axis_labels=("t", "y", "x"), name="series")
    viewer.dims.set_current_step(0, 0)
    gui = opened(source, method="otsu")
    np.testing.assert_array_equal(preview_of(gui).data, series[0])
    viewer.dims.set_current_step(0, 1)
    user.waits(lambda: np.array_equal(preview_of(gui).data, series[1]))
    expected = series[1] > threshold_value(series[1], "otsu")
    user.waits(lambda: np.array_equal(painted(preview_of(gui)), expected))
