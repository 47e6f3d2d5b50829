"""What is closed or deleted takes no memory any more."""

from collections.abc import Callable
from typing import Any
from weakref import ref

import napari
import numpy as np
import pytest
from napari.layers import Image, Layer
from npe2.manifest import PluginManifest

PLUGIN = "napari-psf-distiller"


@pytest.mark.parametrize(
    "name",
    [
        widget.display_name
        for widget in PluginManifest.from_distribution(PLUGIN).contributions.widgets or ()
    ],
)
def test_a_widget_that_is_closed_is_let_go_of(
    viewer: napari.Viewer, user: Any, add_small: Callable[..., Image], name: str
) -> None:
    add_small()
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    kept = ref(widget)
    dock.destroyOnClose()
    del dock, widget
    user.waits_until_gone(kept)


def test_an_image_that_was_worked_on_and_deleted_is_let_go_of(
    make_napari_viewer: Callable[..., napari.Viewer], user_of: Any
) -> None:
    # Nothing is previewed for a widget that nobody sees.
    viewer = make_napari_viewer(show=True)
    user = user_of(viewer)
    image = np.random.default_rng(1).random((24, 28), np.float32)
    gui = user.opens("Preprocess beads", image=viewer.add_image(image, scale=(0.1, 0.1)))
    user.runs(gui)
    threshold = user.opens("Threshold", image=viewer.layers[-1])
    user.waits(lambda: threshold.preview.summary.text() != "")
    threshold.factor.value = 0.9
    user.waits(lambda: threshold.preview.overlay.layer is not None)
    user.runs(threshold)
    kept: list[ref[Layer]] = [ref(layer) for layer in viewer.layers]
    assert len(kept) == 3
    viewer.layers.clear()
    user.waits_until_gone(*kept)
