"""Sliders: for intensities of any range, from 1e-9 to 1e9, and for numbers around 1."""

from collections.abc import Callable
from typing import Any

from magicgui.application import use_app
from magicgui.widgets.bases import RangedWidget, SliderWidget
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLineEdit
from superqt import QLabeledDoubleSlider

from napari_psf_distiller.widgets.viewer.private import note_missing

__all__ = ["LevelSlider", "NumberSlider"]

# Steps of the keyboard over the whole range.
STEPS = 500

# Digits shown of the value, with point and sign, and the pixels beside them.
DIGITS, MARGINS = 8, 6


class LevelSlider(RangedWidget[float]):
    """A slider whose steps are a part of its range, and that keeps a value as it was given.

    Where magicgui is not made as it is now, it is magicgui's own, which rounds to millionths.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget_type=_level_native(), **kwargs)

    def set_range(self, low: float, high: float) -> None:
        """Set the ends, and keep the value between them."""
        slider: Any = self.native
        is_ours = isinstance(slider, _Slider)
        if not is_ours:
            self.min, self.max, self.step = low, high, (high - low) / STEPS
            return
        slider.setRange(low, high)
        slider.widen()
        slider.setSingleStep((high - low) / STEPS)
        slider.setPageStep((high - low) / 20)


class NumberSlider(SliderWidget[float]):
    """magicgui's slider for numbers, of which nothing is left when it is closed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget_type=_number_native(), **kwargs)


class _Slider(QLabeledDoubleSlider):
    """A slider whose value is not cut: superqt leaves no room for a line edit's margins."""

    def widen(self) -> None:
        """Give the value room; superqt makes it narrow whenever the range changes."""
        for label in self.findChildren(QLineEdit):
            label.setFixedWidth(label.fontMetrics().horizontalAdvance("." + "8" * DIGITS) + MARGINS)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Widen it, as superqt makes it narrow when it is shown, and first of all."""
        super().showEvent(event)
        self.widen()


def _level_native() -> Any:
    """Return what magicgui asks of a slider; its own rounds to millionths."""
    try:
        from magicgui.backends._qtpy.widgets import QBaseRangedWidget
    except ImportError:
        return _plain_native("a level is rounded to millionths")

    class Native(QBaseRangedWidget):
        _qwidget: _Slider

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(_Slider, **kwargs)
            self._qwidget.setOrientation(Qt.Orientation.Horizontal)
            # As many digits as there is room for.
            self._qwidget.setDecimals(-1)

        def _mgui_set_adaptive_step(self, value: bool) -> None:
            pass

        def _mgui_get_adaptive_step(self) -> bool:
            return False

    return Native


def _number_native() -> Any:
    """Return magicgui's slider, but that Qt does not hold what its value goes to.

    PySide keeps a function that listens to a signal out of the garbage collector's sight, and with
    it here the whole widget, for ever; a method it holds weakly.
    """
    try:
        from magicgui.backends._qtpy.widgets import FloatSlider
    except ImportError:
        return _plain_native("a widget that was closed may be kept")

    class Native(FloatSlider):
        _callback: Callable[[float], None]

        def _mgui_set_orientation(self, value: str) -> None:
            super()._mgui_set_orientation(value)
            # magicgui asks whether the number is shown before it is, and keeps it out of line.
            layout = self._container.layout()
            if layout is not None:
                layout.setContentsMargins(0, 0, 0, 0)

        def _mgui_bind_change_callback(self, callback: Callable[[float], None]) -> None:
            self._callback = callback
            self._qwidget.valueChanged.connect(self._on_value)

        def _on_value(self, value: int) -> None:
            self._callback(self._post_get_hook(value))  # type: ignore[no-untyped-call]

    return Native


def _plain_native(without: str) -> Any:
    """Return magicgui's own slider."""
    note_missing("Qt slider of magicgui to build on", without)
    return use_app().get_obj("FloatSlider")
