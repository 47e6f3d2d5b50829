"""The histogram of an image with the threshold drawn in, which can be dragged."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import (
    QPointF,
    QRectF,
    QSize,
    Qt,
)
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_psf_distiller.stepwise.threshold_preview import IntensityScale

__all__ = ["Histogram"]

# What is above the threshold: sky blue, which the colour-blind tell from grey and from the yellow
# of the finished labels (Okabe and Ito 2008).
ABOVE_COLOUR = "#56b4e9"

# Half the width of the threshold's handle, in pixels.
HANDLE = 5

# Where the axis has a number.
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)

# Parts of the axis that an arrow key and a page key move the threshold by.
STEP, PAGE = 1 / 400, 1 / 40


class Histogram(QWidget):
    """Logarithmic counts over intensity, and a threshold to drag with the mouse or arrow keys.

    Attributes
    ----------
    level : float or None
        The threshold drawn, in the image's intensity units.
    moved : Signal
        The threshold that the user set.
    shown : Signal
        The widget came on the screen.
    """

    moved = Signal(float)
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: IntensityScale | None = None
        self._heights: NDArray[np.float64] = np.empty(0)
        self._text = ""
        self.level: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Histogram with the threshold")
        self.setToolTip(
            "How many voxels have an intensity, on a logarithmic axis; what is blue is above the "
            "threshold. Drag the line, or move it with the arrow keys. The intensity axis is "
            "stretched around the background, so that dim beads can be told from noise."
        )

    def set_histogram(self, scale: IntensityScale, counts: NDArray[np.int64]) -> None:
        """Show a histogram.

        Parameters
        ----------
        scale : IntensityScale
            The intensity axis.
        counts : numpy.ndarray
            Voxels in equal parts of the axis.
        """
        heights = np.log1p(counts.astype(np.float64))
        self._heights = heights / max(float(heights.max()), 1e-9)
        self._scale = scale
        self.update()

    def clear(self, text: str = "") -> None:
        """Show a text instead of a histogram."""
        self._scale, self.level, self._text = None, None, text
        self.update()

    def set_level(self, level: float | None) -> None:
        """Draw the threshold; None is no threshold."""
        if level != self.level:
            self.level = level
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return Qt's preferred size."""
        return QSize(240, 120)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return Qt's smallest size."""
        return QSize(160, 120)

    def place_of(self, level: float) -> float:
        """Return where a threshold is drawn, in pixels from the widget's left edge."""
        area = self._area()
        if self._scale is None:
            return area.left()
        place = float(np.clip(self._scale.fraction(level), 0, 1))
        return area.left() + place * area.width()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw histogram, threshold and axis."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().text().color()
        area = self._area()
        painter.setPen(QPen(_faded(text, 0.4), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if self._scale is None:
            painter.setPen(_faded(text, 0.7))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area, int(flags), self._text)
            return
        self._draw_bars(painter, area, text)
        self._draw_ticks(painter, area, text)
        if self.level is not None:
            self._draw_level(painter, area, text)
        if self.hasFocus():
            painter.setPen(QPen(_faded(text, 0.5), 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Move the threshold to where the mouse is."""
        self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Drag the threshold."""
        self._follow(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Move the threshold by a step."""
        steps = {
            Qt.Key.Key_Left: -STEP,
            Qt.Key.Key_Right: STEP,
            Qt.Key.Key_PageDown: -PAGE,
            Qt.Key.Key_PageUp: PAGE,
        }
        step = steps.get(Qt.Key(event.key())) if event is not None else None
        if step is None or self._scale is None or self.level is None:
            super().keyPressEvent(event)
            return
        place = float(np.clip(self._scale.fraction(self.level), 0, 1))
        self._move_to(place + step)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Say that there is somebody to draw for."""
        super().showEvent(event)
        self.shown.emit()

    def _follow(self, event: QMouseEvent | None) -> None:
        if event is None or self._scale is None:
            return
        if not event.buttons() & Qt.MouseButton.LeftButton:
            return
        area = self._area()
        self._move_to((event.position().x() - area.left()) / area.width())

    def _move_to(self, place: float) -> None:
        assert self._scale is not None
        level = float(self._scale.value(min(max(place, 0.0), 1.0)))
        self.set_level(level)
        self.moved.emit(level)

    def _area(self) -> QRectF:
        """Return where the bars are; the handle and the axis' numbers need room around."""
        below = self.fontMetrics().height() + 4
        return QRectF(self.rect()).adjusted(HANDLE + 2, 2, -HANDLE - 2, -below)

    def _draw_bars(self, painter: QPainter, area: QRectF, text: QColor) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        edge = area.right() if self.level is None else self.place_of(self.level)
        lefts = area.left() + np.arange(self._heights.size) * area.width() / self._heights.size
        rights = np.append(lefts[1:], area.right())
        tops = area.bottom() - self._heights * area.height()
        outline = [QPointF(area.left(), area.bottom())]
        for left, right, top in zip(lefts, rights, tops, strict=True):
            outline += [QPointF(left, top), QPointF(right, top)]
        shape = QPolygonF([*outline, QPointF(area.right(), area.bottom())])
        for colour, start, end in (
            (_faded(text, 0.45), area.left(), edge),
            (QColor(ABOVE_COLOUR), edge, area.right()),
        ):
            painter.setClipRect(QRectF(start, area.top(), max(0.0, end - start), area.height()))
            painter.setBrush(colour)
            painter.drawPolygon(shape)
        painter.setClipping(False)

    def _draw_ticks(self, painter: QPainter, area: QRectF, text: QColor) -> None:
        assert self._scale is not None
        painter.setPen(_faded(text, 0.8))
        metrics = self.fontMetrics()
        free = -1.0
        # The ends first: of those between, what has no room is left out.
        for tick in TICKS:
            label = f"{float(self._scale.value(tick)):.4g}"
            width = metrics.horizontalAdvance(label)
            left = area.left() + tick * area.width() - tick * width
            last = area.right() - metrics.horizontalAdvance(f"{self._scale.high:.4g}")
            if left < free or (tick not in (0.0, 1.0) and left + width + 6 > last):
                continue
            painter.drawText(QPointF(left, self.height() - metrics.descent() - 1.0), label)
            free = left + width + 6

    def _draw_level(self, painter: QPainter, area: QRectF, text: QColor) -> None:
        assert self.level is not None
        place = self.place_of(self.level)
        painter.setPen(QPen(text, 1.5))
        painter.drawLine(QPointF(place, area.top()), QPointF(place, area.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(text)
        top = area.top()
        painter.drawPolygon(
            QPolygonF(
                [
                    QPointF(place - HANDLE, top),
                    QPointF(place + HANDLE, top),
                    QPointF(place, top + 1.6 * HANDLE),
                ]
            )
        )


def _faded(colour: QColor, opacity: float) -> QColor:
    faded = QColor(colour)
    faded.setAlphaF(opacity)
    return faded
