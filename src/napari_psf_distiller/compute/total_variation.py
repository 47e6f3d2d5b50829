"""Total variation as a regularisation of Richardson-Lucy.

Each update is multiplied by 1 / (1 - weight * div(g / |g|)), where g is the gradient of the
estimate before that update (Dey et al. 2006, https://doi.org/10.1002/jemt.20294): an edge stays,
and what scatters about a surface is evened out. It is the step that goes down the total variation,
the integral of |g|, whose derivative is -div(g / |g|).

Lengths are in units of the finest spacing. With hx, hy and hz for the spacing of columns, rows and
planes in them, a slope is a difference over the spacing, so that it is the same along each axis
where the object is. The differences are one-sided; across its own axis, each component is divided
by the length that the other two have after the minmod of their forward and backward difference
(Rudin, Osher and Fatemi 1992, https://doi.org/10.1016/0167-2789(92)90242-F). With D+ and D- for the
slopes to the next and from the previous voxel, and m for minmod:

    a = D+x / |D+x, m(y), m(z)|    m(y) = minmod(D+y, D-y)    and so on
    b = D+y / |D+y, m(x), m(z)|
    c = D+z / |D+z, m(y), m(x)|
    div = D-x a + D-y b + D-z c

Beyond an edge lies the edge's voxel again, so that no component crosses it, and div sums up to 0.

clij2-fft has this with hz = 3 and hx = hy = 1 for any image, and in two places it departs from it.
For the b of the previous row, D+z is taken in the previous column of this row instead. For the c of
the previous plane, D-x leads from that plane's previous column to this plane's previous row, not to
that plane's voxel. Its own results are given where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_psf_distiller.compute.engine import Array, Compatibility

__all__ = ["CLIJ_SPACING", "LARGEST_WEIGHT", "total_variation_factor"]

# The divergence lies between -6 and 6 at most, where the spacing is the same along each axis: from
# this weight on, the factor may be infinite or negative.
LARGEST_WEIGHT = 1 / 6

# Of planes, rows and columns: what clij2-fft takes for any image.
CLIJ_SPACING = (3.0, 1.0, 1.0)

# The square of a length counts as no less, so that 0 / 0 is 0 (clij2-fft asks for more than 0). Far
# below what an image holds, yet so large that it does not matter if a device flushes tiny numbers.
LEAST_SQUARE = np.float32(1e-30)

# The voxels of a plane that are worked on at a time: what is needed for them fits into a cache.
BLOCK = 32768


def total_variation_factor(
    estimate: Array,
    weight: float,
    out: Array,
    planes: slice = slice(None),
    first: tuple[int, int, int] = (0, 0, 0),
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    compatibility: Compatibility | None = None,
) -> None:
    """Compute what each voxel of an update is multiplied by, for some of the planes.

    Other threads may compute other planes at the same time.

    Parameters
    ----------
    estimate : numpy.ndarray
        float32, (Z, Y, X), finite; an image of two axes is one of one plane. It is only read: the
        planes asked for and the one before and after them.
    weight : float
        Of the total variation, from 0 to below `LARGEST_WEIGHT`. 0.001 smooths a little, 0.01 much.
    out : numpy.ndarray
        float32, of the estimate's shape. Only `planes` of it are written.
    planes : slice
        Of the array, with a step of 1.
    first : tuple of int
        The index, along each axis, at which the grid begins in space where the array is wrapped
        round: the last one before it is the other edge.
    spacing : tuple of float
        Of planes, rows and columns, in units of the finest: at least 1.
    compatibility : {"clij2-fft"} or None
        "clij2-fft" departs from the scheme where clij2-fft does. Its spacing is `CLIJ_SPACING`.
    """
    nz, ny, nx = estimate.shape
    start, stop, _ = planes.indices(nz)
    scale = np.float32(-weight)
    per_plane, per_row, per_column = (np.float32(1 / size) for size in spacing)
    for rows in _blocks(ny, nx, first[1]):
        # Three planes are needed at a time, and each is prepared once.
        ready: dict[int, _Plane] = {}
        for k in range(start, stop):
            needed = (_previous(k, nz, first[0]), k, _next(k, nz, first[0]))
            ready = {
                z: ready.get(z) or _Plane(estimate[z], rows, first, per_row, per_column)
                for z in needed
            }
            before, plane, after = (ready[z] for z in needed)
            factor = _divergence(before, plane, after, per_plane, compatibility)
            factor *= scale
            factor += 1
            np.divide(np.float32(1), factor, out=factor)
            _roll(factor.reshape(-1, nx + 2)[:, 1:-1], out[k, rows], nx - first[2])


class _Plane:
    """Some rows of a plane, in the order of space, and what is asked of them repeatedly.

    The rows have a neighbour, or at an edge themselves, on each side. They lie one after the other
    in one axis, with one value more at each end: so a step along either axis is one along this one,
    and each pass is one over memory without gaps, faster than one over rows. It also computes
    something between the rows, which is not used.

    Attributes
    ----------
    width : int
        A row's, with its neighbours.
    low, high : int
        Where the rows asked for begin, with the first one's neighbour, and end.
    values : numpy.ndarray
    per_row, per_column : numpy.float32
        One over their spacing.
    dx, dy : numpy.ndarray
        The slopes to the next column and row, from index 0 on.
    across_x, across_y : numpy.ndarray
        The squares of their minmods, from `low - width` and from `low - 1` on, to `high`.
    """

    def __init__(
        self,
        plane: Array,
        rows: slice,
        first: tuple[int, int, int],
        per_row: np.float32,
        per_column: np.float32,
    ) -> None:
        ny, nx = plane.shape
        self.per_row, self.per_column = per_row, per_column
        width = nx + 2
        height = rows.stop - rows.start
        self.width, self.low, self.high = width, 1 + width, 1 + width + height * width
        self.values = values = np.empty(2 + (height + 2) * width, np.float32)
        framed = values[1:-1].reshape(-1, width)
        _roll(plane[rows], framed[1:-1, 1:-1], first[2])
        _roll(plane[_previous(rows.start, ny, first[1])], framed[0, 1:-1], first[2])
        _roll(plane[_next(rows.stop - 1, ny, first[1])], framed[-1, 1:-1], first[2])
        framed[:, 0] = framed[:, 1]
        framed[:, -1] = framed[:, -2]
        values[0], values[-1] = values[1], values[-2]

        self.dx = values[1:] - values[:-1]
        self.dy = values[width:] - values[:-width]
        self.dx *= per_column
        self.dy *= per_row
        self.across_x = _minmod_squared(self.dx[1 : self.high], self.dx[: self.high - 1])
        self.across_y = _minmod_squared(self.dy[width : self.high], self.dy[: self.high - width])


def _divergence(
    before: _Plane,
    plane: _Plane,
    after: _Plane,
    per_plane: np.float32,
    compatibility: Compatibility | None,
) -> Array:
    """Return the divergence of the gradient's direction in a plane, from `low` to `high`."""
    width, low, high = plane.width, plane.low, plane.high
    here = slice(low, high)
    previous_row = slice(low - width, high - width)
    previous_column = slice(low - 1, high - 1)

    up = after.values - plane.values
    up *= per_plane
    down = plane.values - before.values
    down *= per_plane
    # From the previous row on, in which the previous column lies too.
    across_z = _minmod_squared(up[low - width : high], down[low - width : high])
    across_z_of_row = across_z[:-width]
    across_x_before = before.across_x[width:]
    if compatibility == "clij2-fft":
        # Of the rise, the previous column stands where the previous row should.
        across_z_of_row = _minmod_squared(up[previous_column], down[previous_row])
        # A voxel of this plane stands where one of the plane before should.
        backward = plane.values[previous_row] - before.values[previous_column]
        across_x_before = _minmod_squared(before.dx[here], backward)

    a = _component(plane.dx[low - 1 : high], plane.across_y, across_z[width - 1 :])
    divergence = a[1:] - a[:-1]
    divergence *= plane.per_column

    # In this order: where there is hardly a gradient, the last bit decides on its direction, and
    # stored results were made so.
    b = _component(plane.dy[here], plane.across_x[width:], across_z[width:])
    b *= plane.per_row
    divergence += b
    b = _component(plane.dy[previous_row], plane.across_x[:-width], across_z_of_row)
    b *= plane.per_row
    divergence -= b

    c = _component(up[here], plane.across_y[1:], plane.across_x[width:])
    c -= _component(down[here], before.across_y[1:], across_x_before)
    c *= per_plane
    divergence += c
    return divergence


