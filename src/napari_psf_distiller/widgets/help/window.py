"""A window with the user's guide, beside napari's."""

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QTextBlock, QTextCursor
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.help.pages import GUIDE, page_text, slug_of

__all__ = ["HelpWindow"]

# What stands in a table beside a field that an earlier one explains.
AS_ABOVE = "as above"

# The chapter of the guide on buttons and fields that several widgets have.
IN_SEVERAL = "In several widgets"

# In pixels: a table of three columns can be read.
SIZE = (760, 720)


class HelpWindow(QDialog):
    """Shows the pages of the documents; links in them lead from one to the other.

    Parameters
    ----------
    parent : QWidget
        napari's window, before which it stays.

    Attributes
    ----------
    browser : QTextBrowser
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("PSF Distiller: guide")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        self._page = ""
        self.browser = QTextBrowser()
        self.browser.setOpenLinks(False)
        self.browser.anchorClicked.connect(self._follow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.browser)

    def show_page(self, name: str = GUIDE, heading: str = "", row: str = "") -> None:
        """Show a page where a heading stands, and below it where a row of a table begins.

        Parameters
        ----------
        name : str
            See `page_text`.
        heading : str
            Its text, or its anchor; "" is the page's beginning.
        row : str
            The first cell of a row in a table of that chapter, or of that on what is in several
            widgets.
        """
        if name != self._page:
            try:
                self.browser.setMarkdown(page_text(name))
            except InputError as error:
                self.browser.setPlainText(str(error))
            self._page = name
        place = self._find(heading, row)
        cursor = QTextCursor(place)
        if row and place.text() == row:
            cursor.movePosition(
                QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor
            )
        # Seen at the top, and not just at the lower edge.
        self.browser.moveCursor(QTextCursor.MoveOperation.End)
        self.browser.setTextCursor(cursor)

    @property
    def shown_text(self) -> str:
        """The text of the line that it was opened at."""
        return str(self.browser.textCursor().block().text())

    def _find(self, heading: str, row: str) -> QTextBlock:
        document = self.browser.document()
        assert document is not None
        chapter = self._chapter(heading)
        if row:
            for part in (chapter, self._chapter(IN_SEVERAL)):
                found = self._row(part, row)
                if found.isValid():
                    return self._explained(found)
        return chapter if chapter.isValid() else document.begin()

    def _chapter(self, heading: str) -> QTextBlock:
        """Return where a heading stands; what is not valid if it is nowhere."""
        document = self.browser.document()
        assert document is not None
        block = document.begin()
        while heading and block.isValid():
            if block.blockFormat().headingLevel() and slug_of(block.text()) == slug_of(heading):
                break
            block = block.next()
        return block

    def _row(self, chapter: QTextBlock, row: str) -> QTextBlock:
        """Return where a row begins, below a heading and above the next."""
        found = chapter.next() if chapter.isValid() else chapter
        while found.isValid() and not found.blockFormat().headingLevel():
            if found.text() == row:
                return found
            found = found.next()
        return QTextBlock()

    def _explained(self, row: QTextBlock) -> QTextBlock:
        """Return the row itself, or the earlier one that it refers to."""
        document = self.browser.document()
        assert document is not None
        earlier = document.begin()
        while row.next().text() == AS_ABOVE and earlier.position() < row.position():
            if earlier.text() == row.text() and earlier.next().text() != AS_ABOVE:
                return earlier
            earlier = earlier.next()
        return row

    def _follow(self, link: QUrl) -> None:
        if link.scheme():
            QDesktopServices.openUrl(link)
        else:
            self.show_page(link.path() or self._page, link.fragment())
