"""A field for a PSF takes one by itself, never any image, and keeps what its user chose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import PSF, Recipe, SimulatedBeads
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote
from napari_psf_distiller.widgets.layers.psf_field import NO_PSF

FIELDS = {
    "Deconvolve": "psf",
    "Prove PSF": "psf",
    "Inspect PSF": "psf",
    "Post-process PSF": "image",
}


@pytest.fixture
def add_psf(viewer: napari.Viewer, field: SimulatedBeads) -> Callable[..., Image]:
    def add(name: str, step: StepId | None = None, factor: float = 1.0) -> Image:
        note = None if step is None else LayerNote(step, Recipe(), "beads")
        return viewer.add_image(
            (factor * field.psf).astype(np.float32),
            name=name,
            scale=field.spacing,
            units=("micrometer",) * 3,
            metadata={} if note is None else {METADATA_KEY: note},
        )

    return add


@pytest.mark.parametrize("name", FIELDS)
def test_an_image_alone_is_no_psf(user: Any, bead_layer: Image, name: str) -> None:
    gui = user.opens(name)
    field = gui[FIELDS[name]]
    assert field.value is None
    assert field.native.currentText() == NO_PSF
    if name == "Deconvolve":
        assert bead_layer not in field.choices


@pytest.mark.parametrize("name", ["Deconvolve", "Prove PSF", "Inspect PSF"])
def test_an_empty_field_takes_the_psf_that_comes_later(
    user: Any,
    viewer: napari.Viewer,
    bead_layer: Image,
    field: SimulatedBeads,
    tmp_path: Path,
    add_psf: Callable[..., Image],
    name: str,
) -> None:
    gui = user.opens(name)
    PSF(field.psf, spacing=field.spacing).save(tmp_path / "a.psf.tif")
    (opened,) = viewer.open(str(tmp_path / "a.psf.tif"), plugin="napari-psf-distiller")
    assert gui.psf.value is opened
    add_psf("another", StepId.POSTPROCESS)
    assert gui.psf.value is opened
    viewer.layers.remove(opened)
    assert gui.psf.value is viewer.layers["another"]
    if name != "Inspect PSF":
        assert gui.image.value is bead_layer


def test_the_finished_psf_takes_the_place_of_the_distilled_one_unless_that_was_chosen(
    user: Any, bead_layer: Image, add_psf: Callable[..., Image]
) -> None:
    gui = user.opens("Deconvolve")
    distilled = add_psf("distilled", StepId.DISTILL)
    assert gui.psf.value is distilled
    finished = add_psf("finished", StepId.POSTPROCESS)
    assert gui.psf.value is finished
    gui.psf.value = distilled
    add_psf("last", StepId.POSTPROCESS)
    assert gui.psf.value is distilled


def test_a_choice_stays_when_layers_are_renamed(
    user: Any, viewer: napari.Viewer, bead_layer: Image, add_psf: Callable[..., Image]
) -> None:
    first, second = add_psf("first"), add_psf("second")
    other = viewer.add_image(bead_layer.data, name="other")
    gui = user.opens("Deconvolve", image=other, psf=first)
    first.name, other.name = "renamed", "also renamed"
    viewer.layers.remove(second)
    assert (gui.psf.value, gui.image.value) == (first, other)
    assert gui.psf.native.currentText() == "renamed"


def test_post_processing_takes_what_was_distilled(
    user: Any, bead_layer: Image, add_psf: Callable[..., Image]
) -> None:
    gui = user.opens("Post-process PSF")
    add_psf("finished", StepId.POSTPROCESS)
    add_psf("of another program")
    assert gui.image.value is None
    distilled = add_psf("distilled", StepId.DISTILL)
    assert gui.image.value is distilled


def test_a_psf_is_not_taken_as_the_image(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, add_psf: Callable[..., Image]
) -> None:
    psf = add_psf("psf")
    gui = user.opens("Deconvolve")
    assert (gui.image.value, gui.psf.value) == (None, psf)
    image = viewer.add_image(field.image, name="cell")
    assert (gui.image.value, gui.psf.value) == (image, psf)


def test_an_image_is_a_psf_if_its_user_says_so(
    user: Any, bead_layer: Image, add_psf: Callable[..., Image], told: Any
) -> None:
    gui = user.opens("Deconvolve", image=bead_layer, iterations=1, device="numpy")
    foreign = add_psf("foreign", factor=1000)
    assert gui.psf.value is None
    gui.psf.value = foreign
    assert gui.psf_field.asking
    assert "its values sum to 1e+03, not to 1" in gui.psf_field.confirm.tooltip
    assert user.runs(gui) == []
    assert (
        "The layer 'foreign' is hardly a PSF: its values sum to 1e+03, not to 1."
        in (told.errors[-1])
    )
    gui.psf_field.confirm.value = True
    (layer,) = user.runs(gui)
    assert layer.name == "beads deconvolved"
    # Who said so once is not asked again.
    other = user.opens("Prove PSF", psf=foreign)
    assert not other.psf_field.asking
    gui.psf.value = None
    assert not gui.psf_field.asking


def test_what_lies_on_disk_is_not_read_to_be_looked_at(
    user: Any, viewer: napari.Viewer, field: SimulatedBeads, bead_layer: Image
) -> None:
    read: list[int] = []

    def load(block: np.ndarray) -> np.ndarray:
        read.append(1)
        return block

    data = dask.array.from_array(field.psf.astype(np.float32)).map_blocks(load, dtype=np.float32)
    lazy = viewer.add_image(data, name="lazy", contrast_limits=(0, 1), visible=False)
    read.clear()
    gui = user.opens("Deconvolve", image=bead_layer)
    assert gui.psf.value is None
    gui.psf.value = lazy
    assert gui.psf_field.asking
    assert "its voxels lie on disk" in gui.psf_field.confirm.tooltip
    assert read == []


def test_an_image_is_not_deconvolved_with_itself(
    user: Any, bead_layer: Image, add_psf: Callable[..., Image], told: Any
) -> None:
    psf = add_psf("psf")
    gui = user.opens("Deconvolve", image=bead_layer, psf=psf)
    assert psf not in gui.image.choices
    gui.psf_field.confirm.value = False
    foreign = add_psf("foreign", factor=1000)
    gui.psf.value = foreign
    gui.image.value = foreign
    assert gui.psf.value is psf
