"""What an image's file says of the microscope, in a real viewer: filled in, marked, or told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image
from ome_files import CONFOCAL, write_ome
from qtpy.QtCore import Qt

import napari_psf_distiller as psfd
from napari_psf_distiller import MicroscopePreset, MicroscopePresets, Optics
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.guide import Guide
from napari_psf_distiller.widgets.parts.column import label_of

SAID = Optics(1.4, 0.52, 1.518, microscope="confocal", excitation=0.488)
FROM_FILE = {"microscope", "numerical_aperture", "wavelength", "refractive_index", "excitation"}


@pytest.fixture(scope="module")
def field() -> psfd.SimulatedBeads:
    return psfd.simulate_beads((16, 48, 52), beads=3, separation=1.2, seed=2)


@pytest.fixture
def open_file(
    viewer: napari.Viewer, tmp_path: Path, field: psfd.SimulatedBeads
) -> Callable[..., Image]:
    """Open an OME-TIFF as napari does."""

    def opened(*channels: str, name: str = "beads", **what: Any) -> Image:
        path = tmp_path / f"{name}.ome.tif"
        write_ome(
            path,
            field.image.astype(np.uint16),
            channels or (CONFOCAL,),
            spacing=field.spacing,
            **what,
        )
        (layer,) = viewer.open(str(path), plugin="napari")
        return layer

    return opened


@pytest.fixture
def open_guide(viewer: napari.Viewer) -> Callable[[], Guide]:
    def opened() -> Guide:
        _, dock = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
        return dock.guide

    return opened


@pytest.fixture
def filled(open_file: Callable[..., Image], open_guide: Callable[[], Guide], user: Any) -> Guide:
    """A guide that the image's file filled in."""
    open_file()
    guide = open_guide()
    user.waits(lambda: bool(guide.microscope.fields.marks.names))
    return guide


def label(guide: Guide, name: str) -> str:
    return label_of(guide.head[name], guide.head.native).text()


def test_the_file_fills_in_the_fields_and_they_are_marked(
    filled: Guide, field: psfd.SimulatedBeads
) -> None:
    fields = filled.microscope.fields
    assert fields.optics() == SAID
    assert fields.marks.names == {*FROM_FILE, "voxel_size"}
    assert label(filled, "numerical_aperture") == "numerical aperture *"
    tooltip = filled.head.numerical_aperture.tooltip
    assert tooltip.startswith("OME's Objective LensNA says so; change it if it is wrong. Of the")
    assert filled.microscope.file.notice.text() == "* as beads.ome.tif says"
    assert not filled.microscope.file.notice.isHidden()
    assert filled.steps[StepId.DISTILL].gui.numerical_aperture.value == 1.4
    np.testing.assert_allclose(filled.head.voxel_size.value, field.spacing)


def test_what_is_changed_is_not_the_files_any_more(filled: Guide, qtbot: Any) -> None:
    filled.head.wavelength.value = 0.6
    assert label(filled, "wavelength") == "emission (µm)"
    assert filled.head.wavelength.tooltip.startswith("Wavelength of the light")
    file = filled.microscope.file
    assert file.notice.text() == (
        "beads.ome.tif says otherwise: emission 0.52 µm.<br>* as beads.ome.tif says"
    )
    assert not file.use.native.isHidden()
    qtbot.mouseClick(file.use.native, Qt.MouseButton.LeftButton)
    assert filled.microscope.fields.optics() == SAID
    assert file.use.native.isHidden()


def test_what_was_given_stays(
    open_file: Callable[..., Image], open_guide: Callable[[], Guide], user: Any
) -> None:
    guide = open_guide()
    guide.head.microscope.value = "confocal"
    guide.head.numerical_aperture.value = 1.2
    open_file()
    user.waits(lambda: bool(guide.microscope.fields.marks.names))
    assert guide.microscope.fields.optics() == Optics(
        1.2, 0.52, 1.518, microscope="confocal", excitation=0.488
    )
    assert label(guide, "numerical_aperture") == "numerical aperture"
    assert "says otherwise: numerical aperture 1.4." in guide.microscope.file.notice.text()


def test_what_cannot_be_beside_what_was_given(
    open_file: Callable[..., Image], open_guide: Callable[[], Guide], user: Any
) -> None:
    guide = open_guide()
    guide.head.refractive_index.value = 1.33
    open_file()
    user.waits(lambda: "says otherwise" in guide.microscope.file.notice.text())
    # Nothing of it is mixed with what was given.
    assert guide.microscope.fields.optics() == Optics(refractive_index=1.33)
    assert "refractive index 1.518" in guide.microscope.file.notice.text()


def test_another_image_has_a_file_of_its_own(
    filled: Guide, open_file: Callable[..., Image], viewer: napari.Viewer, user: Any
) -> None:
    other = CONFOCAL.replace("520", "610").replace("488", "561")
    red, first = open_file(other, name="red"), viewer.layers[0]
    filled.head.image.value = red
    user.waits(lambda: filled.head.wavelength.value == 0.61)
    # One that says nothing leaves nothing of the others'.
    filled.head.image.value = viewer.add_image(np.zeros((16, 48, 52)), name="bare")
    assert filled.microscope.fields.optics() == Optics()
    assert filled.microscope.fields.marks.names == set()
    assert filled.microscope.file.notice.isHidden()
    filled.head.image.value = first
    user.waits(lambda: filled.microscope.fields.optics() == SAID)


