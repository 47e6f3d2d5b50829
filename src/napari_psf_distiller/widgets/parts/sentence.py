"""Sentences that wrap in any width, also where they name a file with a long name."""

import re

from qtpy.QtCore import Qt
from qtpy.QtGui import QContextMenuEvent, QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QLabel, QMenu

__all__ = ["Sentence", "breakable"]

# Letters without a space from which on a word may be broken: names of files and layers are longer.
LONGEST_WORD = 24

# It takes no room, and a line may end at it.
BREAK = "\u200b"

# Of rich text: what is no text, and letters that have a name.
MARKUP = re.compile(r"(<[^<>]*>|&#?\w+;)")
LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
PIECE = re.compile(rf"[^_/\\.,:;=-]{{1,{LONGEST_WORD}}}[_/\\.,:;=-]*|[_/\\.,:;=-]+")


class Sentence(QLabel):
    """A text whose long words may be broken, so that they make nothing wider.

    What it says, and what is copied from it, is the text as it was given.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._said = ""
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(text)

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Say something."""
        self._said = text or ""
        super().setText(breakable(self._said))

    def text(self) -> str:
        """Return what it says."""
        return self._said

    def keyPressEvent(self, ev: QKeyEvent | None) -> None:  # noqa: N802
        """Copy what is selected as it was given."""
        if ev is not None and ev.matches(QKeySequence.StandardKey.Copy):
            self._copy()
        else:
            super().keyPressEvent(ev)

    def contextMenuEvent(self, ev: QContextMenuEvent | None) -> None:  # noqa: N802
        """Offer to copy what is selected."""
        if ev is None or not self.hasSelectedText():
            return
        menu = QMenu(self)
        action = menu.addAction("Copy")
        if action is not None:
            action.triggered.connect(self._copy)
        menu.popup(ev.globalPos())

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None and self.hasSelectedText():
            clipboard.setText(self.selectedText().replace(BREAK, ""))


def breakable(text: str) -> str:
    """Return a text, plain or rich, with places in its long words where a line may end."""
    return "".join(
        part if MARKUP.fullmatch(part) else LONG_WORD.sub(_broken, part)
        for part in MARKUP.split(text)
    )


def _broken(word: re.Match[str]) -> str:
    return BREAK.join(PIECE.findall(word.group()))
