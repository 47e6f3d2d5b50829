"""What the drawings show: the right numbers, at the right size."""

import itertools
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm, PowerNorm, to_rgba
from matplotlib.figure import Figure

from napari_psf_distiller import InputError, figures, fwhm, simulate_psf
from napari_psf_distiller.figures.comparison import comparison_size
from napari_psf_distiller.figures.views import views_size
from napari_psf_distiller.measure.comparison import compare_psfs
from napari_psf_distiller.optics import Widefield

SPACING = (0.3, 0.1, 0.08)


@pytest.fixture(scope="module")
def psf():
    return simulate_psf((20, 31, 32), SPACING)


def images(figure):
    return [image for axes in figure.axes for image in axes.images]


def likelihood(sheet):
    (curve,) = [line for line in sheet.lines if line.get_label() == "log-likelihood"]
    return curve


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]


def test_projections_are_maxima_in_the_orthogonal_arrangement(psf):
    figure = Figure()
    figures.draw_projections(figure, psf, SPACING)
    xy, zy, xz = images(figure)
    np.testing.assert_array_equal(xy.get_array(), psf.max(axis=0).astype(np.float32))
    np.testing.assert_array_equal(zy.get_array(), psf.max(axis=2).T.astype(np.float32))
    np.testing.assert_array_equal(xz.get_array(), psf.max(axis=1).astype(np.float32))


def test_extents_are_micrometres_from_the_centre(psf):
    figure = Figure()
    figures.draw_projections(figure, psf, SPACING)
    xy, zy, xz = images(figure)
    # Of n voxels the one at n // 2 lies around 0.
    x, y, z = (-16.5 * 0.08, 15.5 * 0.08), (-15.5 * 0.1, 15.5 * 0.1), (-10.5 * 0.3, 9.5 * 0.3)
    assert xy.get_extent() == pytest.approx((*x, *y[::-1]))
    assert zy.get_extent() == pytest.approx((*z, *y[::-1]))
    assert xz.get_extent() == pytest.approx((*x, *z[::-1]))


@pytest.mark.parametrize("inches", [(3, 3), (9, 4), (4, 9)])
def test_a_micrometre_has_one_length_on_all_three_panels(psf, inches):
    figure = Figure(figsize=inches)
    figures.draw_projections(figure, psf, SPACING)
    figure.draw_without_rendering()
    scales = []
    for image in images(figure):
        box = image.axes.get_window_extent()
        left, right, bottom, top = image.get_extent()
        scales += [box.width / (right - left), box.height / (bottom - top)]
    assert scales == pytest.approx([scales[0]] * 6, rel=1e-3)
    assert scales[0] > 0


def test_gamma_and_vmax_reach_every_panel(psf):
    figure = Figure()
    figures.draw_projections(figure, psf, SPACING, gamma=0.4, vmax=0.002, colormap="gray")
    for image in images(figure):
        assert isinstance(image.norm, PowerNorm)
        assert (image.norm.gamma, image.norm.vmin, image.norm.vmax) == (0.4, 0, 0.002)
        assert image.get_cmap().name == "gray"
    assert "gamma 0.4" in figure.get_suptitle()
    assert "0.002" in figure.get_suptitle()


def test_vmax_is_the_maximum_by_default(psf):
    figure = Figure()
    figures.draw_projections(figure, psf, SPACING)
    assert [image.norm.vmax for image in images(figure)] == pytest.approx([psf.max()] * 3)


def test_a_2d_psf_is_one_image(psf):
    figure = Figure()
    figures.draw_projections(figure, psf[10], SPACING[1:])
    (image,) = images(figure)
    np.testing.assert_array_equal(image.get_array(), psf[10].astype(np.float32))


def test_drawing_again_replaces_what_was_there(psf):
    figure = Figure()
    figures.draw_profiles(figure, psf, SPACING)
    for _ in range(2):
        figures.draw_projections(figure, psf, SPACING)
        figure.draw_without_rendering()
    assert len(images(figure)) == 3


