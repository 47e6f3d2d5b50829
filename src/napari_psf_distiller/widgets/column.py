"""Widgets one below the other, of which as many show as have room."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

__all__ = ["Column"]

# So that the window is not laid out anew when what is in it changes.
LEAST_WIDTH = 365


class Column(QScrollArea):
    """Widgets one below the other that scroll up and down, and never to the side."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(LEAST_WIDTH)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Reached by Tab, its content is; the area itself has nothing to press.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = QWidget()
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(0, 0, 4, 0)
        self.column.setSpacing(2)
        self.setWidget(content)
        content.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Be as wide as the content needs."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._widen()
        return bool(super().eventFilter(watched, event))

    def _widen(self) -> None:
        content, bar = self.widget(), self.verticalScrollBar()
        if content is not None and bar is not None:
            # A style sheet can make the bar wider than it says.
            room = max(bar.sizeHint().width(), 20)
            needed = content.minimumSizeHint().width() + room
            self.setMinimumWidth(max(needed, self.minimumWidth()))
