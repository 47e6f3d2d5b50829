"""Distil PSF from several layers, and from all points of time of one."""

from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Points

from napari_psf_distiller import SimulatedBeads, simulate_beads
from napari_psf_distiller.widgets.layers.lineage import inputs_of, run_of
from napari_psf_distiller.widgets.layers.note import METADATA_KEY

NAME = "Distil PSF"
QUICK = {
    "bead_diameter": 0.1,
    "window": (2.4, 2.0, 2.0),
    "max_angular_order": 0,
    "device": "numpy",
}


@pytest.fixture(scope="module")
def other_field(field: SimulatedBeads) -> SimulatedBeads:
    return simulate_beads(field.image.shape, field.spacing, beads=6, seed=5)


@pytest.fixture
def other(viewer: napari.Viewer, bead_layer: Image, other_field: SimulatedBeads) -> Image:
    """Another stack of the same microscope, in a layer of its own."""
    return viewer.add_image(
        other_field.image,
        name="other",
        scale=bead_layer.scale,
        units=bead_layer.units,
    )


def quick(gui: Any) -> dict[str, Any]:
    return {name: value for name, value in QUICK.items() if hasattr(gui, name)}


def test_one_psf_of_two_layers(
    user: Any, viewer: napari.Viewer, bead_layer: Image, other: Image, told: Any
) -> None:
    beads = user.makes("Find beads", image=bead_layer)
    gui = user.opens(NAME, image=bead_layer, beads=beads)
    assert list(gui.others.choices) == [other]
    user.chooses(gui, others=[other], **quick(gui))
    assert set(inputs_of(gui)) == {"image", "beads", "others 0"}
    theirs, residual, ours, psf = user.runs(gui)
    assert run_of(psf).inputs == inputs_of(gui)
    assert [type(layer) for layer in (theirs, residual, ours, psf)] == [
        Points,
        Image,
        Points,
        Image,
    ]
    assert [layer.name for layer in (theirs, ours)] == ["other fitted beads", "beads fitted beads"]
    assert theirs.metadata[METADATA_KEY].source.name == "other"
    assert len(theirs.data) == 6
    assert (
        "2 of 2 stacks used (beads: 8 of 8 beads; other: 6 of 6 beads)" in gui.runner.status.value
    )
    recipe = psf.metadata[METADATA_KEY].recipe
    assert recipe.provenance.stacks == ("beads", "other")
    assert psf.metadata[METADATA_KEY].psf.recipe == recipe
    assert told.errors == []
    # A second run takes the place of the first: it is written over what that made.
    first, before = run_of(psf).id, len(viewer.layers)
    again = user.runs(gui)
    assert len(viewer.layers) == before
    assert again == [theirs, residual, ours, psf]
    assert first not in {run_of(layer).id for layer in again}
    assert [layer.name for layer in again][-1] == "beads distilled"


def test_the_layers_of_another_image_stay(
    user: Any, viewer: napari.Viewer, bead_layer: Image, other: Image
) -> None:
    beads = user.makes("Find beads", image=bead_layer)
    gui = user.opens(NAME, image=bead_layer, beads=beads)
    user.chooses(gui, others=[other], **quick(gui))
    before = user.runs(gui)
    user.chooses(gui, image=other, beads=user.makes("Find beads", image=other))
    user.chooses(gui, others=[bead_layer])
    after = user.runs(gui)
    assert after[-1].name == "other distilled"
    assert all(layer in viewer.layers for layer in (*before, *after))


def test_all_points_of_time_are_one_psf(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    field: SimulatedBeads,
    other_field: SimulatedBeads,
) -> None:
    series = viewer.add_image(
        np.stack([field.image, other_field.image]),
        name="series",
        scale=(1, *bead_layer.scale),
        axis_labels=("t", "z", "y", "x"),
        units=("s", *bead_layer.units),
    )
    viewer.dims.set_point(0, 0)
    beads = user.makes("Find beads", image=series)
    gui = user.opens(NAME, image=series, beads=beads)
    assert list(gui.along.choices) == ["", "t"]
    user.chooses(gui, along="t", **quick(gui))
    theirs, _, ours, _ = user.runs(gui)
    assert [layer.name for layer in (theirs, ours)] == [
        "series [t=1] fitted beads",
        "series [t=0] fitted beads",
    ]
    assert not theirs.visible
    assert "2 of 2 stacks used" in gui.runner.status.value


def test_channels_are_no_further_stacks(user: Any, viewer: napari.Viewer) -> None:
    image = viewer.add_image(np.zeros((2, 3, 4, 16, 16)), axis_labels=("t", "c", "z", "y", "x"))
    gui = user.opens(NAME, image=image)
    assert list(gui.along.choices) == ["", "t"]


def test_a_stack_of_another_voxel_size_is_a_sentence(
    user: Any, bead_layer: Image, other: Image, told: Any
) -> None:
    beads = user.makes("Find beads", image=bead_layer)
    other.scale = 1.5 * bead_layer.scale
    gui = user.opens(NAME, image=bead_layer, beads=beads)
    user.chooses(gui, others=[other], **quick(gui))
    gui()
    assert any("must have one voxel size" in error for error in told.errors)


def test_a_further_stack_without_beads_is_left_out_and_said(
    user: Any, viewer: napari.Viewer, bead_layer: Image, told: Any
) -> None:
    dark = np.random.default_rng(1).poisson(100, bead_layer.data.shape).astype(np.uint16)
    blank = viewer.add_image(dark, name="dark", scale=bead_layer.scale, units=bead_layer.units)
    beads = user.makes("Find beads", image=bead_layer)
    gui = user.opens(NAME, image=bead_layer, beads=beads)
    user.chooses(gui, others=[blank], **quick(gui))
    assert [layer.name for layer in user.runs(gui)] == [
        "beads residual",
        "beads fitted beads",
        "beads distilled",
    ]
    assert "1 of 2 stacks used (beads: 8 of 8 beads; dark: left out)" in gui.runner.status.value
    warnings = gui.runner.display.warnings
    assert any("dark: it was left out. No bead was found" in text for text in warnings)
