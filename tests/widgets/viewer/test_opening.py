"""Where the opening of files cannot be followed, it is as napari does it."""

import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari._qt.qt_viewer import QtViewer
from napari.plugins import _npe2

from napari_psf_distiller.widgets.viewer import opening
from napari_psf_distiller.widgets.viewer.opening import napari_reader, open_by, open_folders_by

PLUGIN = "napari-psf-distiller"


def read(_: str) -> Any:
    return [(np.eye(4), {"name": "one"}, "image")]


def test_without_it_folders_are_opened_as_ever(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = viewer.window._qt_viewer
    monkeypatch.delattr(QtViewer, "_qt_open")
    open_folders_by(viewer, lambda _: read, PLUGIN)
    assert "_qt_open" not in vars(shown)


def test_without_the_choice_of_readers_a_folder_of_ours_is_opened(
    viewer: napari.Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Any) -> Any:
        raise AttributeError("get_readers")

    monkeypatch.setattr(_npe2, "get_readers", gone)
    open_folders_by(viewer, lambda _: read, PLUGIN)
    viewer.window._qt_viewer._qt_open([str(tmp_path)], stack=False)
    assert [layer.name for layer in viewer.layers] == ["one"]


def test_without_the_source_of_a_layer_it_is_opened_all_the_same(
    viewer: napari.Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "layer_source", None)
    (layer,) = open_by(viewer, tmp_path, read, PLUGIN)
    assert (layer.name, layer.source.path) == ("one", None)


def test_without_napari_s_own_reader_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "napari_builtins.io", None)
    assert napari_reader("a.tif") is None
