"""Prove PSF with a PSF that changes over the field."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Points
from varying_psfs import IMAGE_SHAPE, SPACING, varying_psf

import napari_psf_distiller as psfd
from napari_psf_distiller import Deconvolve, Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote

NAME = "Prove PSF"
LIGHT, LEVEL = 1e5, 20.0
CENTRES = np.array([[8, y, x] for y in (9, 30) for x in (9, 30)])
MICROMETRES = {"scale": SPACING, "units": ("micrometer",) * 3}


def clipped(psf: psfd.PSF) -> psfd.PSF:
    """Return a PSF without negative values, which no PSF that is deconvolved with has."""
    model = dataclasses.replace(psf.model, clip=True)
    return dataclasses.replace(psf, model=model).evaluate()


PSF = clipped(varying_psf([(lambda y, _: -0.6 * y, 0)]))


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., napari.Viewer]) -> napari.Viewer:
    """A viewer that shows, so that it can be told what is asked."""
    return make_napari_viewer(show=True)


@pytest.fixture
def image(viewer: napari.Viewer) -> Image:
    """Beads, each with the PSF of its place."""
    shape = np.array((17, *IMAGE_SHAPE))
    half = np.array(PSF.shape) // 2
    array = np.full(shape + 2 * half, LEVEL)
    for z, y, x in CENTRES:
        box = tuple(slice(n, n + m) for n, m in zip((z, y, x), PSF.shape, strict=True))
        array[box] += LIGHT * PSF.at(y, x).array
    inner = tuple(slice(n, n + m) for n, m in zip(half, shape, strict=True))
    return viewer.add_image(array[inner].astype(np.float32), name="beads", **MICROMETRES)


@pytest.fixture
def points(viewer: napari.Viewer, image: Image) -> Points:
    features = pd.DataFrame({"used": True, "background": LEVEL}, index=range(len(CENTRES)))
    return viewer.add_points(CENTRES, name="centres", features=features, **MICROMETRES)


@pytest.fixture
def psf(viewer: napari.Viewer, points: Points) -> Image:
    note = LayerNote(StepId.OPEN, Recipe(), "psf", psf=PSF)
    return viewer.add_image(PSF.array, name="varying", metadata={METADATA_KEY: note}, **MICROMETRES)


@pytest.fixture
def proven(user: Any, image: Image, points: Points, psf: Image) -> Callable[..., Any]:
    def prove(**values: Any) -> Any:
        given = {"image": image, "psf": psf, "beads": points, "iterations": 5, "device": "numpy"}
        gui = user.opens(NAME, **(given | values))
        user.clicks(gui.call_button)
        user.waits(lambda: not gui.runner.running and not gui.panel.busy)
        return gui

    return prove


def said(gui: Any) -> str:
    return re.sub("<[^>]*>", " ", gui.panel.figures.text())


def test_each_bead_has_the_psf_of_its_place(
    viewer: napari.Viewer, proven: Callable[..., Any], recipe_of: Any
) -> None:
    gui = proven()
    assert said(gui).endswith("each bead has that of its place.")
    proof = gui.panel.proven.proof
    assert len(proof.beads) == len(CENTRES)
    # All its light, though the PSF at the first row is not that at the last.
    assert proof.flux_before == pytest.approx(LIGHT * len(CENTRES), rel=0.02)
    assert gui.over_field.visible
    deconvolved = viewer.layers["beads deconvolved"]
    assert recipe_of(deconvolved).deconvolve == Deconvolve(iterations=5)


def test_the_mean_is_taken_if_somebody_says_so(proven: Callable[..., Any]) -> None:
    gui = proven(over_field="mean")
    assert "over the field" not in said(gui)
    assert len(gui.panel.proven.proof.beads) == len(CENTRES)


def test_an_image_of_another_field_has_to_be_placed(
    viewer: napari.Viewer, user: Any, proven: Callable[..., Any], image: Image, told: Any
) -> None:
    part = viewer.add_image(image.data[:, 4:, :36], name="part", **MICROMETRES)
    features = pd.DataFrame({"used": True, "background": LEVEL}, index=range(len(CENTRES)))
    own = viewer.add_points(CENTRES - (0, 4, 0), name="own", features=features, **MICROMETRES)
    gui = proven(image=part, beads=own)
    assert any("Say where it lies by over field placed" in error for error in told.errors)
    assert not gui.field_y.visible
    user.chooses(gui, over_field="placed", field_y=0.4)
    assert gui.field_y.visible
    user.clicks(gui.call_button)
    user.waits(lambda: not gui.runner.running and not gui.panel.busy)
    assert gui.panel.proven.proof.flux_before == pytest.approx(LIGHT * len(CENTRES), rel=0.02)


def test_of_a_psf_that_is_one_nothing_is_asked(
    viewer: napari.Viewer, user: Any, image: Image, points: Points
) -> None:
    layer = viewer.add_image(PSF.array, name="constant", **MICROMETRES)
    gui = user.opens(NAME, image=image, psf=layer, beads=points)
    assert not gui.over_field.visible
    assert not gui.field_y.visible
