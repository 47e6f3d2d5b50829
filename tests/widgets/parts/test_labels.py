"""Fields stand in line beside their labels, and are not pushed out of the dock by them."""

from typing import Any

from magicgui import magicgui

from napari_psf_distiller.widgets.parts.column import label_of
from napari_psf_distiller.widgets.parts.labels import MOST_WIDTH, align_labels

LONG = "what a field asks for that is not said in one word"


def test_fields_that_come_with_another_choice_have_room_too(qtbot: Any) -> None:
    @magicgui(long={"label": LONG})
    def gui(long: str = "", wide: str = "") -> None: ...

    qtbot.addWidget(gui.native)
    gui.wide.native.setMinimumWidth(300)
    align_labels(gui)
    gui.wide.visible = False
    gui.show()
    label = label_of(gui.long, gui.native)
    assert label is not None
    assert label.text() == LONG
    assert label.width() + 300 <= MOST_WIDTH
