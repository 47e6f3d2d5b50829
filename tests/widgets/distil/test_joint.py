"""Distil PSF by its joint fit: raw image and points in, PSF, fitted beads and residual out."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Points
from napari.utils.colormaps import AVAILABLE_COLORMAPS

from napari_psf_distiller import (
    Camera,
    JointFit,
    MatchedFilter,
    Optics,
    Recipe,
    RichardsonLucy,
    SimulatedBeads,
    ThresholdedObjects,
)
from napari_psf_distiller.errors import DeviceError
from napari_psf_distiller.joint.advice.fit import joint_warnings
from napari_psf_distiller.joint.pipeline import joint_step
from napari_psf_distiller.joint.results import JointFitResult
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.progress import Progress, finish
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import METADATA_KEY
from napari_psf_distiller.wording import width_text

NAME = "Distil PSF"
AXES = ["z", "y", "x"]
# A PSF in a small window is found in no time.
QUICK = {"bead_diameter": 0.1, "window": (2.4, 2.0, 2.0), "device": "numpy"}


@pytest.fixture
def beads(user: Any, bead_layer: Image) -> Points:
    return user.makes("Find beads", image=bead_layer)


def fitted_to(image: Image, points: Any, recipe: Recipe) -> JointFitResult:
    table = pd.DataFrame(np.asarray(points), columns=AXES[-image.ndim :])
    return finish(joint_step(image.data, table, recipe))


def test_it_writes_psf_fitted_beads_and_residual(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    beads: Points,
    recipe_of: Any,
    assert_made_from: Any,
    told: Any,
) -> None:
    points, features = beads.data.copy(), beads.features.copy()
    gui = user.opens(NAME, image=bead_layer, beads=beads, **QUICK)
    assert gui.method.value == "joint"
    residual, fitted, psf = user.runs(gui)
    assert [type(layer) for layer in (residual, fitted, psf)] == [Image, Points, Image]
    names = [layer.name for layer in (residual, fitted, psf)]
    assert names == ["beads residual", "beads fitted beads", "beads distilled"]
    recipe = recipe_of(psf)
    for layer in (residual, fitted, psf):
        assert_made_from(layer, bead_layer, same_grid=layer is not psf)
        assert layer.metadata[METADATA_KEY].others[0].name == beads.name
        assert recipe_of(layer) == recipe
    expected = fitted_to(bead_layer, points, recipe)
    np.testing.assert_allclose(psf.data, expected.psf, atol=1e-6)
    np.testing.assert_allclose(residual.data, expected.residual, atol=1e-3)
    np.testing.assert_allclose(fitted.data, expected.beads[AXES], atol=1e-4)
    assert psf.colormap.name == "inferno"
    assert psf.metadata[METADATA_KEY].iterations == expected.iterations
    # In focus where the viewer begins, which is the middle of the image.
    focus = psf.translate[0] + psf.data.shape[0] // 2 * psf.scale[0]
    assert focus == pytest.approx(bead_layer.translate[0] + 11 * psf.scale[0])
    # Beside the image, on which it would hide beads.
    image, beside = bead_layer.extent.world, psf.extent.world
    assert beside[0, 1] == pytest.approx(image[0, 1])
    assert beside[0, 2] > image[1, 2]
    shown = {f"{axis}_error": f"{axis} error (voxels)" for axis in AXES}
    for name in ("amplitude", "amplitude_error", *shown, "chi_squared"):
        values = fitted.features[shown.get(name, name)]
        np.testing.assert_allclose(values, expected.beads[name], rtol=1e-3)
    assert list(fitted.features["used"]) == list(expected.beads["used"])
    assert list(fitted.features["reason"]) == list(expected.beads["reason"])
    widths = zip(AXES, fwhm(expected.psf, recipe.spacing), expected.fwhm_error, strict=True)
    text = ", ".join(f"{axis} {width_text(width, error)}" for axis, width, error in widths)
    assert "±" in text
    assert gui.runner.status.value == f"done: 8 of 8 beads used; FWHM {text}, on NumPy"
    # A bead that was found, and is none, would be said.
    assert expected.unfitted(expected.beads) == 0
    elsewhere = expected.beads.iloc[:1].assign(y=expected.beads["y"].iloc[0] + 20)
    assert expected.unfitted(pd.concat([expected.beads, elsewhere])) == 1
    assert told.errors == []
    assert gui.runner.display.warnings == joint_warnings(expected, recipe.spacing, recipe)
    # The user's own layers are as they were.
    np.testing.assert_array_equal(beads.data, points)
    pd.testing.assert_frame_equal(beads.features, features)
    assert list(viewer.layers) == [bead_layer, beads, residual, fitted, psf]


def test_the_residual_is_shown_about_zero(user: Any, bead_layer: Image, beads: Points) -> None:
    residual = user.runs(user.opens(NAME, image=bead_layer, beads=beads, **QUICK))[0]
    low, high = residual.contrast_limits
    assert low == -high
    assert (
        np.mean(np.abs(residual.data) > high) < 0.002 < np.mean(np.abs(residual.data) > 0.5 * high)
    )
    assert residual.visible is False
    ends, middle = residual.colormap.map([0.0, 1.0]), residual.colormap.map([0.5])
    assert residual.colormap.name in AVAILABLE_COLORMAPS
    assert middle[0, :3].min() > 0.9 > ends[:, :3].mean(axis=1).max()


def test_its_settings_are_the_recipes(
    user: Any, bead_layer: Image, beads: Points, recipe_of: Any
) -> None:
    gui = user.opens(
        NAME,
        image=bead_layer,
        beads=beads,
        bead_diameter=0.12,
        numerical_aperture=1.2,
        wavelength=0.52,
        refractive_index=1.33,
        camera_offset=100.0,
        camera_gain=1.0,
        window=(2.0, 1.6, 1.6),
        background_scale=20.0,
        judge=False,
        device="numpy",
    )
    psf = user.runs(gui)[-1]
    recipe = recipe_of(psf)
    assert recipe.bead_diameter == 0.12
    assert recipe.optics == Optics(1.2, 0.52, 1.33)
    assert recipe.camera == Camera(100.0, 1.0)
    assert recipe.distill == JointFit(window=(2.0, 1.6, 1.6), background_scale=20.0, judge=False)
    assert recipe.find_beads == MatchedFilter()
    assert recipe.spacing == pytest.approx((0.2, 0.08, 0.08))
    assert recipe.provenance == provenance_of(bead_layer.data, "NumPy, float32")
    np.testing.assert_allclose(psf.data, fitted_to(bead_layer, beads.data, recipe).psf, atol=1e-6)


def test_what_is_not_known_is_none_in_the_recipe(
    user: Any, bead_layer: Image, beads: Points, recipe_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui = user.opens(NAME, image=bead_layer, beads=beads, device="numpy")
    for name in ("bead_diameter", "numerical_aperture", "wavelength", "refractive_index"):
        assert gui[name].native.text() == "not known"
    for name in ("camera_offset", "camera_gain"):
        assert gui[name].native.text() == "estimated"
    seen: list[Recipe] = []

    def note(_: Any, __: Any, recipe: Recipe, ___: int) -> Any:
        seen.append(recipe)
        raise DeviceError("Enough.")
        yield

    monkeypatch.setattr("napari_psf_distiller.widgets.distil.joint.joint_step", note)
    assert user.runs(gui) == []
    (recipe,) = seen
    assert (recipe.bead_diameter, recipe.distill.window) == (None, None)
    assert (recipe.optics, recipe.camera) == (Optics(), Camera())


def test_only_the_settings_that_count_are_shown(user: Any, viewer: napari.Viewer) -> None:
    gui = user.opens(NAME)
    own = {
        "joint": {
            "bead_diameter",
            "microscope",
            "numerical_aperture",
            "wavelength",
            "refractive_index",
            "support",
            "camera_offset",
            "camera_gain",
            "window",
            "background_scale",
            "judge",
        },
        "richardson-lucy": {"iterations", "boundary", "start", "placement", "fft", "memory"},
    }
    for method in ("richardson-lucy", "joint"):
        gui.method.value = method
        for name in own["joint"] | own["richardson-lucy"]:
            assert getattr(gui, name).native.isHidden() == (name not in own[method]), name
        for name in ("image", "beads", "method", "device"):
            assert not getattr(gui, name).native.isHidden()


def test_a_kind_of_microscope_is_asked_for_its_own_figures(
    user: Any, bead_layer: Image, beads: Points, recipe_of: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, beads=beads, **QUICK)
    scanned = {"excitation", "pinhole"}
    asked = {
        "widefield": set(),
        "light sheet": {"sheet"},
        "two-photon": {"excitation"},
        "STED": set(),
        "confocal": scanned,
    }
    for kind, figures in asked.items():
        gui.microscope.value = kind
        for name in ("excitation", "pinhole", "sheet"):
            assert gui[name].native.isHidden() == (name not in figures), (kind, name)
        assert gui.support.native.isHidden() == (kind == "STED")
    gui.excitation.value, gui.pinhole.value = 0.488, 1.2
    *_, psf = user.runs(gui)
    assert recipe_of(psf).optics == Optics(microscope="confocal", excitation=0.488, pinhole=1.2)
    # What is hidden again is not the recipe's.
    gui.microscope.value = "widefield"
    *_, psf = user.runs(gui)
    assert recipe_of(psf).optics == Optics()


def test_a_2d_image(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, recipe_of: Any, assert_made_from: Any
) -> None:
    image = viewer.add_image(
        field.image[11],
        name="flat",
        scale=(0.08, 0.08),
        units=("micrometer",) * 2,
        translate=(1, 2),
    )
    points = viewer.add_points(
        field.centres[:, 1:], scale=image.scale, units=image.units, translate=image.translate
    )
    gui = user.opens(NAME, image=image, beads=points, **QUICK)
    residual, fitted, psf = user.runs(gui)
    recipe = recipe_of(psf)
    assert recipe.distill.window == (2.0, 2.0)
    expected = fitted_to(image, field.centres[:, 1:], recipe)
    np.testing.assert_allclose(psf.data, expected.psf, atol=1e-6)
    for layer in (residual, fitted, psf):
        assert_made_from(layer, image, same_grid=layer is not psf)
    assert psf.extent.world[0, 0] == pytest.approx(image.extent.world[0, 0])
    assert psf.extent.world[0, 1] > image.extent.world[1, 1]
    assert gui.runner.status.value.count("±") == 2


def test_what_a_cancelled_fit_had_is_kept_as_unfinished(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    beads: Points,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lingering(*given: Any, **options: Any) -> Any:
        """The fit, which stays at its first preview: it would be done before the click."""
        for progress in joint_step(*given, **options):
            yield progress
            while progress.preview is not None:
                time.sleep(0.01)
                yield progress

    monkeypatch.setattr("napari_psf_distiller.widgets.distil.joint.joint_step", lingering)
    gui = user.opens(NAME, image=bead_layer, beads=beads, bead_diameter=0.1, device="numpy")
    shown: list[Progress] = []
    gui.runner.progressed.connect(shown.append)
    user.starts(gui)
    user.waits(lambda: any(progress.preview is not None for progress in shown))
    user.waits(lambda: "beads PSF so far" in viewer.layers)
    user.clicks(gui.runner.cancel_button)
    user.waits(lambda: not gui.runner.running)
    assert gui.runner.status.value.startswith("cancelled; kept unfinished: the PSF after ")
    _, _, psf = viewer.layers
    assert psf.name == "beads distilled (unfinished)"
    assert psf.metadata[METADATA_KEY].unfinished
    assert psf.data.sum() > 0.5


def test_a_fit_cancelled_before_it_has_a_psf_leaves_nothing(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    beads: Points,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hesitate(*_: Any) -> Any:
        for iteration in range(10**6):
            yield Progress(StepId.DISTILL, iteration, 10**6)
            time.sleep(0.01)

    monkeypatch.setattr("napari_psf_distiller.widgets.distil.joint.joint_step", hesitate)
    gui = user.opens(NAME, image=bead_layer, beads=beads, bead_diameter=0.1, device="numpy")
    user.starts(gui)
    user.waits(lambda: gui.runner.status.value.startswith("Distil PSF "))
    user.clicks(gui.runner.cancel_button)
    user.waits(lambda: not gui.runner.running)
    assert gui.runner.status.value == "cancelled"
    assert list(viewer.layers) == [bead_layer, beads]


# --- beads edited by hand, and beads of the other method


def test_edited_points_are_respected_and_on_record(
    user: Any, bead_layer: Image, beads: Points, field: SimulatedBeads, recipe_of: Any
) -> None:
    gui = user.opens(NAME, image=bead_layer, beads=beads, **QUICK)

    def check(used: int) -> None:
        _, fitted, psf = user.runs(gui)
        recipe = recipe_of(psf)
        assert recipe.provenance.by_hand == ("find_beads",)
        assert fitted.features["used"].sum() == used
        # Who is left out is in the model all the same, unless another takes its place.
        assert len(fitted.data) == len(field.centres)
        table = pd.DataFrame(beads.data, columns=["z", "y", "x"])
        table["used"] = beads.features["used"].to_numpy(bool)
        assert recipe.spacing is not None
        expected = finish(joint_step(bead_layer.data, table, recipe))
        np.testing.assert_allclose(psf.data, expected.psf, atol=1e-6)

    features = beads.features.copy()
    features.loc[2, "used"] = False
    beads.features = features
    check(7)
    added = beads.data[2] + (0.3, -0.2, 0.4)
    beads.add(added)
    check(8)
    # What the fit wrote can be what the next one starts from.
    refitted = user.runs(user.chooses(gui, beads=user.viewer.layers["beads fitted beads"]))[-1]
    assert recipe_of(refitted).provenance.by_hand == ("find_beads",)


def test_points_made_from_nothing(
    user: Any, viewer: napari.Viewer, bead_layer: Image, field: SimulatedBeads, recipe_of: Any
) -> None:
    world = 1000 * (field.centres * bead_layer.scale + bead_layer.translate)
    points = viewer.add_points(world, units=("nanometer",) * 3)
    _, fitted, psf = user.runs(user.opens(NAME, image=bead_layer, beads=points, **QUICK))
    np.testing.assert_allclose(fitted.data, field.centres, atol=0.5)
    recipe = recipe_of(psf)
    assert recipe.provenance.by_hand == ("find_beads",)
    assert recipe.provenance.image_sha256 == provenance_of(bead_layer.data, "").image_sha256


def test_beads_of_the_other_method_are_on_record(
    user: Any, bead_layer: Image, beads: Points, recipe_of: Any, told: Any
) -> None:
    clean = user.makes("Preprocess beads", image=bead_layer)
    mask = user.makes("Threshold", image=clean)
    other = user.makes("Find beads", image=clean, mask=mask, method="threshold", min_voxels=5)
    gui = user.opens(NAME, image=bead_layer, beads=other, method="joint", **QUICK)
    psf = user.runs(gui)[-1]
    recipe = recipe_of(psf)
    assert (recipe.find_beads, recipe.distill.method) == (MatchedFilter(), "joint")
    assert recipe.provenance.by_hand == ("find_beads",)
    settings = {"method": "richardson-lucy", "iterations": 2, "device": "numpy"}
    (distilled,) = user.runs(user.chooses(gui, image=clean, beads=beads, **settings))
    recipe = recipe_of(distilled)
    assert recipe.find_beads == ThresholdedObjects()
    assert recipe.distill == RichardsonLucy(iterations=2)
    assert recipe.provenance.by_hand == ("find_beads",)
    assert told.errors == []


# --- voxel size


def test_the_voxel_size_given_where_the_beads_were_found_counts(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, recipe_of: Any, told: Any
) -> None:
    image = viewer.add_image(field.image, name="unknown", translate=(10, 20, 30))
    beads = user.makes("Find beads", image=image, voxel_size=field.spacing)
    gui = user.opens(NAME, image=image, beads=beads, **QUICK)
    _, fitted, psf = user.runs(gui)
    assert recipe_of(psf).spacing == field.spacing
    np.testing.assert_allclose(fitted.data, beads.data, atol=1)
    np.testing.assert_allclose(psf.scale, field.spacing)
    # Of points that were not found in it, it is not known.
    points = viewer.add_points(beads.data)
    assert user.runs(user.chooses(gui, beads=points)) == []
    (error,) = told.errors
    assert "The voxel size is not known; give it in micrometres, z, y and x." in error


# --- warnings, and bad input


def test_what_the_user_should_know_is_told(
    user: Any, bead_layer: Image, beads: Points, recipe_of: Any, told: Any
) -> None:
    clean = user.makes("Preprocess beads", image=bead_layer)
    beads.data = beads.data[:4]
    told.forget()
    settings = QUICK | {"bead_diameter": 0.0, "numerical_aperture": 1.2, "wavelength": 0.52}
    gui = user.opens(NAME, image=clean, beads=beads, **settings)
    psf = user.runs(gui)[-1]
    text = "\n".join(gui.runner.display.warnings)
    for sentence in (
        "of 4 beads could be used: the PSF is noisy",
        "The beads' diameter is not given",
        "not given, so that none of them counts",
        "The image 'beads preprocessed' was preprocessed: its noise and background are not the "
        "camera's any more, and the joint fit needs them. Choose the raw image.",
    ):
        assert sentence in text
    record = recipe_of(psf).provenance
    assert record.by_hand == ("find_beads", "preprocess")
    assert record == dataclasses.replace(
        recipe_of(clean).provenance, by_hand=record.by_hand, device="NumPy, float32"
    )


def test_what_cannot_be_used_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, add_small: Callable[..., Image], told: Any
) -> None:
    source = add_small()
    gui = user.opens(NAME, image=source, **QUICK)
    scale = {"scale": source.scale, "units": source.units}
    good = viewer.add_points([[12, 14]], **scale)
    outside = viewer.add_points([[12, 14], [50, 60]], **scale)
    empty = viewer.add_points(ndim=2, **scale)
    for beads in (outside, empty):
        assert user.runs(user.chooses(gui, beads=beads)) == []
    impossible = {"numerical_aperture": 1.4, "wavelength": 0.5, "refractive_index": 1.33}
    assert user.runs(user.chooses(gui, beads=good, **impossible)) == []
    assert user.runs(user.chooses(gui, numerical_aperture=0.0, window=(0.0, 0.0, 1.0))) == []
    assert user.runs(user.chooses(gui, window=(0.0, 0.0, 0.0), refractive_index=0.5)) == []
    for layer in (good, outside, empty):
        viewer.layers.remove(layer)
    assert user.runs(user.chooses(gui, refractive_index=0.0)) == []
    expected = (
        "1 of 2 bead centres lie outside the image",
        "is empty: there is no bead in it",
        "it is always less than the refractive index of the immersion, which is given as 1.33",
        "JointFit.window[0] is 0.0; it should be greater than 0",
        "The refractive index is 0.5, but a refractive index is from 1 to 4",
        "No points layer is chosen. Run Find beads first, or add points by hand.",
    )
    assert len(told.errors) == len(expected)
    for error, sentence in zip(told.errors, expected, strict=True):
        assert error.startswith("Distil PSF: ")
        assert sentence in error
    assert list(viewer.layers) == [source]


def test_a_fit_that_fails_midway_is_told_in_a_sentence(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    beads: Points,
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_halfway(*_: Any) -> Any:
        yield Progress(StepId.DISTILL, 12, 24)
        raise DeviceError("The device gave up.")

    monkeypatch.setattr("napari_psf_distiller.widgets.distil.joint.joint_step", fail_halfway)
    gui = user.opens(NAME, image=bead_layer, beads=beads, **QUICK)
    assert user.runs(gui) == []
    assert told.errors == ["Distil PSF: The device gave up."]
    assert gui.call_button.enabled
    assert list(viewer.layers) == [bead_layer, beads]
