"""What is odd about the figures stands below their fields, as long as it is so."""

from typing import Any

import napari
import pytest

from napari_psf_distiller.widgets.guide.guide import Guide


@pytest.fixture
def guide(viewer: napari.Viewer, add_small: Any) -> Guide:
    add_small()
    _, opened = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
    return opened


def test_odd_figures_are_told_below_their_fields(guide: Guide, user: Any) -> None:
    head = guide.head
    user.chooses(head, numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    user.chooses(head, bead_diameter=40.0, voxel_size=(0.0, 0.3, 0.3))
    user.waits(lambda: "Nyquist's limit is 0.108" in head.notes.text("voxel_size"))
    assert "much larger than the PSF" in head.notes.text("bead_diameter")
    assert ">Use 40 nm</a>" in head.notes.text("bead_diameter")
    head.voxel_size.value = (0.0, 0.08, 0.08)
    user.waits(lambda: not head.notes.text("voxel_size"))
    head.method.value = "richardson-lucy"
    user.waits(lambda: not head.notes.text("bead_diameter"))


def test_without_a_field_for_the_voxel_size_it_is_told_below_the_image(
    user: Any, add_small: Any
) -> None:
    add_small(scale=(0.3, 0.3))
    gui = user.opens("Distil PSF", numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    user.waits(lambda: "Nyquist" in gui.notes.text("image"))
    gui.microscope.value = "other"
    user.waits(lambda: not gui.notes.text("image"))
