"""Whether candidates come in pairs that are the lobes of one PSF."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["single_lobes"]

Floats = NDArray[np.float64]

# Lobes lie no further apart than this many widths of a bead, and in all beads at the same
# displacement within this many.
MAX_LOBE_DISTANCE_WIDTHS, DISPLACEMENT_TOLERANCE_WIDTHS = 8.0, 0.45

# Pairs of lobes that are needed, which part of all candidates must be in one, and how many times as
# many pairs as by chance. The logarithm of their heights' ratio is the same within the last.
MIN_PAIRS, MIN_PAIRED_SHARE, MIN_EXCESS_OVER_CHANCE, LOG_RATIO_TOLERANCE = 5, 0.5, 6.0, 0.4

# Lobes that are next to each other twice are three; what goes on is a grid of beads.
MAX_CHAINED_SHARE = 0.6

# Lobes of a PSF, at most.
MAX_LOBES = 4


class _Pairs(NamedTuple):
    """Pairs of candidates at one displacement: the first of each pair, and the second."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]


def single_lobes(places: Floats, heights: Floats) -> NDArray[np.bool_]:
    """Return which candidates to keep: of the lobes of one PSF the brightest.

    Parameters
    ----------
    places : numpy.ndarray
        (candidates, 3), in widths of a bead.
    heights : numpy.ndarray
        (candidates,): positive.

    Notes
    -----
    An aberrated PSF may have several maxima: then each bead is found once for each, always at the
    same displacement and with the same ratio of brightness. Beads that lie anywhere do not.
    """
    kept = np.ones(len(places), bool)
    for _ in range(MAX_LOBES - 1):
        rest = np.flatnonzero(kept)
        pairs = _repeated_pairs(places[rest], heights[rest])
        if pairs is None:
            break
        brighter = np.median(np.log(heights[rest[pairs.second]] / heights[rest[pairs.first]])) > 0
        kept[rest[pairs.first if brighter else pairs.second]] = False
    return kept


def _repeated_pairs(places: Floats, heights: Floats) -> _Pairs | None:
    """Return the pairs of candidates at the most frequent displacement, if they are lobes."""
    found = cKDTree(places).query_pairs(MAX_LOBE_DISTANCE_WIDTHS, output_type="ndarray")
    if len(found) < MIN_PAIRS:
        return None
    both = np.concatenate([found, found[:, ::-1]])
    apart = places[both[:, 1]] - places[both[:, 0]]
    ratios = np.log(heights[both[:, 1]] / heights[both[:, 0]])
    tree = cKDTree(apart)
    near = tree.query_ball_point(apart, DISPLACEMENT_TOLERANCE_WIDTHS)
    members = np.array(near[int(np.argmax([len(group) for group in near]))])
    # Of three lobes in a row those in the middle have two ratios.
    same_ratio = np.abs(ratios[members][:, None] - ratios[members]) < LOG_RATIO_TOLERANCE
    members = members[same_ratio[int(same_ratio.sum(axis=1).argmax())]]
    first, second = both[members].T
    share = DISPLACEMENT_TOLERANCE_WIDTHS**3 / MAX_LOBE_DISTANCE_WIDTHS**3
    in_pairs = len(np.union1d(first, second))
    chained = len(np.intersect1d(first, second))
    if (
        len(members) < MIN_PAIRS
        or in_pairs < MIN_PAIRED_SHARE * len(places)
        or len(members) < MIN_EXCESS_OVER_CHANCE * share * len(both)
        or chained > MAX_CHAINED_SHARE * len(members)
    ):
        return None
    return _Pairs(first, second)
