"""A drawing that is made in a thread."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from event_loop import wait_for_what_was_put_off
from matplotlib.figure import Figure
from napari.settings import get_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QTabWidget

from napari_psf_distiller import InputError
from napari_psf_distiller.widgets.inspect.picture import (
    DOTS_PER_INCH,
    USUAL_LETTERS,
    Colours,
    Drawn,
    Picture,
)

DARK = Colours("#202530", "#f0f1f2")


def line(figure: Figure, foreground: str) -> str:
    figure.text(0.5, 0.5, "words", color=foreground)
    return "a line"


@pytest.fixture
def waits(qtbot: QtBot) -> Callable[[Callable[[], bool]], None]:
    return lambda condition: qtbot.waitUntil(condition, timeout=60_000)


@pytest.fixture
def picture(qtbot: QtBot) -> Picture:
    made = Picture()
    qtbot.addWidget(made)
    made.resize(300, 250)
    return made


@pytest.mark.parametrize("ratio", [1.0, 1.25, 2.0])
def test_it_has_as_many_pixels_as_the_screen(
    picture: Picture, waits: Any, monkeypatch: pytest.MonkeyPatch, ratio: float
) -> None:
    monkeypatch.setattr(Picture, "devicePixelRatioF", lambda _: ratio)
    drawn: list[Drawn] = []
    picture.drawn.connect(drawn.append)
    picture.ask(line, DARK)
    picture.show()
    waits(lambda: not picture.busy)
    picture.resize(410, 391)
    waits(lambda: not picture.busy)
    image = drawn[-1].image
    assert image is not None
    assert (image.width(), image.height()) == (round(410 * ratio), round(391 * ratio))
    assert image.pixelColor(3, 3) == QColor(DARK.background)
    assert drawn[-1].text == "a line"
    # Letters are as large on a finer screen.
    assert drawn[-1].figure is not None
    width = drawn[-1].figure.get_figwidth()
    assert width == pytest.approx(410 / DOTS_PER_INCH / growth(picture), rel=1e-3)


def growth(picture: Picture) -> float:
    """Return how many times as large as usual letters are on this screen."""
    pixels = get_settings().appearance.font_size * picture.logicalDpiY() / 72
    return float((pixels / USUAL_LETTERS) ** 0.5)


def test_its_letters_grow_with_the_viewers_font_but_less(
    picture: Picture, waits: Any, appearance: Any
) -> None:
    found = []
    drawn: list[Drawn] = []
    picture.drawn.connect(drawn.append)
    for size in (9, 16):
        appearance.font_size = size
        picture.ask(line, DARK)
        waits(lambda: not picture.busy)
        figure = drawn[-1].figure
        assert figure is not None
        found.append(figure.dpi)
    assert 1.2 < found[1] / found[0] < 16 / 9


def test_the_drawing_is_seen(picture: Picture, waits: Any) -> None:
    def red(figure: Figure, _: str) -> str:
        figure.set_facecolor("red")
        return ""

    picture.ask(red, DARK)
    waits(lambda: not picture.busy)
    assert picture.grab().toImage().pixelColor(150, 120) == QColor("red")
    picture.show_nothing()
    assert picture.grab().toImage().pixelColor(150, 120) != QColor("red")


def test_it_is_drawn_in_a_thread_and_only_the_last_that_was_asked_for(
    picture: Picture, waits: Any
) -> None:
    gate, begun = threading.Event(), []

    def held(name: str) -> Callable[[Figure, str], str]:
        def draw(figure: Figure, foreground: str) -> str:
            begun.append((name, threading.current_thread() is threading.main_thread()))
            assert gate.wait(60)
            return name

        return draw

    texts: list[str] = []
    picture.drawn.connect(lambda drawn: texts.append(drawn.text))
    picture.ask(held("first"), DARK)
    waits(lambda: len(begun) == 1)
    for name in ("second", "third", "fourth"):
        picture.ask(held(name), DARK)
    gate.set()
    waits(lambda: not picture.busy)
    assert begun == [("first", False), ("fourth", False)]
    assert texts == ["first", "fourth"]


def test_a_drawing_of_something_else_is_not_shown_under_the_new_name(
    picture: Picture, waits: Any
) -> None:
    gate, begun = threading.Event(), threading.Event()

    def held(figure: Figure, foreground: str) -> str:
        begun.set()
        assert gate.wait(60)
        return "of the first"

    texts: list[str] = []
    picture.drawn.connect(lambda drawn: texts.append(drawn.text))
    picture.ask(held, DARK, about="first")
    waits(begun.is_set)
    picture.ask(line, DARK, about="second")
    gate.set()
    waits(lambda: not picture.busy)
    assert texts == ["a line"]


def test_what_is_not_wanted_any_more_is_not_shown(picture: Picture, waits: Any) -> None:
    gate, begun = threading.Event(), threading.Event()

    def held(figure: Figure, foreground: str) -> str:
        begun.set()
        assert gate.wait(60)
        return ""

    drawn: list[Drawn] = []
    picture.drawn.connect(drawn.append)
    picture.ask(held, DARK)
    waits(begun.is_set)
    picture.show_nothing()
    gate.set()
    waits(lambda: not picture.busy)
    assert drawn == []
    assert picture.figure is None


def test_a_refusal_comes_as_a_sentence_and_an_error_as_an_error(
    picture: Picture, waits: Any, qtbot: QtBot
) -> None:
    def refused(figure: Figure, foreground: str) -> str:
        raise InputError("There is nothing.")

    def wrong(figure: Figure, foreground: str) -> str:
        raise KeyError("wrong")

    drawn: list[Drawn] = []
    picture.drawn.connect(drawn.append)
    picture.ask(refused, DARK)
    waits(lambda: not picture.busy)
    assert (drawn[0].image, drawn[0].text) == (None, "There is nothing.")
    with qtbot.captureExceptions() as raised:
        picture.ask(wrong, DARK)
        waits(lambda: not picture.busy)
    assert [kind for kind, *_ in raised] == [KeyError]
    # It goes on.
    picture.ask(line, DARK)
    waits(lambda: not picture.busy)
    assert drawn[-1].text == "a line"


def test_behind_another_tab_it_is_drawn_when_it_comes_to_the_front(
    waits: Any, qtbot: QtBot
) -> None:
    tabs, picture, other = QTabWidget(), Picture(), Picture()
    qtbot.addWidget(tabs)
    tabs.addTab(other, "other")
    tabs.addTab(picture, "picture")
    tabs.show()
    drawn: list[Drawn] = []
    picture.drawn.connect(drawn.append)
    picture.ask(line, DARK)
    # One that is seen and was asked for later is drawn meanwhile.
    other.ask(line, DARK)
    waits(lambda: not other.busy)
    assert drawn == []
    assert picture.busy
    tabs.setCurrentIndex(1)
    waits(lambda: not picture.busy)
    assert drawn[-1].text == "a line"


def test_a_share_of_the_time_leaves_room_between_drawings(picture: Picture, waits: Any) -> None:
    begun, ended = [], []

    def slow(figure: Figure, foreground: str) -> str:
        begun.append(time.monotonic())
        time.sleep(0.05)
        ended.append(time.monotonic())
        return ""

    for _ in range(2):
        picture.ask(slow, DARK, share=0.2)
        waits(lambda: not picture.busy)
    assert begun[1] - ended[0] > 3 * 0.05


def test_closing_it_while_it_draws(qtbot: QtBot, waits: Any) -> None:
    gate, begun, done = threading.Event(), threading.Event(), threading.Event()

    def held(figure: Figure, foreground: str) -> str:
        begun.set()
        assert gate.wait(60)
        done.set()
        return ""

    made = Picture()
    made.ask(held, DARK)
    waits(begun.is_set)
    gone = threading.Event()
    made.destroyed.connect(lambda *_: gone.set())
    made.deleteLater()
    del made
    waits(gone.is_set)
    gate.set()
    waits(done.is_set)
    # The drawing arrives, and nobody is there.
    assert QThreadPool.globalInstance().waitForDone(60_000)
    wait_for_what_was_put_off(qtbot)
