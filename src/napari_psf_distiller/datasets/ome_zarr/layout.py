"""What there is of an image besides its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SPACE", "WHITE", "ImageLayout"]

SPACE = ("z", "y", "x")

# The colour of a channel of which none is said.
WHITE = "FFFFFF"


@dataclass(frozen=True)
class ImageLayout:
    """What there is of an image besides its voxels.

    Attributes
    ----------
    axes : tuple of str
        Of "t", "c", "z", "y", "x", in the order in which they are stored.
    shape : tuple of int
    dtype : str
    spacing : tuple of float or None
        Voxel size along the axes of space in micrometres; None where it is not known.
    channels : tuple of str
        Names of the channels; empty where there are none.
    version : str
        Of OME-Zarr.
    first_voxel : tuple of float
        Where the first voxel's centre lies along the axes of space, in micrometres; empty is 0.
    colors : tuple of str
        Of the channels, such as "00FF00"; empty where none is said.
    time_step : float
        From one time to the next.
    time_unit : str
        Its unit, such as "second"; "" where it is not known.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    spacing: tuple[float, ...] | None
    channels: tuple[str, ...]
    version: str
    first_voxel: tuple[float, ...] = ()
    colors: tuple[str, ...] = ()
    time_step: float = 1.0
    time_unit: str = ""

    def size(self, axis: str) -> int:
        """Return the number of voxels, times or channels along an axis; 1 if it has no such."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def space(self) -> tuple[int, ...]:
        """(Z, Y, X) or (Y, X) voxels."""
        return self.along_space(self.shape)

    @property
    def space_axes(self) -> tuple[str, ...]:
        """Names of the axes of space, in the order in which they are stored."""
        return tuple(axis for axis in self.axes if axis in SPACE)

    def along_space(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Return those of some numbers, one an axis, that belong to the axes of space."""
        return tuple(n for n, axis in zip(numbers, self.axes, strict=True) if axis in SPACE)

    def index(self, time: int, channel: int, box: Sequence[slice] = ()) -> tuple[int | slice, ...]:
        """Return where a box of one time and one channel lies in the array; () is all of it."""
        parts = iter(box or [slice(None)] * len(self.space))
        chosen: dict[str, int] = {"t": time, "c": channel}
        return tuple(chosen[axis] if axis in chosen else next(parts) for axis in self.axes)
