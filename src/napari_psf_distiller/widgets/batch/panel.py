"""The parts of Distil several images that are no fields of its form."""

from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from weakref import ref

import napari
from magicgui.widgets import FunctionGui
from napari.layers import Image
from qtpy.QtCore import QObject, QUrl
from qtpy.QtGui import QDesktopServices, QKeySequence, QShortcut
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_psf_distiller.batch.files import IMAGE_ENDINGS, images_in
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.widgets.batch.run import BatchTask, ListedImage
from napari_psf_distiller.widgets.batch.table import BatchTable
from napari_psf_distiller.widgets.files.reader import read_psf_layer
from napari_psf_distiller.widgets.files.saving import ask_for_folder
from napari_psf_distiller.widgets.layers.choices import is_preview, viewer_of
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.region import (
    Region,
    axes_beside_space,
    regions_along,
    shown_region,
)
from napari_psf_distiller.widgets.layers.source import Source, check_image_layer, source_in
from napari_psf_distiller.widgets.parts.flow import flowing_row
from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.job import Ending
from napari_psf_distiller.widgets.viewer.opening import LayerTuples

__all__ = ["TITLE", "BatchPanel"]

TITLE = "Distil several images"


class BatchPanel(QObject):
    """The list of images, with buttons that add to it and open what came of them.

    Parameters
    ----------
    gui : FunctionGui
        With its `StepRunner`.

    Attributes
    ----------
    table : BatchTable
    problem : Notice
        Says what went wrong.
    buttons : dict of str to QPushButton
        By their text.
    layers_menu : QMenu
        The layers that can be added.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        super().__init__(gui.native)
        # The panel is the widget's: it must not keep it, and all layers with it.
        self._weakly = ref(gui)
        self.table, self.problem = BatchTable(), Notice()
        self._reading: Background[tuple[str, LayerTuples]] = Background(self._show_psf, self.say)
        self.buttons: dict[str, QPushButton] = {}
        adding = self._row(
            {
                "Add files": (self._ask_files, "Add files of bead images to the list."),
                "Add folder": (self._ask_folder, "Add all image files of a folder to the list."),
                "Add layer": (None, "Add a layer of the viewer, or each volume along an axis."),
                "Remove": (self._remove, "Take the selected images off the list, or all if none."),
            }
        )
        self.layers_menu = QMenu(self.buttons["Add layer"])
        self.layers_menu.aboutToShow.connect(self.offer_layers)
        self.buttons["Add layer"].setMenu(self.layers_menu)
        opening = self._row(
            {
                "Open PSF": (self.open_psf, "Add the PSF of the selected image to the viewer."),
                "Open report": (self.open_report, "Open its report in the browser."),
            }
        )
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.table)
        delete.activated.connect(self.table.remove_selected)
        layout = gui.native.layout()
        for place, widget in enumerate((self.table, adding, self.problem)):
            layout.insertWidget(place, widget)
        layout.addWidget(opening)
        self.table.itemSelectionChanged.connect(self._enable)
        gui.runner.started.connect(self._on_started)
        gui.runner.progressed.connect(self._on_progress)
        gui.runner.ended.connect(self._on_ended)
        self._enable()

    def _row(self, actions: dict[str, tuple[Any, str]]) -> QWidget:
        for text, (action, tooltip) in actions.items():
            button = self.buttons[text] = QPushButton(text)
            button.setToolTip(tooltip)
            if action is not None:
                button.clicked.connect(action)
        return flowing_row([self.buttons[text] for text in actions])

    def say(self, sentence: str) -> None:
        """Say what is wrong with the list; "" is nothing."""
        self.problem.say(escape(sentence, quote=False), to_do=True)

    def _viewer(self) -> "napari.viewer.Viewer | None":
        gui = self._weakly()
        return viewer_of(gui) if gui is not None else None

    # --- the list

    def add_paths(self, paths: Sequence[Path]) -> None:
        """Add files, and the image files of folders."""
        try:
            found = [path for one in paths for path in images_in(one)]
        except (InputError, OSError) as error:
            self.say(str(error))
            return
        self.say("")
        known = [image.path.name for image in self.table.images if image.path is not None]
        names = [path.name for path in found]
        self.table.add(
            [
                ListedImage(path.name if (names + known).count(path.name) == 1 else str(path), path)
                for path in found
                if path not in {image.path for image in self.table.images}
            ]
        )

    def offer_layers(self) -> None:
        """Fill the menu of layers."""
        viewer = self._viewer()
        self.layers_menu.clear()
        for layer in viewer.layers if viewer is not None else ():
            if not isinstance(layer, Image) or layer.rgb or is_preview(layer):
                continue
            if own_note(layer.metadata) is not None:
                continue
            self._offer_layer(layer, "")
            for label in axes_beside_space(layer):
                self._offer_layer(layer, label)
        if self.layers_menu.isEmpty():
            action = self.layers_menu.addAction("no image is open")
            assert action is not None
            action.setEnabled(False)

    def _offer_layer(self, layer: Image, label: str) -> None:
        count = axes_beside_space(layer).get(label)
        text = f"{layer.name}: each of {count} along {label}" if label else layer.name
        # What Qt keeps must not keep the layer.
        weakly = ref(layer)

        def add() -> None:
            there = weakly()
            if there is not None:
                self.add_layer(there, label)

        action = self.layers_menu.addAction(text.replace("&", "&&"))
        assert action is not None
        action.triggered.connect(add)

    def add_layer(self, layer: Image, label: str = "") -> None:
        """Add what the viewer shows of a layer, or each volume along one of its axes."""
        viewer = self._viewer()
        try:
            check_image_layer(layer, "a bead image")
            regions = (
                regions_along(layer, label, viewer) if label else [shown_region(layer, viewer)]
            )
        except InputError as error:
            self.say(str(error))
            return
        self.say("")
        # What Qt keeps must not keep the layer.
        weakly = ref(layer)
        self.table.add(
            [
                ListedImage(layer.name + region.text, read=partial(self._read, weakly, region))
                for region in regions
            ]
        )

    def _read(self, weakly: "ref[Image]", region: Region) -> Source:
        """Return a volume of a layer as it is now.

        Raises
        ------
        InputError
            The layer was removed.
        """
        layer, viewer = weakly(), self._viewer()
        if layer is None or viewer is None or layer not in viewer.layers:
            raise InputError(
                "A layer of the list was removed from the viewer: take it off the list too, or add "
                "it again."
            )
        return source_in(layer, region)

    def _remove(self) -> None:
        if self.table.selectedIndexes():
            self.table.remove_selected()
        else:
            self.table.clear_images()

    def _ask_files(self) -> None:
        endings = " ".join(f"*{ending}" for ending in IMAGE_ENDINGS if ending != ".zarr")
        dialog = QFileDialog(self.table, "Add bead images")
        dialog.setNameFilter(f"Images ({endings})")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(lambda paths: self.add_paths([Path(path) for path in paths]))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _ask_folder(self) -> None:
        ask_for_folder(
            self.table, "Add a folder of bead images", lambda path: self.add_paths([path])
        )

    # --- a run and what came of it

    def _on_started(self) -> None:
        self.say("")
        self._set_adding(False)
        self.table.show_rows([])

    def _on_progress(self, _: Progress) -> None:
        gui = self._weakly()
        task = gui.runner.task if gui is not None else None
        if isinstance(task, BatchTask):
            self.table.show_rows(task.rows)

    def _on_ended(self, ending: Ending) -> None:
        self._set_adding(True)
        if isinstance(ending.found, list):
            self.table.show_rows(ending.found)
        if ending.kind == "failed":
            self.say(ending.message)
        self._enable()

    def _set_adding(self, enabled: bool) -> None:
        for text in ("Add files", "Add folder", "Add layer", "Remove"):
            self.buttons[text].setEnabled(enabled)

    def _enable(self) -> None:
        for text in ("Open PSF", "Open report"):
            self.buttons[text].setEnabled(self.table.selected_psf is not None)

    def open_psf(self) -> None:
        """Add the PSF of the selected image to the viewer."""
        chosen = self.table.selected_psf
        if chosen is not None:
            name, path = chosen
            self._reading.ask(lambda: (name, read_psf_layer(str(path))))

    def _show_psf(self, found: tuple[str, LayerTuples]) -> None:
        name, layers = found
        viewer = self._viewer()
        for data, keywords, _ in layers if viewer is not None else ():
            assert viewer is not None
            viewer.add_image(data, **keywords | {"name": f"{name} PSF"})

    def open_report(self) -> None:
        """Open the report of the selected image in the browser."""
        chosen = self.table.selected_psf
        if chosen is not None:
            report = chosen[1].with_name("report.html")
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(report)))
