"""How many iterations a joint fit takes in all, while it goes on."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.joint.expected_iterations import ExpectedIterations

GAINS = st.lists(st.floats(0, 1e7), min_size=1, max_size=12)


@given(st.lists(GAINS, min_size=1, max_size=5), st.floats(0, 100))
def test_what_is_done_never_becomes_less(solutions: list[list[float]], worthwhile: float) -> None:
    expected, done, iterations = ExpectedIterations(), [0.0], 0
    for gains in solutions:
        expected.begin(0.001, worthwhile)
        for gain in gains:
            iterations += 1
            total = expected.after(gain)
            assert total >= iterations
            done.append(iterations / total)
    assert all(before <= after + 1e-9 for before, after in pairwise(done))


def test_steady_gains_tell_the_end() -> None:
    expected = ExpectedIterations()
    expected.begin(0.0, 1.0)
    # A quarter each time, from 4 ** 6 on: the seventh gains just what is worthwhile.
    totals = [expected.after(4.0**power) for power in range(6, -1, -1)]
    assert totals == pytest.approx([8] * 7, abs=1)


def test_what_only_begins_has_more_to_come() -> None:
    first, later = ExpectedIterations(), ExpectedIterations()
    first.begin(0.01, 0.0)
    later.begin(0.01, 1e-3)
    assert first.after(100.0) > later.after(100.0)


def test_rounds_to_come_count() -> None:
    alone, many = ExpectedIterations(), ExpectedIterations()
    alone.begin(0.001, 1.0, 5.0, rounds_left=0)
    many.begin(0.001, 1.0, 5.0, rounds_left=5)
    assert many.after(1e6) > alone.after(1e6)
    # One that gains no more than that is the last.
    alone, many = ExpectedIterations(), ExpectedIterations()
    alone.begin(0.001, 1.0, 5.0, rounds_left=0)
    many.begin(0.001, 1.0, 5.0, rounds_left=5)
    assert many.after(4.0) == alone.after(4.0)


def test_another_part_has_an_end_of_its_own() -> None:
    expected = ExpectedIterations()
    expected.begin(0.001, 1.0)
    totals = [expected.after(gain) for gain in (1e4, 100.0, 0.5)]
    assert totals[-1] == 4
    expected.begin_part()
    expected.begin(0.001, 1.0, 5.0, rounds_left=5)
    # What was said to be done by now counts no more; what is said from now on does.
    done = [(4 + number) / expected.after(gain) for number, gain in enumerate((1e6, 1e5, 1e5))]
    assert done[0] < 0.6
    assert done == sorted(done)
