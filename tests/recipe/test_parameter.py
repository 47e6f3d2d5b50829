"""A parameter is declared once, and what is made of it follows."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from napari_psf_distiller import (
    Camera,
    Deconvolve,
    JointFit,
    MatchedFilter,
    Optics,
    PostProcess,
    Preprocess,
    Recipe,
    RichardsonLucy,
    Threshold,
    ThresholdedObjects,
)
from napari_psf_distiller.recipe.parameter import Parameter, declared
from napari_psf_distiller.recipe.section import Section, fields_of

SECTIONS = [
    Recipe,
    Optics,
    Camera,
    Preprocess,
    Threshold,
    MatchedFilter,
    ThresholdedObjects,
    JointFit,
    RichardsonLucy,
    PostProcess,
    Deconvolve,
]


@dataclass(frozen=True)
class Bleaching(Section):
    """A section with a parameter of each kind."""

    METHODS = ("joint",)

    model: Annotated[Literal["none", "exponential"], Parameter(tooltip="What it follows.")] = "none"
    half_life: Annotated[
        float | None,
        Field(gt=0),
        Parameter(
            label="half-life", unit="s", tooltip="0 is not known.", when=("model", ("exponential",))
        ),
    ] = None
    planes: Annotated[int | None, Parameter(tooltip="How many.")] = None
    reach: Annotated[tuple[float, ...] | None, Parameter(tooltip="z, y, x.")] = None
    first: Annotated[bool, Parameter(tooltip="Whether the first plane counts.")] = True


def of(section: type[Section], field: str):
    return next(one for one in declared(section) if one.field == field)


def test_what_is_declared():
    model, half_life, planes, reach, first = declared(Bleaching)
    assert (model.kind, model.choices, model.default) == (str, ("none", "exponential"), "none")
    assert (half_life.kind, half_life.label) == (float, "half-life (s)")
    assert half_life.conditions == (("model", ("exponential",)),)
    assert half_life.methods == ("joint",)
    assert (planes.kind, planes.optional, planes.per_axis) == (int, True, False)
    assert (reach.kind, reach.per_axis) == (float, True)
    assert (first.kind, first.optional, first.label) == (bool, False, "first")


def test_its_field_is_checked_as_any_other():
    with pytest.raises(ValueError, match=r"Bleaching\.half_life is -1"):
        Bleaching(half_life=-1.0)


def test_what_a_widget_shows_for_what_is_not_set():
    assert of(Bleaching, "half_life").shown(None) == 0
    assert of(Bleaching, "planes").shown(None) == 0
    assert of(Bleaching, "planes").taken(0) is None
    assert of(Bleaching, "reach").shown(None) == (0, 0, 0)
    # Of a 2D image.
    assert of(Bleaching, "reach").shown((1.0, 2.0)) == (0, 1, 2)
    assert of(Bleaching, "reach").taken((0.0, 1.0, 2.0)) == (0, 1, 2)
    assert of(Threshold, "value").taken(0.0) == 0
    # So large that it does what None does.
    crop = of(PostProcess, "crop")
    assert crop.taken(crop.shown(None)) == crop.shown(None) == (10**6,) * 3


@given(st.data())
def test_what_is_shown_is_taken_again(data):
    one = data.draw(st.sampled_from(declared(Bleaching)))
    number = st.integers(1, 50) if one.kind is int else st.floats(0.1, 50)
    value = {bool: st.booleans(), str: st.sampled_from(one.choices or ("",))}.get(one.kind, number)
    if one.per_axis:
        value = st.tuples(value, value, value)
    if one.optional:
        value = st.none() | value
    drawn = data.draw(value)
    assert one.taken(one.shown(drawn)) == drawn


@pytest.mark.parametrize("section", SECTIONS)
def test_every_parameter_is_declared(section):
    without = set(fields_of(section)) - {one.field for one in declared(section)}
    other = {"method"} if section.tag() else set()
    if section is Recipe:
        # What an image says, the sections, and the record of a run.
        other = {"spacing", "provenance"} | {
            "optics",
            "camera",
            "preprocess",
            "threshold",
            "find_beads",
            "distill",
            "postprocess",
            "deconvolve",
        }
    assert without == other


@pytest.mark.parametrize("section", SECTIONS)
def test_every_declaration_says_what_it_does_and_fits_its_default(section):
    for one in declared(section):
        parameter = one.parameter
        assert parameter.tooltip.endswith(".")
        if parameter.when is not None:
            other, values = parameter.when
            assert set(values) <= set(of(section, other).choices)
        shown = one.shown(one.default)
        for value in shown if one.per_axis else (shown,):
            if parameter.minimum is not None:
                assert parameter.minimum <= value <= parameter.maximum
        if parameter.unset_value == 0:
            assert one.taken(shown) == one.default
