"""Which peaks in bright beads' halos are beads."""

import numpy as np
import pytest
from joint_fields import Scene, scene

from napari_psf_distiller.joint.misfit.hidden_beads import hidden_beads

WIDTHS = np.array([2.2, 2.3, 2.3])
# Three bright ones, and one in the window of the first.
BRIGHT = [(6.2, 9.7, 10.3), (7.4, 30.1, 9.6), (6.8, 9.5, 30.4)]
DIM = (7.0, 14.2, 12.6)


def model_of(of: Scene, known: int):
    """A model that knows of the first beads only."""
    rng = np.random.default_rng(1)
    noisy = of._replace(image=of.image + rng.normal(0, 1, of.image.shape))
    model = noisy._replace(centres=of.centres[:known], amplitudes=of.amplitudes[:known]).model()
    return model


def hidden(model, *places):
    return hidden_beads(model, np.round(places).astype(np.intp), WIDTHS)


def test_a_dim_bead_among_bright_ones_is_found_with_its_brightness():
    of = scene([*BRIGHT, DIM], [1e5, 1e5, 1e5, 2e4])
    found = hidden(model_of(of, 3), DIM)
    assert len(found.voxels) == 1
    assert found.amplitudes[0] == pytest.approx(2e4, rel=0.3)


def test_a_ring_that_the_model_explains_is_none():
    of = scene(BRIGHT, [1e5, 1e5, 1e5])
    model = model_of(of, 3)
    around = np.argwhere(np.ones((5, 9, 9))) + np.round(BRIGHT[0]).astype(int) - (2, 4, 4)
    assert len(hidden(model, *around).voxels) == 0


def test_what_is_off_all_about_is_none():
    of = scene(BRIGHT, [1e5, 1e5, 1e5])
    model = model_of(of._replace(image=of.image + 30), 3)
    assert len(hidden(model, (7, 25, 25), (7, 35, 35)).voxels) == 0


def test_one_bright_bead_keeps_its_dim_lobes():
    of = scene([BRIGHT[0], DIM], [1e5, 5e3])
    assert len(hidden(model_of(of, 1), DIM).voxels) == 0
    brighter = scene([BRIGHT[0], DIM], [1e5, 3e4])
    assert len(hidden(model_of(brighter, 1), DIM).voxels) == 1


def test_beyond_a_window_no_halo_is_brighter_than_at_its_sides():
    # The model's window ends where the light does not.
    far = (6.8, 30.2, 30.4)
    of = scene([*BRIGHT, far], [1e6, 1e6, 1e6, 2e3])
    assert len(hidden(model_of(of, 3), far).voxels) == 0
    of = scene([*BRIGHT, far], [1e6, 1e6, 1e6, 2e5])
    assert len(hidden(model_of(of, 3), far).voxels) == 1
