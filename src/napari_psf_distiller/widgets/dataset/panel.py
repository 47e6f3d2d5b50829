"""What Deconvolve data set shows beside its fields: what is found, errors, failures, the result."""

import re
from html import escape
from pathlib import Path
from typing import Any
from weakref import ref

import napari
from magicgui.widgets import FunctionGui, PushButton
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QPlainTextEdit

from napari_psf_distiller.deconvolution.datasets.run import DeconvolvedDataset
from napari_psf_distiller.deconvolution.datasets.survey import Survey, survey
from napari_psf_distiller.widgets.dataset.place import PlaceChoice
from napari_psf_distiller.widgets.dataset.psfs import PSFRows
from napari_psf_distiller.widgets.files.reader import PLUGIN
from napari_psf_distiller.widgets.files.zarr_reader import get_zarr_reader
from napari_psf_distiller.widgets.layers.choices import viewer_of
from napari_psf_distiller.widgets.parts.column import row_of
from napari_psf_distiller.widgets.parts.labels import align_labels
from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.widgets.parts.sentence import Sentence
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.job import Ending
from napari_psf_distiller.widgets.viewer.opening import open_by
from napari_psf_distiller.widgets.viewer.viewpoint import fill_view

__all__ = ["CANCELLING", "TITLE", "DatasetPanel"]

TITLE = "Deconvolve data set"

# Which field an error is about, if it does not name what is typed there.
ABOUT = {
    "source": r"No data set",
    "output": r"No output|^The folder .* is not there",
    "psf": r"\bPSF",
    "voxel_size": r"voxel size|spacing",
    "memory": r"\bGiB\b|memory",
    "workers": r"number of workers",
}

# Said at once when a run is cancelled.
CANCELLING = "stopping: the regions under way are given up, which takes some seconds"

KEPT = (
    "Regions that are done are kept in the output. Press Deconvolve data set again to do the rest; "
    "until then, what is not done is 0."
)


class DatasetPanel(QObject):
    """The parts of a Deconvolve data set widget that are no fields of its form.

    Parameters
    ----------
    gui : FunctionGui
        With its `StepRunner`.

    Attributes
    ----------
    psfs : PSFRows
    place : PlaceChoice
    found : Sentence
        What the data set has.
    notices : dict of str to Notice
        Below each field, by its name: what is wrong there.
    failures : QPlainTextEdit
        Which regions could not be done, and why.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        super().__init__(gui.native)
        # The panel is the widget's: it must not keep it, and all layers with it.
        self._weakly = ref(gui)
        self._background = Background(self._on_survey, self._on_no_survey)
        self.survey: Survey | None = None
        self.psfs = PSFRows(self.find_viewer, lambda: self.say("psf", ""), align_labels(gui).add)
        self.place = PlaceChoice(self.find_viewer)
        self.found, self.failures = Sentence(), QPlainTextEdit()
        self.found.setVisible(False)
        self.failures.setReadOnly(True)
        self.failures.setMaximumHeight(110)
        self.failures.setVisible(False)
        self.kept = Notice()
        self.open_button = PushButton(
            text="&Open result",
            tooltip="Open the output in the viewer; nothing is loaded before it is shown.",
            visible=False,
        )
        self.notices: dict[str, Notice] = {}
        layout = gui.native.layout()
        for name in ("source", "output", "voxel_size", "workers", "scheduler", "memory"):
            notice = self.notices[name] = Notice()
            layout.insertWidget(layout.indexOf(row_of(gui[name], gui.native)) + 1, notice)
            gui[name].changed.connect(lambda _, name=name: self.say(name, ""))
        self.notices["psf"] = Notice()
        place = layout.indexOf(self.notices["source"]) + 1
        for widget in (self.notices["psf"], self.psfs, self.found):
            layout.insertWidget(place, widget)
        for below in (self.kept, self.failures, self.open_button.native):
            layout.addWidget(below)
        gui.source.changed.connect(lambda _: self.look())
        gui.output.changed.connect(lambda _: self._set_open())
        self.open_button.changed.connect(lambda _: self.open_result())
        gui.runner.started.connect(self._on_started)
        gui.runner.ended.connect(self._on_ended)

    @property
    def looking(self) -> bool:
        """Whether the data set is being looked at."""
        return self._background.running

    def find_viewer(self) -> "napari.viewer.Viewer | None":
        """Return the viewer that the widget is docked in."""
        gui = self._weakly()
        return viewer_of(gui) if gui is not None else None

    def say(self, field: str, sentence: str) -> None:
        """Say beside a field what is wrong there; "" is nothing."""
        self.notices[field].say(escape(sentence, quote=False), to_do=True)

    # --- what is found

    def look(self) -> None:
        """Look at the data set whose folder is chosen, in a thread."""
        gui = self._weakly()
        self.survey = None
        self._tell_found("")
        if gui is None or gui.source.value is None:
            return
        path = Path(gui.source.value)
        self._tell_found("looking ...")
        self._background.ask(lambda: survey(path))

    def _tell_found(self, text: str) -> None:
        self.found.setText(text)
        self.found.setVisible(bool(text))

    def _on_survey(self, found: Survey) -> None:
        self.survey = found
        self._tell_found(str(found))
        self.place.show_survey(found)
        self.psfs.show_channels(found.channels, named=found.named)

    def _on_no_survey(self, sentence: str) -> None:
        self._tell_found("")
        self.say("source", sentence)

    # --- a run

    def _on_started(self) -> None:
        self.failures.setVisible(False)
        self.kept.say("")
        for name in self.notices:
            self.say(name, "")

    def _on_ended(self, ending: Ending) -> None:
        done = ending.found
        if ending.kind == "failed":
            field = self._field_of(ending.message)
            if field:
                self.say(field, ending.message)
        elif ending.kind == "cancelled":
            self.kept.say(KEPT)
        if isinstance(done, DeconvolvedDataset) and done.failed:
            self.failures.setPlainText("\n".join(done.failed))
            self.failures.setVisible(True)
            self.kept.say(
                "Some regions could not be done; the others are written. Correct what the list "
                "says, and press Deconvolve data set again: only what failed is done."
            )
        self._set_open()

    def _field_of(self, sentence: str) -> str:
        """Return which field an error is about; "" if that cannot be told."""
        gui = self._weakly()
        if gui is None:
            return ""
        for name in ("scheduler", "output", "source"):
            value = gui[name].value
            if value and str(value) in sentence:
                return name
        return next((name for name, words in ABOUT.items() if re.search(words, sentence)), "")

    # --- the result

    def _set_open(self) -> None:
        gui = self._weakly()
        output = gui.output.value if gui is not None else None
        self.open_button.visible = (
            output is not None and output.suffix.lower() == ".zarr" and output.is_dir()
        )

    def open_result(self) -> None:
        """Open the output, of several images its first, and look at it; nothing is loaded yet."""
        gui, viewer = self._weakly(), self.find_viewer()
        if gui is None or viewer is None:
            return
        output = gui.output.value
        read = get_zarr_reader(str(output))
        if read is None:
            show_error(f"{TITLE}: {output} is no OME-Zarr, or is damaged.")
            return
        opened = open_by(viewer, output, read, PLUGIN)
        for layer in opened:
            # The file says the range of all that could be, and not of what is there.
            layer.reset_contrast_limits()
        if opened:
            fill_view(viewer, opened)
