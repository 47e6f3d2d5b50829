"""What a layer says of itself: kept, read strictly, and by this version alone."""

import json
from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_psf_distiller import InputError, Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import (
    METADATA_KEY,
    Drawn,
    InputNote,
    LayerNote,
    LayerSummary,
    RunNote,
    own_note,
)
from napari_psf_distiller.widgets.layers.source import read_image_layer

NOTE = LayerNote(
    StepId.DISTILL,
    Recipe(spacing=(0.2, 0.1, 0.1), bead_diameter=0.1),
    "beads",
    part="residual",
    source=LayerSummary("beads", (5, 6, 7), "uint16"),
    source_layer="1",
    others=(LayerSummary("found", (3, 3), "float64"),),
    same_grid=True,
    drawn=Drawn.of((0.2, 0.1, 0.1), ("micrometer",) * 3),
    chosen={"t": 1},
    iterations=12,
    fwhm_error=(0.01, 0.002, 0.002),
    run=RunNote(
        "2",
        1.5,
        {"method": "joint", "judge": True, "window": (0.0, 1.0, 1.0), "iterations": 3},
        {"image": InputNote("1", "", "0")},
        "1",
        seconds=0.5,
        log_likelihood=((1, 2.5),),
        warnings=("It is dim.",),
    ),
)


def test_a_note_comes_back_from_plain_data() -> None:
    text = json.dumps(NOTE.to_dict())
    again = LayerNote.from_dict(json.loads(text))
    assert again == NOTE
    assert json.dumps(again.to_dict()) == text


def test_a_layer_whose_note_was_kept_as_plain_data_is_read_as_before() -> None:
    errors = np.ones((5, 6, 7), np.float32)
    note = LayerNote(StepId.POSTPROCESS, NOTE.recipe, "beads", psf_error=errors)
    layer = Image(np.eye(16), metadata={METADATA_KEY: note.to_dict()})
    assert own_note(layer.metadata) == note
    np.testing.assert_array_equal(own_note(layer.metadata).psf_error, errors)
    assert read_image_layer(layer).origin == "beads"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2; this program reads version 1"),
        ({"step": "bleach"}, "step is 'bleach'"),
        ({"colour": 1}, "colour is 1"),
        ({"chosen": {"t": "first"}}, "chosen.t is 'first'"),
        ({"recipe": {"colour": 1}}, "unknown field 'colour'"),
    ],
)
def test_a_note_that_cannot_be_read_is_a_sentence(change: Any, words: str) -> None:
    layer = Image(np.eye(16), metadata={METADATA_KEY: NOTE.to_dict() | change})
    assert own_note(layer.metadata) is None
    with pytest.raises(InputError, match=words) as raised:
        read_image_layer(layer)
    assert str(raised.value).endswith(".")
