"""The inspector's tab with the maps of a PSF over the field of view."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from varying_psfs import IMAGE_SHAPE, SPACING, varying_psf

from napari_psf_distiller import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import FITTED_BEADS
from napari_psf_distiller.widgets.layers.lineage import root_of
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote, RunNote

NAME = "Inspect PSF"
LEFT = Qt.MouseButton.LeftButton

# Wider from the first row on to the last, and coma that grows along x.
PSF = varying_psf([(lambda y, _: -0.4 * y, 0), (lambda _, x: 0.3 * x, 1)])
MICROMETRES = {"scale": SPACING, "units": ("micrometer",) * 3}


@pytest.fixture
def image(viewer: napari.Viewer) -> Image:
    return viewer.add_image(np.zeros((9, *IMAGE_SHAPE)), name="image", **MICROMETRES)


@pytest.fixture
def distilled(viewer: napari.Viewer, image: Image) -> Image:
    """The PSF's layer, as it was distilled from the image."""
    return viewer.add_image(
        PSF.array,
        name="distilled",
        metadata={
            METADATA_KEY: LayerNote(StepId.DISTILL, Recipe(), "image", psf=PSF, run=run(image))
        },
        **MICROMETRES,
    )


def run(image: Image) -> RunNote:
    return RunNote(id="one", time=1.0, parameters={}, inputs={}, root=root_of(image))


@pytest.fixture
def opens(user: Any) -> Callable[..., Any]:
    """Open the inspector on its tab Maps, and wait for the map."""

    def opened(**values: Any) -> Any:
        gui = user.opens(NAME, **values)
        gui.inspector.tab = "Maps"
        user.waits(lambda: not gui.inspector.busy)
        return gui

    return opened


def shown(gui: Any) -> Any:
    """Return the axes of the map."""
    return gui.inspector.picture.figure.axes[0]


def test_the_maps_one_at_a_time(user: Any, distilled: Image, opens: Any, qtbot: QtBot) -> None:
    gui = opens(psf=distilled)
    maps = PSF.field_maps()
    choice = gui.inspector.maps_tab.choice
    offered = [choice.itemText(n) for n in range(choice.count())]
    assert offered[:3] == ["FWHM along z", "FWHM along y", "FWHM along x"]
    assert "coma" in offered
    assert choice.currentText() == "FWHM along z"
    qtbot.keyClick(choice, Qt.Key.Key_Down)
    user.waits(lambda: not gui.inspector.busy)
    np.testing.assert_allclose(
        shown(gui).images[0].get_array(), 1000 * maps.widths["y"].values, rtol=1e-5
    )
    assert gui.inspector.numbers.text() == "<br>".join(maps.sentences())
    # In another tab and back, the same one.
    gui.inspector.tab = "Image"
    assert choice.isHidden()
    gui.inspector.tab = "Maps"
    user.waits(lambda: not gui.inspector.busy)
    assert choice.currentText() == "FWHM along y"


