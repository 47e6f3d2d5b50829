from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import SimulatedBeads, fwhm
from napari_psf_distiller.widgets import inspect as inspect_module

NAME = "Inspect PSF"


@pytest.fixture
def psf(viewer: napari.Viewer, field: SimulatedBeads) -> Image:
    return viewer.add_image(
        field.psf.astype(np.float32),
        name="psf",
        scale=field.spacing,
        units=("micrometer",) * 3,
    )


def pictures(gui: Any) -> list[Any]:
    return [picture for axes in gui.inspector.projections.axes for picture in axes.images]


def test_it_does_not_draw_a_large_image_unasked(
    user: Any, psf: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_module, "UNASKED_VOXELS", psf.data.size - 1)
    gui = user.opens(NAME)
    assert pictures(gui) == []
    gui.gamma.value = 0.8
    assert len(pictures(gui)) == 3


def test_it_draws_projections_and_profiles(user: Any, psf: Image) -> None:
    gui = user.opens(NAME)
    # The first PSF is there as soon as the widget opens.
    xy, zy, xz = pictures(gui)
    np.testing.assert_array_equal(xy.get_array(), psf.data.max(axis=0))
    np.testing.assert_array_equal(zy.get_array(), psf.data.max(axis=2).T)
    np.testing.assert_array_equal(xz.get_array(), psf.data.max(axis=1))
    # At the right physical aspect: the extents are in micrometres, and a micrometre is one.
    z, y, x = (n * size for n, size in zip(psf.data.shape, psf.scale, strict=True))
    for picture, width, height in ((xy, x, y), (zy, z, y), (xz, x, z)):
        left, right, bottom, top = picture.get_extent()
        assert (right - left, abs(bottom - top)) == pytest.approx((width, height))
        assert picture.axes.get_aspect() == 1
    (profiles,) = gui.inspector.profiles.axes
    widths = fwhm(psf.data, tuple(psf.scale))
    texts = [f"{axis} {1000 * w:.0f} nm" for axis, w in zip("zyx", widths, strict=True)]
    assert [text.get_text() for text in profiles.get_legend().get_texts()] == texts
    assert gui.inspector.widths.value == f"FWHM {', '.join(texts)}; sum {psf.data.sum():.4g}"


def test_vmax_and_gamma_by_sliders_and_presets(user: Any, psf: Image) -> None:
    gui = user.opens(NAME, psf=psf)

    def shown() -> tuple[float, float]:
        norms = {(float(p.norm.vmax), float(p.norm.gamma)) for p in pictures(gui)}
        (norm,) = norms
        assert gui.vmax.value * psf.data.max() == pytest.approx(norm[0])
        assert gui.gamma.value == pytest.approx(norm[1])
        return gui.vmax.value, gui.gamma.value

    plain, artefacts = gui.inspector.presets
    assert shown() == (1.0, 1.0)
    user.clicks(artefacts)
    assert shown() == (0.5, 0.4)
    user.clicks(plain)
    assert shown() == (1.0, 1.0)
    gui.vmax.value, gui.gamma.value = 0.25, 0.7
    assert shown() == (0.25, 0.7)


