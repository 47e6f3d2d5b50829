from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Points
from qtpy.QtWidgets import QFileDialog

from napari_psf_distiller import Deconvolve, SimulatedBeads
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.measure.proof import background_of, prove
from napari_psf_distiller.measure.structure import Structure
from napari_psf_distiller.progress import finish
from napari_psf_distiller.widgets.layers.note import METADATA_KEY
from napari_psf_distiller.widgets.prove.panel import structure_text

NAME = "Prove PSF"
QUICK = {"iterations": 3, "device": "numpy"}
PANES = [
    "beads: raw beads",
    "beads: deconvolved beads",
    "beads: raw beads, xz",
    "beads: deconvolved beads, xz",
    "beads: headings",
]


@pytest.fixture
def psf(viewer: napari.Viewer, field: SimulatedBeads, bead_layer: Image) -> Image:
    middle = tuple(slice(n // 2 - 6, n // 2 + 7) for n in field.psf.shape)
    return viewer.add_image(
        field.psf[middle].astype(np.float32),
        name="psf",
        scale=field.spacing,
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
    )


@pytest.fixture
def points(viewer: napari.Viewer, field: SimulatedBeads, bead_layer: Image) -> Points:
    return viewer.add_points(
        field.centres,
        name="centres",
        scale=bead_layer.scale,
        translate=bead_layer.translate,
        units=bead_layer.units,
        axis_labels=bead_layer.axis_labels,
        features=pd.DataFrame({"used": True, "chi_squared": 1.0}, index=range(8)),
    )


@pytest.fixture
def proven(user: Any, bead_layer: Image, psf: Image, points: Points) -> Callable[..., Any]:
    """Open the widget and run it to its view; return it."""

    def prove(**values: Any) -> Any:
        layers = {"image": bead_layer, "psf": psf, "beads": points}
        gui = user.opens(NAME, **(layers | QUICK | values))
        user.clicks(gui.call_button)
        user.waits(lambda: not gui.runner.running and not gui.panel.busy)
        return gui

    return prove


def grid_of(viewer: napari.Viewer) -> Any:
    return getattr(viewer, "canvas", viewer).grid


def state_of(viewer: napari.Viewer) -> Any:
    camera = getattr(viewer, "scene", viewer).camera
    layers = [
        (layer.name, layer.visible, np.array(layer.data), getattr(layer, "contrast_limits", None))
        for layer in viewer.layers
    ]
    dims = viewer.dims.point, viewer.dims.order, viewer.dims.ndisplay
    return layers, dims, camera.model_dump(), grid_of(viewer).enabled, set(viewer.layers.selection)


def toggle(user: Any, gui: Any, button: Any) -> None:
    """Click a view's button, and wait until it is there or gone."""
    user.clicks(button)
    user.waits(lambda: not gui.panel.busy)


def draw_rectangle(viewer: napari.Viewer, image: Image, low: Any, high: Any) -> Any:
    """Draw a rectangle from a voxel to another, in a layer as napari's button makes it."""
    low, high = (image.data_to_world((0, *corner))[-2:] for corner in (low, high))
    corners = [low, (low[0], high[1]), high, (high[0], low[1])]
    return viewer.add_shapes([np.array(corners)], name="region", units=("micrometer",) * 2)


def test_it_deconvolves_and_shows_the_beads_side_by_side(
    viewer: napari.Viewer,
    proven: Callable[..., Any],
    bead_layer: Image,
    psf: Image,
    recipe_of: Any,
    assert_made_from: Any,
    told: Any,
) -> None:
    gui = proven()
    assert [layer.name for layer in viewer.layers][3:] == ["beads deconvolved", *PANES]
    sharp, raw, after = viewer.layers[3:6]
    assert_made_from(sharp, bead_layer)
    recipe = recipe_of(sharp)
    assert recipe.deconvolve == Deconvolve(iterations=3)
    expected = finish(deconvolve_step(bead_layer.data, psf.data, recipe)).array
    np.testing.assert_array_equal(sharp.data, expected)
    # Only the panes are seen: one region, the second right of the first.
    assert [layer.name for layer in viewer.layers if layer.visible] == PANES
    assert_made_from(raw, bead_layer, same_grid=False)
    corner = np.round(bead_layer.world_to_data(raw.data_to_world((0, 0, 0)))).astype(int)
    box = tuple(slice(n, n + m) for n, m in zip(corner, raw.data.shape, strict=True))
    np.testing.assert_array_equal(raw.data, bead_layer.data[box])
    np.testing.assert_array_equal(after.data, sharp.data[box])
    np.testing.assert_array_equal(after.translate[:2], raw.translate[:2])
    assert after.extent.world[0][2] > raw.extent.world[1][2]
    # Below each is its section through the bead, as long as the world has it.
    for name, plane in (("raw", raw), ("deconvolved", after)):
        section = viewer.layers[f"beads: {name} beads, xz"]
        y = np.unravel_index(raw.data.argmax(), raw.data.shape)[1]
        np.testing.assert_array_equal(section.data, plane.data[:, y])
        assert tuple(section.scale) == (plane.scale[0], plane.scale[2])
        assert section.extent.world[0][0] > plane.extent.world[1][1]
        assert section.translate[1] == plane.translate[2]
        assert section.contrast_limits == pytest.approx(plane.contrast_limits)
    # The slider stands where the bead is in focus.
    z = round(raw.world_to_data(viewer.dims.point)[0])
    assert z == np.unravel_index(raw.data.argmax(), raw.data.shape)[0]
    assert "8 of 8 used beads measured" in gui.panel.figures.text()
    assert "FWHM" in gui.panel.figures.text()
    # So few iterations do not.
    assert gui.runner.display.status.value.startswith(
        "done: This PSF does not sharpen the beads: deconvolved, "
    )
    assert told.errors == []


def test_back_restores_the_view_exactly(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], psf: Image
) -> None:
    gui = proven()
    toggle(user, gui, gui.panel.beside)
    assert viewer.layers[-1].name == "beads deconvolved"
    psf.visible = False
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(0, 2.0)
    grid_of(viewer).enabled = True
    viewer.layers.selection = {psf}
    before = state_of(viewer)
    toggle(user, gui, gui.panel.beside)
    assert gui.panel.beside.text == "&Back"
    assert not grid_of(viewer).enabled
    # Whatever somebody does there.
    viewer.dims.ndisplay = 3
    viewer.layers["beads: raw beads"].visible = False
    toggle(user, gui, gui.panel.beside)
    for found, expected in zip(state_of(viewer), before, strict=True):
        np.testing.assert_equal(found, expected)


def test_both_panes_have_one_rule_of_contrast(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], bead_layer: Image
) -> None:
    gui = proven()
    raw, after = viewer.layers[4:6]
    proof = gui.panel.proven.proof
    levels = proof.background_before, proof.background_after

    def ranges() -> list[float]:
        tops = [
            (image.contrast_limits[1] - level) / (image.data.max() - level)
            for image, level in zip((raw, after), levels, strict=True)
        ]
        assert [image.contrast_limits[0] for image in (raw, after)] == pytest.approx(levels)
        return tops

    # What a newcomer sees first; what is dim is one click away.
    assert ranges() == pytest.approx([1, 1])
    assert (raw.gamma, after.gamma) == (1, 1)
    user.clicks(gui.panel.presets[1])
    assert ranges() == pytest.approx([0.05, 0.05])
    assert (raw.gamma, after.gamma) == (0.2, 0.2)
    # By hand too: what is done to one is done to the other.
    after.contrast_limits = (levels[1], levels[1] + 0.3 * (after.data.max() - levels[1]))
    raw.gamma = 0.6
    assert ranges() == pytest.approx([0.3, 0.3])
    assert after.gamma == 0.6


