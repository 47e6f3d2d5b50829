"""What is said of beads that were held out."""

from types import SimpleNamespace

import pandas as pd
import pytest

from napari_psf_distiller.joint.advice.held_out import held_out_warnings

USED = [0.9, 1.0, 1.0, 1.1, 1.0, 0.95]


def said_of(used, held_out) -> list[str]:
    beads = pd.DataFrame(
        {
            "chi_squared": [*used, *held_out],
            "used": [True] * len(used) + [False] * len(held_out),
            "reason": [""] * len(used) + ["held out"] * len(held_out),
        }
    )
    return held_out_warnings(SimpleNamespace(beads=beads))


@pytest.mark.parametrize("held_out", [[], [4.0], [1.0, 1.05, 0.95], [0.5, 0.5, 0.5]])
def test_nothing_is_said_of_none_of_one_and_of_those_that_fit_as_well(held_out):
    assert said_of(USED, held_out) == []


def test_those_that_fit_worse_are_told_with_how_much():
    (sentence,) = said_of(USED, [4.0, 4.1, 3.9])
    assert "The 3 beads that were held out differ from the model by 2.00 times" in sentence


@pytest.mark.parametrize(("used", "held_out"), [([0.0], [0.0]), ([], [0.0, 0.0]), ([0.0], [])])
def test_a_bead_that_is_saturated_throughout_tells_nothing(used, held_out):
    assert said_of([*USED, *used], [4.0, 4.1, 3.9, *held_out]) == said_of(USED, [4.0, 4.1, 3.9])
    assert said_of(USED, [0.0, 4.0]) == []
