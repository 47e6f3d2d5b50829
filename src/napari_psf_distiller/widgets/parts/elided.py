"""The text of a combo box that has no room for all of it: its middle is left out, with dots."""

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

__all__ = ["ElidedText", "text_within"]


class ElidedText(QObject):
    """Paints a combo box as Qt does, but does not cut its text where there is no room for it.

    Names of layers begin alike and differ at their end, so both are kept.

    Parameters
    ----------
    box : QComboBox
        It keeps this object.
    """

    def __init__(self, box: QComboBox) -> None:
        super().__init__(box)
        box.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Paint the box in its own place."""
        if event is None or event.type() != QEvent.Type.Paint or not isinstance(watched, QComboBox):
            return False
        option: Any = QStyleOptionComboBox()
        watched.initStyleOption(option)
        option.currentText = text_within(watched, option)
        painter = QStylePainter(watched)
        painter.setPen(watched.palette().color(QPalette.ColorRole.Text))
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
        return True


def text_within(box: QComboBox, option: Any) -> str:
    """Return a combo box's text as it is painted.

    Parameters
    ----------
    box : QComboBox
    option : QStyleOptionComboBox
        Of the box.
    """
    style = box.style()
    assert style is not None
    field = style.subControlRect(
        QStyle.ComplexControl.CC_ComboBox,
        option,
        QStyle.SubControl.SC_ComboBoxEditField,
        box,
    )
    room = field.width() - 2
    return box.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideMiddle, room)
