"""Some layers alone in a viewer, and what was shown before by one click."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import napari
import numpy as np
import pandas as pd
from napari.layers import Image, Layer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.viewer.calm import Calm, remove_layer
from napari_psf_distiller.widgets.viewer.canvas import drawn_later, load_letters
from napari_psf_distiller.widgets.viewer.temporary_view import TemporaryView
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of, fill_view, grid_of

__all__ = ["PRESETS", "Panes", "Range", "headings"]

# The brightest intensity shown, as a part of the maximum, and gamma; both above the background.
# The second is the notebook's.
PRESETS = {"Plain": (1.0, 1.0), "Gamma 0.2, max / 20": (0.05, 0.2)}

# Images take this part of a view in which they have headings.
WITH_HEADINGS = 0.9

# What comes after the last part of something.
OVER = object()

# Background and maximum of an image.
Range = tuple[float, float]

# What of one image follows the other's, whichever is changed.
LINKED = ("gamma", "colormap", "rendering", "interpolation2d", "interpolation3d", "opacity")


class Panes(QObject):
    """Shows some layers alone, some of them only while they are shown, and goes back.

    Each layer is added and removed in turns of the event loop of its own: napari takes a while
    for each, and the viewer must not stand still for all of them. On the way Python and the viewer
    are kept calm.

    Parameters
    ----------
    parent : QObject
    on_change : callable
        Called without arguments whenever it was entered or left.

    Attributes
    ----------
    name : str
        Of what is shown; empty for nothing.
    images : list of Image
        What was added for the time being, side by side.
    """

    def __init__(self, parent: QObject, on_change: Callable[[], None]) -> None:
        super().__init__(parent)
        self.name = ""
        self.images: list[Image] = []
        self._on_change = on_change
        self._added: list[Layer] = []
        self._ranges: list[Range] = []
        self._view: TemporaryView | None = None
        self._linking = False
        # Each in a turn; one that returns True has the next one begin itself.
        self._entering: deque[Callable[[], bool | None]] = deque()
        self._leaving: deque[Callable[[], bool | None]] = deque()
        # Whether the next turn is asked for already.
        self._next = False
        self._calm: Calm | None = None
        self._deleted = _timer(self, self.leave)

    @property
    def busy(self) -> bool:
        """Whether it is on the way there or back."""
        return bool(self._entering or self._leaving)

    def enter(
        self,
        viewer: napari.Viewer,
        name: str,
        *,
        layers: Sequence[Layer] = (),
        looks: Sequence[tuple[Layer, str, Any]] = (),
        adding: Sequence[LayerData] = (),
        ranges: Sequence[Range] = (),
        contrast: tuple[float, float] = (1.0, 1.0),
        point: Sequence[float] | None = None,
    ) -> None:
        """Show layers alone; what was shown before is kept for the way back.

        Parameters
        ----------
        viewer : napari.Viewer
        name : str
            Of what is shown.
        layers : sequence of Layer
            Of the viewer.
        looks : sequence of (Layer, str, object)
            A layer, one of its properties, and its value until it is left.
        adding : sequence of LayerData
            Added until it is left; their images are linked.
        ranges : sequence of (float, float)
            Background and maximum of each of these images.
        contrast : (float, float)
            Of these images, see `set_contrast`.
        point : sequence of float, optional
            Where the sliders go, in the world, along the last axes.
        """
        self.leave()
        self.name = name

        def begin() -> None:
            self._view = view = TemporaryView(viewer, layers)
            viewer.layers.events.removed.connect(self._on_removed)
            view.keep_selection()
            view.change(grid_of(viewer), enabled=False)
            for layer, attribute, value in looks:
                view.change(layer, **{attribute: value})

        def show() -> None:
            self.images = [layer for layer in self._added if isinstance(layer, Image)]
            self._ranges = list(ranges)
            self.set_contrast(*contrast)
            self._link(viewer)

        def go_there() -> None:
            viewer.dims.order = tuple(range(viewer.dims.ndim))
            viewer.dims.ndisplay = 2
            if point is not None:
                axes = range(viewer.dims.ndim - len(point), viewer.dims.ndim)
                viewer.dims.set_point(list(axes), list(point))

        def fill() -> None:
            alone = [*layers, *self.images]
            viewer.layers.selection.active = alone[0]
            fill_view(viewer, alone)
            if adding:
                # What stands above the images is no part of them.
                camera_of(viewer).zoom *= WITH_HEADINGS
            self._on_change()

        letters = load_letters(viewer, _text_of(adding)) if adding else iter(())
        self._entering += [
            begin,
            partial(self._take, self._entering, letters),
            *(partial(self._add, viewer, data) for data in adding),
            show,
            go_there,
            fill,
        ]
        self._set_out()
        self._on_change()

    def leave(self) -> None:
        """Begin to show again what was shown before, as far as it is still there."""
        self._entering.clear()
        view, self._view = self._view, None
        self.name = ""
        if view is None:
            return
        viewer = view.viewer
        viewer.layers.events.removed.disconnect(self._on_removed)
        for image in self.images:
            image.events.contrast_limits.disconnect(self._follow)
        self._leaving += [partial(remove_layer, viewer, layer) for layer in reversed(self._added)]
        self._leaving += [partial(self._take, self._leaving, view.leaving()), self._on_change]
        self._added, self.images, self._ranges = [], [], []
        self._set_out()

    def leave_now(self) -> None:
        """Show again what was shown before, before this returns."""
        self.leave()
        while self._leaving:
            self._leaving.popleft()()
        self._come_to_rest()

    def _set_out(self) -> None:
        if self._calm is None:
            self._calm = Calm()
        self._go_on()

    def _come_to_rest(self) -> None:
        calm, self._calm = self._calm, None
        if calm is not None:
            calm.end()

    def _turn(self) -> None:
        self._next = False
        # The viewer may have been closed meanwhile.
        steps = (self._leaving or self._entering) if self._alive else None
        if not steps:
            self._come_to_rest()
        elif not steps.popleft()():
            self._go_on()

    def _go_on(self) -> None:
        def turn() -> None:
            self._turn()

        if not self._next:
            self._next = True
            # Qt calls no method of an object that is gone, but a function it does.
            QTimer.singleShot(0, turn)

    @property
    def _alive(self) -> bool:
        return bool(isalive(self))  # type: ignore[no-untyped-call]

    def _take(self, steps: deque[Callable[[], bool | None]], parts: Iterator[object]) -> None:
        """Take one part of what has several, and the next one in the turn after it."""
        if next(parts, OVER) is not OVER:
            steps.appendleft(partial(self._take, steps, parts))

    def _add(self, viewer: napari.Viewer, layer: LayerData) -> bool:
        data, keywords, kind = layer
        with drawn_later(viewer, self._go_on):
            self._added.append(getattr(viewer, f"add_{kind}")(data, **keywords))
        return True

    def _link(self, viewer: napari.Viewer) -> None:
        if len(self.images) > 1:
            viewer.layers.link_layers(self.images, LINKED)
            for image in self.images:
                image.events.contrast_limits.connect(self._follow)

    def set_contrast(self, top: float, gamma: float) -> None:
        """Show all images by one rule.

        Parameters
        ----------
        top : float
            The brightest intensity above the background, as a part of the maximum's.
        gamma : float
        """
        self._linking = True
        for image, range_ in zip(self.images, self._ranges, strict=True):
            _set_limits(image, range_, 0.0, top)
            image.gamma = gamma
        self._linking = False

    def _follow(self, event: Any) -> None:
        """Give the other images the limits that one was given, as parts of their maximum."""
        source = event.source
        if self._linking or source not in self.images:
            return
        self._linking = True
        background, height = _height(self._ranges[self.images.index(source)])
        low, high = ((limit - background) / height for limit in source.contrast_limits)
        for image, range_ in zip(self.images, self._ranges, strict=True):
            if image is not source:
                _set_limits(image, range_, low, high)
        self._linking = False

    def _on_removed(self) -> None:
        view = self._view
        # A viewer that is closed loses its layers when its widgets are gone.
        if view is None or not self._alive:
            return
        # Whoever deletes a pane means the view; not before the layer list is done with it.
        if any(layer not in view.viewer.layers for layer in self._added):
            self._deleted.start()


def headings(
    texts: Sequence[str],
    corners: Sequence[tuple[float, float]],
    geometry: dict[str, Any],
    title: str,
) -> LayerData:
    """Return the layer of what stands above images side by side.

    Parameters
    ----------
    texts : sequence of str
    corners : sequence of (float, float)
        The upper left corner of each image, y and x in the world.
    geometry : dict
        Of the images.
    title : str
        Of what they show.
    """
    return (
        np.array(corners),
        {
            "name": f"{title}: headings",
            "features": pd.DataFrame({"heading": list(texts)}),
            "text": {"string": "{heading}", "anchor": "upper_left", "size": 12, "color": "#888888"},
            "face_color": "transparent",
            "border_color": "transparent",
            "size": 1e-3,
            "units": geometry["units"][-2:],
            "axis_labels": geometry["axis_labels"][-2:],
        },
        "points",
    )


def _timer(parent: QObject, call: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.timeout.connect(call)
    return timer


def _text_of(layers: Sequence[LayerData]) -> str:
    """Return all that is to be read in some layers."""
    found = [keywords["features"] for _, keywords, kind in layers if kind == "points"]
    return "".join("".join(map(str, table.to_numpy().ravel())) for table in found)


def _height(range_: Range) -> tuple[float, float]:
    """Return the background and how far the maximum is above it."""
    background, maximum = range_
    return background, max(maximum - background, 1e-12)


def _set_limits(image: Image, range_: Range, low: float, high: float) -> None:
    background, height = _height(range_)
    image.contrast_limits = background + low * height, background + high * height
