"""Boxes of voxels: what they hold, with a margin and within one another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.boxes import Box, relative_to, whole, widened

SHAPE = (5, 9, 12)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    ends = (sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE)
    return tuple(slice(low, high) for low, high in ends)


def test_the_whole_is_all_of_an_image() -> None:
    image = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    np.testing.assert_array_equal(image[whole(SHAPE)], image)


@given(box=boxes(), margin=st.tuples(*[st.integers(0, 4)] * 3))
def test_a_margin_reaches_as_far_as_the_image(box: Box, margin: tuple[int, ...]) -> None:
    for part, inner, m, n in zip(widened(box, margin, SHAPE), box, margin, SHAPE, strict=True):
        assert part.start == max(inner.start - m, 0)
        assert part.stop == min(inner.stop + m, n)


@given(box=boxes(), margin=st.tuples(*[st.integers(0, 4)] * 3))
def test_what_lies_in_a_part_is_found_there(box: Box, margin: tuple[int, ...]) -> None:
    image = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    outer = widened(box, margin, SHAPE)
    np.testing.assert_array_equal(image[outer][relative_to(outer, box)], image[box])
