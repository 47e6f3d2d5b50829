"""napari's canvas, where what a new layer costs is shared out over turns of the event loop."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import ref

from napari.layers import Layer
from napari.qt import QtViewer
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from napari_psf_distiller.widgets.viewer.private import note_missing, private

__all__ = [
    "PAUSE",
    "drawn_later",
    "free_in_own_context",
    "has_window",
    "load_letters",
    "main_windows",
    "viewer_shown",
]

# Milliseconds from one turn to the next: long enough for what waited meanwhile, such as a key.
PAUSE = 10

# What vispy measures a line of text by, even an empty one, as that of a points layer is.
LETTERS = "ÅÉÑŐjgpqy "


@contextmanager
def drawn_later(
    viewer: Viewer, then: Callable[[], None] | None = None, *, selected: bool = True
) -> Iterator[None]:
    """Have what is added to a viewer meanwhile selected and drawn in later turns of the event loop.

    napari takes some 0.1 s to add a layer, a quarter of it to select it. Drawing it for the first
    time takes as long again, half of it for the text of points, and the rest of the window follows.

    Parameters
    ----------
    viewer : napari.Viewer
    then : callable, optional
        Called in a turn after all that.
    selected : bool
        Else the user goes on with the layer that was chosen.
    """
    shown = viewer_shown(viewer)
    canvas = None if shown is None else private(shown, "canvas", "the canvas is drawn at once")
    parts = [] if shown is None else [shown.window(), getattr(canvas, "native", None)]
    parts = [part for part in parts if part is not None]
    for part in parts:
        part.setUpdatesEnabled(False)
    visuals = _visuals(canvas)
    known, layers = set(visuals), viewer.layers
    there = list(layers)
    selecting = private(layers, "_activate_on_insert", "a layer is selected when it is added")
    if selecting is not None:
        layers._activate_on_insert = False
    try:
        yield
    finally:
        if selecting is not None:
            layers._activate_on_insert = selecting
        turns: list[Callable[[], None]] = [
            partial(_select, viewer, layer) for layer in layers if selected and layer not in there
        ]
        turns += [partial(_update_again, part) for part in parts]
        for layer in set(visuals) - known:
            text: Any = getattr(getattr(visuals[layer], "node", None), "text", None)
            if hasattr(text, "visible"):
                text.visible = False
                turns.append(partial(setattr, text, "visible", True))
        if then is not None:
            turns.append(then)
        _take(turns)


def free_in_own_context(window: QMainWindow) -> None:
    """Let what drew a layer be freed in the OpenGL context that it was made in.

    napari (0.9.2) frees it as soon as a layer is removed, in whichever context was used last. That
    is often the one by which Qt puts the window together, or another viewer's: a driver may crash
    at the next drawing, as Mesa's does, and with it all of napari. Where it cannot be followed,
    all is as napari does it.

    Parameters
    ----------
    window : QMainWindow
        napari's, with a viewer in it.
    """
    for shown in window.findChildren(QtViewer):
        without = "a layer is freed in whichever context there is"
        canvas = private(private(shown, "canvas", without), "_scene_canvas", without)
        context = private(canvas, "context", without)
        finish = private(context, "finish", without)
        if finish is None or "finish" in vars(context):
            continue
        weakly = ref(canvas)

        def finish_in_own(finish: Callable[[], None] = finish, weakly: Any = weakly) -> None:
            own = weakly()
            if own is not None:
                own.set_current()
            finish()

        context.finish = finish_in_own


def _visuals(canvas: Any) -> Mapping[Layer, Any]:
    """Return what draws each layer, now and later on, as far as it can be told."""
    if canvas is None:
        return {}
    visuals: Mapping[Layer, Any] | None = private(
        canvas, "layer_to_visual", "text is drawn together with its points"
    )
    return {} if visuals is None else visuals


def _take(turns: list[Callable[[], None]]) -> None:
    """Take turns one after the other; what one of them has drawn comes before the next begins."""

    def take_next() -> None:
        turns.pop(0)()
        if turns:
            QTimer.singleShot(PAUSE, take_next)

    if turns:
        QTimer.singleShot(PAUSE, take_next)


def _select(viewer: Viewer, layer: Layer) -> None:
    if layer in viewer.layers:
        viewer.layers.selection.active = layer


def _update_again(part: QWidget) -> None:
    # The viewer may have been closed meanwhile.
    if isalive(part):  # type: ignore[no-untyped-call]
        part.setUpdatesEnabled(True)


def load_letters(viewer: Viewer, text: str = "") -> Iterator[str]:
    """Have the first letters of a canvas at hand, and those of a text, one each time.

    Each takes some milliseconds, and a points layer wants them all when it is drawn.
    """
    shown = viewer_shown(viewer)
    if shown is None:
        return
    try:
        info: Any = shown.canvas.font_info()
        font = info.font_manager.get_font(info.face)
    except (AttributeError, TypeError):
        # An older napari shares no letters between layers.
        note_missing("font shared by a canvas", "letters are made when they are drawn")
        return
    for letter in dict.fromkeys(LETTERS + text):
        _ = font[letter]
        yield letter


def has_window(viewer: Viewer) -> bool:
    """Return whether a viewer is in a window; one that was closed is not."""
    return viewer_shown(viewer) is not None


def viewer_shown(viewer: Viewer) -> QtViewer | None:
    """Return what shows a viewer, if it has a window."""
    for window in main_windows():
        for shown in window.findChildren(QtViewer):
            if shown.viewer is viewer:
                return shown
    return None


def main_windows() -> list[QMainWindow]:
    """Return all main windows, napari's among them."""
    windows = QApplication.topLevelWidgets()
    return [window for window in windows if isinstance(window, QMainWindow)]
