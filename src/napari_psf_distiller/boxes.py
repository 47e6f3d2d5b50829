"""Boxes of voxels: which part of an image is meant."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Box", "around", "relative_to", "whole", "widened"]

# For each axis, from the first voxel to the one after the last.
Box = tuple[slice, ...]


def whole(shape: Sequence[int]) -> Box:
    """Return the box of a whole image.

    Examples
    --------
    >>> whole((5, 9))
    (slice(0, 5, None), slice(0, 9, None))
    """
    return tuple(slice(0, n) for n in shape)


def around(voxel: Sequence[int], reach: Sequence[int], shape: Sequence[int]) -> Box:
    """Return the box about a voxel, as far as the image reaches; empty beside the image.

    Parameters
    ----------
    voxel : sequence of int
    reach : sequence of int
        Voxels on both sides, one number an axis.
    shape : sequence of int
        Of the image.

    Examples
    --------
    >>> around((1, 8), (2, 2), (5, 9))
    (slice(0, 4, None), slice(6, 9, None))
    """
    ends = [
        (max(int(v) - int(r), 0), min(int(v) + int(r) + 1, n))
        for v, r, n in zip(voxel, reach, shape, strict=True)
    ]
    return tuple(slice(low, max(low, high)) for low, high in ends)


def widened(box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
    """Return a box with a margin, as far as the image reaches.

    Parameters
    ----------
    box : tuple of slice
    margin : sequence of int
        Voxels on both sides, one number an axis.
    shape : sequence of int
        Of the image.

    Examples
    --------
    >>> widened((slice(1, 3), slice(4, 6)), (2, 2), (5, 9))
    (slice(0, 5, None), slice(2, 8, None))
    """
    return tuple(
        slice(max(part.start - m, 0), min(part.stop + m, n))
        for part, m, n in zip(box, margin, shape, strict=True)
    )


def relative_to(outer: Box, box: Box) -> Box:
    """Return where a box lies in what another one cuts out.

    Examples
    --------
    >>> relative_to((slice(2, 8),), (slice(3, 5),))
    (slice(1, 3, None),)
    """
    return tuple(
        slice(part.start - other.start, part.stop - other.start)
        for part, other in zip(box, outer, strict=True)
    )