def test_a_click_on_a_map_chooses_the_place(
    user: Any, distilled: Image, opens: Any, qtbot: QtBot
) -> None:
    gui = opens(psf=distilled)
    picture, place = gui.inspector.picture, gui.inspector.place
    axes = shown(gui)
    y, x = 30.0, 10.0
    left, up = axes.transData.transform((x * SPACING[2], y * SPACING[1]))
    ratio = picture.figure.bbox.width / picture.width()
    spot = QPoint(round(left / ratio), round(picture.height() - up / ratio))
    qtbot.mouseClick(picture, LEFT, pos=spot)
    voxel = IMAGE_SHAPE[0] * ratio / axes.bbox.width
    assert place.place[:2] == pytest.approx((y, x), abs=voxel)
    user.waits(lambda: not gui.inspector.busy)
    # It is marked, and the tabs are of the place.
    marked = [tuple(one.get_offsets()[0]) for one in shown(gui).collections]
    here = (place.place.x * SPACING[2], place.place.y * SPACING[1])
    assert pytest.approx(here) in marked
    gui.inspector.tab = "Image"
    user.waits(lambda: not gui.inspector.busy)
    found = shown(gui).images[0].get_array()
    np.testing.assert_array_equal(found, PSF.at(*place.place).array.max(axis=0))
    # There a click means nothing, nor does one beside the map.
    before = place.place
    qtbot.mouseClick(picture, LEFT, pos=QPoint(picture.width() // 2, picture.height() // 2))
    gui.inspector.tab = "Maps"
    user.waits(lambda: not gui.inspector.busy)
    qtbot.mouseClick(picture, LEFT, pos=QPoint(2, 2))
    assert place.place == before


def test_the_beads_that_it_is_from_lie_on_it(
    user: Any, viewer: napari.Viewer, image: Image, distilled: Image, opens: Any
) -> None:
    places = np.array([[4.0, 10, 10], [4, 30, 12], [5, 20, 30]])
    note = LayerNote(StepId.DISTILL, Recipe(), "image", part=FITTED_BEADS, run=run(image))
    viewer.add_points(
        places,
        features={"used": [True, True, False]},
        metadata={METADATA_KEY: note},
        **MICROMETRES,
    )
    gui = opens(psf=distilled)
    (beads,) = (one for one in shown(gui).collections if len(one.get_offsets()) == 2)
    expected = places[:2, :0:-1] * SPACING[1]
    np.testing.assert_allclose(beads.get_offsets(), expected)


def test_a_psf_that_is_one_has_no_maps(user: Any, psf: Image, opens: Any, told: Any) -> None:
    gui = opens(psf=psf)
    assert "the same everywhere" in gui.inspector.picture.sentence
    assert not gui.inspector.maps_tab.choice.isEnabled()
    assert told.errors == []


def test_why_there_are_none_is_said_in_their_place(
    user: Any, viewer: napari.Viewer, image: Image, distilled: Image, opens: Any, told: Any
) -> None:
    note = LayerNote(StepId.DISTILL, Recipe(), "image", part=FITTED_BEADS, run=run(image))
    beside = np.array([[4.0, 10, 10], [4, 30, 5000]])
    viewer.add_points(
        beside, features={"used": [True, True]}, metadata={METADATA_KEY: note}, **MICROMETRES
    )
    gui = opens(psf=distilled)
    assert "The beads are not those of the PSF" in gui.inspector.picture.sentence
    gui.inspector.tab = "Image"
    user.waits(lambda: not gui.inspector.busy)
    assert gui.inspector.picture.figure is not None
    assert told.errors == []


def test_they_are_saved_as_a_picture_and_as_a_table(
    user: Any, distilled: Image, opens: Any, tmp_path: Path
) -> None:
    gui = opens(psf=distilled)
    for name in ("field.csv", "field.png"):
        gui.inspector.save_to(tmp_path / name)
        user.waits(lambda: not gui.inspector.busy)
    table = pd.read_csv(tmp_path / "field.csv")
    assert len(table) == 81
    assert {"fwhm_y_um", "coma_degrees"} <= set(table.columns)
    assert (tmp_path / "field.png").stat().st_size > 1000


def test_they_become_layers_on_the_bead_image(
    user: Any, viewer: napari.Viewer, image: Image, distilled: Image, opens: Any, told: Any
) -> None:
    gui = opens(psf=distilled)
    button = gui.inspector.maps_tab.as_layers
    before = list(viewer.layers)
    button.native.click()
    added = {layer.name: layer for layer in viewer.layers if layer not in before}
    assert {"FWHM y (nm)", "coma (%)", "coma, direction"} <= set(added)
    maps = PSF.field_maps()
    width = added["FWHM y (nm)"]
    np.testing.assert_allclose(width.data, 1000 * maps.widths["y"].values, rtol=1e-5)
    place = image.data_to_world((0, maps.rows[2], maps.columns[5]))[1:]
    np.testing.assert_allclose(width.data_to_world((2, 5)), place)
    # They are not of another tab, nor of a PSF that is one.
    gui.inspector.tab = "Image"
    assert button.native.isHidden()
    assert told.errors == []


def test_of_a_psf_that_is_one_there_are_no_layers(user: Any, psf: Image, opens: Any) -> None:
    gui = opens(psf=psf)
    assert not gui.inspector.maps_tab.as_layers.enabled
