"""A voxel size that the image's layer does not have: what is computed with it, and what is drawn.

In a real viewer. Whatever has the image's voxels lies on the image, before its user sets the voxel
size as the layer's scale and after it.
"""

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Layer, Points

from napari_psf_distiller import SimulatedBeads, read_psf
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.inspect.subject import subject_of
from napari_psf_distiller.widgets.layers.lineage import record_run, sign
from napari_psf_distiller.widgets.layers.new_layer import layer_like
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.layers.voxel_size import set_voxel_size

PLUGIN = "napari-psf-distiller"

# A size that nothing but the user's typing can have brought in.
TYPED = (0.3, 0.11, 0.12)
OFFSET = (10.0, 20.0, 30.0)
QUICK = {"bead_diameter": 0.1, "window": (2.4, 2.0, 2.0), "device": "numpy"}


@pytest.fixture
def image(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    """As a TIFF file without calibration gives it."""
    return viewer.add_image(field.image, name="beads", translate=OFFSET)


def places(layer: Layer, shape: Any = (24, 72, 80)) -> Any:
    """Return where the corners and the middle of an image are drawn, by a layer on its voxels."""
    corners = np.array([np.zeros(3), np.array(shape), np.array(shape) / 3])
    return np.array([layer.data_to_world(corner) for corner in corners])


def assert_lies_on(layer: Layer, image: Layer) -> None:
    np.testing.assert_allclose(places(layer), places(image), rtol=1e-9)
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels


def middle_plane(psf: Layer) -> float:
    return float(psf.data_to_world((psf.data.shape[0] // 2, 0, 0))[0])


def said_of_units(viewer: napari.Viewer, told: Any) -> list[str]:
    viewer.screenshot(canvas_only=True)
    return [text for text in told.warnings if text.startswith("Inconsistent units")]


def test_every_step_computes_with_it_and_draws_on_the_image(
    user: Any,
    viewer: napari.Viewer,
    image: Image,
    recipe_of: Any,
    told: Any,
    tmp_path: Path,
) -> None:
    user.makes("Preprocess beads", image=image, voxel_size=TYPED, background="mean")
    user.makes("Threshold", method="otsu", live=False)
    beads = user.makes("Find beads", method="threshold", margin=(0.0, 0.0, 0.0))
    distil = {"method": "richardson-lucy", "iterations": 2, "device": "numpy"}
    distilled = user.makes("Distil PSF", beads=beads, **distil)
    psf = user.makes("Post-process PSF", image=distilled, crop=(11, 21, 21))
    # Of the raw image nothing is known, but that its PSF was made from it.
    user.makes("Deconvolve", image=image, psf=psf, iterations=2, device="numpy")
    made = viewer.layers[1:]
    assert [layer.name.removeprefix("beads ") for layer in made] == [
        *("preprocessed", "threshold", "beads", "distilled", "PSF", "deconvolved")
    ]
    for layer in made:
        assert recipe_of(layer).spacing == TYPED
        if layer is not psf:
            assert_lies_on(layer, image)
        if isinstance(layer, Image):
            assert read_image_layer(layer).recipe.spacing == TYPED
            assert subject_of(layer).spacing == TYPED
            (path,) = layer.save(str(tmp_path / f"{layer.name}.psf.tif"), plugin=PLUGIN)
            assert read_psf(path).spacing == pytest.approx(TYPED)
    np.testing.assert_allclose(psf.scale, TYPED)
    assert middle_plane(psf) == pytest.approx(image.data_to_world((11, 0, 0))[0])
    # The user's layer is as it was.
    assert (image.scale == 1).all()
    assert tuple(image.translate) == OFFSET
    assert [text for text in told.warnings if "oxel size" in text] == []
    assert said_of_units(viewer, told) == []
    set_voxel_size(image, TYPED, viewer.layers)
    for layer in made:
        if layer is not psf:
            assert_lies_on(layer, image)
            np.testing.assert_allclose(layer.scale, TYPED)
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    np.testing.assert_allclose(psf.scale, TYPED)
    assert middle_plane(psf) == pytest.approx(image.data_to_world((11, 0, 0))[0])
    assert said_of_units(viewer, told) == []


def test_the_psf_follows_its_beads_before_and_after_the_scale_is_set(
    user: Any, viewer: napari.Viewer, image: Image, recipe_of: Any, told: Any
) -> None:
    find = user.opens("Find beads", image=image, voxel_size=TYPED)
    (beads,) = user.runs(find)
    gui = user.opens("Distil PSF", image=image, beads=beads, **QUICK)
    residual, fitted, psf = user.runs(gui)
    for layer in (beads, residual, fitted):
        assert_lies_on(layer, image)
    np.testing.assert_allclose(psf.scale, TYPED)
    count: list[int] = []
    gui.live_fit.fitted.connect(lambda: count.append(1))

    def delete_one(times: int) -> None:
        before = fitted.data[1:].copy()
        fitted.selected_data = {0}
        fitted.remove_selected()
        user.waits(lambda: len(count) >= times and not gui.live_fit.busy)
        # The others are found where they are.
        np.testing.assert_allclose(fitted.data, before, atol=0.1)
        assert recipe_of(psf).spacing == TYPED
        np.testing.assert_allclose(psf.scale, TYPED)
        assert_lies_on(fitted, image)

    delete_one(1)
    user.clicks(find[find.index("voxel_size") + 1])
    np.testing.assert_allclose(image.scale, TYPED)
    assert_lies_on(residual, image)
    delete_one(2)
    assert told.errors == []


def test_prove_psf_lies_on_the_image_and_knows_its_micrometres(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, image: Image, told: Any
) -> None:
    beads = user.makes("Find beads", image=image, voxel_size=TYPED)
    core = tuple(slice(n // 2 - 6, n // 2 + 7) for n in field.psf.shape)
    psf = viewer.add_image(field.psf[core].astype(np.float32), name="psf", scale=TYPED)
    frame = np.array([[0, 10, 10], [0, 10, 70], [0, 60, 70], [0, 60, 10]]) + np.array(OFFSET)
    region = viewer.add_shapes([frame], shape_type="rectangle")
    layers = {"image": image, "psf": psf, "beads": beads, "region": region}
    gui = user.opens("Prove PSF", **layers, iterations=3, device="numpy")

    def part() -> Any:
        user.waits(lambda: not gui.runner.running and not gui.panel.busy)
        return viewer.layers["beads: raw beads"]

    user.clicks(gui.call_button)
    assert part().data.shape == (24, 51, 61)
    assert [text for text in told.warnings if "voxel sizes differ" in text] == []
    assert "(nm)" in gui.panel.figures.text()
    made = viewer.layers["beads region deconvolved"]
    assert read_image_layer(made).recipe.spacing == TYPED
    corner = (3, 4, 5)
    np.testing.assert_allclose(made.data_to_world(corner), image.data_to_world((3, 14, 15)))
    user.clicks(gui.panel.beside)
    user.waits(lambda: not gui.panel.busy)
    # The view follows the image too: the region frames now what it frames in the new world.
    set_voxel_size(image, TYPED, viewer.layers)
    np.testing.assert_allclose(made.data_to_world(corner), image.data_to_world((3, 14, 15)))
    region.scale, region.translate = image.scale, np.multiply(OFFSET, TYPED) - OFFSET * image.scale
    user.clicks(gui.panel.beside)
    assert part().data.shape == (24, 51, 61)
    assert told.errors == []


def test_what_was_made_of_one_time_point_follows_however_the_image_is_turned(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads
) -> None:
    movie = viewer.add_image(
        np.stack([field.image, field.image]),
        name="movie",
        scale=(2, 1, 1, 1),
        translate=(5, *OFFSET),
        rotate=np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.6, -0.8], [0, 0, 0.8, 0.6]]),
        axis_labels=("t", "z", "y", "x"),
        units=("second", *("pixel",) * 3),
    )
    viewer.dims.set_current_step(0, 1)
    gui = user.opens("Preprocess beads", image=movie, voxel_size=TYPED, background="none")
    (whole,) = user.runs(gui)
    # A part of it, as Prove PSF makes it of a region.
    source = read_image_layer(whole)
    start = np.array([2, 10, 20])
    offset = {"translate": whole.data_to_world(start)}
    data = whole.data[2:, 10:, 20:]
    data, keywords, _ = layer_like(
        source, data, "image", "part", source.recipe, step=StepId.PROVE, **offset
    )
    part = viewer.add_image(data, **keywords)
    sign(part, record_run(user.opens("Threshold", image=whole)))

    def assert_all_lie_on_it() -> None:
        for corner in ((0, 0, 0), (7, 11, 13)):
            place = movie.data_to_world((1, *(start + corner)))[1:]
            np.testing.assert_allclose(whole.data_to_world(start + corner), place)
            np.testing.assert_allclose(part.data_to_world(corner), place)

    assert_all_lie_on_it()
    own = viewer.add_image(field.image, name="own")
    user.clicks(gui[gui.index("voxel_size") + 1])
    np.testing.assert_allclose(movie.scale, (2, *TYPED))
    assert_all_lie_on_it()
    # Nobody else's layer.
    assert (own.scale == 1).all()


def test_a_size_set_on_a_layer_that_was_made_is_the_images(
    user: Any, viewer: napari.Viewer, image: Image
) -> None:
    preprocessed = user.makes("Preprocess beads", image=image, voxel_size=TYPED)
    gui = user.opens("Find beads", image=preprocessed, method="matched")
    assert gui.voxel_size.value == TYPED
    user.clicks(gui[gui.index("voxel_size") + 1])
    np.testing.assert_allclose(image.scale, TYPED)
    assert_lies_on(preprocessed, image)


def test_what_was_typed_comes_back_with_the_image_until_that_gets_a_scale(
    user: Any, viewer: napari.Viewer, image: Image
) -> None:
    gui = user.opens("Preprocess beads", image=image, voxel_size=TYPED, background="none")
    user.runs(gui)
    other = viewer.add_image(image.data, name="other")
    gui.image.value = other
    assert gui.voxel_size.value == (0, 0, 0)
    gui.image.value = image
    assert gui.voxel_size.value == TYPED
    gui.image.value = other
    image.scale = (0.5, 0.2, 0.2)
    gui.image.value = image
    assert gui.voxel_size.value == (0.5, 0.2, 0.2)


def test_the_scale_is_not_set_while_something_is_made(user: Any, image: Image) -> None:
    gui = user.opens("Preprocess beads", image=image, voxel_size=TYPED)
    button = gui[gui.index("voxel_size") + 1]
    user.starts(gui)
    assert not button.enabled
    user.waits(lambda: not gui.runner.running)
    assert button.enabled


def test_rings_show_as_deep_as_their_light_reaches(
    user: Any, viewer: napari.Viewer, image: Image
) -> None:
    beads: Points = user.makes("Find beads", image=image, voxel_size=TYPED)
    place = beads.data_to_world(beads.data[4])

    def shows(planes: float) -> bool:
        position = place + np.array([planes, 0, 0])
        viewer.dims.set_point(0, position[0])
        return beads.get_value(position, world=True) == 4

    # The ring's width in micrometres, twice, and half of that to each side.
    reach = beads.size.max() * TYPED[2] / TYPED[0]
    assert shows(reach - 1)
    assert shows(1 - reach)
    assert not shows(reach + 1)


def test_the_plane_that_is_shown_stays(user: Any, viewer: napari.Viewer, image: Image) -> None:
    gui = user.opens("Find beads", image=image, voxel_size=TYPED)
    viewer.dims.set_current_step(0, 15)
    user.clicks(gui[gui.index("voxel_size") + 1])
    assert viewer.dims.current_step[0] == 15
    assert viewer.dims.point[0] == pytest.approx(image.data_to_world((15, 0, 0))[0])