def test_the_region_alone_is_deconvolved_with_a_margin(
    user: Any,
    viewer: napari.Viewer,
    proven: Callable[..., Any],
    bead_layer: Image,
    psf: Image,
    field: SimulatedBeads,
    recipe_of: Any,
    told: Any,
) -> None:
    y, x = np.round(field.centres[1, 1:]).astype(int)
    region = draw_rectangle(viewer, bead_layer, (y - 8, x - 9), (y + 8, x + 9))
    gui = proven(region=region)
    sharp = viewer.layers["beads region deconvolved"]
    assert sharp.data.shape == (24, 17, 19)
    np.testing.assert_allclose(
        bead_layer.world_to_data(sharp.data_to_world((0, 0, 0))), (0, y - 8, x - 9), atol=1e-6
    )
    low = max(y - 8 - 13, 0), max(x - 9 - 13, 0)
    part = bead_layer.data[:, low[0] : y + 9 + 13, low[1] : x + 10 + 13]
    expected = finish(deconvolve_step(part, psf.data, recipe_of(sharp))).array
    at = y - 8 - low[0], x - 9 - low[1]
    np.testing.assert_array_equal(sharp.data, expected[:, at[0] : at[0] + 17, at[1] : at[1] + 19])
    np.testing.assert_array_equal(viewer.layers["beads: deconvolved beads"].data, sharp.data)
    # What was made of it can be proven again, and is not deconvolved again.
    toggle(user, gui, gui.panel.beside)
    again = user.chooses(gui, deconvolved=sharp, region=None)
    user.runs(again)
    user.waits(lambda: not gui.panel.busy)
    names = [layer.name for layer in viewer.layers if "deconvolved" in layer.name]
    assert names == ["beads region deconvolved", PANES[1], PANES[3]]
    np.testing.assert_array_equal(viewer.layers["beads: deconvolved beads"].data, sharp.data)
    assert told.errors == told.warnings == []


