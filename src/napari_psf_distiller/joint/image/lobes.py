"""Whether candidates come in pairs that are the lobes of one PSF."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["single_lobes"]

Floats = NDArray[np.float64]

# Lobes lie no further apart than so many widths of a bead, and in all beads at the same
# displacement, within so many.
FURTHEST, SAME_DISPLACEMENT = 8.0, 0.45

# At least so many pairs, with so large a part of all candidates in them, and so many times as many
# as by chance. Their brightness has the same ratio within this factor's logarithm.
LEAST_PAIRS, LEAST_PART, BY_CHANCE, SAME_RATIO = 5, 0.5, 6.0, 0.4

# Lobes that are next to each other twice are three; what goes on is a grid of beads.
MOST_CHAINED = 0.6

# A PSF has so many lobes at most.
MOST_LOBES = 4


class _Pairs(NamedTuple):
    """Which candidates lie at one displacement from others: the first ones, and those."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]


def single_lobes(places: Floats, heights: Floats) -> NDArray[np.bool_]:
    """Return which candidates to keep: of the lobes of one PSF the brightest.

    Parameters
    ----------
    places : numpy.ndarray
        (candidates, 3), in widths of a bead.
    heights : numpy.ndarray
        Of each, positive.

    Notes
    -----
    An aberrated PSF may have several maxima: then each bead is found so many times, always at the
    same displacement and with the same ratio of brightness. Beads that lie anywhere do not.
    """
    kept = np.ones(len(places), bool)
    for _ in range(MOST_LOBES - 1):
        rest = np.flatnonzero(kept)
        pairs = _alike(places[rest], heights[rest])
        if pairs is None:
            break
        brighter = np.median(np.log(heights[rest[pairs.second]] / heights[rest[pairs.first]])) > 0
        kept[rest[pairs.first if brighter else pairs.second]] = False
    return kept


def _alike(places: Floats, heights: Floats) -> _Pairs | None:
    """Return the pairs of candidates at the most frequent displacement, if they are lobes."""
    found = cKDTree(places).query_pairs(FURTHEST, output_type="ndarray")
    if len(found) < LEAST_PAIRS:
        return None
    both = np.concatenate([found, found[:, ::-1]])
    apart = places[both[:, 1]] - places[both[:, 0]]
    ratios = np.log(heights[both[:, 1]] / heights[both[:, 0]])
    tree = cKDTree(apart)
    near = tree.query_ball_point(apart, SAME_DISPLACEMENT)
    members = np.array(near[int(np.argmax([len(group) for group in near]))])
    # Of three lobes in a row those in the middle have two ratios.
    alike = np.abs(ratios[members][:, None] - ratios[members]) < SAME_RATIO
    members = members[alike[int(alike.sum(axis=1).argmax())]]
    first, second = both[members].T
    share = SAME_DISPLACEMENT**3 / FURTHEST**3
    in_pairs = len(np.union1d(first, second))
    chained = len(np.intersect1d(first, second))
    if (
        len(members) < LEAST_PAIRS
        or in_pairs < LEAST_PART * len(places)
        or len(members) < BY_CHANCE * share * len(both)
        or chained > MOST_CHAINED * len(members)
    ):
        return None
    return _Pairs(first, second)
