"""An image cut into tiles that fit the memory, with so much around each that no seam shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from napari_psf_distiller.boxes import Box, relative_to
from napari_psf_distiller.compute.engine import Memory

__all__ = ["Tile", "cut_axis", "fits", "tile_around", "tiles_of", "tiles_within"]

# A tile of fewer voxels along an axis would be all overlap.
LEAST_CORE = 8


@dataclass(frozen=True)
class Tile:
    """A part of an image.

    Attributes
    ----------
    core : tuple of slice
        The voxels whose result is kept.
    window : tuple of slice
        The voxels that are deconvolved: the core and the overlap around it. Of a circulant image it
        may begin below 0 or end beyond the image, which goes on with its other side there.
    """

    core: Box
    window: Box

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the window."""
        return tuple(s.stop - s.start for s in self.window)

    def cut(self, shape: tuple[int, ...]) -> tuple[bool, ...]:
        """Return along which axes of an image of this shape it is a part of it."""
        return tuple(w != slice(0, n) for w, n in zip(self.window, shape, strict=True))

    @property
    def inside(self) -> Box:
        """The core's place in the window."""
        return relative_to(self.window, self.core)


def fits(need: Memory, limit: Memory) -> bool:
    """Return whether what is needed is there."""
    return need.total <= limit.total and need.largest <= limit.largest


def tiles_within(
    box: Box,
    shape: tuple[int, ...],
    overlap: tuple[int, ...],
    need: Callable[[Tile], Memory],
    limit: Memory,
    wraps: bool = False,
) -> list[Tile] | None:
    """Cut a part of an image into as few tiles as fit the memory.

    Parameters
    ----------
    box : tuple of slice
        The part.
    shape : tuple of int
        Of the image.
    overlap : tuple of int
        Voxels around each core along the axes that are cut, as far as the image reaches.
    need : callable
        Returns the memory that a tile needs.
    limit : Memory
    wraps : bool
        Whether the image goes on with its other side.

    Returns
    -------
    list of Tile, or None
        None where no tile is small enough.
    """
    sizes = [s.stop - s.start for s in box]
    # Along other axes a window would be the whole image's all the same.
    useful = [
        axis
        for axis, (size, n, o) in enumerate(zip(sizes, shape, overlap, strict=True))
        if size > LEAST_CORE and 2 * o + LEAST_CORE < n
    ]
    counts = [1] * len(sizes)
    least = [-(-n // LEAST_CORE) if axis in useful else 1 for axis, n in enumerate(sizes)]
    if not fits(need(_largest(sizes, least, shape, overlap, wraps)), limit):
        return None
    while not fits(need(_largest(sizes, counts, shape, overlap, wraps)), limit):
        # One cut more of the longest cores: that loses least to overlap.
        axis = max(useful, key=lambda axis: sizes[axis] / counts[axis])
        counts[axis] += 1
    return tiles_of(box, shape, overlap, counts, wraps)


def tiles_of(
    box: Box,
    shape: tuple[int, ...],
    overlap: tuple[int, ...],
    counts: list[int],
    wraps: bool = False,
) -> list[Tile]:
    """Cut a part of an image into so many tiles along each axis; see `tiles_within`."""
    return [
        tile_around(core, shape, overlap, wraps)
        for core in itertools.product(*map(cut_axis, box, counts))
    ]


def _largest(
    sizes: list[int],
    counts: list[int],
    shape: tuple[int, ...],
    overlap: tuple[int, ...],
    wraps: bool,
) -> Tile:
    """Return a tile as large as the largest that so many cuts give, somewhere."""
    window = []
    for size, count, n, o in zip(sizes, counts, shape, overlap, strict=True):
        core = -(-size // count)
        length = core + 2 * o
        if core == n or (length >= n and not wraps):
            window.append(slice(0, n))
        else:
            # Wherever it lies, an axis that is cut does not begin and end as the image does.
            window.append(slice(-1, length - 1))
    return Tile(tuple(window), tuple(window))


def cut_axis(axis: slice, count: int, step: int = 1) -> list[slice]:
    """Return the parts of an axis, as equal as may be.

    Parameters
    ----------
    axis : slice
    count : int
        Of parts, at most one a step.
    step : int
        Each part but the last is whole steps of so many voxels.

    Examples
    --------
    >>> cut_axis(slice(0, 10), 2), cut_axis(slice(0, 10), 2, 4)
    ([slice(0, 5, None), slice(5, 10, None)], [slice(0, 4, None), slice(4, 10, None)])
    """
    n = axis.stop - axis.start
    steps = -(-n // step)
    edges = [axis.start + min(steps * i // count * step, n) for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def tile_around(core: Box, shape: tuple[int, ...], overlap: tuple[int, ...], wraps: bool) -> Tile:
    """Return a core with the overlap around it; see `tiles_within`."""
    window = []
    for part, n, o in zip(core, shape, overlap, strict=True):
        low, high = part.start - o, part.stop + o
        if not wraps:
            low, high = max(low, 0), min(high, n)
        # An axis that is not cut keeps its boundary.
        window.append(part if part == slice(0, n) else slice(low, high))
    return Tile(core, tuple(window))
