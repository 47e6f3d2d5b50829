"""What the inspector has read of the layers it shows, until they change."""

from collections.abc import Callable, Sequence

from napari.layers import Image

from napari_psf_distiller.widgets.inspect.field_place import FieldPlace
from napari_psf_distiller.widgets.inspect.subject import LookedAt, Subject, SubjectAt, subject_of
from napari_psf_distiller.widgets.inspect.views import Pair

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
        self._at: SubjectAt | None = None
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

    def subject_at(self, subject: Subject, place: FieldPlace, moving: bool) -> SubjectAt:
        """Return one of them at a place of the field; see `SubjectAt`."""
        if self._at is None or self._at.whole is not subject or self._at.place != place:
            self._at = SubjectAt(subject, place, moving)
        return self._at

    def pair(self, looked_at: LookedAt, other: Subject) -> Pair:
        """Return two of them to compare."""
        if self._pair is None or (self._pair.looked_at, self._pair.other) != (looked_at, other):
            self._pair = Pair(looked_at, other)
        return self._pair

    def _on_layer(self) -> None:
        self._forget()
        self._on_change()

    def _forget(self) -> None:
        self._subjects.clear()
        self._at = self._pair = None
