"""What is seldom needed, behind a button that unfolds it."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

__all__ = ["Fold"]

# It grows with napari's font, which a tool button does not.
STYLE = "QPushButton { text-align: left; background-color: transparent; }"
FOLDED, UNFOLDED = "▸", "▾"


class Fold(QWidget):
    """Widgets that are seldom needed, behind a button.

    Parameters
    ----------
    text, tooltip : str
        Of the button.

    Attributes
    ----------
    button : QPushButton
    rows : QVBoxLayout
        Gets the widgets.
    """

    def __init__(
        self, text: str = "More", tooltip: str = "Show the parameters that are seldom changed."
    ) -> None:
        super().__init__()
        self._text = text
        self.button = QPushButton()
        self.button.setStyleSheet(STYLE)
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.setAccessibleName(text)
        self.button.setCheckable(True)
        self.button.setToolTip(tooltip)
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.button.toggled.connect(self._unfold)
        self._content = QWidget()
        self.rows = QVBoxLayout(self._content)
        self.rows.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self._content)
        self._unfold(False)

    def _unfold(self, unfolded: bool) -> None:
        self.button.setText(f"{UNFOLDED if unfolded else FOLDED} {self._text}")
        self._content.setVisible(unfolded)
