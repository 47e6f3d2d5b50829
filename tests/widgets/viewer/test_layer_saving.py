"""Where the saving of layers cannot be followed, napari's own writer is taken."""

from types import SimpleNamespace
from typing import Any

import pytest

from napari_psf_distiller.widgets.viewer import layer_saving
from napari_psf_distiller.widgets.viewer.layer_saving import save_by


class Rigid:
    """Layers that let nothing be put in the place of their methods."""

    __slots__ = ("__dict__", "__weakref__")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)

    def save(self) -> str:
        return "napari's"


def test_without_it_layers_are_saved_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: list[str] = []
    monkeypatch.setattr(layer_saving, "note_missing", lambda what, _: missing.append(what))
    layers = Rigid()
    save_by(SimpleNamespace(layers=layers), "ours", lambda _: True)
    assert missing == ["saving of layers that can be followed"]
    assert layers.save() == "napari's"