@pytest.mark.parametrize("bad", [{"gamma": 0}, {"gamma": float("nan")}, {"vmax": 0}])
def test_an_impossible_range_is_refused_before_the_figure_is_cleared(psf, bad):
    figure = Figure()
    figures.draw_projections(figure, psf, SPACING)
    with pytest.raises(InputError, match="must"):
        figures.draw_projections(figure, psf, SPACING, **bad)
    assert len(images(figure)) == 3


def test_profile_labels_are_the_fwhm(psf):
    figure = Figure()
    figures.draw_profiles(figure, psf, SPACING)
    widths = fwhm(psf, SPACING)
    expected = [f"{axis} {1000 * w:.0f} nm" for axis, w in zip("zyx", widths, strict=True)]
    assert texts(figure) == expected


def test_drawn_profiles_are_as_wide_as_their_labels_say(psf):
    figure = Figure()
    figures.draw_profiles(figure, psf, SPACING)
    (axes,) = figure.axes
    for axis, width in zip("zyx", fwhm(psf, SPACING), strict=True):
        (line,) = (line for line in axes.lines if str(line.get_label()).startswith(axis))
        x, y = line.get_data()
        above = x[y >= 0.5]
        assert np.ptp(above) == pytest.approx(width, abs=np.diff(x).max() * 2)
        assert y.max() == pytest.approx(1)


def test_a_profile_that_does_not_fall_to_half_says_so():
    wide = np.ones((8, 9, 9))
    wide[:, 4, 4] = 5
    wide[4, 4, 4] = 6
    figure = Figure()
    figures.draw_profiles(figure, wide, SPACING)
    assert texts(figure)[0] == "z wider than the window"


def test_a_psf_of_one_plane_is_drawn(psf):
    figure = Figure()
    figures.draw_profiles(figure, psf[10:11], SPACING)
    figures.draw_projections(figure, psf[10:11], SPACING)
    figure.draw_without_rendering()


def test_used_beads_and_others_differ_in_colour_and_marker():
    image = np.arange(10 * 20 * 30).reshape(10, 20, 30)
    beads = pd.DataFrame(
        {"z": [1.0, 2, 3], "y": [4.0, 5, 6], "x": [7.0, 8.5, 9], "used": [True, False, True]}
    )
    figure = Figure()
    figures.draw_beads(figure, image, beads, SPACING)
    (axes,) = figure.axes
    used, others = (c for c in axes.collections if isinstance(c, PathCollection))
    assert np.asarray(used.get_offsets()) == pytest.approx(np.array([[0.56, 0.4], [0.72, 0.6]]))
    assert np.asarray(others.get_offsets()) == pytest.approx(np.array([[0.68, 0.5]]))
    assert not np.array_equal(used.get_edgecolor(), others.get_edgecolor())
    assert len(used.get_paths()[0]) != len(others.get_paths()[0])
    assert texts(figure) == ["used: 2", "not used: 1"]
    picture: Any = axes.images[0]
    assert len(axes.images) == 1
    np.testing.assert_array_equal(picture.get_array(), image[-1])
    assert picture.norm.gamma == 0.5
    assert picture.get_extent() == pytest.approx((-0.04, 2.36, 1.95, -0.05))


def test_the_likelihood_is_drawn_against_the_iteration():
    figure = Figure()
    figures.draw_likelihood(figure, [(1, -5e9), (11, -5e9 + 30), (21, -5e9 + 40)])
    (line,) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [1, 11, 21]
    assert line.get_ydata().tolist() == [0, 30, 40]


def test_gains_are_drawn_from_the_start_on():
    figure = Figure()
    figures.draw_likelihood(figure, [(1, 30.0), (2, 40.0)], gains=True)
    (axes,) = figure.axes
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [0, 1, 2]
    assert line.get_ydata().tolist() == [0, 30, 40]
    assert axes.get_ylabel() == "gain in log-likelihood over the start"


def places(*rows):
    return pd.DataFrame(rows, columns=["z", "y", "x", "used"])


def test_the_fullest_plane_is_of_the_used_beads():
    beads = places((1.4, 0, 0, True), (0.6, 0, 0, True), (3, 0, 0, True), *[(4, 0, 0, False)] * 4)
    assert figures.fullest_plane(beads, 6) == 1
    assert figures.fullest_plane(beads.drop(columns="z"), 1) == 0
    # The centre of a bead at the border may lie half a voxel beyond the last plane's.
    assert figures.fullest_plane(places((5.5, 0, 0, True)), 6) == 5


