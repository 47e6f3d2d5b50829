"""The inspector at a place of the field: the mean, typed, clicked, under the cursor; in 3D."""

import dataclasses
import functools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from joint_fields import APERTURE, INDEX, WAVELENGTH
from napari.layers import Image, Layer
from napari.qt import QtViewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication
from varying_psfs import EXTENT, IMAGE_SHAPE, SPACING, changing_with_depth, varying_psf

from napari_psf_distiller import PSF, Optics, Recipe, read_psf
from napari_psf_distiller.psf.field import Depth
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.inspect.field_place import FieldPlace
from napari_psf_distiller.widgets.layers.lineage import root_of
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, RunNote

LEFT = Qt.MouseButton.LeftButton
PIXEL = 0.1


@functools.cache
def widening_psf() -> PSF:
    """Return a PSF that changes its width along y, with errors."""
    errors = np.array([1e-5, 2e-5], np.float32).reshape(2, 1, 1, 1) * np.ones((15, 25, 25))
    psf = varying_psf(
        [(lambda y, _: -0.4 * y, 0)],
        errors=errors.astype(np.float32),
        width_errors=np.array([[0.004, 0.002, 0.003], [0.008, 0.004, 0.006]]),
    )
    optics = Optics(APERTURE, WAVELENGTH, INDEX)
    recipe = Recipe(spacing=psf.spacing, optics=optics)
    return dataclasses.replace(psf, error=errors[0], recipe=recipe)


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    """A viewer that shows: elsewhere the mouse has no place in the world."""
    return make_napari_viewer(show=True)


@pytest.fixture
def varying(viewer: napari.Viewer) -> Image:
    """The layer of a PSF that changes along y."""
    psf = widening_psf()
    note = LayerNote(StepId.OPEN, psf.recipe, "psf", psf=psf)
    return viewer.add_image(
        psf.array,
        name="varying",
        scale=psf.spacing,
        units=("micrometer",) * 3,
        metadata={METADATA_KEY: note},
    )


@pytest.fixture
def bead_image(viewer: napari.Viewer, varying: Image) -> Image:
    """The bead image of that PSF, with an offset, in the middle of the view."""
    layer = viewer.add_image(
        np.random.default_rng(1).random((9, *IMAGE_SHAPE), np.float32),
        name="beads",
        scale=varying.scale,
        units=varying.units,
        translate=(0.0, 3.0, -5.0),
    )
    middle = np.mean(layer.extent.world, axis=0)
    camera = getattr(viewer, "scene", viewer).camera
    camera.center, camera.zoom = tuple(middle), 40.0
    return layer


@pytest.fixture
def mouse(viewer: napari.Viewer, qtbot: QtBot) -> "Mouse":
    return Mouse(viewer, qtbot)


class Mouse:
    """The mouse over the canvas of a viewer."""

    def __init__(self, viewer: napari.Viewer, qtbot: QtBot) -> None:
        self._viewer, self._qtbot = viewer, qtbot
        shown = next(w for w in QApplication.allWidgets() if isinstance(w, QtViewer))
        self._canvas = shown.canvas.native

    def moves(self, x: int, y: int) -> None:
        """Move it to a pixel of the canvas, counted from its middle."""
        before = self._viewer.cursor.position

        def has_moved() -> bool:
            # What comes too soon after another one is left out.
            self._sends(QEvent.Type.MouseMove, x, y, Qt.MouseButton.NoButton)
            return bool(self._viewer.cursor.position != before)

        self._qtbot.waitUntil(has_moved)

    def clicks(self, x: int, y: int, *, drag: int = 0) -> None:
        """Press and release it, by some pixels farther on."""
        self._sends(QEvent.Type.MouseButtonPress, x, y, LEFT)
        if drag:
            self._sends(QEvent.Type.MouseMove, x + drag, y, LEFT)
        self._sends(QEvent.Type.MouseButtonRelease, x + drag, y, LEFT)

    def place_in(self, layer: Layer) -> tuple[float, float]:
        """Return y and x of where it is, in a layer's voxels."""
        y, x = layer.world_to_data(self._viewer.cursor.position)[-2:]
        return float(y), float(x)

    def _sends(self, kind: QEvent.Type, x: int, y: int, button: Qt.MouseButton) -> None:
        x, y = x + self._canvas.width() // 2, y + self._canvas.height() // 2
        place = QPointF(x, y)
        pressed = button if kind != QEvent.Type.MouseButtonRelease else Qt.MouseButton.NoButton
        event = QMouseEvent(
            kind,
            place,
            QPointF(self._canvas.mapToGlobal(QPoint(x, y))),
            button,
            pressed,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self._canvas, event)


