"""A row of widgets that goes on in the next line where it has no room, as words do."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtWidgets import QLayout, QLayoutItem, QSizePolicy, QWidget

__all__ = ["Flow", "flowing_row"]

# Pixels between two widgets, and between two lines.
SPACING = 4


class Flow(QLayout):
    """Lays widgets out in lines that each fill the width; a large font makes more of these.

    Of one line, those that expand take what is left over; where none does, all take as much of it.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(SPACING)

    # --- what Qt asks

    def addItem(self, item: QLayoutItem | None) -> None:  # noqa: N802
        """Put something at the end."""
        if item is not None:
            self._items.append(item)

    def count(self) -> int:
        """Return how much there is."""
        return len(self._items)

    def itemAt(self, index: int) -> Any:  # noqa: N802
        """Return what is at a place; None beyond the end."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> Any:  # noqa: N802
        """Take out what is at a place."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802
        """Take more width, and no more height."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Be the higher, the narrower."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """Return how high all lines are together."""
        lines = self._lines(width)
        heights = [max(_size(item).height() for item in line) for line in lines]
        return sum(heights) + self.spacing() * max(len(lines) - 1, 0)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return what one line takes."""
        sizes = [_size(item) for item in self._shown()]
        width = sum(size.width() for size in sizes) + self.spacing() * max(len(sizes) - 1, 0)
        return QSize(width, max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:  # noqa: N802
        """Return what the largest needs."""
        sizes = [_size(item) for item in self._shown()]
        return QSize(
            max((size.width() for size in sizes), default=0),
            max((size.height() for size in sizes), default=0),
        )

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802
        """Place everything."""
        super().setGeometry(rect)
        top = rect.top()
        for line in self._lines(rect.width()):
            sizes = [_size(item) for item in line]
            height = max(size.height() for size in sizes)
            needed = sum(size.width() for size in sizes) + self.spacing() * (len(line) - 1)
            takers = [item for item in line if _expands(item)] or line
            # Pixels that are over go to the first ones.
            share, over = divmod(max(rect.width() - needed, 0), len(takers))
            left = rect.left()
            for item, size in zip(line, sizes, strict=True):
                width = size.width()
                if item in takers:
                    width += share + (takers.index(item) < over)
                width = min(width, rect.width())
                item.setGeometry(QRect(left, top, width, height))
                left += width + self.spacing()
            top += height + self.spacing()

    # --- lines

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        lines: list[list[QLayoutItem]] = []
        left = 0
        for item in self._shown():
            needed = _size(item).width()
            if not lines or left + needed > width:
                lines.append([])
                left = 0
            lines[-1].append(item)
            left += needed + self.spacing()
        return lines


def flowing_row(widgets: Sequence[QWidget]) -> QWidget:
    """Return a row that has widgets, and goes on in the next line where it has no room."""
    row = QWidget()
    policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    row.setSizePolicy(policy)
    flow = Flow(row)
    for widget in widgets:
        flow.addWidget(widget)
    return row


def _expands(item: QLayoutItem) -> bool:
    return bool(item.expandingDirections() & Qt.Orientation.Horizontal)


def _size(item: QLayoutItem) -> QSize:
    return item.sizeHint().expandedTo(item.minimumSize())
