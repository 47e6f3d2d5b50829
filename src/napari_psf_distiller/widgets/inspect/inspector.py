"""The inspector of a PSF: tabs, the drawing of the chosen one, numbers, buttons, its layers."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from magicgui.widgets import FunctionGui, PushButton
from napari.layers import Image
from napari.utils.notifications import show_error
from napari.utils.theme import get_theme
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QTabBar

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.files.saving import Saver
from napari_psf_distiller.widgets.inspect.maps_tab import FieldMapsTab, Mapped
from napari_psf_distiller.widgets.inspect.picture import (
    Colours,
    Drawing,
    Drawn,
    Picture,
)
from napari_psf_distiller.widgets.inspect.place_row import PlaceRow
from napari_psf_distiller.widgets.inspect.pointer import FieldPointer
from napari_psf_distiller.widgets.inspect.presets import PRESETS, Preset
from napari_psf_distiller.widgets.inspect.shown_layers import ShownLayers
from napari_psf_distiller.widgets.inspect.subject import LookedAt, Subject
from napari_psf_distiller.widgets.inspect.view_3d import View3D
from napari_psf_distiller.widgets.inspect.views import (
    FINISHED,
    UNFINISHED,
    Progress,
    draw_compared,
    draw_pictures,
    draw_progress,
    draw_psf_otf,
    draw_psf_profiles,
    save_figure,
    save_profiles,
)
from napari_psf_distiller.widgets.layers.choices import offer_layers, viewer_of
from napari_psf_distiller.widgets.layers.lineage import identity
from napari_psf_distiller.widgets.parts.column import row_of, row_of_buttons, tab_through

__all__ = ["TABS", "TITLE", "Inspector", "inspectors_in"]

TITLE = StepId.INSPECT.title

# Each tab, its text with the letter for the keyboard, and the parameters that count for it.
TABS = {
    "Image": ("&Image", ("kind", "logarithmic", "vmax", "gamma")),
    "Profiles": ("P&rofiles", ("logarithmic_profiles",)),
    "OTF": ("&OTF", ()),
    "Compare": ("Co&mpare", ("other", "vmax", "gamma")),
    "Maps": ("M&aps", ()),
    "Progress": ("Pro&gress", ()),
}

# What can be saved, and how the name of each ends.
FORMATS = {
    "PNG picture": ".png",
    "SVG drawing": ".svg",
    "PDF page": ".pdf",
    "CSV table": ".csv",
}

# A layer up to this size is drawn as soon as it is chosen; a larger one is hardly a PSF, and is
# drawn when somebody asks for it.
UNASKED_VOXELS = 2_000_000

# While a PSF is distilled, what is drawn of it may take this part of the time of one processor.
PREVIEW_SHARE = 0.04

NARROW_TABS = "QTabBar::tab { padding: 3px 0px; }"


_inspectors: WeakSet["Inspector"] = WeakSet()


def inspectors_in(viewer: Viewer) -> list["Inspector"]:
    """Return the inspectors that are open in a viewer."""
    return [inspector for inspector in _inspectors if inspector.viewer is viewer]


class Inspector:
    """The drawings and the 3D view of an Inspect PSF widget.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters of `inspect_psf`.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        self._gui = gui
        self._asked: set[int] = set()
        self._layers = ShownLayers(self.draw)
        self._progress: Progress | None = None
        self._told = ""
        # The identity of the layer whose figures are shown.
        self._numbers_of = ""
        self._viewer: Viewer | None = None
        self.tabs = QTabBar()
        self.place = PlaceRow(self._on_place)
        self._pointer = FieldPointer(self.place.click, self.place.hover, self.place.say_lost)
        self.picture = Picture()
        self.numbers = QLabel()
        self.anyway = PushButton(text="Draw it all the same", visible=False, gui_only=True)
        self.presets = [
            PushButton(text=name, tooltip=preset.tooltip, gui_only=True)
            for name, preset in PRESETS.items()
        ]
        self.save = PushButton(text="Sav&e…", gui_only=True)
        self.view_3d = PushButton(text="View in &3D", gui_only=True)
        self._preset_row = row_of_buttons(self.presets)
        self._saver = Saver(gui.native, TITLE, FORMATS)
        self._view = View3D(self._show_way)
        self.maps_tab = FieldMapsTab(self.draw)
        self._build()
        offer_layers(gui)
        gui.inspector = self
        _inspectors.add(self)
        gui.native.destroyed.connect(self._die)

    @property
    def viewer(self) -> Viewer | None:
        """The viewer that it is in."""
        return viewer_of(self._gui)

    @property
    def busy(self) -> bool:
        """Whether something is being drawn or saved."""
        return any(part.busy for part in (self.picture, self._saver, self._view, self.maps_tab))

    @property
    def tab(self) -> str:
        """The tab that is chosen, by its name in `TABS`."""
        return list(TABS)[self.tabs.currentIndex()]

    @tab.setter
    def tab(self, name: str) -> None:
        self.tabs.setCurrentIndex(list(TABS).index(name))

    def draw(self) -> None:
        """Draw what the chosen tab shows; the picture follows."""
        self._layers.follow((self._chosen("psf"), self._chosen("other")))
        self.anyway.visible = False
        self._set_buttons()
        try:
            drawing = self._drawing()
        except InputError as error:
            self.picture.show_nothing(str(error))
            self._tell(str(error))
            return
        share, about = 1.0, (self.tab, self._chosen("psf"))
        if self.tab == "Progress":
            share, about = PREVIEW_SHARE, (self.tab, None)
            # Known beforehand: so that all is laid out once.
            self.numbers.setText(UNFINISHED if self._in_progress else FINISHED)
        else:
            self._forget_numbers_of_another(self._chosen("psf"))
        self.picture.ask(drawing.draw, self._colours(), share, about)

    def _forget_numbers_of_another(self, layer: Image | None) -> None:
        """Take away what is told of a PSF when another's name stands above."""
        shown = "" if layer is None else identity(layer)
        if shown != self._numbers_of:
            self.numbers.setText("")
        self._numbers_of = shown

    def preview(
        self,
        psf: NDArray[Any] | None,
        spacing: Sequence[float] | None,
        curve: Sequence[tuple[int, float]],
        *,
        gains: bool = True,
    ) -> None:
        """Show an unfinished PSF and the likelihood's curve in the tab Progress.

        The first one since `end_preview` brings the tab to the front. To be called in the main
        thread, as often as one likes: the drawing is made in a thread, and the newest one wins.

        Parameters
        ----------
        psf : numpy.ndarray or None
            (Z, Y, X) or (Y, X); not copied, so it must not change any more.
        spacing : sequence of float or None
            Voxel size in micrometres.
        curve : sequence of (int, float)
            Iteration and log-likelihood.
        gains : bool
            Whether these are gains over the start already, as those of the joint fit.
        """
        first = not self._in_progress
        sizes = None if spacing is None else tuple(float(size) for size in spacing)
        self._progress = Progress(psf, sizes, tuple(curve), gains)
        if first and self.tab != "Progress":
            self.tab = "Progress"
        elif self.tab == "Progress":
            self.draw()

    def end_preview(self, layer: Image | None = None) -> None:
        """Leave the tab Progress, if it is still in front, when the PSF is done.

        Parameters
        ----------
        layer : napari.layers.Image, optional
            The finished PSF, which is then inspected.
        """
        if self._progress is not None:
            # Its curve stays, for whoever asks how it went.
            self._progress = replace(self._progress, finished=True)
        if layer is not None and layer in self._gui.psf.choices:
            self._gui.psf.value = layer
        if self.tab == "Progress":
            self.tab = "Image"

    # --- how it is built

    def _build(self) -> None:
        gui = self._gui
        for text, _ in TABS.values():
            self.tabs.addTab(text)
        self.tabs.setExpanding(True)
        self.tabs.setUsesScrollButtons(False)
        # So that all have room in a large font; where there is more, they share it.
        self.tabs.setStyleSheet(NARROW_TABS)
        self.tabs.setDrawBase(False)
        self.tabs.setToolTip("Choose what is shown; the arrow keys move on.")
        self.tabs.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.tabs.currentChanged.connect(self._on_tab)
        self.numbers.setWordWrap(True)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.numbers.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.picture.drawn.connect(self._on_drawn)
        self.picture.clicked.connect(self._on_clicked)
        self.picture.setAccessibleName("Drawing of the PSF")
        self.save.tooltip = "Save what is shown as PNG, SVG or PDF, or the numbers as CSV."
        self.view_3d.tooltip = (
            "Show the PSF alone in 3D, in true proportions; press again to go back."
        )
        self.anyway.tooltip = "The layer is large, so drawing it takes a while."
        for button, preset in zip(self.presets, PRESETS.values(), strict=True):
            button.changed.connect(lambda _, preset=preset: self._set_preset(preset))
        self.view_3d.changed.connect(lambda _: self._toggle_3d())
        self.save.changed.connect(lambda _: self.ask_to_save())
        self.maps_tab.as_layers.changed.connect(
            lambda _: self.maps_tab.add_layers(self._chosen("psf"), self.viewer)
        )
        self.anyway.changed.connect(lambda _: self._draw_anyway())
        layout: Any = gui.native.layout()
        first = layout.indexOf(row_of(gui.psf, gui.native)) + 1
        # What comes and goes with the tabs stands below them, so that they stay where they are.
        for widget in (self.maps_tab.choice, self._preset_row, self.place, self.tabs):
            layout.insertWidget(first, widget)
        layout.addWidget(self.picture, 1)
        buttons = row_of_buttons([self.save, self.view_3d, self.maps_tab.as_layers])
        for widget in (self.anyway.native, self.numbers, buttons):
            layout.addWidget(widget)
        tab_through(
            [
                gui.psf.native,
                self.tabs,
                *self.place.fields,
                *(button.native for button in self.presets),
            ]
        )
        gui.native_parent_changed.connect(self._on_parent)
        self._on_tab()

    def _on_tab(self) -> None:
        shown = TABS[self.tab][1]
        for name in {name for _, names in TABS.values() for name in names}:
            self._gui[name].visible = name in shown
        self._preset_row.setVisible(self.tab == "Image")
        for widget in (self.maps_tab.choice, self.maps_tab.as_layers.native):
            widget.setVisible(self.tab == "Maps")
        self.draw()

    def _die(self) -> None:
        _inspectors.discard(self)

    def _on_parent(self, parent: Any) -> None:
        if parent is None:
            # The dock was closed, and with it the way back.
            self._view.leave()
            self._layers.follow(())
            self._pointer.watch(None, None, None)
            return
        viewer = self.viewer
        if viewer is not None and viewer is not self._viewer:
            self._viewer = viewer
            viewer.events.theme.connect(self.draw)
            # When there is none left to choose from, the choice does not announce it.
            viewer.layers.events.removed.connect(self.draw)

    # --- drawing

    @property
    def _in_progress(self) -> bool:
        return self._progress is not None and not self._progress.finished

    def _drawing(self) -> Drawing:
        gui, tab = self._gui, self.tab
        if tab == "Progress":
            self.place.setVisible(False)
            if self._progress is None:
                raise InputError(
                    "Nothing is being distilled; the PSF shows here while it is, and afterwards "
                    "how it formed."
                )
            return draw_progress(self._progress)
        looked_at = self._looked_at()
        if tab == "Maps":
            return self.maps_tab.drawing(self._mapped(), self.place.place)
        if tab == "Profiles":
            return draw_psf_profiles(looked_at, gui.logarithmic_profiles.value)
        if tab == "OTF":
            return draw_psf_otf(looked_at)
        if tab == "Compare":
            second = self._chosen("other")
            if second is None:
                raise InputError('Choose a second PSF above, at "with", to compare the two.')
            other = self._subject(second)
            pair = self._layers.pair(looked_at, other)
            return draw_compared(pair, gui.vmax.value, gui.gamma.value)
        return draw_pictures(
            looked_at, gui.kind.value, gui.vmax.value, gui.gamma.value, gui.logarithmic.value
        )

    def _chosen(self, name: str) -> Image | None:
        """Return the layer that is chosen, unless it was deleted since."""
        layer: Image | None = self._gui[name].value
        viewer = self.viewer
        return layer if viewer is None or layer in viewer.layers else None

    def _looked_at(self) -> LookedAt:
        """Return the PSF that is chosen, at the place of the field that is asked for."""
        layer = self._chosen("psf")
        try:
            subject = self._subject(layer)
        except InputError:
            self._ask_place(None, None)
            raise
        self._ask_place(layer, subject.field)
        place = self.place.place
        if place is None:
            return subject
        return self._layers.subject_at(subject, place, self.place.follow.isChecked())

    def _mapped(self) -> Mapped:
        """Return the maps of the PSF that is chosen over its field."""
        layer = self._chosen("psf")
        return self.maps_tab.maps_of(self._subject(layer), layer, self.viewer)

    def _on_clicked(self, left: float, top: float) -> None:
        """Show the PSF of the place that is clicked in a map."""
        field = self.place.field
        place = self.maps_tab.place_at(self.picture.figure, left, top)
        if self.tab == "Maps" and field is not None and place is not None and place.is_in(field):
            self.place.choose(place)

    def _ask_place(self, layer: Image | None, field: PSFField | None) -> None:
        self.place.show_field(field)
        self._pointer.watch(self.viewer, layer, field)

    def _on_place(self) -> None:
        self.draw()
        with contextlib.suppress(InputError):
            self._view.show(self._looked_at())

    def _subject(self, layer: Image | None) -> Subject:
        subject = self._layers.subject(layer)
        voxels = int(np.prod(np.shape(subject.data)))
        if voxels > UNASKED_VOXELS and id(layer) not in self._asked:
            self.anyway.visible = True
            raise InputError(
                f"The layer {subject.name!r} has {voxels / 1e6:.0f} million voxels and is hardly a "
                "PSF. Draw it all the same?"
            )
        return subject

    def _draw_anyway(self) -> None:
        layers = (self._chosen("psf"), self._chosen("other"))
        self._asked = {id(layer) for layer in layers if layer is not None}
        self.draw()

    def _on_drawn(self, drawn: Drawn) -> None:
        if drawn.image is None:
            self._tell(drawn.text, aloud=True)
            return
        self._told = ""
        self.numbers.setText(drawn.text)

    def _tell(self, sentence: str, *, aloud: bool = False) -> None:
        """Take the numbers away; what is wrong with a layer is told once as a notification."""
        self.numbers.setText("")
        if aloud and sentence != self._told:
            show_error(f"{TITLE}: {sentence}")
        self._told = sentence

    def _colours(self) -> Colours:
        viewer = self.viewer
        theme = get_theme("dark" if viewer is None else viewer.theme)
        return Colours(theme.background.as_hex(format="long"), theme.text.as_hex(format="long"))

    def _set_preset(self, preset: Preset) -> None:
        gui = self._gui
        with gui.changed.blocked():
            gui.vmax.value, gui.gamma.value = preset.vmax, preset.gamma
            gui.logarithmic.value = preset.logarithmic
        gui()

    # --- the buttons

    def _set_buttons(self) -> None:
        layer = self._chosen("psf")
        self.view_3d.enabled = self._view.entered or (layer is not None and layer.ndim == 3)
        self.save.enabled = layer is not None
        self._gui.gamma.enabled = self.tab == "Compare" or not self._gui.logarithmic.value

    def ask_to_save(self) -> Any:
        """Open the dialog that saves what is shown, and return it."""
        layer = self._chosen("psf")
        name = "psf" if layer is None else layer.name
        return self._saver.ask(f"{name} {self.tab.lower()}", self._writer)

    def save_to(self, path: str | Path) -> None:
        """Save what is shown, or the profiles if the path ends in .csv, without a dialog."""
        self._saver.save(Path(path), self._writer)

    def _writer(self, path: Path) -> Callable[[], None]:
        if path.suffix.lower() == ".csv" and self.tab == "Maps":
            maps = self._mapped().maps
            return lambda: maps.write_csv(path)
        if path.suffix.lower() == ".csv":
            looked_at = self._looked_at()
            return lambda: save_profiles(path, looked_at)
        drawing = self._drawing()
        return lambda: save_figure(path, drawing)

    def _toggle_3d(self) -> None:
        viewer, layer = self.viewer, self._chosen("psf")
        if self._view.entered:
            self._view.leave()
        elif viewer is None or layer is None or layer.ndim != 3:
            show_error(f"{TITLE}: choose a PSF with the axes z, y and x to view it in 3D.")
        elif self.place.field is not None:
            self._view.enter_at(viewer, layer, self._looked_at(), self._gui.gamma.value)
        else:
            self._view.enter(viewer, layer, self._gui.gamma.value)
        self._set_buttons()

    def _show_way(self) -> None:
        self.view_3d.text = "&Back from 3D" if self._view.entered else "View in &3D"