def drawn(user: Any, gui: Any) -> Any:
    """Return the first picture that is shown, when all that was asked for is drawn."""
    user.waits(lambda: not gui.inspector.busy)
    return gui.inspector.picture.figure.axes[0].images[0].get_array()


def said(gui: Any) -> str:
    return str(gui.inspector.place.said.text())


def at(y: float, x: float) -> np.ndarray:
    """Return the largest values along z of the PSF at a place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return widening_psf().at(y, x).array.max(axis=0)


def typed(qtbot: QtBot, box: Any, text: str) -> None:
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def test_it_begins_with_the_mean_and_says_so(user: Any, varying: Image, opens: Any) -> None:
    gui = opens()
    np.testing.assert_array_equal(drawn(user, gui), varying.data.max(axis=0))
    assert said(gui) == "the mean over the field"
    assert not gui.inspector.place.mean.isEnabled()


def test_a_psf_that_is_one_has_no_place(user: Any, psf: Image, varying: Image, opens: Any) -> None:
    gui = opens(psf=psf)
    place = gui.inspector.place
    assert place.isHidden()
    gui.psf.value = varying
    drawn(user, gui)
    assert not place.isHidden()
    # What was edited is not what was fitted.
    varying.data = 2 * varying.data
    drawn(user, gui)
    assert place.isHidden()


def test_typed(user: Any, varying: Image, opens: Any, qtbot: QtBot, told: Any) -> None:
    gui = opens()
    place = gui.inspector.place
    typed(qtbot, place.y_field, "1.20")
    typed(qtbot, place.x_field, "1.00")
    np.testing.assert_array_equal(drawn(user, gui), at(1.2 / PIXEL, 1.0 / PIXEL))
    assert said(gui) == "at y 1.20, x 1.00 µm"
    # Beyond the outermost beads, and no farther than the image.
    last = (IMAGE_SHAPE[0] - 1) * PIXEL
    typed(qtbot, place.y_field, "99")
    assert place.place[:2] == pytest.approx((1.2 / PIXEL, 1.0 / PIXEL))
    assert place.note.text() == "The bead image ends at y 3.90, x 3.90 µm; type a place in it."
    typed(qtbot, place.y_field, f"{last:.2f}")
    np.testing.assert_array_equal(drawn(user, gui), at(last / PIXEL, 1.0 / PIXEL))
    assert last / PIXEL > EXTENT[0][1]
    assert place.note.text() == "Beyond the outermost beads: extrapolated."
    assert told.warnings == told.errors == []
    qtbot.mouseClick(place.mean, LEFT)
    np.testing.assert_array_equal(drawn(user, gui), varying.data.max(axis=0))


def test_of_a_psf_that_changes_with_depth_the_plane_counts(
    user: Any,
    viewer: napari.Viewer,
    varying: Image,
    bead_image: Image,
    opens: Any,
    mouse: Mouse,
    qtbot: QtBot,
) -> None:
    gui = opens(psf=varying)
    place = gui.inspector.place
    assert place.z_field.isHidden()
    psf = widening_psf()
    assert psf.model is not None
    depth = Depth((1.0, 7.0), 9, SPACING[0])
    deep = dataclasses.replace(psf, model=changing_with_depth(psf.model, 0.4, depth), error=None)
    note = LayerNote(StepId.OPEN, psf.recipe, "psf", psf=deep)
    layer = viewer.add_image(
        deep.array,
        name="deep",
        scale=psf.spacing,
        units=varying.units,
        visible=False,
        metadata={METADATA_KEY: note},
    )
    gui.psf.value = layer
    drawn(user, gui)
    assert not place.z_field.isHidden()
    # A click is in the plane that the slider shows.
    viewer.dims.set_point(0, 2 * SPACING[0])
    mouse.clicks(20, -30)
    shown = drawn(user, gui)
    y, x, z = place.place
    assert z == pytest.approx(2)
    assert said(gui).startswith("at z 0.60, y ")
    np.testing.assert_array_equal(shown, deep.at(y, x, z).array.max(axis=0))
    typed(qtbot, place.z_field, "1.80")
    np.testing.assert_array_equal(drawn(user, gui), deep.at(*place.place).array.max(axis=0))
    assert place.place.z == pytest.approx(6)
    typed(qtbot, place.z_field, "99")
    assert place.note.text().startswith("The bead image ends at z 2.40, y 3.90")


def test_all_tabs_are_of_the_place(
    user: Any, varying: Image, opens: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    gui = opens()
    mean = gui.inspector.numbers.text()
    typed(qtbot, gui.inspector.place.y_field, "1.20")
    drawn(user, gui)
    assert gui.inspector.numbers.text() != mean
    gui.inspector.tab = "Profiles"
    user.waits(lambda: not gui.inspector.busy)
    gui.inspector.save_to(tmp_path / "profiles.csv")
    user.waits(lambda: not gui.inspector.busy)
    table = pd.read_csv(tmp_path / "profiles.csv")
    along_y = table[table["axis"] == "y"]
    place = gui.inspector.place.place
    here = widening_psf().at(*place)
    middle = tuple(n // 2 for n in here.shape)
    np.testing.assert_allclose(along_y["value"], here.array[middle[0], :, middle[2]], rtol=1e-6)
    np.testing.assert_allclose(
        along_y["standard_error"], here.error[middle[0], :, middle[2]], rtol=1e-6
    )
    # Beside the mean of the same layer.
    gui.inspector.tab = "Compare"
    gui.other.value = varying
    user.waits(lambda: not gui.inspector.busy)
    figure = gui.inspector.picture.figure
    written = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    (difference,) = re.findall(r"relative L2 difference ([0-9.]+)", written)
    assert float(difference) > 0.1
    gui.inspector.tab = "Progress"
    assert gui.inspector.place.isHidden()
    gui.inspector.tab = "Image"
    np.testing.assert_array_equal(drawn(user, gui), here.array.max(axis=0))


def test_widths_are_known_less_well_at_the_side(
    user: Any, varying: Image, opens: Any, qtbot: QtBot
) -> None:
    gui = opens()

    def errors() -> list[str]:
        user.waits(lambda: not gui.inspector.busy)
        text = gui.inspector.numbers.text().replace("&nbsp;", " ")
        return re.findall(r"± ([0-9.]+) nm", text)

    # Of the mean nothing is said here, as the layer's note does not.
    assert errors() == []
    gui.inspector.place.choose(FieldPlace(*np.mean(EXTENT, axis=1)))
    assert [float(error) for error in errors()] == [4, 2, 3]
    typed(qtbot, gui.inspector.place.y_field, f"{EXTENT[0][1] * PIXEL:.2f}")
    # There the polynomial of y is the root of 3, and the PSF falls about as steeply.
    expected = np.sqrt(1 + 3 * 2**2) * np.array([4, 2, 3])
    assert [float(error) for error in errors()] == pytest.approx(expected, rel=0.3)


def test_a_click_in_the_bead_image(
    user: Any, viewer: napari.Viewer, bead_image: Image, opens: Any, mouse: Mouse
) -> None:
    gui = opens()
    before = [(layer.name, layer.data) for layer in viewer.layers]
    mouse.clicks(20, -30)
    y, x = mouse.place_in(bead_image)
    assert all(0 <= value < n for value, n in zip((y, x), IMAGE_SHAPE, strict=True))
    assert gui.inspector.place.place[:2] == pytest.approx((y, x))
    np.testing.assert_array_equal(drawn(user, gui), at(y, x))
    assert said(gui).startswith(f"at y {y * PIXEL:.2f}, x {x * PIXEL:.2f} µm")
    # Who moves the view does not mean a place; beside the image there is none.
    mouse.clicks(20, -30, drag=20)
    mouse.clicks(-190, 0)
    assert gui.inspector.place.place[:2] == pytest.approx((y, x))
    assert [(layer.name, layer.data) for layer in viewer.layers] == before


def test_a_click_that_draws_is_none_at_a_place(
    viewer: napari.Viewer, bead_image: Image, opens: Any, mouse: Mouse
) -> None:
    gui = opens()
    points = viewer.add_points(np.zeros((0, 3)), scale=bead_image.scale, units=bead_image.units)
    points.mode = "add"
    mouse.clicks(20, -30)
    assert len(points.data) == 1
    assert gui.inspector.place.place is None
    points.mode = "select"
    mouse.clicks(20, -30)
    assert gui.inspector.place.place is not None


def test_a_click_without_an_image_of_the_field(
    user: Any, viewer: napari.Viewer, varying: Image, opens: Any, mouse: Mouse
) -> None:
    viewer.add_image(np.zeros((30, 30)), scale=varying.scale[1:], units=varying.units[1:])
    # As many pixels, but of another size.
    coarse = tuple(2 * size for size in varying.scale[1:])
    viewer.add_image(np.zeros(IMAGE_SHAPE), scale=coarse, units=varying.units[1:])
    gui = opens(psf=varying)
    mouse.clicks(20, -30)
    assert gui.inspector.place.place is None
    note = gui.inspector.place.note.text()
    assert note.startswith("No image in the viewer has the bead image's 40 x 40 pixels")
    gui.inspector.place.note.clear()
    mouse.moves(10, 10)
    assert gui.inspector.place.note.text() == ""
    gui.inspector.place.follow.setChecked(True)
    mouse.moves(20, 10)
    assert gui.inspector.place.note.text() == note
    gui.inspector.place.follow.setChecked(False)
    # A series in time of the same field, whatever is chosen.
    series = viewer.add_image(
        np.zeros((2, *IMAGE_SHAPE)), axis_labels=("t", "y", "x"), scale=(1, *varying.scale[1:])
    )
    viewer.layers.selection.active = varying
    mouse.clicks(20, -30)
    assert gui.inspector.place.place[:2] == pytest.approx(mouse.place_in(series))
    drawn(user, gui)


def test_the_image_that_it_is_from_tells_the_place_however_it_is_drawn(
    user: Any, viewer: napari.Viewer, varying: Image, bead_image: Image, opens: Any, mouse: Mouse
) -> None:
    other = viewer.add_image(
        np.zeros(IMAGE_SHAPE), scale=varying.scale[1:], units=varying.units[1:], opacity=0.5
    )
    note = varying.metadata[METADATA_KEY]
    run = RunNote(id="one", time=1.0, parameters={}, inputs={}, root=root_of(bead_image))
    varying.metadata = {METADATA_KEY: dataclasses.replace(note, run=run)}
    # Its voxel size was typed when the PSF was distilled.
    bead_image.scale = tuple(1.1 * size for size in varying.scale)
    gui = opens(psf=varying)
    mouse.clicks(20, -30)
    assert gui.inspector.place.place[:2] == pytest.approx(mouse.place_in(bead_image))
    assert gui.inspector.place.place[:2] != pytest.approx(mouse.place_in(other))
    drawn(user, gui)


def test_it_follows_the_cursor_until_a_click_keeps_the_place(
    user: Any, bead_image: Image, opens: Any, mouse: Mouse, qtbot: QtBot
) -> None:
    gui = opens()
    place = gui.inspector.place
    mouse.moves(20, -30)
    assert place.place is None
    qtbot.mouseClick(place.follow, LEFT, pos=QPoint(8, place.follow.height() // 2))
    assert place.follow.isChecked()
    seen = []
    for x in (-30, -20, 10):
        mouse.moves(x, 40)
        seen.append(mouse.place_in(bead_image))
        assert place.place[:2] == pytest.approx(seen[-1])
    np.testing.assert_allclose(drawn(user, gui), at(*seen[-1]), rtol=1e-5, atol=1e-9)
    assert said(gui).endswith("under the cursor")
    # Whoever goes to the check box comes back to what was chosen before.
    place.follow.setChecked(False)
    assert place.place is None
    place.follow.setChecked(True)
    mouse.clicks(5, 50)
    kept = mouse.place_in(bead_image)
    mouse.moves(0, 0)
    assert not place.follow.isChecked()
    assert place.place[:2] == pytest.approx(kept)
    np.testing.assert_array_equal(drawn(user, gui), at(*kept))


def test_in_3d_a_layer_of_its_own_shows_the_place_until_one_goes_back(
    user: Any, viewer: napari.Viewer, varying: Image, bead_image: Image, opens: Any, qtbot: QtBot
) -> None:
    gui = opens()
    place, button = gui.inspector.place, gui.inspector.view_3d
    typed(qtbot, place.y_field, "1.20")
    layers, looks = list(viewer.layers), varying.data.copy()
    user.clicks(button)
    drawn(user, gui)
    assert viewer.dims.ndisplay == 3
    (shown,) = [layer for layer in viewer.layers if layer.visible]
    assert shown not in layers
    assert shown not in gui.psf.choices
    assert shown.name == f"varying at {said(gui).removeprefix('at ')}"
    np.testing.assert_array_equal(shown.data.max(axis=0), at(*place.place[:2]))
    np.testing.assert_array_equal(shown.scale, varying.scale)
    typed(qtbot, place.y_field, "1.00")
    drawn(user, gui)
    np.testing.assert_array_equal(shown.data.max(axis=0), at(*place.place[:2]))
    user.clicks(button)
    assert list(viewer.layers) == layers
    assert all(layer.visible for layer in layers)
    np.testing.assert_array_equal(varying.data, looks)


def test_closed_it_does_not_look_for_clicks(
    user: Any, viewer: napari.Viewer, bead_image: Image, opens: Any, mouse: Mouse
) -> None:
    listening = len(viewer.mouse_drag_callbacks), len(viewer.mouse_move_callbacks)
    gui = opens()
    assert len(viewer.mouse_drag_callbacks) == listening[0] + 1
    user.closes(gui)
    assert (len(viewer.mouse_drag_callbacks), len(viewer.mouse_move_callbacks)) == listening
    mouse.clicks(20, -30)
    assert gui.inspector.place.place is None


@pytest.mark.parametrize(
    ("name", "reader"), [("some.psf.tif", "napari-psf-distiller"), ("psf.tif", "napari")]
)
def test_one_that_is_read_from_a_file_has_its_places(
    user: Any,
    viewer: napari.Viewer,
    opens: Any,
    tmp_path: Path,
    qtbot: QtBot,
    name: str,
    reader: str,
) -> None:
    path = tmp_path / name
    widening_psf().save(path)
    viewer.open(path, plugin=reader)
    gui = opens()
    typed(qtbot, gui.inspector.place.y_field, "1.20")
    place = gui.inspector.place.place
    np.testing.assert_array_equal(drawn(user, gui), read_psf(path).at(*place).array.max(axis=0))