def test_the_selected_bead_is_shown(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], bead_layer: Image, points: Points
) -> None:
    gui = proven()
    toggle(user, gui, gui.panel.beside)
    seen = set()
    for bead in (0, 3):
        points.selected_data = {bead}
        toggle(user, gui, gui.panel.beside)
        raw = viewer.layers["beads: raw beads"]
        place = raw.world_to_data(points.data_to_world(points.data[bead]))
        assert (place >= 0).all()
        assert (place < raw.data.shape).all()
        seen.add(tuple(raw.translate))
        toggle(user, gui, gui.panel.beside)
    assert len(seen) == 2


def test_beads_that_were_held_out_stand_beside_the_others() -> None:
    alike = Structure(beads=40, cores=1.0, elsewhere=1.0, held_out=10, held_out_cores=1.02)
    assert structure_text(alike) == (
        "Residual: 1.00 x the noise in the cores of 40 beads, 1.02 x in those of 10 held out, "
        "1.00 x elsewhere: noise, no structure."
    )
    worse = structure_text(alike._replace(held_out_cores=1.2))
    assert "does not hold for the beads that it was not fitted to" in worse
    assert "held out" not in structure_text(alike._replace(held_out=0, held_out_cores=np.nan))


def test_the_residual_is_shown_symmetric_and_told_in_a_line(
    user: Any, viewer: napari.Viewer, bead_layer: Image, told: Any
) -> None:
    found = user.makes("Find beads", image=bead_layer)
    distil = user.opens("Distil PSF", bead_diameter=0.1, window=(2.4, 2.0, 2.0), beads=found)
    residual, fitted, distilled = user.runs(distil)
    psf = user.makes("Post-process PSF", image=distilled)
    gui = user.opens(NAME, **QUICK)
    assert (gui.image.value, gui.beads.value, gui.psf.value) == (bead_layer, fitted, psf)
    user.runs(gui)
    user.waits(lambda: not gui.panel.busy)
    assert "the noise in the cores of 8 beads, 1." in gui.panel.residual_says.text()
    assert "no structure" in gui.panel.residual_says.text()
    assert gui.runner.status.value.endswith(" Only noise is left of them.")
    residual.contrast_limits = (-10, 25)
    assert not residual.visible
    toggle(user, gui, gui.panel.residual)
    assert residual.contrast_limits == [-25, 25]
    assert [layer for layer in viewer.layers if layer.visible] == [residual, fitted]
    toggle(user, gui, gui.panel.residual)
    assert residual.contrast_limits == [-10, 25]
    assert not residual.visible
    assert bead_layer.visible
    assert told.errors == []
    viewer.layers.remove(residual)
    toggle(user, gui, gui.panel.residual)
    assert "there is no residual image" in told.errors[-1]


