import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import napari
import numpy as np
import pandas as pd
import pytest
from napari.layers import Image
from napari.utils.theme import get_theme
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_psf_distiller import Recipe, SimulatedBeads, figures, fwhm
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.inspect import inspector as inspector_module
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, LayerNote

NAME = "Inspect PSF"


@pytest.fixture
def turns(user: Any, qtbot: QtBot) -> Callable[[Any, str], Any]:
    """Click on a tab, and wait for its drawing."""

    def turned(gui: Any, tab: str) -> Any:
        tabs = gui.inspector.tabs
        place = tabs.tabRect(list(inspector_module.TABS).index(tab)).center()
        qtbot.mouseClick(tabs, Qt.MouseButton.LeftButton, pos=place)
        assert gui.inspector.tab == tab
        return drawn(user, gui)

    return turned


def drawn(user: Any, gui: Any) -> Any:
    """Return the figure that is shown when all that was asked for is drawn."""
    user.waits(lambda: not gui.inspector.busy)
    return gui.inspector.picture.figure


def pictures(figure: Any) -> list[Any]:
    """Return the views of a PSF in a figure, without its bar of colours."""
    if figure is None:
        return []
    found = [picture for axes in figure.axes for picture in axes.images]
    return [picture for picture in found if picture.get_array().shape[0] > 1]


def numbers(gui: Any) -> str:
    text = gui.inspector.numbers.text() or gui.inspector.picture.sentence
    plain = re.sub("<[^>]*>", " ", text).replace("&nbsp;", " ")
    return re.sub(" +", " ", plain).strip()


def written(figure: Any) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


# --- the pictures


def test_it_draws_the_psf_when_it_opens(user: Any, psf: Image, opens: Any) -> None:
    gui = opens()
    xy, zy, xz = pictures(gui.inspector.picture.figure)
    np.testing.assert_array_equal(xy.get_array(), psf.data.max(axis=0))
    np.testing.assert_array_equal(zy.get_array(), psf.data.max(axis=2).T)
    np.testing.assert_array_equal(xz.get_array(), psf.data.max(axis=1))
    # At the physical aspect: an inch is the same number of micrometres in all views.
    z, y, x = (n * size for n, size in zip(psf.data.shape, psf.scale, strict=True))
    scales = []
    for picture, width, height in ((xy, x, y), (zy, z, y), (xz, x, z)):
        left, right, bottom, top = picture.get_extent()
        scales += [(right - left) / width, (bottom - top) / height]
    assert scales == pytest.approx([scales[0]] * 6)
    widths = fwhm(psf.data, tuple(psf.scale))
    texts = [f"{axis} {1000 * w:.0f} nm" for axis, w in zip("zyx", widths, strict=True)]
    assert numbers(gui).startswith(f"FWHM {' , '.join(texts)} sum".replace(" ,", ","))


