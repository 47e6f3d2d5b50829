"""Volumes give the voxels of any box, and tell what they cannot give."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_psf_distiller.datasets import ArrayVolume, StoredVolume, Volume, as_volume
from napari_psf_distiller.errors import InputError

SERIES = np.arange(4 * 3 * 5 * 6 * 7, dtype=np.uint16).reshape(4, 3, 5, 6, 7)
STACK = SERIES[2, 1]
SPACING = (0.2, 0.1, 0.08)


class Planes:
    """A toy store of planes, and all that it takes to be a volume."""

    shape, dtype, spacing, axes = STACK.shape, STACK.dtype, SPACING, ("z", "y", "x")

    def __init__(self) -> None:
        self.read_planes: list[int] = []

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        planes = range(self.shape[0])[box[0]]
        self.read_planes += planes
        return np.stack([STACK[z] for z in planes])[:, *box[1:]]


class Stored:
    """An array that is not NumPy's, and notes which parts of it were asked for."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.asked: list[tuple[int | slice, ...]] = []

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        self.asked.append(index)
        return self.array[index]


VOLUMES: dict[str, Callable[[], Volume]] = {
    "in memory": lambda: ArrayVolume(STACK, SPACING),
    "stored": lambda: StoredVolume(Stored(STACK), spacing=SPACING),
    "of a series": lambda: StoredVolume(Stored(SERIES), (2, 1, *[slice(None)] * 3), SPACING),
    "of a larger stack": lambda: StoredVolume(
        Stored(np.pad(STACK, 3)), tuple(slice(3, 3 + n) for n in STACK.shape), SPACING
    ),
    "planes": Planes,
}


@st.composite
def boxes(draw: st.DrawFn) -> tuple[slice, ...]:
    ends = (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in STACK.shape)
    return tuple(
        slice(low, max(low + 1, high)) if low < n else slice(n - 1, n)
        for (low, high), n in zip(ends, STACK.shape, strict=True)
    )


@pytest.mark.parametrize("kind", VOLUMES)
@given(box=boxes())
def test_a_box_of_it(kind: str, box: tuple[slice, ...]) -> None:
    volume = VOLUMES[kind]()
    assert isinstance(volume, Volume)
    part = volume.read(box)
    np.testing.assert_array_equal(part, STACK[box])
    assert part.dtype == volume.dtype == STACK.dtype
    assert (volume.shape, volume.spacing) == (STACK.shape, SPACING)
    assert volume.axes == ("z", "y", "x")


def test_what_is_in_memory_is_not_copied() -> None:
    box = (slice(1, 3), slice(0, 6), slice(2, 4))
    assert np.shares_memory(ArrayVolume(STACK).read(box), STACK)


def test_no_more_is_read_than_was_asked_for() -> None:
    stored = Stored(SERIES)
    volume = StoredVolume(stored, (2, 1, *[slice(None)] * 3))
    assert stored.asked == []
    volume.read((slice(1, 3), slice(0, 6), slice(2, 4)))
    assert stored.asked == [(2, 1, slice(1, 3, 1), slice(0, 6, 1), slice(2, 4, 1))]


def test_numpy_reads_a_stored_volume_whole() -> None:
    volume = StoredVolume(Stored(SERIES), (2, 1, *[slice(None)] * 3))
    np.testing.assert_array_equal(np.asarray(volume), STACK)
    assert np.asarray(volume, np.float32).dtype == np.float32


def test_a_plane_has_the_axes_y_and_x() -> None:
    assert ArrayVolume(STACK[0]).axes == ("y", "x")
    assert ArrayVolume(STACK[0]).spacing is None


def test_whatever_holds_an_image_becomes_a_volume() -> None:
    planes = Planes()
    assert as_volume(planes) is planes
    assert isinstance(as_volume(STACK), ArrayVolume)
    stored = Stored(STACK)
    volume = as_volume(stored, SPACING)
    assert (volume.shape, volume.spacing, stored.asked) == (STACK.shape, SPACING, [])
    assert as_volume([[1, 2], [3, 4]]).shape == (2, 2)


@pytest.mark.parametrize("kind", ["in memory", "stored"])
@pytest.mark.parametrize(
    "box",
    [
        (slice(0, 6), slice(0, 6), slice(0, 7)),
        (slice(-1, 2), slice(0, 6), slice(0, 7)),
        (slice(3, 2), slice(0, 6), slice(0, 7)),
        (slice(0, 4, 2), slice(0, 6), slice(0, 7)),
        (slice(0, 5), slice(0, 6)),
    ],
)
def test_a_box_that_is_not_inside(kind: str, box: tuple[slice, ...]) -> None:
    with pytest.raises(InputError, match="does not lie inside the image of the shape"):
        VOLUMES[kind]().read(box)


def test_a_time_series_is_no_volume() -> None:
    with pytest.raises(InputError, match="more axes than z, y and x"):
        as_volume(SERIES)


def test_a_voxel_size_of_other_axes() -> None:
    with pytest.raises(InputError, match="has 2 lengths, and the image 3 axes"):
        as_volume(STACK, (0.1, 0.1))


def test_an_array_that_cannot_be_read_any_more_gives_a_sentence() -> None:
    class Gone(Stored):
        def __getitem__(self, index: Any) -> NDArray[Any]:
            raise KeyError("c/0/1")

    with pytest.raises(InputError, match="cannot be read from where it is stored"):
        np.asarray(StoredVolume(Gone(STACK)))
