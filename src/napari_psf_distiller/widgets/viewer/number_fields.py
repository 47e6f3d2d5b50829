"""Fields that take a number as it is typed, with its unit and all its decimals."""

import math
from typing import Any

from magicgui.application import use_app
from magicgui.widgets.bases import RangedWidget
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPen, QValidator, QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QWidget

from napari_psf_distiller.typed_numbers import TypedNumber, TypedNumberError, number_text
from napari_psf_distiller.widgets.viewer.private import note_missing

__all__ = ["NumberBox", "NumberField"]

# More than a number keeps, so that Qt rounds nothing that was typed.
DECIMALS = 30

# Of magicgui's own.
FEWER_DECIMALS = 6

# From 0 on, an adaptive step is this.
STEP_FROM_ZERO = 0.01

# Of the frame around what cannot be used; it shows on both themes.
REFUSED, FRAME = "#f7803c", 2


# What is not said more of.
NUMBER = TypedNumber("number")


class NumberBox(QDoubleSpinBox):
    """Qt's number box, but that it takes every key, and what was typed counts whole or not at all.

    Text that cannot be used stays as it was typed, with a frame around it, and the value is the
    last one that could.

    Parameters
    ----------
    typed : TypedNumber
    suffix : str
        Follows the number where it is shown.

    Attributes
    ----------
    problem : TypedNumberError or None
        Why what was typed cannot be used.
    problem_changed : Signal
        Another problem, or none any more.
    """

    problem_changed = Signal()

    # C++ asks for texts before Python's part of the box is made.
    _typed = NUMBER
    _refused_text: str | None = None
    _suffix = ""
    problem: TypedNumberError | None = None

    def __init__(self, typed: TypedNumber, suffix: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._typed, self._suffix = typed, suffix
        # What counts if the text comes to be one that cannot be used.
        self._last_used = 0.0
        self.setDecimals(0 if typed.whole else DECIMALS)
        # A wheel that scrolls what the field lies in must not change it.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.editingFinished.connect(self._keep)

    # --- what is asked of it

    def setValue(self, val: float) -> None:  # noqa: N802
        """Show a value instead of whatever was typed."""
        self._tell(None)
        super().setValue(val)
        self._keep()

    # --- what Qt asks

    def validate(self, text: str | None, pos: int) -> tuple[QValidator.State, str, int]:
        """Take every key; only what can be used counts."""
        text = text or ""
        try:
            self._read(text)
        except TypedNumberError:
            return QValidator.State.Intermediate, text, pos
        return QValidator.State.Acceptable, text, pos

    def fixup(self, text: str | None) -> str:
        """Note that what was typed cannot be used; Qt asks it when the field is left."""
        text = text or ""
        try:
            self._read(text)
        except TypedNumberError as error:
            self._refused_text = text.removeprefix(self.prefix())
            # What was a number on the way to this one does not count.
            super().setValue(self._last_used)
            self._tell(error, self._refused_text)
        return text

    def valueFromText(self, text: str | None) -> float:  # noqa: N802
        """Return the number that was typed."""
        try:
            value = self._read(text or "")
        except TypedNumberError:
            return self.value()
        self._tell(None)
        return value

    def textFromValue(self, v: float) -> str:  # noqa: N802
        """Return a value as it is shown."""
        if self._refused_text is not None:
            return self._refused_text
        if v == 0 and self._typed.unset:
            return self._typed.unset
        return number_text(v) + self._suffix

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Step from what was typed to what can be."""
        self.interpretText()
        if self.problem is not None:
            return
        new, bound = self.value() + steps * self._step(), self._typed.bound
        if bound is not None and steps > 0:
            new = min(max(new, bound.low), bound.high)
        elif bound is not None and new < bound.low:
            new = 0.0 if self._typed.unset else bound.low
        # What is shown is what counts, without what sums of fractions have too much.
        self.setValue(float(number_text(new)))
        line = self.lineEdit()
        if line is not None:
            line.selectAll()

    def _step(self) -> float:
        if self.stepType() == QAbstractSpinBox.StepType.DefaultStepType:
            return float(self.singleStep())
        if self.value() == 0:
            return 1.0 if self._typed.whole else STEP_FROM_ZERO
        step = 10.0 ** (math.floor(math.log10(abs(self.value()))) - 1)
        return max(step, 1.0) if self._typed.whole else step

    def wheelEvent(self, e: QWheelEvent | None) -> None:  # noqa: N802
        """Leave the wheel to what scrolls, unless the field is being typed in."""
        if self.hasFocus():
            super().wheelEvent(e)
        elif e is not None:
            e.ignore()

    def focusInEvent(self, e: QFocusEvent | None) -> None:  # noqa: N802
        """Select a word that stands for no number, so that a number replaces it."""
        super().focusInEvent(e)
        if self.text() == self._typed.unset:
            self.selectAll()

    def paintEvent(self, e: QPaintEvent | None) -> None:  # noqa: N802
        """Draw a frame around what cannot be used."""
        super().paintEvent(e)
        if self.problem is not None:
            painter = QPainter(self)
            painter.setPen(QPen(QColor(REFUSED), FRAME))
            half = FRAME // 2
            painter.drawRect(self.rect().adjusted(half, half, -half, -half))
            painter.end()

    def _read(self, text: str) -> float:
        return self._typed.read(text.removeprefix(self.prefix()), self.minimum(), self.maximum())

    def _keep(self) -> None:
        if self.problem is None:
            self._last_used = self.value()

    def _tell(self, problem: TypedNumberError | None, text: str | None = None) -> None:
        """Note what cannot be used, and why."""
        self._refused_text = text
        if str(problem or "") == str(self.problem or ""):
            return
        self.problem = problem
        self.setAccessibleDescription(str(problem or ""))
        self.update()
        self.problem_changed.emit()


class NumberField(RangedWidget[float]):
    """A parameter that is typed as a number; see `NumberBox`.

    Where magicgui is not made as it is now, it is magicgui's own, which cuts decimals.

    Parameters
    ----------
    typed : TypedNumber, optional
    suffix : str
    **kwargs
        Of magicgui's number box.
    """

    def __init__(self, typed: TypedNumber | None = None, suffix: str = "", **kwargs: Any) -> None:
        typed = typed or NUMBER
        self._whole = typed.whole
        # Of several numbers side by side magicgui says it here too.
        kwargs.pop("widget_type", None)
        super().__init__(widget_type=_native(typed, suffix), **kwargs)
        box: Any = self.native
        if not isinstance(box, NumberBox):
            box.setDecimals(0 if typed.whole else FEWER_DECIMALS)
            box.setSpecialValueText(typed.unset)
            box.setSuffix(suffix)

    def get_value(self) -> float:
        """Return the number; of a whole one an int."""
        value = super().get_value()
        return round(value) if self._whole else value


def _native(typed: TypedNumber, suffix: str) -> Any:
    """Return what magicgui asks of a number box, with ours in it."""
    try:
        from magicgui.backends._qtpy.widgets import QBaseRangedWidget
    except ImportError:
        note_missing("Qt number box of magicgui to build on", "numbers are cut to its decimals")
        return use_app().get_obj("FloatSpinBox")

    class Box(NumberBox):
        def __init__(self, parent: QWidget | None = None) -> None:
            super().__init__(typed, suffix, parent)

    class Native(QBaseRangedWidget):
        _qwidget: NumberBox

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(Box, **kwargs)

    return Native
