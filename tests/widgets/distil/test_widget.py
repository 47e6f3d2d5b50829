import dataclasses
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from napari._app_model.actions._file import new_points
from napari.layers import Image, Points

from napari_psf_distiller import Device, RichardsonLucy
from napari_psf_distiller.beads import bead_voxels
from napari_psf_distiller.compute.engine import Likelihoods
from napari_psf_distiller.compute.host.solver import HostSolver
from napari_psf_distiller.errors import DeviceError
from napari_psf_distiller.progress import finish
from napari_psf_distiller.stepwise.pipeline import distill_step
from napari_psf_distiller.widgets.layers.note import METADATA_KEY

NAME = "Distil PSF"
# Enough to tell one result from another.
QUICK = {"method": "richardson-lucy", "iterations": 3, "device": "numpy"}


@pytest.fixture
def image(user: Any, bead_layer: Image) -> Image:
    return user.makes("Preprocess beads", image=bead_layer)


@pytest.fixture
def beads(user: Any, image: Image) -> Points:
    mask = user.makes("Threshold", image=image)
    return user.makes("Find beads", image=image, mask=mask, method="threshold")


@pytest.fixture
def distilled(recipe_of: Any) -> Callable[..., Any]:
    """What the pipeline makes of an image and of beads at some points, with a layer's recipe."""

    def distil(layer: Image, source: Image, points: Any) -> Any:
        recipe = recipe_of(layer)
        table = pd.DataFrame(np.asarray(points), columns=["z", "y", "x"][-source.ndim :])
        voxels = bead_voxels(np.asarray(points), source.data.shape, recipe.distill.placement)
        table["amplitude"] = source.data[tuple(voxels.T)]
        return finish(distill_step(source.data, table, recipe)).array

    return distil


# --- by Richardson-Lucy


def test_it_writes_the_distilled_psf(
    user: Any,
    image: Image,
    beads: Points,
    recipe_of: Any,
    assert_made_from: Any,
    distilled: Any,
) -> None:
    layer = user.makes(NAME, image=image, beads=beads, **QUICK)
    assert isinstance(layer, Image)
    assert layer.name == "beads distilled"
    assert_made_from(layer, image)
    assert layer.metadata[METADATA_KEY].others[0].name == beads.name
    recipe = recipe_of(layer)
    assert recipe.distill == RichardsonLucy(iterations=3)
    assert recipe.device == "numpy"
    for step in ("preprocess", "threshold", "find_beads", "spacing"):
        assert getattr(recipe, step) == getattr(recipe_of(beads), step)
    assert recipe.provenance.device.startswith("NumPy")
    assert recipe.provenance.by_hand == ()
    used = beads.data[beads.features["used"].to_numpy()]
    assert 0 < len(used) < len(beads.data)
    np.testing.assert_allclose(layer.data, distilled(layer, image, used), rtol=1e-5)


def test_its_settings_are_the_recipes(
    user: Any, image: Image, beads: Points, recipe_of: Any, distilled: Any
) -> None:
    settings = {
        "method": "richardson-lucy",
        "iterations": 2,
        "boundary": "noncirculant",
        "start": "image",
        "placement": "truncate",
    }
    layer = user.makes(NAME, image=image, beads=beads, device="numpy", **settings)
    assert recipe_of(layer).distill == RichardsonLucy(**settings)
    used = beads.data[beads.features["used"].to_numpy()]
    np.testing.assert_allclose(layer.data, distilled(layer, image, used), rtol=1e-5)


def test_it_runs_on_an_opencl_device(
    user: Any, image: Image, beads: Points, recipe_of: Any, opencl_device: Device
) -> None:
    gui = user.opens(NAME, image=image, beads=beads, method="richardson-lucy", iterations=3)
    user.waits(lambda: opencl_device.name in gui.device.choices)
    (layer,) = user.runs(user.chooses(gui, device=opencl_device.name))
    assert opencl_device.name in recipe_of(layer).provenance.device
    (reference,) = user.runs(user.chooses(gui, device="numpy"))
    difference = np.linalg.norm(layer.data - reference.data) / np.linalg.norm(reference.data)
    assert difference < 1e-4