def test_without_beads_it_finds_them(
    viewer: napari.Viewer, proven: Callable[..., Any], told: Any
) -> None:
    gui = proven(beads=None)
    assert "used beads measured" in gui.panel.figures.text()
    # No joint fit left a residual: this PSF is fitted to the beads.
    assert "Residual of this PSF, fitted to each bead: " in gui.panel.residual_says.text()
    assert not gui.panel.residual.enabled
    assert told.errors == []


def test_the_figures_are_saved(
    user: Any, proven: Callable[..., Any], tmp_path: Path, told: Any
) -> None:
    gui = proven()
    dialog = gui.panel.ask_to_save()
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.selectFile(str(tmp_path / "proof"))
    dialog.accept()
    user.waits(lambda: not gui.panel.busy and (tmp_path / "proof.csv").exists())
    table = pd.read_csv(tmp_path / "proof.csv").set_index(["quantity", "bead"])
    kept = gui.panel.proven.proof.flux_kept
    assert table.loc[("flux", "all"), "after_over_before"] == pytest.approx(kept, rel=1e-4)
    assert table.loc[("fwhm_x", "median"), "unit"] == "um"
    gui.panel.save_to(tmp_path / "proof.txt")
    assert "must end in .csv" in told.errors[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["proof.csv"]


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    bead_layer: Image,
    psf: Image,
    points: Points,
    told: Any,
) -> None:
    small = add_small()
    empty = viewer.add_shapes(name="empty")
    far = viewer.add_shapes([np.array([[900, 900], [900, 950], [950, 950], [950, 900]])])
    names = [layer.name for layer in viewer.layers]
    gui = user.opens(NAME, image=bead_layer, psf=small, beads=points, **QUICK)
    user.runs(gui)
    user.runs(user.chooses(gui, psf=psf, deconvolved=bead_layer))
    user.runs(user.chooses(gui, deconvolved=psf))
    user.runs(user.chooses(gui, deconvolved=None, region=empty))
    user.runs(user.chooses(gui, region=far))
    points.features = points.features.assign(used=False)
    user.runs(user.chooses(gui, region=None))
    user.runs(user.chooses(gui, beads=None, image=add_small("unscaled", scale=(1, 1), units=None)))
    expected = (
        "The PSF 'small' has 2 axes, the image 'beads' has 3",
        "is chosen as the image and as the deconvolved one",
        "'psf' does not lie on the voxels of 'beads'",
        "'empty' is empty: draw a rectangle",
        "frames nothing of the image",
        "None of the points of 'centres' is marked as used.",
        "has 3 axes, the image 'unscaled' has 2",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert error.startswith(f"{NAME}: ")
        assert sentence in error
    assert [layer.name for layer in viewer.layers] == [*names, "unscaled"]
    assert not gui.panel.save.enabled


def test_a_2d_image_is_proven(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], told: Any
) -> None:
    image = add_small("field")
    psf = viewer.add_image(image.data[6:19, 8:21] - image.data.min(), name="psf", scale=image.scale)
    beads = viewer.add_points([[12, 14]], scale=image.scale, units=image.units)
    gui = user.opens(NAME, image=image, psf=psf, beads=beads, **QUICK)
    user.runs(gui)
    user.waits(lambda: not gui.panel.busy)
    assert "<br>y&nbsp;(" in gui.panel.figures.text()
    assert "<br>z&nbsp;(" not in gui.panel.figures.text()
    assert [layer.name for layer in viewer.layers][-3:] == [
        "field: raw beads",
        "field: deconvolved beads",
        "field: headings",
    ]
    assert told.errors == []


def test_a_result_of_unknown_origin_is_warned_of(
    viewer: napari.Viewer,
    proven: Callable[..., Any],
    field: SimulatedBeads,
    bead_layer: Image,
    psf: Image,
    told: Any,
) -> None:
    other = viewer.add_image(
        2 * bead_layer.data.astype(np.float32),
        name="other",
        scale=bead_layer.scale,
        translate=bead_layer.translate,
        units=bead_layer.units,
    )
    gui = proven(deconvolved=other)
    (warning,) = gui.runner.display.warnings
    assert told.warnings == ["Prove PSF: a warning, below its button."]
    assert "It is not known that 'other' was deconvolved from 'beads'" in warning
    kept = gui.panel.proven.proof.flux_kept
    beads = pd.DataFrame(field.centres, columns=list("zyx")).assign(used=True)
    image, level = bead_layer.data, background_of(bead_layer.data)
    itself = prove(image, image, beads, psf.data, (level, level))
    assert kept == pytest.approx(2 * itself.flux_kept, rel=0.01)


