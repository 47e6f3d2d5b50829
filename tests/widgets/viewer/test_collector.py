"""The garbage collector is left as it was found."""

import gc
from collections.abc import Iterator

import napari
import numpy as np
import pytest

from napari_psf_distiller.widgets.viewer.calm import Collector, remove_layer


@pytest.fixture(autouse=True)
def left_out_is_not_counted() -> None:
    """Let what is left out be counted."""


@pytest.fixture(autouse=True)
def nothing_left_out() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_there_is_is_left_out_until_the_last_step_ends() -> None:
    collector = Collector()
    collector.spare()
    collector.spare()
    assert gc.get_freeze_count() > 1000
    collector.resume()
    assert gc.get_freeze_count() > 1000
    collector.resume()
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_left_out_stays_so() -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    collector = Collector()
    collector.spare()
    collector.resume()
    assert gc.get_freeze_count() == before


def test_a_layer_is_removed_without_a_look_at_everything(viewer: napari.Viewer) -> None:
    layer = viewer.add_image(np.zeros((4, 4)))
    left_out: list[int] = []
    viewer.layers.events.removing.connect(lambda: left_out.append(gc.get_freeze_count()))
    remove_layer(viewer, layer)
    assert left_out[0] > 1000
    assert gc.get_freeze_count() == 0
    assert layer not in viewer.layers
    # It may have been deleted meanwhile.
    remove_layer(viewer, layer)