def _minmod_squared(one: Array, other: Array) -> Array:
    """Return the square of the lesser of two slopes, and 0 where they go opposite ways."""
    lesser = np.minimum(one, 0)
    np.maximum(lesser, other, out=lesser)
    greatest = np.maximum(one, 0)
    np.minimum(lesser, greatest, out=lesser)
    lesser *= lesser
    return lesser


def _component(slope: Array, square: Array, other_square: Array) -> Array:
    """Return a slope, divided by its length with the squares of the other two."""
    length = slope * slope
    length += square
    length += other_square
    np.maximum(length, LEAST_SQUARE, out=length)
    np.sqrt(length, out=length)
    np.divide(slope, length, out=length)
    return length


def _blocks(ny: int, nx: int, first: int) -> Iterator[slice]:
    """Return the rows in blocks that do not reach over the grid's edge."""
    height = max(1, BLOCK // nx)
    for low, high in ((0, first), (first, ny)):
        for row in range(low, high, height):
            yield slice(row, min(row + height, high))


def _roll(array: Array, rolled: Array, first: int) -> None:
    """Copy the last axis, from an index on and then what lies before it."""
    size = array.shape[-1]
    rolled[..., : size - first] = array[..., first:]
    rolled[..., size - first :] = array[..., :first]


def _previous(index: int, size: int, first: int) -> int:
    return index if index == first else (index - 1) % size


def _next(index: int, size: int, first: int) -> int:
    return index if (index + 1) % size == first else (index + 1) % size
