"""The surface that beads on a slide lie on: what it says, and how well that is known."""

import numpy as np
import pytest

from napari_psf_distiller.psf.focus_surface import focus_surface

GRID = np.stack(np.meshgrid(*[np.linspace(-12, 12, 4)] * 2, indexing="ij"), axis=-1)


def surface_of(beads, bend, seed, stray=0):
    """Return what is fitted to them, told from the height in the middle."""
    places, heights = scattered(beads, bend, seed, stray)
    return focus_surface(places, heights, (0.0, 0.0))


def height(places, bend):
    y, x = places[..., 0], places[..., 1]
    return 5 + 0.02 * y - 0.03 * x + bend * (y**2 + x**2)


def scattered(beads, bend, seed, stray=0):
    """Return the places of beads and their heights, some of which lie far off."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-14, 14, (beads, 2))
    heights = height(places, bend) + rng.normal(0, 0.1, beads)
    heights[:stray] += rng.uniform(1, 3, stray)
    return places, heights


@pytest.mark.parametrize(("beads", "bend", "stray"), [(10, 0, 0), (25, 0.002, 2), (80, 0.002, 6)])
def test_intervals_hold_the_truth(beads, bend, stray):
    held = []
    for seed in range(60):
        surface = surface_of(beads, bend, seed, stray)
        found, error = surface.heights(GRID)
        true = height(GRID, bend) - height(np.zeros(2), bend)
        held.append(np.abs(found - true) < 1.96 * error)
    assert 0.88 < np.mean(held) < 0.99


def test_a_plane_of_few_beads_and_a_bowl_of_more():
    plane = surface_of(17, 0.0, 1)
    assert not plane.is_curved
    assert plane.tilt()[0] == pytest.approx(np.degrees([0.02, -0.03]), abs=0.5)
    bowl = surface_of(60, 0.002, 1, stray=3)
    assert bowl.is_curved
    sag, error = bowl.sag((12.0, 12.0))
    assert abs(sag - 0.002 * 144) < 4 * error
    assert bowl.scatter == pytest.approx(0.1, rel=0.4)


def test_heights_are_from_the_middle_that_is_given():
    places, heights = scattered(60, 0.002, 2)
    middle = (3.0, -2.0)
    surface = focus_surface(places, heights, middle)
    found, error = surface.heights(np.array(middle))
    assert found == pytest.approx(0, abs=1e-12)
    assert error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("beads", [0, 8])
def test_too_few_beads_tell_nothing(beads):
    assert surface_of(beads, 0.0, 1) is None


def test_beads_on_a_line_tell_nothing():
    places = np.stack([np.arange(30.0), 2 * np.arange(30.0)], axis=1)
    assert focus_surface(places, np.zeros(30), (0.0, 0.0)) is None


def test_beads_that_lie_exactly_on_a_plane():
    places, _ = scattered(12, 0.0, 1)
    surface = focus_surface(places, height(places, 0.0), (0.0, 0.0))
    assert surface.tilt()[0] == pytest.approx(np.degrees(np.arctan([0.02, -0.03])))
    assert surface.scatter < 1e-9