def test_a_2d_psf_without_a_voxel_size(user: Any, viewer: napari.Viewer, psf: Image) -> None:
    flat = viewer.add_image(psf.data[psf.data.shape[0] // 2], units=("pixel",) * 2)
    gui = user.opens(NAME, psf=flat)
    (picture,) = pictures(gui)
    np.testing.assert_array_equal(picture.get_array(), flat.data)
    assert gui.inspector.widths.value.startswith("FWHM unknown: the layer has no voxel size; sum")
    assert not gui.inspector.view_3d.enabled
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 2
    gui.psf.value = psf
    assert gui.inspector.view_3d.enabled


def test_what_is_no_psf_is_told_in_a_sentence(
    user: Any, viewer: napari.Viewer, psf: Image, told: Any
) -> None:
    gui = user.opens(NAME, psf=psf)
    bad = {
        "negative values; post-process it": psf.data - 1,
        "is constant": np.full((8, 8), 2.0),
        "has 4 axes": np.zeros((2, 2, 8, 8)),
    }
    for sentence, data in bad.items():
        told.forget()
        gui.psf.value = viewer.add_image(data)
        (error,) = told.errors
        assert error.startswith("Inspect PSF: ")
        assert sentence in error
        assert gui.inspector.widths.value == error.removeprefix("Inspect PSF: ")
        assert pictures(gui) == []
        gui.psf.value = psf
        assert len(pictures(gui)) == 3


def test_without_a_layer_there_is_nothing_to_view(
    user: Any, viewer: napari.Viewer, told: Any
) -> None:
    gui = user.opens(NAME)
    user.clicks(gui.inspector.presets[0])
    assert told.errors == []
    user.clicks(gui.inspector.view_3d)
    assert told.errors == ["Inspect PSF: choose a PSF with the axes z, y and x to view it in 3D."]
    assert viewer.dims.ndisplay == 2


# --- the view in 3D


def camera_of(viewer: napari.Viewer) -> Any:
    return getattr(viewer, "scene", viewer).camera


def state(viewer: napari.Viewer) -> Any:
    return (
        [(layer.name, layer.visible) for layer in viewer.layers],
        viewer.dims.ndisplay,
        camera_of(viewer).model_dump(),
    )


def look(layer: Image) -> Any:
    return str(layer.rendering), layer.attenuation, layer.gamma


@pytest.fixture
def scene(viewer: napari.Viewer, psf: Image) -> Image:
    """The PSF among larger layers, one of them hidden, in a view that somebody chose."""
    viewer.add_image(np.zeros((30, 90, 90)), name="field", scale=psf.scale, units=psf.units)
    viewer.add_image(np.zeros((30, 90, 90)), name="hidden", visible=False, units=psf.units)
    camera_of(viewer).center, camera_of(viewer).zoom = (0.0, 1.5, 2.5), 42.0
    psf.gamma = 0.9
    return psf


def test_it_shows_the_psf_alone_in_3d_and_goes_back(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    before, looks = state(viewer), look(scene)
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 3
    assert [layer.name for layer in viewer.layers if layer.visible] == ["psf"]
    assert str(scene.rendering) == "attenuated_mip"
    middle = (np.asarray(scene.extent.world).sum(axis=0)) / 2
    np.testing.assert_allclose(camera_of(viewer).center, middle)
    assert gui.inspector.view_3d.text == "Back"
    user.clicks(gui.inspector.view_3d)
    assert state(viewer) == before
    assert look(scene) == looks
    assert gui.inspector.view_3d.text == "View in 3D"


def test_it_goes_back_when_layers_were_deleted_meanwhile(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    (_, *others), ndisplay, camera = state(viewer)
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    viewer.layers.remove(scene)
    user.clicks(gui.inspector.view_3d)
    assert state(viewer) == (others, ndisplay, camera)
    gui.psf.value = viewer.layers["field"]
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 3
    viewer.layers.clear()
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 2
    assert gui.inspector.view_3d.text == "View in 3D"


def test_it_goes_back_when_a_flat_image_is_chosen_meanwhile(
    user: Any, viewer: napari.Viewer, scene: Image
) -> None:
    gui = user.opens(NAME, psf=scene)
    user.clicks(gui.inspector.view_3d)
    gui.psf.value = viewer.add_image(scene.data[5], scale=scene.scale[1:], units=scene.units[1:])
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 2
    assert [layer.visible for layer in viewer.layers] == [True, True, False, True]


def test_closing_it_in_3d_leads_back(user: Any, psf: Image, bead_layer: Image) -> None:
    gui = user.opens(NAME, psf=psf)
    user.clicks(gui.inspector.view_3d)
    assert (user.viewer.dims.ndisplay, bead_layer.visible) == (3, False)
    user.viewer.window.remove_dock_widget(gui.native)
    assert (user.viewer.dims.ndisplay, bead_layer.visible) == (2, True)
