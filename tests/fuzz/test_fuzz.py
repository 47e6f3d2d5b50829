"""A short run of `fuzz.py`: what nobody should pass gives a result or one sentence."""

import pytest
from fuzz import TARGETS, Call, fault_of, faults

import napari_psf_distiller as psfd

CALLS = {
    "distill": 25,
    "deconvolve": 25,
    "simulate": 80,
    "fwhm": 150,
    "read_image": 120,
    "recipe": 120,
    "cli": 20,
}


@pytest.mark.parametrize("target", TARGETS)
def test_every_call_gives_a_result_or_a_sentence(target):
    assert list(faults(target, CALLS[target], seed=20)) == []


def raises(error):
    raise error


def changes(image):
    image[0] = 7


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call(raises, {"error": TypeError("no")}), "TypeError: no"),
        (Call(raises, {"error": psfd.InputError("no\nsentence.")}), "no sentence"),
        (Call(changes, {"image": [1, 2]}), "changed"),
        (Call(lambda: None, {}, lambda result: "half a file"), "half a file"),
        (Call(lambda: 1 / psfd.simulate_psf((1, 5, 5), (1, 0.1, 0.1))[0, 0] * 0 / 0, {}), "leaked"),
    ],
)
def test_each_kind_of_fault_is_seen(call, words):
    assert words in fault_of(call)
