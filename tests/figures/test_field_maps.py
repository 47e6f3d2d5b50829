"""The pictures of maps: which there are, where, and what lies on them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from varying_psfs import varying_psf

from napari_psf_distiller import figures

BEADS = pd.DataFrame({"z": 5.0, "y": [10.0, 30.0], "x": [8.0, 20.0], "used": [True, False]})
# Coma that grows along x, and astigmatism, of the third term and of the fourth.
PARTS = [
    (lambda y, x: 0.3 * x, 1),
    (lambda y, x: 0.3, 3),
    (lambda y, x: 0.1 * y, 4),
]


def drawn(maps, beads=None, foreground="black"):
    figure = Figure(figsize=(8, 7))
    figures.draw_field_maps(figure, maps, beads, foreground=foreground)
    return figure, {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


@pytest.fixture(scope="module")
def maps():
    return varying_psf(PARTS).field_maps((3, 4))


def test_each_map_has_its_picture_in_micrometres(maps):
    _, pictures = drawn(maps)
    assert list(pictures) == [
        "FWHM along z (nm)",
        "FWHM along y (nm)",
        "FWHM along x (nm)",
        "coma (%)",
        "astigmatism (%)",
    ]
    (image,) = pictures["FWHM along y (nm)"].images
    np.testing.assert_allclose(image.get_array(), 1000 * maps.widths["y"].values)
    assert image.get_extent() == pytest.approx((-0.05, 3.95, 3.95, -0.05))


def test_what_is_extrapolated_is_hatched(maps):
    _, pictures = drawn(maps)
    for axes in pictures.values():
        hatched = [patch for patch in axes.patches if patch.get_hatch()]
        assert len(hatched) == (~maps.covered).sum() > 0
        middles = {tuple(np.round(p.get_center(), 6)) for p in hatched}
        expected = np.argwhere(~maps.covered)
        assert middles == {
            (round(0.1 * maps.columns[c], 6), round(0.1 * maps.rows[r], 6)) for r, c in expected
        }


def test_directions_are_lines_in_the_image(maps):
    _, pictures = drawn(maps)
    (coma,) = (one for one in maps.orders if one.order == 1)
    lines = [c for c in pictures["coma (%)"].collections if isinstance(c, LineCollection)]
    shaft, head = lines[0].get_segments()[:2]
    step = shaft[1] - shaft[0]
    angle = np.radians(coma.direction[0, 0])
    np.testing.assert_allclose(
        step / np.linalg.norm(step), [np.cos(angle), np.sin(angle)], atol=1e-6
    )
    np.testing.assert_allclose(shaft.mean(axis=0), [0.1 * maps.columns[0], 0.1 * maps.rows[0]])
    # The head is where it points to.
    np.testing.assert_allclose(head[1], shaft[1])
    longest = max(np.linalg.norm(s[1] - s[0]) for s in lines[0].get_segments() if len(s) == 2)
    assert longest < 1.0
    assert not any(isinstance(c, LineCollection) for c in pictures["FWHM along z (nm)"].collections)


def test_used_beads_lie_on_the_pictures(maps):
    _, pictures = drawn(maps, BEADS)
    for axes in pictures.values():
        (dots,) = [c for c in axes.collections if isinstance(c, PathCollection)]
        np.testing.assert_allclose(dots.get_offsets(), [[0.8, 1.0]])


def test_a_flat_map_has_a_bar_of_colours_too():
    figure, pictures = drawn(varying_psf([]).field_maps(2), foreground="white")
    (image,) = pictures["FWHM along z (nm)"].images
    low, high = image.get_clim()
    assert low < image.get_array().min() < high
    figure.canvas.draw()
    assert pictures["FWHM along z (nm)"].title.get_color() == "white"


def test_colours_of_maps_that_are_compared_stand_for_the_same(maps):
    other = varying_psf([(lambda y, x: 0.6 * x, 1)]).field_maps((3, 4))
    limits, values = [], []
    for one, compared in ((maps, other), (other, maps)):
        figure = Figure()
        figures.draw_field_maps(figure, one, compared=compared)
        (axes,) = (axes for axes in figure.axes if axes.get_title() == "coma (%)")
        limits.append(axes.images[0].get_clim())
        values.append(axes.images[0].get_array())
    assert limits[0] == limits[1]
    assert limits[0] == pytest.approx((np.min(values), np.max(values)))
    assert np.max(values[0]) < np.max(values[1])


def test_one_map_alone_is_drawn_as_among_the_others(maps):
    _, pictures = drawn(maps, BEADS)
    names = figures.field_map_names(maps)
    assert names == ("FWHM along z", "FWHM along y", "FWHM along x", "coma", "astigmatism")
    for name, beside in zip(names, pictures.values(), strict=True):
        figure = Figure(figsize=(4, 4))
        figures.draw_field_map(figure, maps, name, BEADS, place=(10.0, 20.0))
        axes = figure.axes[0]
        assert axes.get_title() == beside.get_title()
        np.testing.assert_array_equal(axes.images[0].get_array(), beside.images[0].get_array())
        marked = [one for one in axes.collections if isinstance(one, PathCollection)]
        assert any(np.allclose(one.get_offsets(), (2.0, 1.0)) for one in marked)


def test_the_title_says_how_well_a_map_is_known():
    shown = varying_psf(PARTS).field_maps((3, 4))
    width = shown.widths["y"]._replace(error=np.full(shown.shape, 0.00234))
    _, pictures = drawn(dataclasses.replace(shown, widths={"y": width}, theory={"y": 0.2}))
    assert "FWHM along y (nm)\ntheory 200, error 2.3" in pictures
