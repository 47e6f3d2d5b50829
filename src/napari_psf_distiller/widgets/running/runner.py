"""A step in a thread: progress, cancel, one run at a time, and errors as sentences."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from magicgui.widgets import FunctionGui
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress, note_likelihood
from napari_psf_distiller.widgets.help.offer import offer_help
from napari_psf_distiller.widgets.layers.choices import offer_layers, unwrapped
from napari_psf_distiller.widgets.layers.lineage import record_run, rewrite, sign
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, RunNote
from napari_psf_distiller.widgets.layers.record import is_edited
from napari_psf_distiller.widgets.parts.field_notes import FieldNotes, check_typed
from napari_psf_distiller.widgets.parts.keys import CANCEL, RUN, TabsAsSeen, press_by_keys
from napari_psf_distiller.widgets.parts.labels import align_labels
from napari_psf_distiller.widgets.running.adding import add_one_by_one, become
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.display import RunDisplay
from napari_psf_distiller.widgets.running.job import Ending, Job, Outcome
from napari_psf_distiller.widgets.running.progress_bar import ActivityBar, TimeLeft
from napari_psf_distiller.widgets.running.superseding import (
    former_of,
    note_name,
    write_over,
)
from napari_psf_distiller.widgets.viewer.calm import Calm, spinner
from napari_psf_distiller.widgets.viewer.canvas import has_window

__all__ = ["StepRunner"]

# Seconds between two updates of what is shown, and between two of `progressed`: each has the whole
# window painted again, which a machine without a GPU feels.
UPDATE_EVERY = PROGRESSED_EVERY = 0.2


class StepRunner:
    """Runs one step widget's work in a thread.

    Parameters
    ----------
    gui : FunctionGui
        The widget: gets a progress bar, a status line and a Cancel button, and its call button is
        disabled while a run is under way.
    title : str
        The step's name.
    clock : callable
        Returns seconds; it is asked once for each `Progress`.

    Notes
    -----
    A call of the widget starts it. All methods run in the main thread; only the generator runs in
    the worker's.

    Attributes
    ----------
    started : Signal
        A run is under way.
    progressed : Signal of Progress
        Where it stands, some five times a second; a preview or a likelihood that came in between
        is handed on with the next.
    ended : Signal of Ending
        It is over, its layers are there, and the next may be started; not told once the widget is
        gone.
    clock : callable
        See above.
    display : RunDisplay
        What the widget shows of its runs; `status`, `progress_bar` and `cancel_button` are its.
    stand_in : Layer or None
        Shows what the run is making, and becomes the last of its layers.
    hindrance : callable
        Returns what must end before a run may start, such as ``"The trial"``; "" is nothing.
    asking : list of FunctionGui
        The widgets of which no field may have anything in it that cannot be used.
    """

    started = Signal()
    progressed = Signal(Progress)
    ended = Signal(Ending)

    def __init__(
        self,
        gui: FunctionGui[Any, Any],
        title: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title = title
        self.clock = clock
        self._gui = gui
        self._background = Background(
            self._on_done,
            self._on_failed,
            progressed=self._on_progress,
            broke=self._on_error,
            ended=self._on_worked,
        )
        self._running = False
        self._job: Job[Any] | None = None
        self._task: Any = None
        # What the last run wrote, and the layer it worked on, if the next may replace it.
        self._written: tuple[Layer, Layer] | None = None
        self._bar: ActivityBar | None = None
        self._calm: Calm | None = None
        self._alive = True
        # Whether the viewer that a run adds to had a window when it began.
        self._in_window = False
        self._updated = self._told = 0.0
        # What is noted of the run in its layers, and how it ended, once it is known.
        self._run: RunNote | None = None
        self._log_likelihood: list[tuple[int, float]] = []
        self._ending: Ending | None = None
        # Whether the worker is done, and whether its layers are being added.
        self._worked = self._adding = False
        self.stand_in: Layer | None = None
        self.hindrance: Callable[[], str] = str
        self.asking = [gui]
        gui.notes = FieldNotes(gui)
        align_labels(gui)
        TabsAsSeen(gui.native)
        # Whether it told of a preview, and what it still has to tell.
        self._previewed = False
        self._untold: Progress | None = None
        self._time_left = TimeLeft()
        # What the step that is under way has to say.
        self._note = ""
        self._step = ""
        self.display = RunDisplay(gui, self.cancel)
        self.status = self.display.status
        self.cancel_button = self.display.cancel_button
        self.progress_bar = self.display.progress_bar
        if gui.call_button is not None:
            press_by_keys(gui.call_button.native, RUN, gui.native)
        press_by_keys(self.cancel_button.native, CANCEL, gui.native)
        offer_help(gui, title)
        gui.native.destroyed.connect(self._die)
        gui.native_parent_changed.connect(self._on_parent)
        gui.called.connect(self.start)
        if gui.call_button is not None:
            # magicgui enables the button when the call is over; the run that it started is not.
            gui.call_button.changed.connect(lambda _: self.set_button())
        offer_layers(gui)
        # Whoever has the widget can ask whether it is at work, and stop it.
        gui.runner = self

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._running

    @property
    def job(self) -> Job[Any] | None:
        """What is being run."""
        return self._job

    @property
    def task(self) -> Any:
        """What it works on, as its job read it; None while nothing runs."""
        return self._task

    def start(self, job: Job[Any]) -> None:
        """Start a run, unless one is under way."""
        if self.running:
            show_info(f"{self.title} is running already; wait for it or cancel it.")
            return
        if hindrance := self.hindrance():
            # Whoever waits for its end hears of it.
            self._tell_failure(f"{hindrance} is under way: wait for it, or cancel it.")
            self._end()
            return
        try:
            for gui in self.asking:
                check_typed(gui)
            task = job.read()
        except InputError as error:
            self._tell_failure(str(error))
            self._end()
            return
        self._job, self._task = job, task
        self._in_window = has_window(unwrapped(job.viewer))
        self._ending = self._untold = None
        self._worked = self._adding = self._previewed = False
        self._run, self._log_likelihood = record_run(self._gui), []
        self._time_left = TimeLeft()
        self._running = True
        self._step = ""
        self._set_running(True)
        self._set_status("running")
        self._calm = Calm()
        self._background.ask(partial(job.steps, task))
        self.started.emit()
        # Not before the work, which would wait for it.
        QTimer.singleShot(0, partial(self._add_bar, self._run))

    def _add_bar(self, run: RunNote) -> None:
        if not self._is_under_way(run) or not self._alive:
            return
        # napari's bar handles events when it is made; the run may be over with them.
        bar = ActivityBar(self.title)
        if self._is_under_way(run):
            self._bar = bar
        else:
            bar.close()

    def _is_under_way(self, run: RunNote) -> bool:
        return self._running and self._run is not None and self._run.id == run.id

    def cancel(self) -> None:
        """Ask the run to stop; it does within one iteration, and adds nothing."""
        if self._running:
            self._background.cancel()
            self._set_status("cancelling" if self._job is None else self._job.cancelling)

    def relax(self) -> None:
        """Leave Python and the viewer as they were found, though a run is under way."""
        if self._calm is not None:
            self._calm.end()
        self._background.relax()

    def _on_parent(self, parent: Any) -> None:
        # Its dock was closed: whatever is under way goes on to its end, but disturbs nobody.
        if parent is None:
            self.relax()

    def _on_progress(self, progress: Progress) -> None:
        if not self._running or not self._alive:
            return
        if self._bar is not None and self._bar.cancelled:
            self.cancel()
            return
        now = self.clock()
        note_likelihood(self._log_likelihood, progress)
        self._tell_progress(progress, now)
        left = self._time_left.after(progress)
        begun = progress.note or progress.title != self._step
        if begun:
            self._step = progress.title
            self._note = f", {progress.note}" if progress.note else ""
        if now - self._updated < UPDATE_EVERY and not begun:
            return
        self._updated = now
        # Before the bar, which Qt draws at once, and with it all that has changed.
        spinner.turn()
        # Of what is done in one go, or whose count is over, that says nothing.
        counted = progress.total > 1 and progress.iteration < progress.total
        text = f"{progress.title} {progress.count}" if counted else progress.title
        self.display.show_progress(f"{text}{f', {left}' if left else ''}{self._note}", progress)
        if self._bar is not None:
            self._bar.show(progress)

    def _tell_progress(self, progress: Progress, now: float) -> None:
        last = self._untold
        if last is not None and last.title == progress.title:
            progress = replace(
                progress,
                preview=last.preview if progress.preview is None else progress.preview,
                log_likelihood=(
                    last.log_likelihood
                    if progress.log_likelihood is None
                    else progress.log_likelihood
                ),
            )
        # Whoever waits for a first look gets it at once.
        first = progress.preview is not None and not self._previewed
        self._previewed = self._previewed or first
        if now - self._told < PROGRESSED_EVERY and not first:
            self._untold = progress
            return
        self._told, self._untold = now, None
        self.progressed.emit(progress)

    def _on_done(self, outcome: Outcome) -> None:
        # If the viewer was closed in the meantime, there is nowhere to add to.
        if self._alive and self._job is not None:
            self._add_all(outcome, self._job, "done", outcome.message)

    def _on_failed(self, sentence: str) -> None:
        if self._alive:
            self._tell_failure(sentence)

    def _on_error(self, error: Exception) -> None:
        self._ending = Ending("failed", f"It failed unexpectedly: {error}")
        self._set_status("failed")

    def _keep(self, outcome: Outcome, job: Job[Any]) -> None:
        """Add what a cancelled run had to keep."""
        for _, keywords, _ in outcome.layers:
            keywords["name"] += " (unfinished)"
            note = keywords["metadata"][METADATA_KEY]
            keywords["metadata"][METADATA_KEY] = replace(note, unfinished=True)
        self._written = None
        message = f"cancelled; kept unfinished: {outcome.message}"
        self._add_all(outcome, replace(job, replace_for=None), "cancelled", message)

    def _add_all(
        self, outcome: Outcome, job: Job[Any], kind: Literal["done", "cancelled"], message: str
    ) -> None:
        """Add a run's layers one by one; the run has ended when all are there."""
        assert self._run is not None
        run = self._run = replace(
            self._run,
            seconds=time.time() - self._run.time,
            log_likelihood=tuple(self._log_likelihood),
            warnings=outcome.warnings,
            message=message,
        )
        self._adding = True
        viewer, refusals = unwrapped(job.viewer), list[Exception]()

        def add(layer: LayerData, is_last: bool) -> Layer | None:
            try:
                # A widget whose dock was closed outlives the viewer.
                closed = self._in_window and not has_window(viewer)
                return None if closed or not self._alive else self._add(layer, job, run, is_last)
            except Exception as error:
                # Of napari, or of whoever listens to it: the run must end all the same.
                refusals.append(error)
                return None

        def done(added: tuple[Layer, ...]) -> None:
            self._adding = False
            self._ending = Ending(kind, message, added, found=outcome.found)
            self._set_status(message)
            self._warn(outcome.warnings)
            for error in refusals:
                self._tell_failure(f"A layer could not be added: {error}")
            if self._worked:
                self._finish()

        add_one_by_one(outcome.layers, viewer, add, done)

    def _add(self, layer: LayerData, job: Job[Any], run: RunNote, is_last: bool) -> Layer:
        data, keywords, kind = layer
        old, old_source = self._written or (None, None)
        if (
            old is not None
            and job.replace_for is old_source
            and old in job.viewer.layers
            and old.data.shape == data.shape
            and not is_edited(old)
        ):
            rewrite(old, data, keywords, run)
            return old
        viewer = unwrapped(job.viewer)
        former = former_of(viewer.layers, layer, run)
        if former is not None:
            write_over(former, viewer, data, keywords)
            added = former
        elif is_last and kind == "image" and become(self.stand_in, viewer, data, keywords):
            added, self.stand_in = self.stand_in, None
            assert added is not None
        else:
            added = getattr(viewer, f"add_{kind}")(data, **keywords)
        sign(added, run)
        note_name(added)
        self._written = (added, job.replace_for) if job.replace_for is not None else None
        return added

    def _on_worked(self) -> None:
        self._worked = True
        if self._adding:
            # The last layer ends it.
            return
        if self._background.cancelled and self._ending is None:
            kept = self._background.take_kept()
            if kept is not None and self._alive and self._job is not None:
                self._keep(kept, self._job)
                return
            self._ending = Ending("cancelled", "cancelled")
            self._set_status(self._ending.message)
        self._finish()

    def _finish(self) -> None:
        self._running = False
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._alive:
            self._set_running(False)
        calm, self._calm = self._calm, None
        # What hears of the end may start the next run.
        self._end()
        if calm is not None:
            calm.end()

    def _end(self) -> None:
        """Tell how the run ended; what listens may start the next one."""
        ending, self._ending = self._ending or Ending("cancelled", "cancelled"), None
        job, self._job, self._task = self._job, None, None
        # What listens is part of the widget, and gone with it.
        if self._alive:
            self.ended.emit(replace(ending, job=job))

    def _set_running(self, running: bool) -> None:
        self.set_button()
        self.display.set_running(running)

    def set_button(self) -> None:
        """Enable the widget's button where a run may start."""
        if self._gui.call_button is not None and self._alive:
            self._gui.call_button.enabled = not self.running and not self.hindrance()

    def _tell_failure(self, message: str) -> None:
        self._ending = Ending("failed", message)
        if self._alive:
            self.display.say(f"not done: {message}", failed=True)
        show_error(f"{self.title}: {message}")

    def _set_status(self, text: str) -> None:
        if self._alive:
            self.display.say(text)

    def _warn(self, warnings: tuple[str, ...]) -> None:
        """Show the warnings, and let napari point to them: what it tells is cut, and goes."""
        if not self._alive or not warnings:
            return
        self.display.warn(warnings)
        count = "a warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
        show_warning(f"{self.title}: {count}, below its button.")

    def _die(self) -> None:
        self._alive = False
        self.cancel()
