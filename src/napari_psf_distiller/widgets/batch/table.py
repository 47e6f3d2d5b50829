"""The list of the images of a batch, which is the table of its results too."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_psf_distiller.batch.table import BatchRow
from napari_psf_distiller.widgets.batch.run import ListedImage
from napari_psf_distiller.wording import width_text

__all__ = ["BatchTable"]

# In pixels.
LEAST_WIDTH = 400

COLUMNS = ("image", "FWHM (nm)", "beads", "remarks")
TOOLTIPS = (
    "The file or layer; Delete takes it off the list.",
    "Full widths at half maximum of the PSF along z, y and x, with their standard errors.",
    "How many beads the PSF is from, of how many.",
    "Warnings, or why there is no PSF.",
)


class BatchTable(QTableWidget):
    """Lists images, and shows what came of each."""

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.images: list[ListedImage] = []
        self._rows: list[BatchRow] = []
        self.setHorizontalHeaderLabels(list(COLUMNS))
        for column, tooltip in enumerate(TOOLTIPS):
            item = self.horizontalHeaderItem(column)
            assert item is not None
            item.setToolTip(tooltip)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setAccessibleName("images")
        rows, header = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert header is not None
        rows.hide()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self.setMinimumSize(LEAST_WIDTH, 6 * rows.defaultSectionSize())

    def add(self, images: Sequence[ListedImage]) -> None:
        """Add images that are not in the list yet."""
        known = {image.name for image in self.images}
        for image in images:
            if image.name not in known:
                known.add(image.name)
                self.images.append(image)
        self.show_rows([])

    def remove_selected(self) -> None:
        """Take the selected images off the list."""
        selected = {index.row() for index in self.selectedIndexes()}
        self.images = [image for n, image in enumerate(self.images) if n not in selected]
        self.show_rows([])

    def clear_images(self) -> None:
        """Take all images off the list."""
        self.images = []
        self.show_rows([])

    def show_rows(self, rows: Sequence[BatchRow]) -> None:
        """Show what came of the images so far."""
        self._rows = list(rows)
        done = {row.image: row for row in rows}
        self.setRowCount(len(self.images))
        for number, image in enumerate(self.images):
            texts = _texts(done.get(image.name))
            for column, text in enumerate((image.name, *texts)):
                item = QTableWidgetItem(text)
                # A narrow dock shows no long text whole.
                item.setToolTip(str(image.path) if column == 0 and image.path else text)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                self.setItem(number, column, item)
        self.resizeColumnToContents(1)
        self.resizeColumnToContents(2)

    @property
    def selected_psf(self) -> tuple[str, Path] | None:
        """The name of the selected image and the file of its PSF; None if there is none."""
        number = self.currentRow()
        if not 0 <= number < len(self.images):
            return None
        name = self.images[number].name
        found = (row.psf for row in self._rows if row.image == name and row.psf is not None)
        psf = next(found, None)
        return (name, psf) if psf is not None else None


def _texts(row: BatchRow | None) -> tuple[str, str, str]:
    if row is None:
        return "", "", ""
    if row.error:
        return "", "", row.error
    widths = ", ".join(
        width_text(width, error, unit="")
        for width, error in zip(row.fwhm, row.fwhm_error, strict=True)
    )
    return widths, f"{row.used} of {row.found}", " ".join(row.warnings)
