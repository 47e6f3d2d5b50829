"""An image cut into tiles: all of it once, each within the memory."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.boxes import whole
from napari_psf_distiller.compute.engine import Memory
from napari_psf_distiller.compute.tiles import Tile, fits, tiles_within


def voxels(tile: Tile) -> Memory:
    return Memory(math.prod(tile.shape), math.prod(tile.shape))


def covered(tiles, shape) -> np.ndarray:
    counts = np.zeros(shape, int)
    for tile in tiles:
        counts[tile.core] += 1
    return counts


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=3),
    st.integers(0, 12),
    st.floats(0.02, 1.5),
    st.booleans(),
)
def test_every_voxel_is_kept_once(shape, overlap, part, wraps):
    shape, overlaps = tuple(shape), (overlap,) * len(shape)
    limit = max(1, int(part * math.prod(shape)))
    tiles = tiles_within(whole(shape), shape, overlaps, voxels, Memory(limit, limit), wraps)
    if tiles is None:
        return
    assert (covered(tiles, shape) == 1).all()
    for tile in tiles:
        assert math.prod(tile.shape) <= limit
        for core, window, inside, n in zip(tile.core, tile.window, tile.inside, shape, strict=True):
            before, after = core.start - window.start, window.stop - core.stop
            assert (inside.start, inside.stop) == (before, before + core.stop - core.start)
            if core == slice(0, n):
                # An axis that is not cut keeps its boundary.
                assert (before, after) == (0, 0)
            elif wraps:
                assert (before, after) == (overlap, overlap)
            else:
                # As far as the image reaches.
                assert before == min(overlap, core.start)
                assert after == min(overlap, n - core.stop)


def test_a_part_of_an_image():
    box = (slice(10, 30), slice(5, 45))
    tiles = tiles_within(box, (40, 50), (3, 4), voxels, Memory(400, 400))
    counts = covered(tiles, (40, 50))
    assert (counts[box] == 1).all()
    assert counts.sum() == 20 * 40
    # The overlap goes beyond the part.
    assert min(tile.window[0].start for tile in tiles) == 7
    assert max(tile.window[1].stop for tile in tiles) == 49


def test_what_fits_is_one_tile():
    tiles = tiles_within(whole((20, 30)), (20, 30), (5, 5), voxels, Memory(600, 600))
    assert [tile.window for tile in tiles] == [whole((20, 30))]
    assert len(tiles_within(whole((20, 30)), (20, 30), (5, 5), voxels, Memory(599, 599))) == 2


def test_the_longest_axis_is_cut_first():
    tiles = tiles_within(whole((10, 20, 400)), (10, 20, 400), (2, 2, 2), voxels, Memory(9000, 9000))
    assert all(tile.core[:2] == (slice(0, 10), slice(0, 20)) for tile in tiles)
    assert len(tiles) in range(9, 13)


@pytest.mark.parametrize("limit", [Memory(400, 10**9), Memory(10**9, 400)])
def test_both_limits_hold(limit):
    tiles = tiles_within(whole((40, 50)), (40, 50), (3, 3), voxels, limit)
    assert len(tiles) > 5
    assert all(math.prod(tile.shape) <= 400 for tile in tiles)


@pytest.mark.parametrize(
    ("shape", "overlap", "limit"), [((40, 50), 20, 500), ((40, 50), 0, 10), ((5, 6), 0, 29)]
)
def test_none_where_no_tile_is_small_enough(shape, overlap, limit):
    overlaps = (overlap, overlap)
    assert tiles_within(whole(shape), shape, overlaps, voxels, Memory(limit, limit)) is None


def test_fits():
    assert fits(Memory(5, 3), Memory(5, 3))
    assert not fits(Memory(6, 3), Memory(5, 3))
    assert not fits(Memory(5, 4), Memory(5, 3))


def test_what_cannot_be_cut_is_told_at_once():
    # A PSF as large as the image: no window is smaller than the image.
    asked = []

    def need(tile):
        asked.append(tile)
        return Memory(10**10, 10**10)

    shape = (50, 2048, 2048)
    assert tiles_within(whole(shape), shape, shape, need, Memory(10**9, 10**9)) is None
    assert tiles_within(whole(shape), shape, (5, 9, 9), need, Memory(10**9, 10**9)) is None
    assert len(asked) == 2
