"""Figures in words, and the words that people read."""

import ast
import math
import re
from pathlib import Path

import pandas as pd
import pytest

import napari_psf_distiller
from napari_psf_distiller.wording import reasons_text, width_text, widths_text


@pytest.mark.parametrize(
    ("width", "error", "text"),
    [
        (0.6214, math.nan, "621 nm"),
        (0.6214, 0.0028, "621 ± 3 nm"),
        (0.6214, 0.00102, "621 ± 1 nm"),
        (0.6214, 0.000951, "621 ± 1 nm"),
        (0.6214, 0.00094, "621.4 ± 0.9 nm"),
        (0.6214, 0.00001, "621.4 ± 0.1 nm"),
        (0.6214, 0.123, "621 ± 123 nm"),
        (math.nan, math.nan, "wider than the window"),
        (math.nan, 0.1, "wider than the window"),
    ],
)
def test_a_width_has_as_many_digits_as_are_known(width, error, text):
    assert width_text(width, error) == text


def test_the_unit_can_be_left_to_the_sentence():
    assert width_text(0.2, 0.01, unit="") == "200 ± 10"
    assert width_text(0.2, unit="") == "200"


def test_widths_are_told_by_their_axes():
    assert widths_text((0.6, 0.2, 0.21)) == "z 600 nm, y 200 nm, x 210 nm"
    assert (
        widths_text((0.2, math.nan), (0.01, math.nan)) == "y 200 ± 10 nm, x wider than the window"
    )


def test_reasons_are_counted():
    reasons = ["", "border", "dim", "border", ""]
    beads = pd.DataFrame({"used": [not reason for reason in reasons], "reason": reasons})
    assert reasons_text(beads) == "2 border, 1 dim"
    assert reasons_text(beads[beads["used"]]) == ""


# Words that puzzle a reader, and what they were meant to say.
PUZZLING = {
    r"\b[Mm]ends?\b": "set right, correct",
    r"(?<!original )\bnotebook\b(?! this program grew from)": "the original notebook",
    r"^So (many|much)\b": "how many, this many",
    r"; not used\.": "and not used",
    r"^Rest\b": "residual",
}

PACKAGE = Path(napari_psf_distiller.__file__).parent


def shown_strings(path: Path) -> list[str]:
    """All strings of a module of more than one word, but those that explain the code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in alone
        and " " in node.value.strip()
    ]


@pytest.mark.parametrize("word", PUZZLING)
def test_people_read_no_word_that_puzzles(word):
    found = [
        f"{path.name}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in shown_strings(path)
        if re.search(word, text)
    ]
    assert found == [], f"say {PUZZLING[word]}"
