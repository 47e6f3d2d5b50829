"""Versioned JSON documents: what is written is read, and each fault is one sentence."""

import pytest

from napari_psf_distiller.documents import Kind, document_text, read_content, read_text
from napari_psf_distiller.errors import InputError

LIST = Kind("a shopping list", "shopping list", version=2, content="things")


def test_what_is_written_is_read():
    text = document_text(LIST, {"milk": 2})
    assert text.endswith("}\n")
    assert read_content(LIST, text, "it") == {"milk": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "it is not valid JSON"),
        ("[" * 100_000, "it is not valid JSON"),
        ("3", 'it is not a shopping list: its "format" is not "shopping list"'),
        ('{"format": "recipe"}', "it is not a shopping list"),
        ('{"format": "shopping list"}', '"version" must be a whole number from 1, not None'),
        ('{"format": "shopping list", "version": true}', "not True"),
        ('{"format": "shopping list", "version": 3}', "reads up to version 2"),
        ('{"format": "shopping list", "version": 1, "shop": 1}', "unknown field 'shop'"),
    ],
)
def test_faults(text, words):
    with pytest.raises(InputError) as caught:
        read_content(LIST, text, "it")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_earlier_version_is_read():
    text = '{"format": "shopping list", "version": 1, "things": []}'
    assert read_content(LIST, text, "it") == []


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for name in ("", "missing.json", "bytes.json"):
        with pytest.raises(InputError, match=r"The list .* cannot be read"):
            read_text(tmp_path / name, "The list")
    with pytest.raises(InputError, match="it is no text"):
        read_text(tmp_path / "bytes.json", "The list")
