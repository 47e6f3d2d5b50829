"""The edits of a layer of beads, which can be taken back one after the other."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
import pandas as pd
from napari.layers import Points
from numpy.typing import NDArray

from napari_psf_distiller.widgets.layers.lineage import is_being_written

__all__ = ["EditHistory"]

# What follows within so many seconds is one edit: a drag is many.
ONE_EDIT = 0.3

MOST_EDITS = 100


class Beads(NamedTuple):
    """What a layer's points were."""

    points: NDArray[Any]
    features: pd.DataFrame

    @classmethod
    def of(cls, layer: Points) -> "Beads":
        """Return what a layer's points are now."""
        return cls(np.array(layer.data), layer.features.copy())

    def is_like(self, other: "Beads") -> bool:
        """Return whether the points are the same, and what is known of them."""
        return np.array_equal(self.points, other.points) and self.features.equals(other.features)


class EditHistory:
    """Remembers what a points layer was before each edit by its user.

    What a step or a fit writes into it is none.

    Parameters
    ----------
    changed : callable
        Called whenever there is something else to take back.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed, self._clock = changed, clock
        self._layer: ref[Points] | None = None
        self._now: Beads | None = None
        self._before: list[Beads] = []
        self._last = -ONE_EDIT
        self._undoing = False

    @property
    def layer(self) -> Points | None:
        """The layer that is followed, if it is still there."""
        return self._layer() if self._layer is not None else None

    @property
    def count(self) -> int:
        """How many edits can be taken back."""
        return len(self._before) if self.layer is not None else 0

    def follow(self, layer: Points) -> None:
        """Follow a layer, and no other, from what it is now."""
        before = self.layer
        if before is not None:
            for events in (before.events.data, before.events.features):
                events.disconnect(self._on_edit)
        self._layer, self._now, self._before = ref(layer), Beads.of(layer), []
        self._last = self._clock() - ONE_EDIT
        for events in (layer.events.data, layer.events.features):
            events.connect(self._on_edit)
        self._changed()

    def undo(self) -> None:
        """Make the points what they were before the last edit."""
        layer = self.layer
        if layer is None or not self._before:
            return
        before = self._before.pop()
        self._undoing = True
        try:
            layer.selected_data = set()
            layer.data = before.points
            layer.features = before.features
        finally:
            self._undoing = False
        self._now = Beads.of(layer)
        # An edit that follows at once is another one.
        self._last = self._clock() - ONE_EDIT
        self._changed()

    def _on_edit(self, event: Any = None) -> None:
        layer = self.layer
        # Of points that are being added or removed napari tells twice.
        if layer is None or self._undoing or len(layer.features) != len(layer.data):
            return
        before, self._now = self._now, Beads.of(layer)
        if is_being_written(layer) or before is None or before.is_like(self._now):
            return
        now = self._clock()
        if now - self._last >= ONE_EDIT or not self._before:
            self._before = [*self._before, before][-MOST_EDITS:]
            self._changed()
        self._last = now
