"""What the inspector has read of the layers it shows, until they change."""

from collections.abc import Callable, Sequence

from napari.layers import Image

from napari_psf_distiller.widgets.inspect.views import Pair, Subject, subject_of

__all__ = ["ShownLayers"]

# The events of a layer after which it has to be drawn anew.
WATCHED = ("data", "scale", "units", "metadata", "name", "axis_labels")


class ShownLayers:
    """Keeps what was read of layers and found out about them, until they change.

    Parameters
    ----------
    on_change : callable
        Called without arguments when one of them changed.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._followed: list[Image] = []
        self._subjects: dict[int, Subject] = {}
        self._pair: Pair | None = None

    def follow(self, layers: Sequence[Image | None]) -> None:
        """Watch these layers, and no other ones."""
        chosen = [layer for layer in layers if layer is not None]
        if [id(layer) for layer in chosen] == [id(layer) for layer in self._followed]:
            return
        for layer in self._followed:
            for name in WATCHED:
                getattr(layer.events, name).disconnect(self._on_layer)
        for layer in dict.fromkeys(chosen):
            for name in WATCHED:
                getattr(layer.events, name).connect(self._on_layer)
        self._followed = chosen
        self._forget()

    def subject(self, layer: Image | None) -> Subject:
        """Return a layer as the inspector looks at it; see `subject_of`."""
        # To read a layer's recipe takes longer than a slider's step may.
        subject = self._subjects.get(id(layer)) or subject_of(layer)
        self._subjects[id(layer)] = subject
        return subject

    def pair(self, subject: Subject, other: Subject) -> Pair:
        """Return two of them to compare."""
        if self._pair is None or (self._pair.subject, self._pair.other) != (subject, other):
            self._pair = Pair(subject, other)
        return self._pair

    def _on_layer(self) -> None:
        self._forget()
        self._on_change()

    def _forget(self) -> None:
        self._subjects.clear()
        self._pair = None