def test_slices_in_place_of_projections(user: Any, psf: Image, opens: Any) -> None:
    gui = opens(kind="central slices")
    xy, _, xz = pictures(drawn(user, gui))
    middle = [n // 2 for n in psf.data.shape]
    np.testing.assert_array_equal(xy.get_array(), psf.data[middle[0]])
    np.testing.assert_array_equal(xz.get_array(), psf.data[:, middle[1]])


def test_presets_by_mouse_and_sliders(user: Any, psf: Image, opens: Any) -> None:
    gui = opens()

    def shown() -> tuple[Any, float]:
        norms = {(float(p.norm.vmax), p.norm.gamma) for p in pictures(drawn(user, gui))}
        ((vmax, gamma),) = norms
        return pytest.approx(vmax / psf.data.max()), gamma

    plain, artefacts, logarithmic = gui.inspector.presets
    assert shown() == (1.0, 1.0)
    user.clicks(artefacts)
    assert shown() == (0.5, 0.4)
    assert (gui.vmax.value, gui.gamma.value) == (0.5, 0.4)
    user.clicks(plain)
    assert shown() == (1.0, 1.0)
    gui.vmax.value, gui.gamma.value = 0.25, 0.7
    assert shown() == (0.25, 0.7)
    user.clicks(logarithmic)
    low, high = pictures(drawn(user, gui))[0].get_clim()
    assert (low, high) == pytest.approx((psf.data.max() / 1e4, psf.data.max()))
    assert not gui.gamma.enabled


def test_drawings_are_made_in_another_thread_and_the_last_one_wins(
    user: Any, psf: Image, opens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui = opens()
    begun: list[tuple[float, bool]] = []
    gate = threading.Event()
    draw_views = figures.draw_views

    def held(*arguments: Any, intensity: Any, **keywords: Any) -> None:
        main = threading.current_thread() is threading.main_thread()
        begun.append((intensity.gamma, main))
        assert gate.wait(60)
        draw_views(*arguments, intensity=intensity, **keywords)

    monkeypatch.setattr(figures, "draw_views", held)
    gui.gamma.value = 0.9
    user.waits(lambda: len(begun) == 1)
    for gamma in (0.8, 0.7, 0.6):
        gui.gamma.value = gamma
    gate.set()
    drawn(user, gui)
    assert begun == [(0.9, False), (0.6, False)]


def test_it_has_the_themes_colours(
    user: Any, viewer: napari.Viewer, psf: Image, opens: Any
) -> None:
    gui = opens()
    for name in ("light", "dark"):
        viewer.theme = name
        drawn(user, gui)
        image = gui.inspector.picture.grab().toImage()
        expected = get_theme(name).background.as_rgb_tuple()
        assert image.pixelColor(1, image.height() - 1).getRgb()[:3] == expected[:3]


def test_it_follows_the_layer(user: Any, psf: Image, opens: Any) -> None:
    gui = opens()
    psf.data = psf.data[:, ::2]
    assert pictures(drawn(user, gui))[0].get_array().shape == psf.data.shape[1:]
    before = numbers(gui)
    psf.scale = tuple(2 * size for size in psf.scale)
    drawn(user, gui)
    assert numbers(gui) != before
    psf.name = "renamed"
    drawn(user, gui)
    user.viewer.layers.remove(psf)
    assert pictures(drawn(user, gui)) == []
    assert numbers(gui).startswith("No layer is chosen")


def test_a_2d_psf_without_a_voxel_size(
    user: Any, viewer: napari.Viewer, psf: Image, opens: Any, turns: Any, told: Any
) -> None:
    flat = viewer.add_image(psf.data[psf.data.shape[0] // 2], units=("pixel",) * 2)
    gui = opens(psf=flat)
    (picture,) = pictures(drawn(user, gui))
    np.testing.assert_array_equal(picture.get_array(), flat.data)
    assert "no voxel size: lengths are in voxels" in numbers(gui)
    assert re.search(r"y \d\.\d\d voxels", numbers(gui))
    assert " voxels" in written(gui.inspector.picture.figure)
    turns(gui, "Profiles")
    assert "cycles/voxel" in turns(gui, "OTF").axes[0].get_xlabel()
    assert not gui.inspector.view_3d.enabled
    user.clicks(gui.inspector.view_3d)
    assert viewer.dims.ndisplay == 2
    gui.psf.value = psf
    drawn(user, gui)
    assert gui.inspector.view_3d.enabled
    assert told.errors == []


def test_what_is_no_psf_is_told_once_in_a_sentence(
    user: Any, viewer: napari.Viewer, psf: Image, told: Any, opens: Any
) -> None:
    gui = opens(psf=psf)
    holes = psf.data.copy()
    holes[0, 0, :3] = np.nan
    bad = {
        "3 voxels that are NaN": holes,
        "is constant": np.full((8, 8), 2.0),
        "is constant: every voxel is 0": np.zeros((8, 8, 8)),
        "no positive values": -psf.data - 1,
    }
    for sentence, data in bad.items():
        told.forget()
        gui.psf.value = viewer.add_image(data)
        assert pictures(drawn(user, gui)) == []
        gui.gamma.value = 0.8
        drawn(user, gui)
        (error,) = told.errors
        assert error.startswith("Inspect PSF: ")
        assert sentence in error
        assert numbers(gui) == error.removeprefix("Inspect PSF: ")
        gui.psf.value = psf
        assert len(pictures(drawn(user, gui))) == 3


def test_negative_values_are_no_obstacle_but_told(
    user: Any, viewer: napari.Viewer, psf: Image, opens: Any, told: Any
) -> None:
    gui = opens(psf=viewer.add_image(psf.data - psf.data.max() / 100, scale=psf.scale))
    assert len(pictures(drawn(user, gui))) == 3
    assert "Negative values, shown as 0" in numbers(gui)
    assert told.errors == []


def test_a_large_image_is_drawn_when_somebody_asks(
    user: Any, psf: Image, opens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspector_module, "UNASKED_VOXELS", psf.data.size - 1)
    gui = opens()
    assert pictures(drawn(user, gui)) == []
    assert "Draw it all the same?" in numbers(gui)
    gui.gamma.value = 0.8
    assert pictures(drawn(user, gui)) == []
    user.clicks(gui.inspector.anyway)
    assert len(pictures(drawn(user, gui))) == 3
    assert not gui.inspector.anyway.visible


def test_without_a_layer_nothing_is_drawn_and_nothing_fails(
    user: Any, viewer: napari.Viewer, told: Any, opens: Any, turns: Any
) -> None:
    gui = opens()
    for tab in inspector_module.TABS:
        assert turns(gui, tab) is None
        assert numbers(gui)
    assert told.errors == []
    assert not gui.inspector.save.enabled
    assert not gui.inspector.view_3d.enabled


# --- the other tabs


def with_note(psf: Image, **more: Any) -> Image:
    optics = Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
    note = LayerNote(StepId.DISTILL, Recipe(optics=optics), psf.name, **more)
    psf.metadata = {METADATA_KEY: note}
    return psf


def test_profiles_with_the_widths_standard_errors(
    user: Any, psf: Image, opens: Any, turns: Any, qtbot: QtBot
) -> None:
    gui = opens()
    figure = turns(gui, "Profiles")
    (axes,) = figure.axes
    assert not any("±" in text.get_text() for text in axes.get_legend().get_texts())
    error = np.full(psf.data.shape, psf.data.max() / 50, np.float32)
    with_note(psf, fwhm_error=(0.004, 0.002, 0.003), psf_error=error)
    (axes,) = drawn(user, gui).axes
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.partition(" ± ")[2] for text in shown] == ["4 nm", "2 nm", "3 nm"]
    assert len(axes.collections) == 3
    assert "± 4 nm" in numbers(gui)
    # And beside them those that the optics would have without aberrations.
    assert re.search(r"in theory z \d+ nm, y (\d+) nm, x \1 nm \(widefield", numbers(gui))
    assert gui.logarithmic_profiles.visible == gui.psf.visible
    qtbot.keyClick(gui.logarithmic_profiles.native, Qt.Key.Key_Space)
    assert drawn(user, gui).axes[0].get_yscale() == "log"


def test_the_otf_with_the_optics_cutoff(user: Any, psf: Image, opens: Any, turns: Any) -> None:
    gui = opens()
    assert turns(gui, "OTF").axes[0].lines[:] == []
    assert numbers(gui).startswith("No cutoff")
    with_note(psf)
    upper, _ = drawn(user, gui).axes[0].lines
    assert max(upper.get_xdata()) == pytest.approx(2 * 1.2 / 0.52)
    assert numbers(gui).startswith("widefield cutoff: lateral 4.62 cycles/µm (217 nm)")


def test_two_psfs_side_by_side(
    user: Any, viewer: napari.Viewer, psf: Image, opens: Any, turns: Any
) -> None:
    other = viewer.add_image(
        np.roll(psf.data, 1, axis=2)[1:], name="other", scale=psf.scale, units=psf.units
    )
    gui = opens(psf=psf)
    assert turns(gui, "Compare") is None
    assert numbers(gui) == 'Choose a second PSF above, at "with", to compare the two.'
    gui.other.value = other
    figure = drawn(user, gui)
    assert len(pictures(figure)) == 6
    assert "relative L2 difference" in written(figure)
    assert "correlation" in written(figure)
    assert "peaks are apart by" in numbers(gui)
    assert numbers(gui).startswith("FWHM z ")
    gui.other.value = psf
    assert "relative L2 difference 0, correlation 1.0000" in written(drawn(user, gui))
    viewer.layers.remove(other)
    gui.other.value = None
    assert drawn(user, gui) is None


def test_psfs_of_unlike_kinds_are_told(
    user: Any, viewer: napari.Viewer, psf: Image, opens: Any, turns: Any, told: Any
) -> None:
    gui = opens(psf=psf)
    turns(gui, "Compare")
    coarse = tuple(1.2 * size for size in psf.scale)
    gui.other.value = viewer.add_image(psf.data, scale=coarse, units=psf.units)
    drawn(user, gui)
    assert "was resampled" in numbers(gui)
    gui.other.value = viewer.add_image(psf.data, units=("pixel",) * 3)
    drawn(user, gui)
    assert "One has no voxel size" in numbers(gui)
    assert told.errors == []
    gui.other.value = viewer.add_image(psf.data[3])
    assert drawn(user, gui) is None
    assert "compare two of the same number" in told.errors[0]


# --- a PSF on its way


def likelihood(figure: Any) -> list[float]:
    (sheet,) = figure.axes
    (curve,) = [line for line in sheet.lines if line.get_label() == "log-likelihood"]
    return list(curve.get_ydata())


def test_an_unfinished_psf_comes_to_the_front_and_goes_when_it_is_done(
    user: Any, psf: Image, opens: Any, turns: Any
) -> None:
    gui = opens()
    curve = [(1, 3.0), (2, 5.0)]
    gui.inspector.preview(psf.data, psf.scale, curve)
    assert gui.inspector.tab == "Progress"
    figure = drawn(user, gui)
    assert len(pictures(figure)) == 3
    assert likelihood(figure) == [3, 5]
    # Whoever looks at something else meanwhile is left alone.
    turns(gui, "Profiles")
    gui.inspector.preview(psf.data, psf.scale, [*curve, (3, 6.0)])
    assert gui.inspector.tab == "Profiles"
    assert likelihood(turns(gui, "Progress")) == [3, 5, 6]
    done = user.viewer.add_image(psf.data, name="done", scale=psf.scale, units=psf.units)
    gui.inspector.end_preview(done)
    assert (gui.inspector.tab, gui.psf.value) == ("Image", done)
    assert len(pictures(drawn(user, gui))) == 3
    # How it went can still be looked at.
    assert likelihood(turns(gui, "Progress")) == [3, 5, 6]
    assert numbers(gui) == "How the PSF of the last run formed."
    # A next run comes to the front again.
    turns(gui, "Profiles")
    gui.inspector.preview(psf.data, psf.scale, curve)
    assert likelihood(drawn(user, gui)) == [3, 5]
    assert numbers(gui) == "The PSF while it is distilled: not finished."


def test_a_preview_without_a_psf_or_with_a_broken_one(
    user: Any, opens: Any, psf: Image, told: Any
) -> None:
    gui = opens()
    gui.inspector.preview(None, None, [], gains=False)
    assert pictures(drawn(user, gui)) == []
    gui.inspector.preview(np.full((4, 5, 6), np.nan), None, [(1, 0.0)])
    assert drawn(user, gui) is None
    assert "NaN" in told.errors[0]


# --- saving


@pytest.fixture
def dialog(user: Any) -> Callable[..., None]:
    """Answer the dialog for a file as somebody does who types its name."""

    def answered(gui: Any, path: Path, kind: str) -> None:
        user.clicks(gui.inspector.save)
        (box,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QFileDialog))
        box.setDirectory(str(path.parent))
        box.selectNameFilter(kind)
        box.filterSelected.emit(kind)
        box.selectFile(path.name)
        box.accept()
        user.waits(lambda: not gui.inspector.busy)

    return answered


@pytest.mark.parametrize(
    ("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_it_saves_what_is_shown(
    user: Any, psf: Image, opens: Any, told: Any, tmp_path: Path, kind: str, begin: bytes
) -> None:
    gui = opens()
    gui.inspector.save_to(tmp_path / f"psf.{kind}")
    user.waits(lambda: not gui.inspector.busy)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes().startswith(begin)
    assert told.infos == [f"Inspect PSF: saved {path}"]
    if kind == "png":
        # In black on white, whatever the viewer's theme.
        assert matplotlib.image.imread(path)[0, 0] == pytest.approx([1, 1, 1, 1])


def test_a_picture_has_the_shape_of_its_page_whatever_the_docks(
    user: Any, psf: Image, opens: Any, turns: Any, tmp_path: Path
) -> None:
    gui = opens()
    sizes: dict[str, set[Any]] = {tab: set() for tab in ("Image", "Profiles", "OTF")}
    for number, height in enumerate((300, 700)):
        gui.inspector.picture.setFixedSize(320, height)
        for tab, found in sizes.items():
            turns(gui, tab)
            path = tmp_path / f"{tab}{number}.png"
            gui.inspector.save_to(path)
            user.waits(lambda: not gui.inspector.busy)
            found.add(matplotlib.image.imread(path).shape[:2])
    for found in sizes.values():
        ((high, wide),) = found
        assert wide == 1050
        assert 0.7 < high / wide < 1.5


def test_the_dialog_adds_the_extension_and_profiles_are_saved_as_a_table(
    user: Any, psf: Image, opens: Any, dialog: Any, tmp_path: Path
) -> None:
    gui = opens()
    dialog(gui, tmp_path / "profiles", "CSV table (*.csv)")
    (path,) = tmp_path.iterdir()
    assert path.name == "profiles.csv"
    table = pd.read_csv(path)
    along_x = table[table["axis"] == "x"]
    middle = tuple(n // 2 for n in psf.data.shape[:2])
    np.testing.assert_allclose(along_x["value"], psf.data[middle], rtol=1e-6)
    assert np.diff(along_x["position_um"]) == pytest.approx(psf.scale[2])


def test_what_cannot_be_saved_is_told_and_leaves_nothing(
    user: Any, psf: Image, opens: Any, told: Any, tmp_path: Path
) -> None:
    gui = opens()
    gui.inspector.save_to(tmp_path / "psf.tif")
    gui.inspector.save_to(tmp_path / "none" / "psf.png")
    user.waits(lambda: not gui.inspector.busy)
    gui.inspector.tab = "Progress"
    gui.inspector.save_to(tmp_path / "psf.png")
    assert "must end in .png, .svg, .pdf or .csv" in told.errors[0]
    assert "does not exist" in told.errors[1]
    assert "Nothing is being distilled" in told.errors[2]
    assert list(tmp_path.iterdir()) == []


# --- the way around it


def test_it_is_reached_by_keys(user: Any, psf: Image, opens: Any, qtbot: QtBot) -> None:
    gui = opens()
    tabs = gui.inspector.tabs
    assert gui.psf.native.nextInFocusChain() is not None
    qtbot.keyClick(tabs, Qt.Key.Key_Right)
    assert gui.inspector.tab == "Profiles"
    qtbot.keyClick(tabs, Qt.Key.Key_Left)
    assert gui.inspector.tab == "Image"
    user.waits(lambda: not gui.inspector.busy)
    qtbot.keyClick(gui.inspector.presets[1].native, Qt.Key.Key_Space)
    assert gui.gamma.value == 0.4
    shortcuts = [button.native.shortcut().toString() for button in (gui.inspector.save,)]
    assert shortcuts == ["Alt+E"]
    drawn(user, gui)


def test_it_fits_into_a_narrow_dock(user: Any, psf: Image, opens: Any, turns: Any) -> None:
    gui = opens()
    for tab in inspector_module.TABS:
        turns(gui, tab)
        assert gui.native.minimumSizeHint().width() <= 350


def test_closing_it_while_it_draws(user: Any, psf: Image, opens: Any) -> None:
    gui = opens()
    gui.gamma.value = 0.3
    user.closes(gui)
    user.waits(lambda: not gui.inspector.busy)


def test_two_viewers_draw_their_own(
    make_napari_viewer: Any, user_of: Any, field: SimulatedBeads
) -> None:
    guis = []
    for top in (1.0, 2.0):
        one = user_of(make_napari_viewer())
        layer = one.viewer.add_image(top * field.psf.astype(np.float32), scale=field.spacing)
        guis.append((one, one.opens(NAME, psf=layer)))
    for (one, gui), top in zip(guis, (1.0, 2.0), strict=True):
        xy, *_ = pictures(drawn(one, gui))
        assert xy.get_array().max() == pytest.approx(top * field.psf.max())
