"""The row of the inspector that says, and asks, at which place of the field a PSF is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_psf_distiller.typed_numbers import MICROMETRES, TypedNumber
from napari_psf_distiller.widgets.inspect.field_place import FieldPlace
from napari_psf_distiller.widgets.viewer.number_fields import NumberBox

if TYPE_CHECKING:
    from napari_psf_distiller.psf.field import PSFField

__all__ = ["PlaceRow"]

MEAN = "the mean over the field"
HOW_TO = "Click in the bead image for the PSF there, or type a place."
BEYOND = "Beyond the outermost beads: extrapolated."

# Digits after the point of a place in micrometres.
DIGITS = 2

# Micrometres: that can be typed.
FARTHEST = 1e5


class StillLine(QWidget):
    """A line of text that may change with each move of the mouse.

    A label asks for its room anew whenever its text changes, and the whole window is laid out again
    for it, which takes longer than a picture of a film shows. Here it asks what has no layout.
    """

    def __init__(self) -> None:
        super().__init__()
        self._label = QLabel(self)
        font = self._label.font()
        font.setBold(True)
        self._label.setFont(font)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        """Return what is said."""
        return self._label.text()

    def setText(self, text: str) -> None:  # noqa: N802
        """Say something else."""
        self._label.setText(text)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size of a line."""
        return QSize(0, self._label.fontMetrics().height() + 2)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Give the text all room."""
        super().resizeEvent(event)
        self._label.setGeometry(self.rect())


class PlaceRow(QWidget):
    """Says at which place of the field a PSF is shown, or that it is the mean; and asks for it.

    It shows for a PSF that changes over the field.

    Parameters
    ----------
    on_change : callable
        Called without arguments when another place is to be shown.

    Attributes
    ----------
    said : StillLine
        The place.
    note : QLabel
        What is to be known of it.
    mean : QPushButton
        Back to the mean.
    z_field, y_field, x_field : NumberBox
        In micrometres. The first shows for a PSF that changes with depth.
    follow : QCheckBox
        Whether the place is where the cursor is.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__()
        self._on_change = on_change
        self._field: PSFField | None = None
        self._chosen: FieldPlace | None = None
        self._under_cursor: FieldPlace | None = None
        self.said, self.note = StillLine(), QLabel()
        self.mean = QPushButton("Mea&n")
        self.z_field, self.y_field, self.x_field = (
            NumberBox(TypedNumber(name, MICROMETRES), " µm") for name in "zyx"
        )
        self._z_name = QLabel("z")
        self.follow = QCheckBox("follow the c&ursor")
        self._build()
        self.setVisible(False)

    @property
    def fields(self) -> tuple[QWidget, ...]:
        """What the tabulator key goes through."""
        return self.mean, self.z_field, self.y_field, self.x_field, self.follow

    @property
    def field(self) -> PSFField | None:
        """How the PSF changes over the field; None of one that does not."""
        return self._field

    @property
    def place(self) -> FieldPlace | None:
        """The place to show; None is the mean over the field."""
        if self._field is None:
            return None
        return self._under_cursor or self._chosen

    def show_field(self, field: PSFField | None) -> None:
        """Ask for a place of a PSF's field, from the mean on; None takes the row away."""
        self.setVisible(field is not None)
        if field is self._field:
            return
        known = self._field is not None and field is not None and _same(self._field, field)
        self._field = field
        if field is not None and not known:
            self._chosen = self._under_cursor = None
            for box, n, size in self._boxes(field):
                with QSignalBlocker(box):
                    box.setSingleStep(n * size / 20)
                    box.setValue(round((n - 1) * size / 2, DIGITS))
            for widget in (self._z_name, self.z_field):
                widget.setVisible(field.depth is not None)
        if field is None:
            self.follow.setChecked(False)
        self._tell()

    def choose(self, place: FieldPlace | None) -> None:
        """Show the PSF at a place, or the mean; the cursor is not followed any more."""
        if place == self._chosen and not self.follow.isChecked():
            return
        self._chosen = place
        with QSignalBlocker(self.follow):
            self.follow.setChecked(False)
        self._under_cursor = None
        self._changed()

    def click(self, place: FieldPlace) -> None:
        """Show the PSF where the field was clicked, if the row is seen."""
        if self._is_seen:
            self.choose(place)

    def hover(self, place: FieldPlace) -> None:
        """Show the PSF where the cursor is, if it is followed."""
        if self.follow.isChecked() and self._is_seen and place != self._under_cursor:
            self._under_cursor = place
            self._changed()

    def say_lost(self, clicked: bool) -> None:
        """Say that nothing in the viewer tells where in the field a click is, or the cursor."""
        if self._field is None or not self._is_seen or not (clicked or self.follow.isChecked()):
            return
        rows, columns = self._field.image_shape
        self._note(
            f"No image in the viewer has the bead image's {rows} x {columns} pixels of "
            f"{self._field.pixel[0]:g} µm: open it, or type a place."
        )

    @property
    def _is_seen(self) -> bool:
        """Whether it is in front, or in a window that is not shown at all."""
        window = self.window()
        return self.isVisible() or window is None or not window.isVisible()

    def _build(self) -> None:
        self.note.setWordWrap(True)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.mean.setToolTip("Show the mean over the field again.")
        self.follow.setToolTip(
            "Show the PSF wherever the cursor is over the bead image; a click keeps the place."
        )
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for name, box in (("z", self.z_field), ("y", self.y_field), ("x", self.x_field)):
            # What is beyond the image is told.
            box.setRange(-FARTHEST, FARTHEST)
            box.setKeyboardTracking(False)
            box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)
            box.problem_changed.connect(partial(self._on_problem, box))
            box.setAccessibleName(f"{name} of the place")
            box.setToolTip(
                f"{name} of the place in the bead image, from its first voxel. Press Enter to "
                "show the PSF there."
            )
            box.valueChanged.connect(self._on_typed)
            line = box.lineEdit()
            assert line is not None
            line.returnPressed.connect(self._on_typed)
            row.addWidget(self._z_name if name == "z" else QLabel(name))
            row.addWidget(box, 1)
        row.addWidget(self.follow)
        self.mean.clicked.connect(self._on_mean)
        self.follow.toggled.connect(self._on_follow)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.said, 0, 0)
        layout.addWidget(self.mean, 0, 1)
        layout.addLayout(row, 1, 0, 1, 2)
        layout.addWidget(self.note, 2, 0, 1, 2)
        layout.setColumnStretch(0, 1)

    def _boxes(self, field: PSFField) -> list[tuple[NumberBox, int, float]]:
        """Return the fields of a place, each with the bead image's voxels along it, and their size.

        In the order of `FieldPlace`.
        """
        boxes = [*zip((self.y_field, self.x_field), field.image_shape, field.pixel, strict=True)]
        if field.depth is not None:
            boxes.append((self.z_field, field.depth.planes, field.depth.spacing))
        return boxes

    def _on_mean(self) -> None:
        self.choose(None)

    def _on_problem(self, box: NumberBox) -> None:
        """Say why what was typed is no place."""
        if box.problem is not None:
            self._note(str(box.problem))
        else:
            self._tell()

    def _on_typed(self) -> None:
        field = self._field
        if field is None or any(box.problem for box, _, _ in self._boxes(field)):
            return
        place = FieldPlace(*(box.value() / size for box, _, size in self._boxes(field)))
        if not place.is_in(field):
            last = FieldPlace(*(n - 1 for _, n, _ in self._boxes(field)))
            self._note(f"The bead image ends at {last.text(field)}; type a place in it.")
            return
        self.choose(place)

    def _on_follow(self, follows: bool) -> None:
        if not follows and self._under_cursor is not None:
            self._under_cursor = None
            self._changed()
        self._tell()

    def _changed(self) -> None:
        self._tell()
        self._on_change()

    def _tell(self) -> None:
        """Say what is shown, and show the place in the fields."""
        field, place = self._field, self.place
        self.mean.setEnabled(place is not None)
        if field is None or place is None:
            self.said.setText(MEAN)
            follows = self.follow.isChecked()
            self._note("Move the cursor over the bead image." if follows else HOW_TO)
            return
        under_cursor = self._under_cursor is not None
        self.said.setText(f"at {place.text(field)}{', under the cursor' if under_cursor else ''}")
        if not under_cursor:
            # To paint them takes longer than the cursor takes to move on.
            for (box, _, size), value in zip(self._boxes(field), place, strict=False):
                shown = None if value is None else round(value * size, DIGITS)
                # What was typed stays, with all its digits.
                if shown is not None and round(box.value(), DIGITS) != shown:
                    with QSignalBlocker(box):
                        box.setValue(shown)
        self._note("" if field.is_covered(*place) else BEYOND)

    def _note(self, text: str) -> None:
        if text != self.note.text():
            self.note.setText(text)


def _same(one: PSFField, other: PSFField) -> bool:
    """Return whether two PSFs are of one bead image, such as before and after post-processing."""
    return (one.image_shape, one.pixel, one.depth) == (other.image_shape, other.pixel, other.depth)
