"""How all widgets of the manifest lie, in windows, themes and fonts of several sizes."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from layout import faults_of, faults_of_window
from napari.layers import Image
from npe2 import PluginManager
from person import Person
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.view import Section
from napari_psf_distiller.widgets.parts.fold import Fold

PLUGIN = "napari-psf-distiller"
SIZES = ((1600, 1000), (1280, 800))
# Of the guide's parameters and of a step's, those that decide which others are shown.
DECIDING = ("method", "microscope")
KNOWN = {"numerical_aperture": 1.2, "wavelength": 0.52, "refractive_index": 1.33}

# A font, a theme, and the size of the window. After a run, each of these once or twice.
Appearance = tuple[int, str, tuple[int, int]]
CORNERS: list[Appearance] = [(9, "dark", SIZES[0]), (16, "light", SIZES[1])]
EACH_FONT: list[Appearance] = [
    (9, "dark", SIZES[0]),
    (12, "light", SIZES[1]),
    (16, "dark", SIZES[1]),
]


@pytest.fixture
def docks(person: Person, bead_layer: Image) -> dict[str, tuple[Any, Any]]:
    """All widgets of the manifest, docked: the docks, and what is in them."""
    widgets = PluginManager.instance().get_manifest(PLUGIN).contributions.widgets
    names = [widget.display_name for widget in widgets]
    assert len(names) > 10
    opened = {name: person.viewer.window.add_plugin_dock_widget(PLUGIN, name) for name in names}
    person.waits(lambda: opened["PSF Distiller"][1].whole)
    return opened


@pytest.fixture
def faults(
    person: Person, docks: dict[str, tuple[Any, Any]], appearance: Any, qtbot: QtBot
) -> Callable[..., list[Any]]:
    """Look at all widgets, one after the other, as they are in several appearances."""

    def look(appearances: list[Appearance], *, thorough: bool = False) -> list[Any]:
        # Not kept: it is gone with its viewer.
        window = person.viewer.window._qt_window
        found = []
        for font, theme, size in appearances:
            appearance.font_size, appearance.theme = font, theme
            window.resize(*size)
            for name, (dock, widget) in docks.items():
                dock.raise_()
                for how in looks(widget, thorough):
                    qtbot.waitUntil(partial(at_rest, widget), timeout=60_000)
                    come_to_rest()
                    wrong = [*faults_of(dock.widget()), *faults_of_window(window, size)]
                    found += [(name, how, font, theme, size, fault) for fault in wrong]
        return found

    return look


def test_nothing_is_cut_or_out_of_line(faults: Callable[..., list[Any]]) -> None:
    assert faults(CORNERS) == []


@pytest.mark.slow
def test_nothing_is_in_any_appearance_after_a_run(
    faults: Callable[..., list[Any]], docks: dict[str, tuple[Any, Any]], person: Person
) -> None:
    guide = docks["PSF Distiller"][1]
    guide.head.bead_diameter.value = 0.1
    for name, value in KNOWN.items():
        guide.head[name].value = value
    guide.run_missing()
    person.waits(lambda: not (guide.chain.under_way or guide.chain.running))
    prove = guide.steps[StepId.PROVE].gui
    prove.iterations.value = 3
    guide.prove()
    person.waits(lambda: prove.panel.proven is not None and not prove.panel.busy)
    assert guide.result.isVisible()
    assert faults(EACH_FONT, thorough=True) == []


def test_long_names_make_no_widget_wider(
    person: Person, docks: dict[str, tuple[Any, Any]], bead_layer: Image
) -> None:
    come_to_rest()
    before = {name: dock.minimumSizeHint().width() for name, (dock, _) in docks.items()}
    bead_layer.name = "beads_200nm_63x_water_NA1.20_slide-07_position-003_2026-01-31.ome.tif"
    for _, widget in docks.values():
        if hasattr(widget, "runner"):
            widget.runner.display.say(f"Not read: /data/microscope/{bead_layer.name}.")
            widget.runner.display.warn((f"/data/microscope/{bead_layer.name} is not alike.",))
    for name, (dock, widget) in docks.items():
        dock.raise_()
        for how in looks(widget):
            come_to_rest()
            assert (name, how, dock.minimumSizeHint().width()) == (name, how, before[name])
            assert [f for f in faults_of(dock.widget()) if bead_layer.name not in f] == []


def looks(widget: Any, thorough: bool = False) -> Iterator[str]:
    """Bring a widget into all that it can look like; yield what it is then."""
    native = widget if isinstance(widget, QWidget) else widget.native
    sections = native.findChildren(Section)
    folds = native.findChildren(Fold)
    for fold in folds:
        fold.button.setChecked(False)
    for section in sections:
        section.header.setChecked(False)
    yield "as it opens"
    for fold in folds:
        fold.button.setChecked(True)
    yield from tabs(native, "unfolded")
    for section in sections:
        if not section.isHidden():
            section.header.setChecked(True)
            yield from tabs(section, section.step.title)
    for name in DECIDING if thorough else ():
        choice = getattr(widget, name, None)
        for value in getattr(choice, "choices", ()):
            choice.value = value
            yield f"{name} {value}"


def tabs(native: QWidget, name: str) -> Iterator[str]:
    shown = [bar for bar in native.findChildren(QTabBar) if bar.isVisibleTo(native)]
    for bar in shown:
        for number in range(bar.count()):
            bar.setCurrentIndex(number)
            yield f"{name}, {bar.tabText(number)}"
        bar.setCurrentIndex(0)
    if not shown:
        yield name


def at_rest(widget: Any) -> bool:
    """Return whether no inspector that is in sight is drawing."""
    inspect = widget.steps[StepId.INSPECT].gui if hasattr(widget, "steps") else widget
    inspector = getattr(inspect, "inspector", None)
    return inspector is None or not (inspector.picture.isVisible() and inspector.busy)


def come_to_rest() -> None:
    for _ in range(10):
        QApplication.processEvents()


# --- what finds that


@pytest.fixture
def panel(qtbot: QtBot) -> QWidget:
    """An empty widget with a column, to be shown."""
    made = QWidget()
    qtbot.addWidget(made)
    QVBoxLayout(made)
    made.resize(300, 400)
    return made


def row(label: str, field: QWidget) -> QWidget:
    made = QWidget()
    layout = QHBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(QLabel(label))
    layout.addWidget(field, 1)
    return made


def found_in(panel: QWidget, *parts: QWidget) -> list[str]:
    layout = panel.layout()
    assert isinstance(layout, QVBoxLayout)
    for part in parts:
        layout.addWidget(part)
    panel.show()
    come_to_rest()
    return faults_of(panel)


def a_cut_label() -> list[QWidget]:
    label = QLabel("a long sentence")
    label.setFixedWidth(30)
    return [label]


def a_label_with_too_long_a_word() -> list[QWidget]:
    label = QLabel("background of it")
    label.setWordWrap(True)
    label.setFixedSize(40, 90)
    return [label]


def a_cut_choice() -> list[QWidget]:
    box = QComboBox()
    box.addItem("where most detail is")
    box.setFixedWidth(60)
    return [box]


def a_cut_number() -> list[QWidget]:
    box = QDoubleSpinBox()
    box.setSpecialValueText("unknown as yet")
    box.setFixedWidth(60)
    return [box]


def a_low_field() -> list[QWidget]:
    box = QComboBox()
    box.setFixedHeight(8)
    return [box]


def a_cut_button() -> list[QWidget]:
    button = QPushButton("Run what is missing")
    button.setFixedWidth(50)
    return [button]


def fields_out_of_line() -> list[QWidget]:
    return [row(text, QComboBox()) for text in ("a", "b", "a very long label")]


def what_scrolls_to_the_side() -> list[QWidget]:
    area = QScrollArea()
    content = QWidget()
    content.setFixedSize(900, 20)
    area.setWidget(content)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return [area]


def a_floating_line() -> list[QWidget]:
    label = QLabel("done")
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    return [label]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (a_cut_label, "'a long sentence' needs"),
        (a_label_with_too_long_a_word, "'background of it' needs"),
        (a_cut_choice, "'where most detail is' needs"),
        (a_cut_number, "'unknown as yet' needs"),
        (a_low_field, "is 8 pixels high and needs"),
        (a_cut_button, "'Run what is missing' needs"),
        (fields_out_of_line, "'a very long label' is +"),
        (what_scrolls_to_the_side, "scrolls sideways"),
        (a_floating_line, "'done' floats"),
    ],
)
def test_what_is_wrong_is_found(
    panel: QWidget, parts: Callable[[], list[QWidget]], said: str
) -> None:
    found = found_in(panel, *parts())
    assert any(said in one for one in found), found


def test_nothing_is_found_where_nothing_is_wrong(panel: QWidget) -> None:
    box = QComboBox()
    box.addItem("one")
    last = QWidget()
    last.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    assert found_in(panel, row("label", box), QPushButton("Run"), QLabel("done"), last) == []
