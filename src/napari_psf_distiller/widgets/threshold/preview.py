"""Thresholding that follows the hand: histogram, overlay and number of objects while it moves."""

import dataclasses
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from magicgui.widgets import FunctionGui
from napari.layers import Image
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel
from superqt.utils import qdebounced

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.stepwise.threshold import (
    LARGEST_FRACTION,
    noise_threshold,
    threshold_value,
)
from napari_psf_distiller.stepwise.threshold_preview import (
    ObjectCount,
    Survey,
    count_objects,
    local_excess,
    survey,
)
from napari_psf_distiller.widgets.layers.choices import viewer_of
from napari_psf_distiller.widgets.layers.source import Source, read_image_layer
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.job import Ending
from napari_psf_distiller.widgets.threshold.histogram import Histogram
from napari_psf_distiller.widgets.threshold.overlay import Shown, ThresholdOverlay

__all__ = ["ThresholdPreview"]

# What a change of moves the overlay, or makes another one.
PLACING = ("data", "scale", "translate", "rotate", "shear", "affine", "units")

# Milliseconds until a slider of the viewer rests, and until the hand on a threshold does.
REST, HAND_RESTS = 100, 300

# Digits of a level that the hand sets, and the least one, as 0 stands for another.
HAND_DIGITS, LEAST_OFFSET = 5, 1e-12


@dataclasses.dataclass
class Basis:
    """What a threshold is compared with, once it was looked at.

    Attributes
    ----------
    data : array_like
        The layer's whole data, to know them again.
    array : numpy.ndarray
        The volume, or for the local threshold how far each voxel lies above its neighbourhood.
    survey : Survey
        Of the array.
    levels : dict
        Of all voxels, where they were worked out.
    offset : float or None
        The usual threshold of the local method.
    """

    data: Any
    array: NDArray[Any]
    survey: Survey
    levels: dict[str, float]
    offset: float | None = None


