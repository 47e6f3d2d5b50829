"""A volume: an image in space, of which any box can be read by itself.

What works on images that may be larger than the memory, or that are not to be loaded yet, asks
for a `Volume`. Whatever stores images becomes one with the five members of the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_psf_distiller.boxes import Box
from napari_psf_distiller.errors import DistillerError, InputError

__all__ = ["AXES", "ArrayVolume", "StoredVolume", "Volume", "as_volume"]

# The axes of space, in their order; a plane has the last two.
AXES = ("z", "y", "x")


@runtime_checkable
class Volume(Protocol):
    """One image in space, a stack or a plane, of one time and one channel."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels' values."""

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Voxel size along each axis, in micrometres; None where it is not known."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes: z, y, x or y, x."""

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box.

        Parameters
        ----------
        box : tuple of slice
            For each axis, from the first voxel to the one after the last; inside the volume.

        Returns
        -------
        numpy.ndarray
            Of the box's shape and the volume's type. It may be the volume's own memory: it is not
            to be written to.

        Raises
        ------
        InputError
            The box does not lie inside the volume, or what is stored there cannot be read.
        """


class ArrayVolume:
    """A volume in memory.

    Parameters
    ----------
    array : numpy.ndarray
        (Z, Y, X) or (Y, X).
    spacing : sequence of float, optional
        Voxel size in micrometres, one an axis.

    Examples
    --------
    >>> import numpy as np
    >>> volume = ArrayVolume(np.zeros((8, 32, 32)), spacing=(0.2, 0.08, 0.08))
    >>> volume.axes, volume.read((slice(2, 4), slice(0, 32), slice(0, 8))).shape
    (('z', 'y', 'x'), (2, 32, 8))
    """

    def __init__(self, array: NDArray[Any], spacing: Sequence[float] | None = None) -> None:
        self.array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self.axes = _axes_of(self.shape)
        self.spacing = _checked(spacing, self.shape)

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box, without a copy; see `Volume`."""
        _check_inside(box, self.shape)
        return self.array[box]


class StoredVolume:
    """A volume of a dask, zarr or other array, of which only what is asked for is read.

    NumPy takes it as an array, and then reads all of it: a step asks for that in its worker.

    Parameters
    ----------
    array : array_like
        With shape and dtype; its index is a slice or a number for each axis.
    index : tuple of int or slice, optional
        Which part of the array it is, such as one time and channel: an int drops its axis, and a
        slice runs upwards. By default all of it.
    spacing : sequence of float, optional
        Voxel size in micrometres, one an axis of the volume.

    Examples
    --------
    >>> import numpy as np
    >>> series = np.zeros((5, 8, 32, 32))  # times of stacks
    >>> volume = StoredVolume(series, (3, slice(None), slice(None), slice(None)))
    >>> volume.shape
    (8, 32, 32)
    >>> volume.read((slice(2, 4), slice(0, 32), slice(0, 8))).shape
    (2, 32, 8)
    """

    def __init__(
        self,
        array: Any,
        index: tuple[int | slice, ...] = (),
        spacing: Sequence[float] | None = None,
    ) -> None:
        self._array = array
        self._index = index or (slice(None),) * len(array.shape)
        self._parts = tuple(
            range(int(n))[part]
            for n, part in zip(array.shape, self._index, strict=True)
            if isinstance(part, slice)
        )
        self.shape = tuple(len(part) for part in self._parts)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.axes = _axes_of(self.shape)
        self.spacing = _checked(spacing, self.shape)

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box; see `Volume`."""
        _check_inside(box, self.shape)
        wanted = (part[one] for part, one in zip(self._parts, box, strict=True))
        index = tuple(
            _as_slice(next(wanted)) if isinstance(chosen, slice) else chosen
            for chosen in self._index
        )
        return self._part(index)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of it."""
        array = self._part(self._index)
        return array if dtype is None else array.astype(dtype, copy=False)

    def _part(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        """Read a part of the array."""
        try:
            return np.asarray(self._array[index])
        except (DistillerError, MemoryError):
            raise
        except Exception as error:  # whatever lies behind the array, its user gets a sentence
            raise InputError(
                f"The image cannot be read from where it is stored: {error}. Check that the file "
                "is still there and whole, and open it again."
            ) from error


def as_volume(image: Any, spacing: Sequence[float] | None = None) -> Volume:
    """Return an image as a volume.

    Parameters
    ----------
    image : Volume or array_like
        A volume is returned as it is. A NumPy array stays where it is, and of any other array with
        a shape and a type only what is asked for will be read.
    spacing : sequence of float, optional
        Voxel size of an array, in micrometres, one an axis.
    """
    if isinstance(image, Volume):
        return image
    if hasattr(image, "shape") and hasattr(image, "dtype") and not isinstance(image, np.ndarray):
        return StoredVolume(image, spacing=spacing)
    return ArrayVolume(np.asarray(image), spacing)


def _axes_of(shape: tuple[int, ...]) -> tuple[str, ...]:
    if len(shape) > len(AXES):
        raise InputError(
            f"An image of the shape {shape} has more axes than z, y and x. Choose one time and one "
            "channel."
        )
    return AXES[len(AXES) - len(shape) :]


def _checked(spacing: Sequence[float] | None, shape: tuple[int, ...]) -> tuple[float, ...] | None:
    """Return a voxel size that has a length for each axis, or refuse it."""
    if spacing is None:
        return None
    lengths = tuple(float(length) for length in spacing)
    if len(lengths) != len(shape):
        raise InputError(
            f"The voxel size has {len(lengths)} lengths, and the image {len(shape)} axes; give one "
            "for each axis."
        )
    return lengths


def _check_inside(box: Box, shape: tuple[int, ...]) -> None:
    """Refuse a box that does not lie inside: NumPy would cut it off, or count from the end."""
    if len(box) != len(shape) or not all(
        part.step in (None, 1) and 0 <= part.start <= part.stop <= n
        for part, n in zip(box, shape, strict=True)
    ):
        shown = ", ".join(f"{part.start}:{part.stop}" for part in box)
        raise InputError(
            f"The box [{shown}] does not lie inside the image of the shape {shape}; choose one "
            "that does."
        )


def _as_slice(voxels: range) -> slice:
    return slice(voxels.start, voxels.stop, voxels.step)
