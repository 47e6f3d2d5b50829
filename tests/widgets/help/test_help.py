"""The guide in the viewer: it opens where a widget, or a field, is explained."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import pytest
from napari.layers import Image
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.help import pages
from napari_psf_distiller.widgets.help.pages import CHAPTERS, PAGES, page_text, slug_of
from napari_psf_distiller.widgets.help.window import HelpWindow
from napari_psf_distiller.widgets.parts.column import label_of

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^][]*\]\(([^)\s#]*)(#[^)\s]*)?\)")


@pytest.fixture
def shown(qtbot: Any) -> HelpWindow:
    made = HelpWindow()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("name", PAGES)
def test_each_link_leads_somewhere_and_no_picture_is_missing(name: str) -> None:
    text = page_text(name)
    assert "![" not in text
    for target, anchor in LINK.findall(text):
        if target.startswith("http"):
            continue
        assert target in ("", *PAGES), target
        headings = HEADING.findall(page_text(target or name))
        assert not anchor or anchor[1:] in map(slug_of, headings), anchor


def test_each_widget_has_a_chapter() -> None:
    headings = HEADING.findall(page_text("guide.md"))
    assert [title for title, heading in CHAPTERS.items() if heading not in headings] == []


def test_a_page_that_is_not_there_is_said(
    shown: HelpWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "INSTALLED", tmp_path)
    monkeypatch.setattr(pages, "REPOSITORY", tmp_path)
    with pytest.raises(InputError, match=r"The page guide\.md is not installed"):
        page_text("guide.md")
    shown.show_page()
    assert "is not installed" in shown.browser.toPlainText()


def test_it_opens_at_a_heading_and_at_a_row(shown: HelpWindow) -> None:
    shown.show_page(heading="Find beads")
    assert shown.shown_text == "Find beads"
    # By its anchor too, as links have it, and at a row of the table there.
    shown.show_page(heading="distil-psf", row="refractive index")
    assert shown.shown_text == "refractive index"
    assert shown.browser.textCursor().selectedText() == "refractive index"
    # Of what is said to be as above, where that is.
    shown.show_page(heading="distil-psf", row="bead diameter (µm)")
    below = shown.browser.textCursor().block().next()
    assert below.text().startswith("its blur is taken out of the PSF")
    # What there is not is no reason to show nothing.
    shown.show_page(heading="Distil PSF", row="no such field")
    assert shown.shown_text == "Distil PSF"
    shown.show_page(heading="no such heading")
    assert shown.shown_text == "From the first bead slide to a deconvolved image"


def test_links_are_followed(shown: HelpWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.host()))
    shown.show_page()
    for link in ("#keyboard", "https://napari.org/stable", "glossary.md#beads"):
        shown.browser.anchorClicked.emit(QUrl(link))
        if link == "#keyboard":
            assert shown.shown_text == "Keyboard"
    assert shown.shown_text == "Beads"
    assert opened == ["napari.org"]


@pytest.mark.parametrize("title", [title for title in CHAPTERS if title != "PSF Distiller"])
def test_each_widget_opens_its_chapter(
    viewer: napari.Viewer, user: Any, add_small: Callable[..., Image], qtbot: Any, title: str
) -> None:
    add_small()
    gui = user.opens(title)
    qtbot.mouseClick(gui.help.button, Qt.MouseButton.LeftButton)
    assert gui.help.window.shown_text == CHAPTERS[title]
    # The same window again.
    before = gui.help.window
    gui.help.show()
    assert gui.help.window is before
    before.close()


def test_a_click_on_a_field_s_name_and_f1_lead_to_that_field(
    make_napari_viewer: Callable[..., napari.Viewer], user_of: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    gui = user_of(viewer).opens("Distil PSF")
    label = label_of(gui.bead_diameter, gui.native)
    assert label is not None
    qtbot.mouseClick(label, Qt.MouseButton.LeftButton)
    assert gui.help.window.shown_text == "bead diameter (µm)"
    gui.help.window.close()
    viewer.window._qt_window.activateWindow()
    gui.numerical_aperture.native.setFocus()
    qtbot.waitUntil(gui.numerical_aperture.native.hasFocus)
    qtbot.keyClick(gui.numerical_aperture.native, Qt.Key.Key_F1)
    assert gui.help.window.shown_text == "numerical aperture"
    gui.help.window.close()


def test_each_field_of_each_widget_has_its_place_in_the_guide(
    viewer: napari.Viewer, user: Any, add_small: Callable[..., Image]
) -> None:
    add_small()
    missing = []
    for title in CHAPTERS:
        dock, opened = viewer.window.add_plugin_dock_widget("napari-psf-distiller", title)
        gui = opened.head if title == "PSF Distiller" else opened
        # What runs it has the name of its chapter, or is explained by its first lines.
        fields = [field for field in gui if field.name not in ("viewer", "call_button")]
        names = [str(getattr(field, "text", "") or field.label) for field in fields]
        assert names
        for name in names:
            gui.help.show(name)
            if gui.help.window.shown_text != name:
                missing.append((title, name))
        gui.help.window.close()
        dock.close()
    assert missing == []