class ThresholdPreview:
    """Shows in a Threshold widget, and in its viewer, what a threshold would take.

    The overlay appears with the first change by hand and goes when the labels are made. Without
    somebody looking at the widget nothing is done.

    Parameters
    ----------
    gui : FunctionGui
        The widget, with its `StepRunner` in ``gui.runner``.
    title : str
        The step's name.
    """

    def __init__(self, gui: FunctionGui[Any, Any], title: str) -> None:
        self._gui = gui
        self._title = title
        self.histogram = Histogram()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.summary.setAccessibleName("What the threshold takes")
        layout = gui.native.layout()
        place = layout.indexOf(gui.call_button.native) if gui.call_button is not None else -1
        for widget in (self.histogram, self.summary):
            layout.insertWidget(place, widget)
            place += place >= 0
        self.overlay = ThresholdOverlay(self._on_gone, self._refuse)
        self._known: WeakKeyDictionary[Image, dict[Any, Basis]] = WeakKeyDictionary()
        self._surveyor = Background(self._on_survey, self._refuse)
        self._leveller = Background(self._on_level, self._refuse)
        self._counter = Background(self._on_count, self._refuse)
        # Whether the overlay is wanted; the level drawn last; what was told already.
        self._active = False
        self._level: float | None = None
        self._drawn: Basis | None = None
        self._refused = ""
        # The image that is listened to, unless it was deleted.
        self._listened: Callable[[], Image | None] = lambda: None
        self._viewer: Any = None
        self._alive = True
        # Whether a change came after the step was started.
        self._moved_on = False
        self._soon = qdebounced(self._follow_image, timeout=REST)
        self._rest_soon = qdebounced(self._rest, timeout=HAND_RESTS)
        self._connect()

    def _connect(self) -> None:
        gui = self._gui
        gui.method.changed.connect(self._on_method)
        for widget in (gui.factor, gui.value, gui.window, gui.offset):
            widget.changed.connect(lambda _: self._on_change())
        gui.live.changed.connect(self._on_live)
        gui.image.changed.connect(self._on_chosen)
        gui.runner.started.connect(self._on_started)
        gui.runner.ended.connect(self._on_ended)
        gui.native_parent_changed.connect(self._on_parent)
        gui.native.destroyed.connect(self._die)
        self.histogram.moved.connect(self._on_moved)
        self.histogram.shown.connect(self._on_image)

    @property
    def active(self) -> bool:
        """Whether the overlay is shown, or will be as soon as the image was looked at."""
        return self._active

    @property
    def _on_screen(self) -> bool:
        return self._alive and bool(self.histogram.isVisible())

    # --- what the user does

    def _on_change(self) -> None:
        if not self._on_screen:
            return
        self._moved_on = True
        self._active = self._active or self._gui.live.value
        self._update()

    def _on_method(self, method: str) -> None:
        level = self._level
        if method == "manual" and level is not None and self._on_screen:
            # By hand it goes on from where it is.
            slider = self._gui.value
            with slider.changed.blocked():
                slider.value = min(max(level, slider.min), slider.max)
        self._on_change()

    def _on_moved(self, level: float) -> None:
        gui = self._gui
        if gui.method.value == "local":
            # 0 stands for the usual one.
            gui.offset.value = max(float(f"{level:.{HAND_DIGITS}g}"), LEAST_OFFSET)
            return
        if gui.method.value != "manual":
            self._level = level
            gui.method.value = "manual"
        gui.value.value = min(max(level, gui.value.min), gui.value.max)

    def _on_live(self, live: bool) -> None:
        if live:
            self._on_change()
        else:
            self._stop()

    def _on_chosen(self, _: Any = None) -> None:
        # Another image may be chosen because one is being removed. napari does not bear that the
        # overlay is removed in the middle of it.
        QTimer.singleShot(0, self._on_image)

    def _on_image(self) -> None:
        if not self._alive:
            return
        image = self._gui.image.value
        if image is not self._listened():
            self._attach(image)
            if image is None or self.overlay.image not in (None, image):
                self.overlay.remove()
            self._refused, self._level = "", None
        if self._on_screen:
            self._update()

    def _follow_image(self) -> None:
        if self._on_screen:
            self._update()

    def _on_gone(self) -> None:
        self._active = False

    def _on_started(self) -> None:
        self._moved_on = False
        self._rest_soon.cancel()
        self._counter.cancel()

    def _on_ended(self, ending: Ending) -> None:
        # The labels are there: the field is theirs.
        if ending.kind == "done" and not self._moved_on:
            self._stop()

    # --- what follows from it

    def _update(self) -> None:
        gui = self._gui
        try:
            source = read_image_layer(gui.image.value, "a preprocessed image", viewer_of(gui))
            basis = self._basis(source)
            if basis is None:
                return
            level = self._level_of(basis)
        except InputError as error:
            self._refuse(str(error))
            return
        self._level = level
        if self._drawn is not basis:
            self.histogram.set_histogram(basis.survey.scale, basis.survey.counts)
        self._drawn = basis
        self.histogram.set_level(level)
        viewer = viewer_of(gui)
        if self._active and viewer is not None:
            scale = basis.survey.scale
            shown = Shown(gui.image.value, basis.array, scale.low, scale.high, source.geometry)
            self.overlay.show(viewer, shown, level)
        self._rest_soon()

    def _rest(self) -> None:
        """Count when the hand rests: until then the processor is needed for the drawing."""
        if not self._on_screen:
            return
        known, level = self._drawn, self._level
        if known is not None and level is not None:
            array = known.array
            self._counter.ask(lambda: count_objects(array, level))

    def _basis(self, source: Source) -> Basis | None:
        """Return what is known of the image, or look at it and come back."""
        gui = self._gui
        image, data = gui.image.value, gui.image.value.data
        local = gui.method.value == "local"
        window, spacing = gui.window.value, source.recipe.spacing
        key = (tuple(source.chosen.items()), (window, spacing) if local else None)
        known = self._known.setdefault(image, {})
        basis = known.get(key)
        if basis is not None and basis.data is data:
            return basis
        if not self._active and not isinstance(source.data, np.ndarray):
            self._wait("Change a value to read this image and see its histogram.")
            return None
        # One volume of each kind: they are as large as the image.
        for other in [other for other in known if (other[1] is None) != local]:
            del known[other]
        self._wait("Working out the local mean." if local else "Reading the image.")

        def look() -> tuple[Image, Any, Basis]:
            array = np.asarray(source.data)
            offset = None
            if local:
                array, offset = local_excess(array, window, spacing)
            return image, key, Basis(data, array, survey(array), {}, offset)

        self._surveyor.ask(look)
        return None

    def _level_of(self, basis: Basis) -> float:
        gui, method = self._gui, self._gui.method.value
        if method == "manual":
            return float(gui.value.value)
        if method == "local":
            return float(gui.offset.value or basis.offset or 0.0)
        if method == "noise":
            return noise_threshold(basis.survey.noise, float(gui.factor.value))
        if not basis.survey.exact and method not in basis.levels:
            self._leveller.ask(lambda: (basis, method, float(threshold_value(basis.array, method))))
        level: float = basis.levels.get(method, basis.survey.levels[method])
        return level

    def _on_survey(self, result: tuple[Image, Any, Basis]) -> None:
        image, key, basis = result
        self._known.setdefault(image, {})[key] = basis
        if not self._on_screen or image is not self._gui.image.value:
            return
        scale = basis.survey.scale
        if basis.offset is None:
            with self._gui.changed.blocked(), self._gui.value.changed.blocked():
                self._gui.value.set_range(scale.low, scale.high)
        self._update()

    def _on_level(self, result: tuple[Basis, str, float]) -> None:
        basis, method, level = result
        basis.levels[method] = level
        if self._on_screen and self._gui.method.value == method:
            self._update()

    def _on_count(self, count: ObjectCount) -> None:
        if self._alive:
            self.summary.setText(_told(count))

    def _wait(self, text: str) -> None:
        self.histogram.clear(text)
        self.summary.setText("")
        self._level = self._drawn = None
        self._counter.cancel()

    def _refuse(self, sentence: str) -> None:
        """Say why there is nothing to see; aloud if the user asked for it, and once."""
        if not self._alive:
            return
        self._wait(sentence)
        self.overlay.remove()
        if self._active and sentence != self._refused:
            self._refused = sentence
            show_error(f"{self._title}: {sentence}")

    def _stop(self) -> None:
        self._active = False
        self.overlay.remove()

    # --- what becomes of layers and windows

    def _attach(self, image: Image | None) -> None:
        """Listen to the image, and no longer to the one before."""
        for layer, act in ((self._listened(), "disconnect"), (image, "connect")):
            if layer is not None:
                for name in PLACING:
                    getattr(getattr(layer.events, name), act)(self._on_placed)
        self._listened = ref(image) if image is not None else lambda: None

    def _on_placed(self, event: Any = None) -> None:
        if self._alive:
            self._soon()

    def _on_slider_of_the_viewer(self, event: Any = None) -> None:
        # A volume of a series: another one is shown.
        image = self._listened()
        if self._alive and image is not None and image.ndim > 2:
            self._soon()

    def _on_parent(self, parent: Any) -> None:
        viewer = viewer_of(self._gui) if parent is not None else None
        if viewer is self._viewer:
            return
        for other, act in ((self._viewer, "disconnect"), (viewer, "connect")):
            if other is not None:
                getattr(other.dims.events.current_step, act)(self._on_slider_of_the_viewer)
        if self._viewer is not None:
            self._stop()
        self._viewer = viewer
        self._on_image()

    def _die(self) -> None:
        self._alive = False
        self._soon.cancel()
        self._rest_soon.cancel()
        self._drawn = None
        for latest in (self._surveyor, self._leveller, self._counter):
            latest.cancel()
        self._attach(None)
        if self._viewer is not None:
            self._viewer.dims.events.current_step.disconnect(self._on_slider_of_the_viewer)
            self._viewer = None
        self._stop()


def _told(count: ObjectCount) -> str:
    """Return what a threshold takes, in words."""
    percent = 100 * count.fraction
    if not count.objects:
        return "Nothing is above the threshold."
    if count.fraction > LARGEST_FRACTION:
        return f"{percent:.0f} % of the voxels are above it: too many for beads."
    noun = "object" if count.objects == 1 else "objects"
    if count.estimated:
        about = float(f"{count.objects:.2g}")
        return f"About {about:,.0f} {noun}, estimated from a part; {percent:.3g} % of the voxels"
    return f"{count.objects:,} {noun}, {percent:.3g} % of the voxels"