def test_fft_memory_and_warnings(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    recipe_of: Any,
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = add_small()
    points = viewer.add_points([[12, 14]], scale=source.scale, units=source.units)
    gui = user.opens(NAME, image=source, beads=points, **QUICK, fft="scipy", memory=2.0)

    def warned(*arguments: Any) -> Any:
        distilled = yield from distill_step(*arguments)
        return dataclasses.replace(distilled, warnings=("It went otherwise.",))

    monkeypatch.setattr("napari_psf_distiller.widgets.distil.widget.distill_step", warned)
    (layer,) = user.runs(gui)
    recipe = recipe_of(layer)
    assert (recipe.fft, recipe.memory) == ("scipy", 2.0)
    assert "FFT scipy" in recipe.provenance.device
    assert layer.metadata[METADATA_KEY].iterations == 3
    assert "It went otherwise." in gui.runner.display.warnings
    assert "Distil PSF: 2 warnings, below its button." in told.warnings


# --- beads edited by hand


def test_edited_points_are_respected_and_on_record(
    user: Any, image: Image, beads: Points, recipe_of: Any, distilled: Any
) -> None:
    gui = user.opens(NAME, image=image, beads=beads, **QUICK)

    def check() -> None:
        (layer,) = user.runs(gui)
        assert recipe_of(layer).provenance.by_hand == ("find_beads",)
        points = beads.data[beads.features["used"].to_numpy(bool)]
        np.testing.assert_allclose(layer.data, distilled(layer, image, points), rtol=1e-5)

    # An edit that is undone is none.
    found = beads.data.copy()
    beads.data = found + 1
    beads.data = found
    (layer,) = user.runs(gui)
    assert recipe_of(layer).provenance.by_hand == ()
    # Switched: an unused bead is used after all, then a used one no more.
    features = beads.features.copy()
    first_unused = int(np.argmin(features["used"]))
    features.loc[first_unused, "used"] = True
    beads.features = features
    check()
    features = beads.features.copy()
    other = next(i for i, used in enumerate(features["used"]) if used and i != first_unused)
    features.loc[other, "used"] = False
    beads.features = features
    check()
    # Moved, deleted, added.
    moved = beads.data.copy()
    moved[1] += (1, -1, 1)
    beads.data = moved
    check()
    beads.selected_data = {2}
    beads.remove_selected()
    check()
    count = int(beads.features["used"].sum())
    beads.add(np.array([11.6, 30.2, 40.7]))
    assert int(beads.features["used"].sum()) == count + 1
    check()


def test_a_hand_in_the_threshold_is_still_on_record(
    user: Any, image: Image, recipe_of: Any
) -> None:
    mask = user.makes("Threshold", image=image)
    mask.n_edit_dimensions, mask.brush_size = 3, 5
    mask.paint((3, 10, 70), 1)
    beads = user.makes("Find beads", image=image, mask=mask, method="threshold")
    beads.data = beads.data[:4]
    layer = user.makes(NAME, image=image, beads=beads, **QUICK)
    assert recipe_of(layer).provenance.by_hand == ("threshold", "find_beads")
    psf = user.makes("Post-process PSF", image=layer)
    assert recipe_of(psf).provenance.by_hand == ("threshold", "find_beads")


def test_points_made_from_nothing_lie_where_they_are_seen(
    user: Any, viewer: napari.Viewer, image: Image, recipe_of: Any, distilled: Any
) -> None:
    viewer.layers.selection.active = image
    new_points(viewer)
    points = viewer.layers[-1]
    voxels = np.array([[8.2, 24.8, 58.0], [12.2, 14.5, 21.9]])
    points.add(voxels)
    gui = user.opens(NAME, image=image, beads=points, **QUICK)
    (layer,) = user.runs(gui)
    assert recipe_of(layer).provenance.by_hand == ("find_beads",)
    expected = distilled(layer, image, voxels)
    np.testing.assert_allclose(layer.data, expected, rtol=1e-5)
    # The same places, in nanometres from the world's origin.
    world = 1000 * (voxels * image.scale + image.translate)
    gui.beads.value = viewer.add_points(world, units=("nanometer",) * 3)
    (layer,) = user.runs(gui)
    np.testing.assert_allclose(layer.data, expected, rtol=1e-5)


# --- 2D, and bad input


def test_a_2d_image(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    recipe_of: Any,
    assert_made_from: Any,
    distilled: Any,
) -> None:
    source = add_small(axis_labels=("y", "x"), translate=(3, 4))
    mask = user.makes("Threshold", image=source)
    beads = user.makes("Find beads", image=source, mask=mask, method="threshold")
    layer = user.makes(NAME, image=source, beads=beads, **QUICK)
    assert_made_from(layer, source)
    np.testing.assert_allclose(layer.data, distilled(layer, source, beads.data), rtol=1e-5)


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], told: Any
) -> None:
    source = add_small()
    gui = user.opens(NAME, image=source, **QUICK)
    scale = {"scale": source.scale, "units": source.units}
    good = viewer.add_points([[12, 14]], **scale)
    why_none_is_used = viewer.add_points([[12, 14]], features={"used": [False]}, **scale)
    outside = viewer.add_points([[12, 14], [50, 60]], **scale)
    flat = viewer.add_points([[1, 12, 14]])
    empty = viewer.add_points(ndim=2, **scale)
    with gui.changed.blocked():
        gui.beads.value = good
    for beads in (why_none_is_used, outside, flat, empty):
        assert user.runs(user.chooses(gui, beads=beads)) == []
    assert user.runs(user.chooses(gui, beads=good, iterations=0)) == []
    negative = viewer.add_image(source.data - 50, **scale)
    assert user.runs(user.chooses(gui, image=negative, iterations=3)) == []
    for layer in (good, why_none_is_used, outside, flat, empty):
        viewer.layers.remove(layer)
    assert user.runs(gui) == []
    expected = (
        "is marked as used",
        "1 of 2 bead centres lie outside the image",
        "have 3 axes, the image 'small' has 2",
        "is empty: there is no bead in it",
        "RichardsonLucy.iterations is 0; it should be greater than or equal to 1",
        "The image has negative values; subtract the background",
        "No points layer is chosen. Run Find beads first, or add points by hand.",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert error.startswith("Distil PSF: ")
        assert sentence in error
    assert [layer.name for layer in viewer.layers] == ["small", negative.name]


def test_a_device_that_fails_midway_is_told_in_a_sentence(
    user: Any,
    viewer: napari.Viewer,
    add_small: Callable[..., Image],
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = add_small()
    points = viewer.add_points([[12, 14]], scale=source.scale, units=source.units)
    project, done, closed = HostSolver.project, [], []
    faults = iter([DeviceError("The device gave up."), MemoryError()])

    def fail_at_the_third(solver: HostSolver, likelihood: bool = False) -> Likelihoods | None:
        done.append(solver)
        if done.count(solver) == 3:
            raise next(faults)
        return project(solver, likelihood)

    def close(solver: HostSolver) -> None:
        closed.append(solver)

    monkeypatch.setattr(HostSolver, "project", fail_at_the_third)
    monkeypatch.setattr(HostSolver, "close", close)
    gui = user.opens(NAME, image=source, beads=points, **QUICK | {"iterations": 9})
    assert user.runs(gui) == []
    assert gui.call_button.enabled
    assert user.runs(gui) == []
    assert told.errors == [
        "Distil PSF: The device gave up.",
        "Distil PSF: This machine ran out of memory. Smaller tiles are not possible: crop the "
        "image or the PSF.",
    ]
    assert closed == [done[0], done[3]]
    assert list(viewer.layers) == [source, points]
