"""What an image sees of a grid of finer voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import seeds

from napari_psf_distiller.compute.sampling import collected, on_grid, planes_seen

shapes = st.sampled_from([(1, 9, 10), (5, 6, 7), (4, 5, 5)])
factors = st.sampled_from([(1, 1, 1), (1, 2, 2), (2, 2, 2), (3, 3, 3), (4, 1, 1), (1, 2, 3)])


@given(shape=shapes, finer=factors, seed=seeds)
def test_what_is_put_back_is_the_adjoint_of_what_is_seen(shape, finer, seed):
    grid = tuple(n * f + 3 for n, f in zip(shape, finer, strict=True))
    rng = np.random.default_rng(seed)
    estimate, image = (rng.random(size).astype(np.float32) for size in (grid, shape))
    rows, columns = (n * f for n, f in zip(shape[1:], finer[1:], strict=True))
    seen = collected(estimate[planes_seen(shape[0], finer[0]), :rows, :columns], finer)
    assert seen.shape == shape
    back = on_grid(image, finer, grid)
    assert np.vdot(seen, image) == pytest.approx(np.vdot(estimate, back), rel=1e-5)


def test_a_pixel_sees_its_own_and_a_plane_the_middle_one():
    fine = np.arange(6 * 4 * 4, dtype=np.float32).reshape(6, 4, 4)
    seen = collected(fine[planes_seen(2, 3)], (3, 2, 2))
    assert seen.shape == (2, 2, 2)
    assert seen[1, 0, 1] == fine[4, :2, 2:].sum()
    assert list(range(8))[planes_seen(2, 4)] == [2, 6]