def test_a_preset_counts_before_the_file(filled: Guide) -> None:
    preset = MicroscopePreset(Optics(1.3, refractive_index=1.47, microscope="confocal"))
    MicroscopePresets().save("Glycerol", preset)
    row = filled.microscope.presets
    row.read()
    row.choice.value = "Glycerol"
    # What it does not say, the file does.
    assert filled.microscope.fields.optics() == Optics(
        1.3, 0.52, 1.47, microscope="confocal", excitation=0.488
    )
    assert filled.microscope.fields.marks.names >= {"wavelength", "excitation"}
    assert not row.changed
    text = filled.microscope.file.notice.text()
    assert "says otherwise: numerical aperture 1.4, refractive index 1.518." in text


def test_what_the_file_said_is_no_choice_for_the_next_session(
    filled: Guide, viewer: napari.Viewer
) -> None:
    from napari_psf_distiller.widgets.guide.parameters import values_of

    kept = values_of({"guide": filled.head})["guide"]
    assert FROM_FILE.isdisjoint(kept)
    assert "bead_diameter" in kept


def test_reset_asks_the_file_again(filled: Guide) -> None:
    filled.head.wavelength.value = 0.6
    filled.files.buttons["Reset to defaults"].click()
    assert filled.microscope.fields.optics() == SAID


def test_what_was_left_out_is_told(
    open_file: Callable[..., Image], open_guide: Callable[[], Guide], user: Any
) -> None:
    open_file(CONFOCAL.replace("520", "52000"))
    guide = open_guide()
    user.waits(lambda: bool(guide.microscope.fields.marks.names))
    # Without the folder, which is known.
    assert "<br>beads.ome.tif states the emission wavelength as 52000 nm, which it cannot be" in (
        guide.microscope.file.notice.text()
    )
    assert guide.head.wavelength.value == 0


@pytest.mark.parametrize("labels", [("c", "z", "y", "x"), None])
def test_each_channel_has_its_own(
    open_file: Callable[..., Image],
    viewer: napari.Viewer,
    open_guide: Callable[[], Guide],
    user: Any,
    labels: tuple[str, ...] | None,
) -> None:
    layer = open_file(CONFOCAL, CONFOCAL.replace("520", "610").replace("488", "561"))
    assert layer.data.shape == (2, 8, 48, 52)
    if labels is not None:
        layer.axis_labels = labels
    viewer.dims.set_current_step(0, 0)
    guide = open_guide()
    user.waits(lambda: guide.head.wavelength.value == 0.52)
    viewer.dims.set_current_step(0, 1)
    user.waits(lambda: guide.head.wavelength.value == 0.61)
    assert guide.head.excitation.value == 0.561


def test_a_file_that_is_gone(
    open_file: Callable[..., Image], open_guide: Callable[[], Guide], user: Any, told: Any
) -> None:
    layer = open_file()
    Path(layer.source.path).unlink()
    guide = open_guide()
    user.waits(lambda: not guide.microscope.file._background.busy)
    assert guide.microscope.fields.optics() == Optics()
    assert told.errors == []


def test_distil_psf_fills_in_too(open_file: Callable[..., Image], user: Any) -> None:
    image = open_file()
    gui = user.opens("Distil PSF")
    gui.image.value = image
    user.waits(lambda: gui.numerical_aperture.value == 1.4)
    assert gui.microscope.value == "confocal"
    assert gui.microscope_part.file.notice.text() == "* as beads.ome.tif says"


NOTED = {
    "bead_diameter": 0.1,
    "microscope": "widefield",
    "numerical_aperture": 1.2,
    "wavelength": 0.52,
    "refractive_index": 1.33,
}


def test_a_layer_without_a_file_says_it_itself(
    viewer: napari.Viewer, field: psfd.SimulatedBeads, open_guide: Callable[[], Guide], qtbot: Any
) -> None:
    keywords = {"scale": field.spacing, "units": ("micrometer",) * 3}
    layer = viewer.add_image(field.image, name="sample", metadata=dict(NOTED), **keywords)
    guide = open_guide()
    assert guide.microscope.fields.optics() == Optics(1.2, 0.52, 1.33, microscope="widefield")
    assert guide.head.bead_diameter.value == 0.1
    assert guide.microscope.fields.marks.names == set(NOTED)
    assert label(guide, "bead_diameter") == "bead diameter (µm) *"
    assert guide.microscope.file.notice.text() == "* as the layer says"
    # Who says otherwise is told, and can take it back.
    guide.head.bead_diameter.value = 0.2
    assert label(guide, "bead_diameter") == "bead diameter (µm)"
    notice = guide.microscope.file.notice.text()
    assert notice.startswith("The layer says otherwise: bead diameter 0.1 µm.")
    qtbot.mouseClick(guide.microscope.file.use.native, Qt.MouseButton.LeftButton)
    assert guide.head.bead_diameter.value == 0.1
    # Of another image nothing of it is left.
    guide.head.image.value = viewer.add_image(field.image, name="other", **keywords)
    assert guide.head.bead_diameter.value == 0.0
    assert guide.microscope.fields.optics() == Optics()
    guide.head.image.value = layer
    assert guide.head.bead_diameter.value == 0.1


def test_what_a_layer_cannot_mean_does_not_count(
    viewer: napari.Viewer, field: psfd.SimulatedBeads, open_guide: Callable[[], Guide]
) -> None:
    metadata = {"microscope": "the old one", "wavelength": 520, "bead_diameter": "small"}
    viewer.add_image(field.image, scale=field.spacing, metadata=metadata)
    guide = open_guide()
    assert guide.microscope.fields.optics() == Optics()
    assert guide.head.bead_diameter.value == 0.0
    assert guide.microscope.file.notice.isHidden()
