"""From a bead image to an inspected PSF by clicks, as in the notebook, and against the pipeline."""

import dataclasses
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

import napari_psf_distiller as psfd


@pytest.fixture
def walk(user: Any) -> Callable[..., list[Any]]:
    """Go the stepwise way by clicks, with some settings for the steps; return the layers."""

    def go(image: Image, settings: dict[str, dict[str, Any]]) -> list[Any]:
        def make(name: str, **layers: Any) -> Any:
            return user.makes(name, **layers, **settings.get(name, {}))

        clean = make("Preprocess beads", image=image)
        mask = make("Threshold", image=clean)
        beads = make("Find beads", image=clean, mask=mask, method="threshold")
        distilled = make("Distil PSF", image=clean, beads=beads, method="richardson-lucy")
        psf = make("Post-process PSF", image=distilled)
        sharp = make("Deconvolve", image=clean, psf=psf)
        return [clean, mask, beads, distilled, psf, sharp]

    return go


SETTINGS = {
    "best": {
        "Distil PSF": {"iterations": 5},
        "Deconvolve": {"iterations": 3},
    },
    "notebook": {
        "Preprocess beads": {"background": "mean", "factor": 1.25, "floor": 0.1, "median": 3},
        "Threshold": {"method": "otsu"},
        "Find beads": {"centre": "centroid", "min_voxels": 1, "margin": (0.0, 0.0, 0.0)},
        "Distil PSF": {"iterations": 5, "start": "image", "placement": "truncate"},
        "Post-process PSF": {"crop": (20, 65, 65), "background": 0.002},
        "Deconvolve": {"iterations": 3, "method": "plain"},
    },
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_the_way_by_clicks_is_the_pipelines(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    walk: Callable[..., list[Any]],
    recipe_of: Any,
    told: Any,
    name: str,
) -> None:
    before = bead_layer.data.copy()
    clean, mask, beads, distilled, psf, sharp = walk(bead_layer, SETTINGS[name])
    assert list(viewer.layers) == [bead_layer, clean, mask, beads, distilled, psf, sharp]
    # The recipe in the PSF layer is all that is needed to make it again from the image.
    recipe = recipe_of(psf)
    result = psfd.distill(bead_layer.data, recipe=recipe)
    np.testing.assert_allclose(psf.data, result.psf, atol=1e-6 * result.psf.array.max(), rtol=0)
    np.testing.assert_array_equal(clean.data, result.preprocessed)
    np.testing.assert_array_equal(beads.data, result.beads[["z", "y", "x"]])
    assert list(beads.features["used"]) == list(result.beads["used"])
    assert recipe.provenance.image_sha256 == result.recipe.provenance.image_sha256
    assert recipe.provenance.device == result.recipe.provenance.device
    method = recipe_of(sharp).deconvolve.method
    assert method == ("plain" if name == "notebook" else "accelerated")
    expected = psfd.deconvolve(clean.data, psf.data, iterations=3, method=method)
    np.testing.assert_allclose(sharp.data, expected, atol=1e-6 * np.max(expected), rtol=0)
    if name == "notebook":
        notebook = psfd.Recipe.notebook()
        assert recipe.preprocess == notebook.preprocess
        assert recipe.threshold == notebook.threshold
        assert recipe.find_beads == notebook.find_beads
        assert dataclasses.replace(recipe.distill, iterations=300) == notebook.distill
        assert recipe.postprocess.background == notebook.postprocess.background
    # Nothing happened to the user's own layer.
    np.testing.assert_array_equal(bead_layer.data, before)
    assert bead_layer.metadata == {"mine": 1}
    assert told.errors == []
    inspect = user.opens("Inspect PSF", psf=psf)
    user.waits(lambda: not inspect.inspector.busy)
    assert "FWHM" in inspect.inspector.numbers.text()


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_a_2d_field(viewer: napari.Viewer, walk: Callable[..., list[Any]], recipe_of: Any) -> None:
    field = psfd.simulate_beads((72, 80), (0.08, 0.08), beads=8, separation=1.2, seed=2)
    layer = viewer.add_image(field.image, scale=field.spacing, units=("micrometer",) * 2)
    psf = walk(layer, SETTINGS["best"])[-2]
    result = psfd.distill(field.image, recipe=recipe_of(psf))
    np.testing.assert_allclose(psf.data, result.psf, atol=1e-6 * result.psf.array.max(), rtol=0)


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_the_joint_way_by_clicks_is_the_pipelines(
    user: Any, viewer: napari.Viewer, bead_layer: Image, recipe_of: Any, warnings_of: Any, told: Any
) -> None:
    before = bead_layer.data.copy()
    found = user.makes("Find beads", image=bead_layer)
    gui = user.opens("Distil PSF", bead_diameter=0.1, window=(2.4, 2.0, 2.0))
    assert (gui.image.value, gui.beads.value, gui.method.value) == (bead_layer, found, "joint")
    residual, fitted, distilled = user.runs(gui)
    gui = user.opens("Post-process PSF")
    assert gui.image.value is distilled
    (psf,) = user.runs(gui)
    assert list(viewer.layers) == [bead_layer, found, residual, fitted, distilled, psf]
    # The recipe in the PSF layer is all that is needed to make it again from the image.
    recipe = recipe_of(psf)
    result = psfd.distill(bead_layer.data, recipe=recipe)
    np.testing.assert_allclose(psf.data, result.psf, atol=1e-4 * result.psf.array.max(), rtol=0)
    np.testing.assert_allclose(fitted.data, result.beads[["z", "y", "x"]], atol=1e-3)
    assert list(fitted.features["used"]) == list(result.beads["used"])
    np.testing.assert_allclose(residual.data, result.residual, atol=0.1)
    assert recipe.provenance == result.recipe.provenance
    assert warnings_of(distilled) == result.warnings
    assert psf.data.sum() == pytest.approx(1, abs=1e-5)
    assert psf.data.min() >= 0
    # Nothing happened to the user's own layer.
    np.testing.assert_array_equal(bead_layer.data, before)
    assert bead_layer.metadata == {"mine": 1}
    assert told.errors == []
    inspect = user.opens("Inspect PSF", psf=psf)
    user.waits(lambda: not inspect.inspector.busy)
    assert "FWHM" in inspect.inspector.numbers.text()


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_the_joint_way_of_a_2d_field(user: Any, viewer: napari.Viewer, recipe_of: Any) -> None:
    field = psfd.simulate_beads((72, 80), (0.08, 0.08), beads=8, separation=1.2, seed=2)
    layer = viewer.add_image(field.image, scale=field.spacing, units=("micrometer",) * 2)
    found = user.makes("Find beads", image=layer)
    gui = user.opens("Distil PSF", image=layer, beads=found, bead_diameter=0.1)
    distilled = user.runs(gui)[-1]
    psf = user.makes("Post-process PSF", image=distilled)
    result = psfd.distill(field.image, recipe=recipe_of(psf))
    np.testing.assert_allclose(psf.data, result.psf, atol=1e-4 * result.psf.array.max(), rtol=0)


def test_each_step_starts_from_what_the_step_before_wrote(user: Any, bead_layer: Image) -> None:
    user.viewer.add_image(bead_layer.data, name="another")
    preprocessed = user.makes("Preprocess beads", image=bead_layer)
    assert user.opens("Threshold").image.value is preprocessed
    mask = user.makes("Threshold", image=preprocessed)
    gui = user.opens("Find beads")
    assert (gui.image.value, gui.mask.value) == (preprocessed, mask)
    beads = user.makes("Find beads", image=preprocessed, mask=mask)
    gui = user.opens("Distil PSF")
    assert (gui.image.value, gui.beads.value) == (preprocessed, beads)
    assert gui.method.value == "richardson-lucy"


def test_a_raw_image_is_distilled_with_a_warning(
    user: Any, bead_layer: Image, warnings_of: Any
) -> None:
    preprocessed = user.makes("Preprocess beads", image=bead_layer)
    mask = user.makes("Threshold", image=preprocessed)
    beads = user.makes("Find beads", image=preprocessed, mask=mask, method="threshold")
    settings = {"method": "richardson-lucy", "iterations": 1}
    distilled = user.makes("Distil PSF", image=bead_layer, beads=beads, **settings)
    assert "was not preprocessed" in warnings_of(distilled)[-1]
