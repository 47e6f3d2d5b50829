"""The part of a widget that tries a region: its button, how far it is, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from weakref import ref

import napari
from magicgui.widgets import PushButton
from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_psf_distiller.deconvolution.attempts import Attempt
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.recipe import Deconvolve
from napari_psf_distiller.widgets.parts.column import row_of_buttons
from napari_psf_distiller.widgets.parts.labels import labelled_row
from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.widgets.parts.sentence import Sentence
from napari_psf_distiller.widgets.prove.panes import Panes
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.progress_bar import TimeLeft
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.trial.shown import ShownTrial
from napari_psf_distiller.widgets.viewer.calm import Calm
from napari_psf_distiller.wording import duration_text

__all__ = ["TrialPart", "one_at_a_time"]

TITLE = "Try on a region"
VIEW = "trial"


class TrialPart(QWidget):
    """Tries a region in a thread, shows the results side by side, and hands on what is chosen.

    Parameters
    ----------
    asked : mapping of str to QWidget
        What chooses the region, by the word beside it.
    read : callable
        Called in the main thread: reads layers and parameters, and returns what makes the
        generator for the thread. An `InputError` from it is shown.
    use : callable
        Takes the settings that are chosen.
    find_viewer : callable
        Returns the viewer, or None.

    Attributes
    ----------
    labels : list of QLabel
        Beside what chooses the region.
    panes : Panes
        What is shown in the viewer for the time being.
    shown : ShownTrial or None
        By the last run.
    use_buttons : list of PushButton
        One for each of what was tried.
    tried : Signal
        The results are there.
    turned : Signal
        A trial begins, or has ended.
    hindrance : callable
        Returns what must end before a trial may start, such as ``"The run"``; "" is nothing.
    """

    tried = Signal()
    turned = Signal()

    def __init__(
        self,
        asked: Mapping[str, QWidget],
        read: Callable[[], Callable[[], Steps[ShownTrial]]],
        use: Callable[[Deconvolve], None],
        find_viewer: Callable[[], "napari.viewer.Viewer | None"],
    ) -> None:
        super().__init__()
        self._read, self._use, self._find_viewer = read, use, find_viewer
        self._background = Background(
            self._on_done,
            self._on_failed,
            progressed=self._on_progress,
            ended=self._on_ended,
        )
        self._calm: Calm | None = None
        self._time_left = TimeLeft()
        self.shown: ShownTrial | None = None
        self.hindrance: Callable[[], str] = str
        self.panes = Panes(self, self.set_buttons)
        self.button = PushButton(
            text="&Try",
            tooltip="Deconvolve the region with the automatic end, with a number of iterations "
            "and with total variation, and show them side by side. Numbers that are chosen above "
            "are tried; the layers are yours, and none of them is changed.",
        )
        self.back = PushButton(
            text="Side by si&de",
            tooltip="Show the region and its results alone. Press again to go back.",
        )
        self.cancel_button = PushButton(text="Cancel", tooltip="Stop after this iteration.")
        self.bar = QProgressBar()
        self.status = Sentence()
        self.notice = Notice()
        self.results = QGridLayout()
        self.results.setContentsMargins(0, 0, 0, 0)
        self.results.setColumnStretch(0, 1)
        self.use_buttons: list[PushButton] = []
        self.labels = [QLabel(word) for word in asked]
        self._lay_out(list(asked.values()))
        self.button.changed.connect(lambda _: self.start())
        self.back.changed.connect(lambda _: self._toggle())
        self.cancel_button.changed.connect(lambda _: self.cancel())
        self.set_buttons()

    def _lay_out(self, choices: Sequence[QWidget]) -> None:
        title = QLabel(f"<b>{TITLE}</b>")
        rows = [labelled_row(*row) for row in zip(self.labels, choices, strict=True)]
        results = QWidget()
        results.setLayout(self.results)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.setSpacing(4)
        buttons = row_of_buttons([self.button, self.back, self.cancel_button])
        for widget in (title, *rows, buttons, self.bar, self.status, self.notice, results):
            layout.addWidget(widget)

    @property
    def running(self) -> bool:
        """Whether a trial is under way."""
        return self._background.running

    @property
    def busy(self) -> bool:
        """Whether a trial is under way, or its layers are on their way."""
        return self.running or self.panes.busy

    def start(self) -> None:
        """Try the region, unless that is under way; what the last trial showed is taken away."""
        if self.running:
            return
        self.notice.say("")
        if hindrance := self.hindrance():
            self._on_failed(f"{hindrance} is under way: wait for it, or cancel it.")
            return
        try:
            work = self._read()
        except InputError as error:
            self._on_failed(str(error))
            return
        self.panes.leave()
        self.shown = None
        self._clear_results()
        self._time_left = TimeLeft()
        self._calm = Calm()
        self.status.setText("running")
        self.bar.setRange(0, 0)
        self._background.ask(work)
        self.set_buttons()
        self.turned.emit()

    def cancel(self) -> None:
        """Stop the trial within an iteration; nothing is added."""
        if self.running:
            self._background.cancel()
            self.status.setText("cancelling")

    def leave(self) -> None:
        """Stop, and show again what was shown before, at once: the widget's dock was closed."""
        self.cancel()
        self._end_calm()
        self.panes.leave_now()

    # --- in the main thread, from the worker

    def _on_progress(self, progress: Progress) -> None:
        left = self._time_left.after(progress)
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.iteration)
        self.status.setText(f"{progress.title} {progress.count}{f', {left}' if left else ''}")

    def _on_done(self, shown: ShownTrial) -> None:
        self.shown = shown
        trial = shown.trial
        sizes = " x ".join(str(part.stop - part.start) for part in trial.region)
        self.status.setText(f"done: a region of {sizes} voxels")
        said = (*trial.notes, *trial.warnings)
        self.notice.say("<br>".join(escape(one, quote=False) for one in said))
        for row, attempt in enumerate(trial.attempts):
            self._add_result(row, attempt)
        self._show()
        self.tried.emit()

    def _on_failed(self, sentence: str) -> None:
        self.status.setText("not done")
        self.notice.say(escape(sentence, quote=False), to_do=True)
        show_error(f"{TITLE}: {sentence}")

    def _on_ended(self) -> None:
        self._end_calm()
        if self._background.cancelled:
            self.status.setText("cancelled")
        self.set_buttons()
        self.turned.emit()

    def _end_calm(self) -> None:
        calm, self._calm = self._calm, None
        if calm is not None:
            calm.end()

    # --- what came of it

    def _add_result(self, row: int, attempt: Attempt) -> None:
        automatic = attempt.settings.iterations is None
        number = f" ({attempt.iterations} iterations)" if automatic else ""
        parts = f", {attempt.pieces} regions" if attempt.pieces > 1 else ""
        text = QLabel(
            f"<b>{escape(attempt.name)}</b>{number}: all in about "
            f"{duration_text(attempt.seconds_for_all)}{parts}"
        )
        text.setToolTip(
            f"{attempt.iterations} iterations, of which one took "
            f"{attempt.seconds_per_iteration:.2g} s in the region, on {attempt.device}; ended by: "
            f"{attempt.why_ended}."
        )
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        button = PushButton(
            text="Use this", tooltip="Put these settings into the fields of this widget."
        )
        button.changed.connect(lambda _: self._use(attempt.settings))
        self.use_buttons.append(button)
        self.results.addWidget(text, row, 0)
        self.results.addWidget(button.native, row, 1)

    def _clear_results(self) -> None:
        self.use_buttons.clear()
        while (item := self.results.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _toggle(self) -> None:
        if self.panes.name:
            self.panes.leave()
        else:
            self._show()

    def _show(self) -> None:
        viewer, shown = self._find_viewer(), self.shown
        if viewer is None or shown is None:
            return
        self.panes.enter(viewer, VIEW, adding=shown.layers, ranges=shown.ranges, point=shown.point)

    def set_buttons(self) -> None:
        """Enable those that can be pressed."""
        if not isalive(self):  # type: ignore[no-untyped-call]
            return
        running = self.running
        self.button.enabled = not running and not self.hindrance()
        self.back.enabled = self.shown is not None and not running
        self.back.text = "&Back" if self.panes.name else "Side by si&de"
        self.cancel_button.enabled = running
        self.bar.setVisible(running)


def one_at_a_time(runner: StepRunner, part: TrialPart) -> None:
    """Keep a widget's run and its trial from being under way at once: they want the same memory."""
    # Qt keeps the part, which must not keep the widget, and all layers with it.
    weakly = ref(runner)

    def run_under_way() -> str:
        own = weakly()
        return "The run" if own is not None and own.running else ""

    part.hindrance = run_under_way
    runner.hindrance = lambda: "The trial" if part.running else ""
    part.turned.connect(runner.set_button)
    runner.started.connect(part.set_buttons)
    runner.ended.connect(part.set_buttons)
