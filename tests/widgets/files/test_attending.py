"""A PSF comes and goes whole by napari's own reader and writer too, whatever it is called."""

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QFileDialog

from napari_psf_distiller import PSF, Recipe, SimulatedBeads, read_psf
from napari_psf_distiller.io import is_psf_file, write_image
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote
from napari_psf_distiller.widgets.layers.source import read_image_layer

RECIPE = Recipe(spacing=(0.2, 0.08, 0.08), bead_diameter=0.1)


@pytest.fixture
def saved(field: SimulatedBeads, tmp_path: Path) -> Path:
    """What the command line leaves."""
    psf = PSF(field.psf, spacing=field.spacing, recipe=RECIPE)
    psf.save(tmp_path / "psf.tif")
    psf.save(tmp_path / "renamed 1.5 x.tif")
    write_image(tmp_path / "residual.tif", field.image, spacing=field.spacing)
    write_image(tmp_path / "image.tif", field.image, spacing=field.spacing)
    return tmp_path


def size_of(layer: Image) -> tuple[float, ...] | None:
    if {str(unit) for unit in layer.units} == {"pixel"}:
        return None
    assert {str(unit) for unit in layer.units} == {"micrometer"}
    return tuple(layer.scale)


@pytest.mark.parametrize("opened_first", [True, False])
def test_layers_of_our_files_get_what_these_say(
    user: Any, viewer: napari.Viewer, saved: Path, opened_first: bool, told: Any
) -> None:
    gui = None if opened_first else user.opens("Deconvolve")
    names = ("psf", "renamed 1.5 x", "residual", "image")
    for name in names:
        viewer.open(str(saved / f"{name}.tif"))
    psf, renamed, residual, image = viewer.layers
    gui = gui or user.opens("Deconvolve")
    user.waits(lambda: size_of(residual) is not None)
    for layer in (psf, renamed, residual):
        assert size_of(layer) == pytest.approx((0.2, 0.08, 0.08), rel=1e-5)
    assert read_image_layer(renamed).recipe.bead_diameter == 0.1
    # An image is no result of ours: its layer stays as it is.
    assert size_of(image) is None
    assert len(told.infos) == 3
    assert gui.psf.value in (psf, renamed)


def test_a_layer_with_a_scale_of_its_own_stays_as_it_is(
    user: Any, viewer: napari.Viewer, saved: Path
) -> None:
    (layer,) = viewer.open(str(saved / "psf.tif"), scale=(3, 2, 2))
    user.opens("Inspect PSF")
    assert tuple(layer.scale) == (3, 2, 2)
    assert METADATA_KEY not in layer.metadata


@pytest.fixture
def own(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    return viewer.add_image(
        field.psf.astype(np.float32),
        name="beads PSF",
        scale=field.spacing,
        units=("micrometer",) * 3,
        metadata={METADATA_KEY: LayerNote(StepId.POSTPROCESS, RECIPE, "beads")},
    )


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("x.psf.ome.tif", "x.psf.ome.tif"),
        ("x.tif", "x.tif"),
        ("beads PSF", "beads PSF.psf.tif"),
        ("x.png", None),
    ],
)
def test_the_default_type_of_the_save_dialog_loses_nothing(
    user: Any,
    viewer: napari.Viewer,
    own: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    written: str | None,
) -> None:
    user.opens("Inspect PSF")
    viewer.layers.selection = {own}

    def choose(*_: object, filter: str, **__: object) -> tuple[str, str]:
        return str(tmp_path / typed), filter.split(";;", maxsplit=1)[0]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(choose))
    viewer.window._qt_viewer._save_layers_dialog(selected=True)
    if written is None:
        assert not any(is_psf_file(path) for path in tmp_path.iterdir())
    else:
        assert read_psf(tmp_path / written).recipe == RECIPE


def test_other_layers_are_saved_as_they_were(
    user: Any, viewer: napari.Viewer, bead_layer: Image, own: Image, tmp_path: Path
) -> None:
    user.opens("Inspect PSF")
    viewer.layers.selection = {bead_layer}
    viewer.layers.save(str(tmp_path / "image.tif"), selected=True)
    assert not is_psf_file(tmp_path / "image.tif")
    own.units, own.scale = ("pixel",) * 3, (1, 1, 1)
    viewer.layers.selection = {own}
    viewer.layers.save(str(tmp_path / "no size.tif"), selected=True)
    assert not is_psf_file(tmp_path / "no size.tif")
