"""A step in the guide: its header with its mark, and below it its widget with what folds."""

from napari.utils.theme import get_theme
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.steps import GuideStep, Standing, State
from napari_psf_distiller.widgets.parts.column import row_of
from napari_psf_distiller.widgets.parts.fold import Fold
from napari_psf_distiller.widgets.parts.sentence import Sentence

__all__ = ["INDENT", "MARK_SIZE", "Section", "is_dark", "mark_of"]

# Of a step's line, and of what is below it from the left, in pixels.
LEAST_HEIGHT, INDENT = 30, 12


class Header(QPushButton):
    """The line of a step that opens and closes it: its mark, its name, and its state in words."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setFlat(True)
        self.setMinimumHeight(LEAST_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._title = title
        self._mark = QLabel()
        self._mark.setFixedSize(MARK_SIZE, MARK_SIZE)
        self._name = QLabel()
        self.number = 0
        self._state = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(8)
        row.addWidget(self._mark)
        row.addWidget(self._name)
        row.addStretch(1)
        row.addWidget(self._state)
        for label in (self._mark, self._name, self._state):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.toggled.connect(self._on_toggle)

    def show_standing(self, standing: Standing, dark: bool) -> None:
        """Show where the step stands by mark, colour and text."""
        ratio = self.devicePixelRatioF()
        self._mark.setPixmap(mark_of(standing.state, dark, ratio, warned=standing.warned))
        self._name.setText(f"{self.number}  {self._title}")
        self._state.setText(standing.text)
        self.setAccessibleName(f"{self._title}: {standing.text}")
        self.setToolTip(f"{self._title}: {standing.text}. {standing.why}".strip())
        needed = standing.state is not State.NOT_NEEDED
        self._name.setEnabled(needed)
        self._state.setEnabled(needed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return what its labels need: Qt asks a button for its own text alone."""
        layout = self.layout()
        return layout.sizeHint() if layout is not None else super().sizeHint()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the same."""
        return self.sizeHint()

    @property
    def state_text(self) -> str:
        """The state in words, as shown."""
        return str(self._state.text())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw a frame where the keys go, which napari's style sheet does not."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(self._name.palette().windowText().color(), 1))
            painter.drawRect(self.rect().adjusted(1, 1, -2, -2))
            painter.end()

    def _on_toggle(self, opened: bool) -> None:
        font = self._name.font()
        font.setBold(opened)
        self._name.setFont(font)


class Section(QWidget):
    """A step: a header that opens it, and its widget.

    Parameters
    ----------
    step : GuideStep

    Attributes
    ----------
    turned : Signal
        Emitted with the step's id, and whether it was opened, when it was opened or closed.
    """

    turned = Signal(StepId, bool)

    def __init__(self, step: GuideStep) -> None:
        super().__init__()
        self.step = step
        self.header = Header(step.title)
        self.source, self.why = Sentence(), Sentence()
        self.body = QWidget()
        rows = QVBoxLayout(self.body)
        rows.setContentsMargins(INDENT, 2, 0, 8)
        rows.setSpacing(2)
        for widget in (self.source, self.why, step.gui.native):
            rows.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.body)
        self._arrange()
        self.body.setVisible(False)
        self.header.toggled.connect(self._on_toggle)

    def hold_height(self) -> None:
        """Become no lower until it is closed, so that nothing above moves when it changes."""
        self.body.setMinimumHeight(self.body.height())

    def _on_toggle(self, opened: bool) -> None:
        self.body.setMinimumHeight(0)
        self.body.setVisible(opened)
        self.turned.emit(self.step.id, opened)

    def _arrange(self) -> None:
        """Fold what is seldom changed, and put away what is asked above."""
        gui = self.step.gui
        layout = gui.native.layout()
        layout.setContentsMargins(0, 0, 0, 0)
        # Not shown, but not hidden of themselves either: they count as parameters.
        self._put_away = QWidget(self)
        self._put_away.setVisible(False)
        away = QVBoxLayout(self._put_away)
        for name in self.step.asked_above:
            away.addWidget(row_of(gui[name], gui.native))
            if name == "voxel_size":
                # The button that gives it to the layer, which the guide has of its own.
                away.addWidget(row_of(gui[gui.index(gui[name]) + 1], gui.native))
        self.fold = Fold()
        if not self.step.open:
            return
        kept = {*self.step.open, *self.step.asked_above, "viewer"}
        for widget in list(gui):
            if widget.name not in kept and not widget.gui_only:
                self.fold.rows.addWidget(row_of(widget, gui.native))
        button = gui.call_button
        place = layout.indexOf(row_of(button, gui.native)) if button is not None else -1
        layout.insertWidget(place, self.fold)

    def show_standing(self, standing: Standing, works_on: str, dark: bool) -> None:
        """Show where the step stands, and on which layers it works."""
        self.header.show_standing(standing, dark)
        self.source.setText(works_on)
        self.source.setVisible(bool(works_on))
        shown = standing.why if standing.state is not State.FAILED else ""
        self.why.setText(shown)
        self.why.setVisible(bool(shown))


def is_dark(theme: str) -> bool:
    """Return whether a theme of napari's is dark."""
    red, green, blue = get_theme(theme).background.as_rgb_tuple()[:3]
    return bool(red + green + blue < 1.5 * 255)


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

# Amber, as what is out of date; the mark has another shape.
WARNED_COLOURS = COLOURS[State.OUT_OF_DATE]


def mark_of(state: State, dark: bool, ratio: float = 1.0, *, warned: bool = False) -> QPixmap:
    """Return the mark of a state.

    Parameters
    ----------
    state : State
    dark : bool
        Whether it is for a dark theme.
    ratio : float
        Pixels of the screen a pixel of the layout.
    warned : bool
        Whether there is something to be known of what is done.
    """
    pixmap = QPixmap(round(MARK_SIZE * ratio), round(MARK_SIZE * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    colours = WARNED_COLOURS if warned else COLOURS[state]
    colour = QColor(colours[0 if dark else 1])
    ground = QColor("#20232a" if dark else "#ffffff")
    painter.setPen(_pen(colour))
    draw = _warned if warned else _DRAW[state]
    draw(painter, colour, ground)
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


def _warned(painter: QPainter, colour: QColor, ground: QColor) -> None:
    painter.setBrush(colour)
    painter.drawEllipse(QRectF(2, 2, 12, 12))
    painter.setPen(_pen(ground))
    painter.drawLine(QPointF(8, 5), QPointF(8, 8.5))
    painter.drawPoint(QPointF(8, 11.2))


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
