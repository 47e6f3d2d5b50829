"""Numbers and lengths are read as people type them, whole or not at all."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller import InputError, Optics, Recipe
from napari_psf_distiller.lengths import BEAD_DIAMETER, EMISSION, NUMERICAL_APERTURE, Likely
from napari_psf_distiller.typed_numbers import TypedNumber, TypedNumberError, number_text

LENGTH = TypedNumber("emission wavelength", "µm", bound=EMISSION, unset="not known")
APERTURE = TypedNumber("numerical aperture", bound=NUMERICAL_APERTURE)
COUNT = TypedNumber("iterations", whole=True, unset="automatic")
MEMORY = TypedNumber("memory", "GiB")


@pytest.mark.parametrize(
    "text",
    [
        "0.52",
        "0,52",
        ".52",
        ",52",
        "5.2e-1",
        "520 nm",
        "520nm",
        "520 NM",
        " 0.52 \xb5m ",
        "0.52\u03bcm",
        "0.52um",
        "0.00052 mm",
        "520000 pm",
        "5200 \xc5",
        "520\xa0nm",
        "0.520",
        "not known0.52",
    ],
)
def test_a_length_in_any_unit(text: str) -> None:
    assert LENGTH.read(text) == 0.52


@pytest.mark.parametrize(("text", "value"), [("1.515", 1.515), ("1,4", 1.4), ("+1.2", 1.2)])
def test_a_number_without_unit(text: str, value: float) -> None:
    assert APERTURE.read(text) == value


def test_no_digit_of_a_unit_is_lost() -> None:
    assert [LENGTH.read(f"{nm} nm") for nm in (405, 488, 561, 607, 640)] == [
        0.405,
        0.488,
        0.561,
        0.607,
        0.640,
    ]


@pytest.mark.parametrize(
    ("number", "text", "words", "likely"),
    [
        (LENGTH, "520", r"is 520 micrometres, .*; 520 nm is 0\.52\.$", Likely(0.52, "520 nm")),
        (LENGTH, "7", r"; is it in another unit\?$", None),
        (LENGTH, "abc", r"^Emission wavelength: 'abc' is no number; type .* 520 nm\.$", None),
        (LENGTH, "520 s", "'s' is no unit of length", None),
        (LENGTH, "-0.5", "from 0.1 to 5 micrometres", None),
        (LENGTH, "0.2 0.1", "is not one number", None),
        (LENGTH, "1.234,5", "is not one number", None),
        (LENGTH, "nan", "is no number", None),
        (LENGTH, "1e999", "is too large", None),
        (LENGTH, "1e999999999999", "is too large", None),
        (APERTURE, "145", r"is 145, .* \(1\.45\?\)\.$", Likely(1.45, "1.45")),
        (APERTURE, "1.4 nm", "it has no unit", None),
        (APERTURE, "", "is no number", None),
        (COUNT, "2.5", "not a whole number", None),
        (COUNT, "1,000", "without a point or comma", Likely(1000, "1000")),
        (MEMORY, "4 MB", "its unit is GiB", None),
    ],
)
def test_what_cannot_be_says_why(
    number: TypedNumber, text: str, words: str, likely: Likely | None
) -> None:
    with pytest.raises(TypedNumberError, match=words) as refused:
        number.read(text)
    assert refused.value.likely == likely


def test_a_number_beyond_what_is_taken() -> None:
    assert COUNT.read("12", 0, 12) == 12
    with pytest.raises(TypedNumberError, match=r"it is 13, and can be from 0 to 12\.$"):
        COUNT.read("13", 0, 12)


def test_a_word_for_nothing() -> None:
    assert [COUNT.read(text) for text in ("automatic", "Automatic", "", "0")] == [0, 0, 0, 0]
    assert MEMORY.read("8 GiB") == 8


@given(st.floats(1e-9, 1e12))
def test_a_number_is_read_as_it_is_shown(value: float) -> None:
    read = TypedNumber("number").read
    assert math.isclose(read(number_text(value)), value, rel_tol=1e-14)
    assert number_text(read(number_text(value))) == number_text(value)


@given(st.text(max_size=12))
def test_whatever_is_typed_is_a_number_or_refused(text: str) -> None:
    for number in (LENGTH, APERTURE, COUNT, MEMORY):
        with contextlib.suppress(TypedNumberError):
            assert math.isfinite(number.read(text))


@given(st.floats(0.001, 50, exclude_min=True))
def test_the_unit_does_not_matter(value: float) -> None:
    diameter = TypedNumber("bead diameter", "µm", bound=BEAD_DIAMETER)
    plain = diameter.read(number_text(value))
    for unit, factor in (("nm", 1e3), ("mm", 1e-3)):
        assert math.isclose(diameter.read(f"{value * factor:.17g} {unit}"), plain, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Optics(wavelength="520 nm"), r"without quotes and unit: 0\.52\.$"),
        (lambda: Recipe(spacing=("200 nm", 0.1, 0.1)), r"spacing\[0\] .* and unit: 0\.2\.$"),
        (lambda: Recipe.from_json('{"x": 1}'), "is not a recipe"),
    ],
)
def test_a_text_is_no_number_in_a_recipe(call, words) -> None:
    with pytest.raises(InputError, match=words):
        call()
