"""The mark of a step's state: a shape and a colour, both of which tell it."""

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF

from napari_psf_distiller.widgets.guide.steps import State

__all__ = ["MARK_SIZE", "mark_of"]

MARK_SIZE = 16

# After Okabe and Ito (2008), which the colour-blind tell apart, on a dark and on a light ground.
COLOURS = {
    State.TO_DO: ("#b0b4bc", "#666a70"),
    State.RUNNING: ("#9ad4ff", "#004f86"),
    State.DONE: ("#2cc295", "#00775a"),
    State.OUT_OF_DATE: ("#e69f00", "#8a5800"),
    State.FAILED: ("#f7803c", "#b8430a"),
    State.NOT_NEEDED: ("#7c818b", "#94979c"),
}


def mark_of(state: State, dark: bool, ratio: float = 1.0) -> QPixmap:
    """Return the mark of a state.

    Parameters
    ----------
    state : State
    dark : bool
        Whether it is for a dark theme.
    ratio : float
        Pixels of the screen a pixel of the layout.
    """
    pixmap = QPixmap(round(MARK_SIZE * ratio), round(MARK_SIZE * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    colour = QColor(COLOURS[state][0 if dark else 1])
    ground = QColor("#20232a" if dark else "#ffffff")
    painter.setPen(_pen(colour))
    _DRAW[state](painter, colour, ground)
    painter.end()
    return pixmap


def _pen(colour: QColor, width: float = 2.0) -> QPen:
    pen = QPen(colour, width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen


def _points(*corners: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in corners])


def _to_do(painter: QPainter, _colour: QColor, _ground: QColor) -> None:
    painter.drawEllipse(QRectF(2.5, 2.5, 11, 11))


def _running(painter: QPainter, colour: QColor, _ground: QColor) -> None:
    painter.setBrush(colour)
    painter.drawPolygon(_points((4.5, 3), (13, 8), (4.5, 13)))


def _done(painter: QPainter, colour: QColor, ground: QColor) -> None:
    painter.setBrush(colour)
    painter.drawEllipse(QRectF(2, 2, 12, 12))
    painter.setPen(_pen(ground))
    painter.drawPolyline(_points((5, 8.2), (7.2, 10.4), (11, 5.8)))


def _out_of_date(painter: QPainter, colour: QColor, ground: QColor) -> None:
    painter.setBrush(colour)
    painter.drawPolygon(_points((8, 2.5), (14, 13.2), (2, 13.2)))
    painter.setPen(_pen(ground))
    painter.drawLine(QPointF(8, 6.5), QPointF(8, 9))
    painter.drawPoint(QPointF(8, 11.6))


def _failed(painter: QPainter, colour: QColor, ground: QColor) -> None:
    painter.setBrush(colour)
    painter.drawRoundedRect(QRectF(2.5, 2.5, 11, 11), 1, 1)
    painter.setPen(_pen(ground))
    painter.drawLine(QPointF(5.6, 5.6), QPointF(10.4, 10.4))
    painter.drawLine(QPointF(10.4, 5.6), QPointF(5.6, 10.4))


def _not_needed(painter: QPainter, _colour: QColor, _ground: QColor) -> None:
    painter.drawLine(QPointF(4, 8), QPointF(12, 8))


_DRAW = {
    State.TO_DO: _to_do,
    State.RUNNING: _running,
    State.DONE: _done,
    State.OUT_OF_DATE: _out_of_date,
    State.FAILED: _failed,
    State.NOT_NEEDED: _not_needed,
}