def test_the_residual_is_drawn_in_the_fullest_plane_to_both_sides_of_zero():
    residual = np.random.default_rng(1).normal(0, 3, (6, 40, 50)).astype(np.float32)
    residual[2, 10, 10] = 1000
    beads = places((2.2, 4.0, 7.0, True), (1.9, 5.0, 8.5, False), (2.0, 6.0, 9.0, True))
    figure = Figure()
    figures.draw_residual(figure, residual, beads, SPACING)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (picture,) = axes.images
    np.testing.assert_array_equal(picture.get_array(), residual[2])
    # What the model fails at one voxel does not change the range: five deviations of the noise.
    assert picture.norm.vmax == pytest.approx(15, rel=0.1)
    assert picture.norm.vmin == -picture.norm.vmax
    used, others = (c for c in axes.collections if isinstance(c, PathCollection))
    assert np.asarray(used.get_offsets()) == pytest.approx(np.array([[0.56, 0.4], [0.72, 0.6]]))
    assert np.asarray(others.get_offsets()) == pytest.approx(np.array([[0.68, 0.5]]))


@pytest.mark.parametrize("residual", [np.zeros((30, 40)), np.eye(30)], ids=["zero", "mostly zero"])
def test_a_residual_without_noise_is_drawn(residual):
    figure = Figure()
    beads = places((0, 4.0, 7.0, True)).drop(columns="z")
    figures.draw_residual(figure, residual, beads, SPACING[1:])
    figure.draw_without_rendering()
    assert figure.axes[0].images[0].norm.vmax == 1


def test_without_a_likelihood_the_drawing_says_so():
    figure = Figure()
    figures.draw_likelihood(figure, [])
    assert "not computed" in figure.axes[0].texts[0].get_text()


