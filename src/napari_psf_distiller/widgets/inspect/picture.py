"""A drawing that is made in a thread and shown as a picture, so that the viewer never waits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from qtpy.QtCore import (  # type: ignore[attr-defined]  # qtpy renames PyQt's signal
    QEvent,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from qtpy.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.widgets.running.background import Background

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Colours", "Draw", "Drawing", "Drawn", "Picture"]

# Draws into a figure with a foreground's colour, and returns what is to be read beside it.
Draw = Callable[["Figure", str], str]

# The width and height of a page that a drawing fills, in inches.
Page = tuple[float, float]

# With it the drawings' letters are as large as the widgets' on a screen of 96 dots per inch.
DOTS_PER_INCH = 112
# Of the viewer's font where nobody changed its size, in pixels of the layout; and points an inch.
USUAL_LETTERS, POINTS_PER_INCH = 12, 72
# Pixels about a sentence.
MARGIN = 12
# Milliseconds without a change of size before the drawing is made anew.
SETTLED = 80
# Milliseconds after which matplotlib is loaded, when the window about a new picture stands.
LOADED_AFTER = 1000


@dataclass(frozen=True)
class Colours:
    """Of the background and of text and lines, as #rrggbb."""

    background: str
    foreground: str


@dataclass(frozen=True)
class Drawing:
    """What can be drawn, into a window of any shape or onto a page of its own.

    Attributes
    ----------
    draw : callable
        Draws it.
    page : callable
        Returns the size of the page that it is saved on; called in a thread.
    """

    draw: Draw
    page: Callable[[], Page]


@dataclass(frozen=True)
class Drawn:
    """A drawing that was made, or the sentence why it was not.

    Attributes
    ----------
    image : QImage or None
    figure : matplotlib.figure.Figure or None
        What the image shows.
    text : str
        What is to be read beside it, or the sentence.
    seconds : float
        How long it took.
    """

    image: QImage | None
    figure: Figure | None
    text: str
    seconds: float


@dataclass(frozen=True)
class _Request:
    draw: Draw
    colours: Colours
    share: float
    about: object