def test_an_image_that_was_renamed_is_known_as_the_origin(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], bead_layer: Image, told: Any
) -> None:
    gui = proven()
    (sharp,) = (layer for layer in viewer.layers if layer.name == "beads deconvolved")
    bead_layer.name = "renamed"
    user.runs(user.chooses(gui, deconvolved=sharp))
    user.waits(lambda: not gui.panel.busy)
    assert told.warnings == []
    assert told.errors == []


def test_deleting_a_pane_leaves_the_view(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], bead_layer: Image
) -> None:
    gui = proven()
    viewer.layers.remove("beads: raw beads")
    user.waits(lambda: not (gui.panel.panes.name or gui.panel.busy))
    assert [layer.name for layer in viewer.layers][-1] == "beads deconvolved"
    assert bead_layer.visible


def test_layers_deleted_meanwhile_do_not_matter(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], psf: Image, told: Any
) -> None:
    gui = proven()
    viewer.layers.remove(psf)
    toggle(user, gui, gui.panel.beside)
    viewer.layers.clear()
    toggle(user, gui, gui.panel.beside)
    assert [layer.name for layer in viewer.layers] == PANES
    viewer.layers.clear()
    user.waits(lambda: not (gui.panel.panes.name or gui.panel.busy))
    assert told.errors == []


def test_closing_the_dock_restores_the_view(
    user: Any, viewer: napari.Viewer, proven: Callable[..., Any], bead_layer: Image
) -> None:
    gui = proven()
    assert not bead_layer.visible
    user.closes(gui)
    assert bead_layer.visible
    assert viewer.layers[-1].name == "beads deconvolved"


def test_closing_the_viewer_in_the_view_leaves_nothing_behind(
    viewer: napari.Viewer, proven: Callable[..., Any]
) -> None:
    gui = proven()
    assert gui.panel.panes.name
    viewer.close()


def test_it_can_be_cancelled(
    user: Any, viewer: napari.Viewer, bead_layer: Image, psf: Image, points: Points, gate: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, psf=psf, beads=points, **QUICK)
    names = [layer.name for layer in viewer.layers]
    user.starts(gui)
    user.waits(lambda: gate.entered)
    user.clicks(gui.runner.cancel_button)
    gate.open()
    user.waits(lambda: not gui.runner.running)
    assert gui.runner.status.value == "cancelled"
    assert [layer.name for layer in viewer.layers] == names
    assert gate.closed
    assert not gui.panel.beside.enabled


def test_a_time_point_is_proven(
    user: Any,
    viewer: napari.Viewer,
    field: SimulatedBeads,
    psf: Image,
    bead_layer: Image,
    points: Points,
) -> None:
    series = viewer.add_image(
        np.stack([np.zeros_like(field.image), field.image]),
        name="series",
        scale=(1, *bead_layer.scale),
        translate=(0, *bead_layer.translate),
        units=("second", *bead_layer.units),
        axis_labels=("t", "z", "y", "x"),
    )
    viewer.dims.set_current_step(0, 1)
    gui = user.opens(NAME, image=series, psf=psf, beads=points, **QUICK)
    user.runs(gui)
    user.waits(lambda: not gui.panel.busy)
    sharp = viewer.layers["series [t=1] deconvolved"]
    assert sharp.metadata[METADATA_KEY].chosen == {"t": 1}
    raw = viewer.layers["series [t=1]: raw beads"]
    low = np.round(bead_layer.world_to_data(raw.data_to_world((0, 0, 0)))).astype(int)
    box = tuple(slice(n, n + m) for n, m in zip(low, raw.data.shape, strict=True))
    np.testing.assert_array_equal(raw.data, field.image[box])
    toggle(user, gui, gui.panel.beside)
    assert viewer.dims.current_step[0] == 1