def test_foreground_colours_everything_on_the_figures_own_background(psf):
    figure = Figure(facecolor="#262930")
    for draw in (figures.draw_projections, figures.draw_profiles):
        draw(figure, psf, SPACING, foreground="#fafafa")
        assert figure.get_facecolor() == to_rgba("#262930")
        for axes in (axes for axes in figure.axes if axes.axison):
            assert to_rgba(axes.get_facecolor())[3] == 0
            assert {s.get_edgecolor() for s in axes.spines.values()} == {to_rgba("#fafafa")}
            labels = [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
            colours = {to_rgba(text.get_color()) for text in labels if text.get_text()}
            assert colours == {to_rgba("#fafafa")}


def test_drawing_starts_no_pyplot_and_leaves_the_settings_alone(psf):
    before = dict(matplotlib.rcParams)
    figures.draw_projections(Figure(), psf, SPACING)
    figures.draw_profiles(Figure(), psf, SPACING)
    assert dict(matplotlib.rcParams) == before


# --- the pictures for a narrow window


def length_of(image):
    left, right, bottom, top = image.get_extent()
    return right - left, bottom - top


@pytest.mark.parametrize("inches", [(3, 4), (9, 4), (3, 9)])
@pytest.mark.parametrize("kind", ["maximum projections", "central slices"])
def test_views_have_one_scale_and_do_not_overlap(psf, inches, kind):
    figure = Figure(figsize=inches)
    figures.draw_views(figure, psf, SPACING, kind=kind)
    figure.draw_without_rendering()
    xy, zy, xz, _ = images(figure)
    x, y, z = 32 * 0.08, 31 * 0.1, 20 * 0.3
    sizes = np.array([length_of(image) for image in (xy, zy, xz)])
    scale = sizes / np.array([(x, y), (z, y), (x, z)])
    assert scale == pytest.approx(np.full((3, 2), scale[0, 0]))
    # What is an inch on the sheet is one on the page.
    box = xy.axes.transData.transform([(0, 0), (1, 1)])
    assert np.abs(np.diff(box, axis=0)) == pytest.approx(np.full((1, 2), figure.dpi))
    boxes = [image.get_extent() for image in (xy, zy, xz)]
    for left, right, bottom, top in boxes:
        assert 0 < left < right < inches[0]
        assert 0 < top < bottom < inches[1]
    for one, other in itertools.combinations(boxes, 2):
        beside = one[1] < other[0] or other[1] < one[0]
        below = one[2] < other[3] or other[2] < one[3]
        assert beside or below
    if inches == (3, 4):
        assert xy.get_extent()[1] < zy.get_extent()[0]
        assert xy.get_extent()[2] < xz.get_extent()[3]


@pytest.mark.parametrize("inches", [(9, 4), (3, 9), (4, 4)])
def test_views_fill_a_window_of_any_shape(psf, inches):
    figure = Figure(figsize=inches)
    figures.draw_views(figure, psf, SPACING)
    boxes = np.array([image.get_extent() for image in images(figure)[:3]])
    wide, high = np.ptp(boxes[:, :2]), np.ptp(boxes[:, 2:])
    assert wide > 0.8 * inches[0] or high > 0.75 * inches[1]
    square = Figure(figsize=(min(inches),) * 2)
    figures.draw_views(square, psf, SPACING)
    assert length_of(images(figure)[0])[0] >= length_of(images(square)[0])[0]


@pytest.mark.parametrize("shape", [(20, 31, 32), (60, 21, 21), (31, 32)])
def test_a_page_is_filled_with_a_psf_of_any_shape(shape):
    spacing = SPACING[-len(shape) :]
    psf = simulate_psf(shape, spacing)
    width, height = views_size(shape, spacing)
    figure = Figure(figsize=(width, height))
    figures.draw_views(figure, psf, spacing)
    boxes = np.array([image.get_extent() for image in images(figure)[:-1]])
    assert np.ptp(boxes[:, :2]) == pytest.approx(width, abs=0.15)
    assert np.ptp(boxes[:, 2:]) == pytest.approx(height, abs=0.8)
    if len(shape) == 3:
        assert boxes[0, 1] < boxes[1, 0]
        assert boxes[0, 2] < boxes[2, 3]
    pair = Figure(figsize=comparison_size(shape, spacing))
    figures.draw_comparison(pair, compare_psfs(psf, psf), spacing)
    boxes = np.array([image.get_extent() for image in images(pair)])
    assert np.ptp(boxes[:, :2]) == pytest.approx(pair.get_figwidth(), abs=0.15)


def test_lines_that_coincide_can_be_told_apart():
    figure = Figure()
    psf = simulate_psf((20, 31, 31), (0.3, 0.08, 0.08))
    figures.draw_profiles(figure, psf, (0.3, 0.08, 0.08))
    curves = [line for line in figure.axes[0].lines if line.get_label()[:2] in ("z ", "y ", "x ")]
    assert len({curve.get_linestyle() for curve in curves}) == 3
    figures.draw_profiles(figure, psf, (0.3, 0.08, 0.08), logarithmic=True)
    curves = [line for line in figure.axes[0].lines if line.get_label()[:2] in ("z ", "y ", "x ")]
    assert len({curve.get_linestyle() for curve in curves}) == 3


def test_views_are_projections_or_the_slices_through_the_centre(psf):
    psf = psf.astype(np.float32)
    figure = Figure()
    figures.draw_views(figure, psf, SPACING)
    for image, expected in zip(
        images(figure), (psf.max(axis=0), psf.max(axis=2).T, psf.max(axis=1)), strict=False
    ):
        np.testing.assert_array_equal(image.get_array(), expected)
    figures.draw_views(figure, psf, SPACING, kind="central slices")
    for image, expected in zip(
        images(figure), (psf[10], psf[:, :, 16].T, psf[:, 15]), strict=False
    ):
        np.testing.assert_array_equal(image.get_array(), expected)


def test_the_scale_bar_is_as_long_as_it_says(psf):
    figure = Figure(figsize=(4, 5))
    figures.draw_views(figure, psf, SPACING)
    (axes,) = figure.axes
    (line,) = axes.lines
    (text,) = (t.get_text() for t in axes.texts if t.get_text().endswith(" µm"))
    scale = length_of(images(figure)[0])[0] / (32 * 0.08)
    assert np.ptp(line.get_xdata()) == pytest.approx(float(text.split()[0]) * scale)
    figures.draw_views(figure, psf, (1, 1, 1), unit="voxels")
    assert any(t.get_text().endswith(" voxels") for t in figure.axes[0].texts)


def test_the_intensity_reaches_every_view(psf):
    figure = Figure()
    figures.draw_views(figure, psf, SPACING, intensity=figures.Intensity(0.5, 0.4))
    for image in images(figure)[:3]:
        assert (image.norm.gamma, image.norm.vmin) == (0.4, 0)
        assert image.norm.vmax == pytest.approx(psf.max() / 2)
    figures.draw_views(figure, psf, SPACING, intensity=figures.Intensity(logarithmic=True))
    for image in images(figure)[:3]:
        assert isinstance(image.norm, LogNorm)
        assert image.norm.vmin == pytest.approx(psf.max() / 1e4)


@pytest.mark.parametrize("bad", [(0, 1), (1, 0), (1, float("nan"))])
def test_an_intensity_that_cannot_be_shown_is_refused(psf, bad):
    with pytest.raises(InputError, match="must"):
        figures.draw_views(Figure(), psf, SPACING, intensity=figures.Intensity(*bad))


def test_a_figure_of_no_size_is_drawn_too(psf):
    figure = Figure(figsize=(0.1, 0.1))
    figures.draw_views(figure, psf, SPACING)
    figures.draw_progress(figure, psf, SPACING, [(1, 2.0)])
    figure.draw_without_rendering()


def test_profiles_carry_errors_and_can_be_logarithmic(psf):
    figure = Figure()
    error = np.full(psf.shape, psf.max() / 100)
    figures.draw_profiles(figure, psf, SPACING, errors=(0.003, 0.002, 0.001), psf_error=error)
    assert [text.partition(" ± ")[2] for text in texts(figure)] == ["3 nm", "2 nm", "1 nm"]
    assert len(figure.axes[0].collections) == 3
    figures.draw_profiles(figure, psf, SPACING, logarithmic=True)
    assert figure.axes[0].get_yscale() == "log"
    figures.draw_profiles(figure, psf, (1, 1, 1), unit="voxels")
    widths = fwhm(psf, (1, 1, 1))
    assert texts(figure) == [f"{a} {w:.2f} voxels" for a, w in zip("zyx", widths, strict=True)]


def test_the_otf_is_drawn_with_the_optics_band(psf):
    figure = Figure()
    figures.draw_otf(figure, psf, SPACING)
    assert len(figure.axes[0].lines) == 0
    support = Widefield(0.8, 0.52, 1.0)
    figures.draw_otf(figure, psf, SPACING, support=support)
    figure.draw_without_rendering()
    section, lines, _ = figure.axes
    (picture,) = section.images
    assert picture.get_extent()[1] == pytest.approx(0.5 / 0.08, rel=0.02)
    upper, lower = section.lines
    np.testing.assert_array_equal(upper.get_ydata(), -lower.get_ydata())
    assert upper.get_ydata().max() == pytest.approx(support.band.axial, rel=1e-3)
    cutoff = lines.lines[-1]
    assert cutoff.get_xdata() == pytest.approx([2 * 0.8 / 0.52] * 2)
    legend = [text.get_text() for text in lines.get_legend().get_texts()]
    assert legend == ["kz", "ky", "kx", "cutoff"]


def test_two_psfs_are_drawn_with_their_difference(psf):
    other = simulate_psf((20, 31, 32), SPACING, numerical_aperture=0.7)
    comparison = compare_psfs(psf, other)
    figure = Figure(figsize=(4, 4))
    figures.draw_comparison(figure, comparison, SPACING, names=("a" * 60, "theory"))
    figure.draw_without_rendering()
    shown = [image.get_array() for image in images(figure)[:6]]
    for plane, expected in zip(
        shown,
        [
            cut
            for array in (comparison.first, comparison.second, comparison.difference)
            for cut in (array[10], array[:, 15])
        ],
        strict=True,
    ):
        np.testing.assert_array_equal(plane, expected)
    difference = images(figure)[4]
    assert difference.norm.vmin == -difference.norm.vmax
    written = " ".join(t.get_text() for t in figure.axes[0].texts)
    assert f"relative L2 difference {comparison.relative_l2:.3g}" in written
    assert f"correlation {comparison.correlation:.4f}" in written


def test_an_unfinished_psf_is_drawn_with_its_curve(psf):
    figure = Figure()
    figures.draw_progress(figure, psf, SPACING, [(0, 0.0), (4, 9.0)])
    (sheet,) = figure.axes
    assert len(sheet.images) == 3
    assert likelihood(sheet).get_xdata().tolist() == [0, 4]
    assert any("iteration 4" in text.get_text() for text in sheet.texts)
    # Known up to a constant, a likelihood is drawn from its first value on.
    figures.draw_progress(figure, None, SPACING, [(1, -5e9), (2, -5e9 + 7)], gains=False)
    (sheet,) = figure.axes
    assert len(sheet.images) == 0
    assert likelihood(sheet).get_ydata().tolist() == [0, 7]
    figures.draw_progress(figure, np.zeros((9, 9)), SPACING[1:], [])
    figure.draw_without_rendering()


def test_the_numbers_beside_the_curve_are_where_its_line_has_them():
    figure = Figure()
    figures.draw_progress(figure, None, SPACING, [(0, 0.0), (4, 3.0), (9, 5.0)])
    (sheet,) = figure.axes
    to_sheet = likelihood(sheet).get_transform() - sheet.transData
    up = [text for text in sheet.texts if text.get_horizontalalignment() == "right"]
    across = [text for text in sheet.texts if text.get_text().isdigit() and text not in up]
    assert {text.get_text() for text in up} >= {"0", "4"}
    for text in up:
        place = to_sheet.transform((0, float(text.get_text())))
        assert text.get_position()[1] == pytest.approx(place[1])
    assert len(across) > 2
    for text in across:
        place = to_sheet.transform((float(text.get_text()), 0))
        assert text.get_position()[0] == pytest.approx(place[0])


@pytest.mark.parametrize("curve", [[(3, 7.0)], [(0, float("nan")), (1, 2.0)], [(1, 5.0), (2, 5.0)]])
def test_a_curve_of_little_is_drawn_too(psf, curve):
    figure = Figure()
    figures.draw_progress(figure, psf, SPACING, curve)
    figure.draw_without_rendering()
    (sheet,) = figure.axes
    to_sheet = likelihood(sheet).get_transform() - sheet.transData
    patch: Any = sheet.patches[0]
    frame = patch.get_bbox()
    last = to_sheet.transform(curve[-1])
    assert frame.x0 < last[0] < frame.x1
    assert frame.y0 < last[1] < frame.y1


@pytest.mark.parametrize("gained", [8.6e5, 3.2e-4, 7.0, 4e12])
def test_nothing_of_a_narrow_drawing_of_progress_is_cut_off(psf, gained):
    figure = Figure(figsize=(2.9, 3.4))
    figures.draw_progress(figure, psf, SPACING, [(0, 0.0), (4, gained / 2), (8, gained)])
    figure.draw_without_rendering()
    (sheet,) = figure.axes
    (label,) = [text for text in sheet.texts if "likelihood" in text.get_text()]
    numbers = [text for text in sheet.texts if text.get_horizontalalignment() == "right"]
    assert len(numbers) > 1
    for text in sheet.texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
    assert label.get_window_extent().x1 < min(n.get_window_extent().x0 for n in numbers)


@pytest.mark.parametrize("draw", ["projections", "beads", "residual"])
def test_pictures_of_a_page_have_a_scale_bar(draw):
    figure, image = Figure(figsize=(4, 4)), np.random.default_rng(1).random((9, 40, 40))
    beads = pd.DataFrame({"z": [4.0], "y": [20.0], "x": [20.0], "used": [True]})
    if draw == "projections":
        figures.draw_projections(figure, image, SPACING)
    else:
        getattr(figures, f"draw_{draw}")(figure, image, beads, SPACING)
    axes = figure.axes[0]
    # A round length of up to three tenths of 40 pixels of 0.08 micrometres.
    assert "0.5 µm" in [text.get_text() for text in axes.texts]
    drawn = [np.asarray(line.get_xdata()) for line in axes.lines]
    ((start, end),) = [place for place in drawn if len(place) == 2]
    assert 40 * SPACING[2] * (end - start) == pytest.approx(0.5)
