"""A notice in a widget: what is to be known, or to be done, beside what it is about."""

from qtpy.QtCore import Qt

from napari_psf_distiller.widgets.parts.sentence import Sentence

__all__ = ["LINK", "Notice"]

# What must be done has the colour of what is out of date; both show on both themes.
STYLE = "QLabel {{ border-left: 4px solid {}; padding: 2px 2px 2px 6px; }}"
TO_DO, TO_KNOW = "#e69f00", "#56b4e9"

# Something to press in a sentence, in a colour that shows on both themes.
LINK = '<a href="{href}" style="color:#2a88c8">{text}</a>'


class Notice(Sentence):
    """Sentences with a mark beside them; it takes no room as long as there is nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse
            | Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.setVisible(False)

    def say(self, text: str, to_do: bool = False) -> None:
        """Show a text, or nothing.

        Parameters
        ----------
        text : str
            It may have HTML in it; "" is nothing.
        to_do : bool
            Whether something must be done, or is only to be known.
        """
        self.setStyleSheet(STYLE.format(TO_DO if to_do else TO_KNOW))
        self.setText(text)
        self.setVisible(bool(text))