class Picture(QWidget):
    """Shows the drawing that was asked for last.

    Attributes
    ----------
    drawn : Signal
        Emitted with a `Drawn` whenever one is done.
    clicked : Signal
        Emitted with the place, from 0 to 1 from the left and from the top, that is clicked.
    figure : matplotlib.figure.Figure or None
        What is shown.
    sentence : str
        What is said in its place if there is none.
    """

    drawn = Signal(object)
    clicked = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self.figure: Figure | None = None
        self.sentence = ""
        self._image: QImage | None = None
        self._asked: _Request | None = None
        self._begun: _Request | None = None
        self._waiting = False
        self._background: Background[Drawn] = Background(
            self._on_drawn, self._on_failed, broke=_ignore, ended=self._on_ended, draws=True
        )
        self._rested = 0.0
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._begin)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLED)
        self._settle.timeout.connect(self._again)
        # Half a second of work, which would hold up the first step that shows what it makes.
        load = QTimer(self)
        load.setSingleShot(True)
        load.timeout.connect(self._load)
        load.start(LOADED_AFTER)
        self.setMinimumSize(240, 240)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def busy(self) -> bool:
        """Whether a drawing is under way or asked for."""
        return self._waiting or self._background.running or self._settle.isActive()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that suits a dock."""
        return QSize(340, 380)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return a size in which there is something to see."""
        return QSize(200, 360)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Draw anew with letters of another size."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._settle.start()

    def ask(self, draw: Draw, colours: Colours, share: float = 1.0, about: object = None) -> None:
        """Have something drawn; of several that are asked for meanwhile, the last one is.

        Parameters
        ----------
        draw : callable
            Called in a thread.
        colours : Colours
        share : float
            The part of the time that drawing may take; the next one waits for so long.
        about : object, optional
            What is drawn: a drawing of something else that is under way is not shown any more.
        """
        self._asked = _Request(draw, colours, share, about)
        self._waiting = True
        self._schedule()

    def show_nothing(self, sentence: str = "") -> None:
        """Empty the picture; what is asked for or under way does not count any more.

        Parameters
        ----------
        sentence : str
            Said in its place: why there is none, or what to do.
        """
        self._asked, self._begun, self._waiting = None, None, False
        self._image = self.figure = None
        self.sentence = sentence
        self.update()

    def _schedule(self) -> None:
        # When it is hidden, in a window that is not, it is drawn when it is shown again.
        window: Any = self.window()
        hidden = window.isVisible() and not self.isVisible()
        if self._background.running or self._asked is None or hidden:
            return
        rest = self._last / self._asked.share - self._last if self._asked.share < 1 else 0.0
        self._timer.start(max(0, round(1000 * (self._rested + rest - time.monotonic()))))

    def _begin(self) -> None:
        request = self._asked
        if request is None or not self._waiting or self._background.running:
            return
        self._waiting, self._begun = False, request
        ratio, size = self.devicePixelRatioF(), self.size()
        # In a drawing there is not the room for letters that are as much larger.
        dots = DOTS_PER_INCH * ratio * math.sqrt(self._letters() / USUAL_LETTERS)
        self._background.ask(lambda: _drawn(request, size, ratio, dots))

    def _letters(self) -> float:
        """Return how large the viewer's letters are, in pixels of the layout."""
        return float(get_settings().appearance.font_size * self.logicalDpiY() / POINTS_PER_INCH)

    def _load(self) -> None:
        Background[None](_ignore, _ignore, broke=_ignore, draws=True).ask(_load)

    def _on_drawn(self, drawn: Drawn) -> None:
        # One that nobody waits for any more, of a layer that is gone or is not looked at any more,
        # is not shown: its numbers would stand under another's name.
        asked, begun = self._asked, self._begun
        if asked is not None and begun is not None and begun.about == asked.about:
            self._last = drawn.seconds
            self._image, self.figure = drawn.image, drawn.figure
            self.sentence = "" if drawn.image is not None else drawn.text
            self.update()
            self.drawn.emit(drawn)

    def _on_failed(self, sentence: str) -> None:
        self._on_drawn(Drawn(None, None, sentence, 0.0))

    def _on_ended(self) -> None:
        self._begun = None
        self._rested = time.monotonic()
        self._schedule_if_waiting()

    def _schedule_if_waiting(self) -> None:
        if self._waiting:
            self._schedule()

    def _again(self) -> None:
        if self._asked is not None:
            self._waiting = True
            self._schedule()

    def _fits(self) -> bool:
        return self._image is not None and self._image.size() == _pixels(
            self.size(), self.devicePixelRatioF()
        )

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Draw anew when the size has settled."""
        super().resizeEvent(event)
        if self._asked is not None:
            self._settle.start()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Draw what was asked for while it was hidden."""
        super().showEvent(event)
        self._schedule_if_waiting()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Tell where the drawing is clicked."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self._fits():
            place = event.position()
            self.clicked.emit(place.x() / self.width(), place.y() / self.height())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Show the picture; one of another size is stretched until there is a new one."""
        painter = QPainter(self)
        if self._image is None:
            place = self.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
            font = painter.font()
            font.setPixelSize(round(self._letters()))
            painter.setFont(font)
            how = int(Qt.AlignmentFlag.AlignHCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(place, how, self.sentence)
        elif self._fits():
            painter.drawImage(self.rect(), self._image)
        else:
            if not self.busy:
                self._settle.start()
            kept = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRect(0, 0, kept.width(), kept.height())
            place.moveCenter(self.rect().center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self._image)
        painter.end()


def _pixels(size: QSize, ratio: float) -> QSize:
    return QSize(max(1, round(size.width() * ratio)), max(1, round(size.height() * ratio)))


def _ignore(_: object) -> None:
    """Leave it at that: what nobody expected is told by the viewer."""


def _load() -> None:
    """Load what a drawing needs; called in the thread."""
    import matplotlib.backends.backend_agg  # noqa: F401

    import napari_psf_distiller.figures  # noqa: F401


def _drawn(request: _Request, size: QSize, ratio: float, dots: float) -> Drawn:
    """Make a drawing; called in the thread.

    Parameters
    ----------
    request : _Request
    size : QSize
        Of the picture, in pixels of the layout.
    ratio : float
        Pixels of the screen a pixel of the layout.
    dots : float
        Pixels of the screen an inch of the drawing: they decide how large its letters are.
    """
    # To import it takes longer than the viewer may stand still.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    began = time.monotonic()
    pixels = _pixels(size, ratio)
    figure = Figure(
        # A hair more, so that cutting to whole pixels takes none away.
        figsize=((pixels.width() + 0.01) / dots, (pixels.height() + 0.01) / dots),
        dpi=dots,
        facecolor=request.colours.background,
    )
    canvas = FigureCanvasAgg(figure)
    try:
        text = request.draw(figure, request.colours.foreground)
        canvas.draw()
    except InputError as error:
        return Drawn(None, None, str(error), time.monotonic() - began)
    except MemoryError:
        raise DistillerError("The memory does not suffice to draw this; crop it first.") from None
    rows = canvas.buffer_rgba()
    high, wide = rows.shape[:2]
    borrowed = QImage(bytes(rows), wide, high, 4 * wide, QImage.Format.Format_RGBA8888)
    # Qt does not keep what it was made from; and in this format it paints without converting.
    image = borrowed.convertToFormat(QImage.Format.Format_RGB32)
    return Drawn(image, figure, text, time.monotonic() - began)
