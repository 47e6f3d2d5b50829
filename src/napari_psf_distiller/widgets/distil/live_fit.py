"""The PSF follows its beads: who edits the points sees what becomes of it."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Layer, Points
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from psygnal import Signal
from qtpy.compat import isalive
from superqt.utils import qdebounced

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.pipeline import joint_step
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.history import Beads
from napari_psf_distiller.widgets.beads.points import beads_from
from napari_psf_distiller.widgets.distil.joint import TITLE, JointRun, joint_outcome
from napari_psf_distiller.widgets.distil.live_psf import LivePSF
from napari_psf_distiller.widgets.layers.choices import unwrapped
from napari_psf_distiller.widgets.layers.lineage import rewrite, run_of, sign
from napari_psf_distiller.widgets.layers.note import RunNote
from napari_psf_distiller.widgets.layers.record import marked_by_hand
from napari_psf_distiller.widgets.layers.source import placed_now
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.job import Ending, Outcome
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.running.superseding import keep_for_good

__all__ = ["LiveFit"]

# An edit is over when nothing follows it for so many milliseconds: a drag is many.
SETTLED = 100

FITTING = "fitting the edited beads"

# Iterations from one look at the PSF to the next.
PREVIEW_EVERY = 1


class LiveFit:
    """Fits the PSF anew whenever its fitted beads are edited; the last edit counts.

    Parameters
    ----------
    runner : StepRunner
        Of Distil PSF, whose layers are followed from the end of a run to the begin of the next.
    enabled : callable
        Whether edits are to be followed.

    Attributes
    ----------
    followed : Signal
        The PSF's layer shows it as it is after some iterations with the newest edit.
    fitted : Signal
        All layers of the run show the newest edit.
    changed : Signal
        A fit to edited beads began or ended, or the PSF is without an edit of its beads now.
    psf : LivePSF
        What was made of the PSF follows at the first look and in the end.
    """

    followed = Signal()
    fitted = Signal()
    changed = Signal()

    def __init__(self, runner: StepRunner, enabled: Callable[[], bool]) -> None:
        self._runner, self._enabled = runner, enabled
        self._viewer: Viewer | None = None
        self._run: JointRun | None = None
        self._layers: tuple[Layer, ...] = ()
        self._background = Background(
            self._on_fit,
            self._tell_failure,
            progressed=self._on_progress,
            ended=self._on_fit_ended,
        )
        # Whether there are edits that no fit has begun with.
        self._edited = self._updating = False
        # Whether what was made of the PSF shows something of the newest edit.
        self._shown = False
        self.psf = LivePSF()
        self.psf.failed.connect(self._tell_failure)
        self._settled = qdebounced(self._start, timeout=SETTLED)
        # What the PSF was before it began to follow the edit, and the beads that it was fitted to.
        self._psf_before: Any = None
        self._beads_fitted: Beads | None = None
        runner.cancel_button.changed.connect(lambda _: self.cancel())
        runner.started.connect(self.stop)
        runner.ended.connect(self._on_ended)

    @property
    def busy(self) -> bool:
        """Whether an edit is not yet shown."""
        return self._edited or self._background.running or self.psf.busy

    @property
    def fitting(self) -> bool:
        """Whether the PSF is being fitted to edited beads."""
        return self._edited or self._background.busy

    @property
    def behind(self) -> bool:
        """Whether the PSF is without an edit of its beads."""
        return (
            self._beads_fitted is not None
            and self._are_there()
            and not self._beads_fitted.is_like(Beads.of(self._points))
        )

    @property
    def _points(self) -> Points:
        """The layer of the beads."""
        points = self._layers[1]
        assert isinstance(points, Points)
        return points

    def stop(self) -> None:
        """Follow the layers no longer."""
        self._settled.cancel()
        self._edited = False
        self.psf.stop()
        self._background.cancel()
        for layer in self._layers:
            if isinstance(layer, Points):
                layer.events.data.disconnect(self._on_edit)
                layer.events.features.disconnect(self._on_edit)
        if self._viewer is not None:
            self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._layers, self._run, self._viewer = (), None, None
        self._psf_before = self._beads_fitted = None
        self._show_bar(False)

    def _on_ended(self, ending: Ending) -> None:
        job, run = ending.job, ending.found
        if ending.kind != "done" or job is None or not isinstance(run, JointRun):
            return
        self._viewer, self._run = unwrapped(job.viewer), run
        self._layers = ending.layers
        points = self._points
        self._beads_fitted = Beads.of(points)
        points.events.data.connect(self._on_edit)
        points.events.features.connect(self._on_edit)
        self._viewer.layers.events.removed.connect(self._on_removed)

    def _on_removed(self, event: Any) -> None:
        # Nothing is left to follow; what was fitted takes as much memory as the layers did.
        if event.value in self._layers:
            self.stop()

    def _on_edit(self, event: Any) -> None:
        # Before it adds, moves or removes points napari says so too.
        soon = str(getattr(event, "action", "")) in ("adding", "changing", "removing")
        if self._updating or soon:
            return
        if self._enabled():
            self._edited = True
            self._background.cancel()
            self._settled()
        self.changed.emit()

    def _start(self) -> None:
        if self._background.running:
            # It is told to stop; its end starts the next.
            return
        self._edited = self._shown = False
        if self._run is None or not self._are_there():
            self.stop()
            return
        try:
            # The image may have got its voxel size since, and the points with it.
            source = placed_now(self._run.source, self._viewer.layers if self._viewer else ())
            self._run = dataclasses.replace(self._run, source=source)
            beads = beads_from(self._points, source)
        except InputError as error:
            self._tell_failure(str(error))
            return
        if self._psf_before is None:
            self._psf_before = self._layers[2].data
        self._runner.display.say(FITTING)
        self._show_bar(True)
        self._background.ask(partial(_refitted, self._run, beads.table))

    def _are_there(self) -> bool:
        viewer = self._viewer
        return viewer is not None and all(layer in viewer.layers for layer in self._layers)

    def _show_bar(self, shown: bool) -> None:
        """Show how far the fit is, and the button that ends it, or hide them."""
        runner = self._runner
        alive = isalive(runner.progress_bar.native)  # type: ignore[no-untyped-call]
        if runner.running or not alive:
            return
        runner.progress_bar.value = 0
        runner.cancel_button.enabled = shown
        here = shown and runner.display.shows_progress
        runner.progress_bar.visible = runner.cancel_button.visible = here
        self.changed.emit()

    def cancel(self) -> None:
        """Leave the PSF as it was before the edit, of which the beads have it."""
        if self._runner.running or not self.busy:
            return
        self._settled.cancel()
        self._edited = False
        self._background.cancel()
        if self._are_there() and self._psf_before is not None:
            psf = self._layers[2]
            psf.data, self._psf_before = self._psf_before, None
            if (run := run_of(psf)) is not None:
                sign(psf, run)
            self._follow_psf()
        self._runner.display.say(
            "cancelled: the PSF is without the last edit of the beads. Undo it, or edit on."
        )
        self._show_bar(False)

    def _on_progress(self, progress: Progress) -> None:
        if self._background.cancelled:
            return
        self._runner.display.show_progress(FITTING, progress)
        if progress.preview is None or self._edited or not self._are_there():
            return
        # It is all but what it will be; its errors, and the beads', take the longest.
        self._layers[2].data = progress.preview
        if not self._shown:
            # Who looks at it sees the edit now, and then the end: to draw it costs the fit time.
            self._shown = True
            self._follow_psf()
        self.followed.emit()

    def _on_fit(self, done: tuple[JointRun, Outcome]) -> None:
        if self._edited or not self._are_there():
            return
        run, outcome = done
        self._run, self._psf_before = run, None
        self._updating = True
        try:
            for layer, (data, keywords, _) in zip(self._layers, outcome.layers, strict=True):
                rewrite(layer, data, keywords, _refitted_run(run_of(layer), outcome))
            keep_for_good(self._layers[1])
            self._beads_fitted = Beads.of(self._points)
        finally:
            self._updating = False
        self._runner.display.say(outcome.message)
        self._runner.display.warn(outcome.warnings)
        self._follow_psf()
        self.fitted.emit()

    def _follow_psf(self) -> None:
        if self._viewer is not None:
            self.psf.follow(self._viewer, self._layers[2])

    def _on_fit_ended(self) -> None:
        if self._edited:
            self._settled()
        else:
            self._show_bar(False)

    def _tell_failure(self, message: str) -> None:
        self._runner.display.say(f"not done: {message}", failed=True)
        show_error(f"{TITLE}: {message}")


def _refitted_run(run: RunNote | None, outcome: Outcome) -> RunNote | None:
    """Return the record of a run whose layers say something else now."""
    if run is None:
        return None
    return dataclasses.replace(run, warnings=outcome.warnings, message=outcome.message)


def _refitted(run: JointRun, beads: pd.DataFrame) -> Steps[tuple[JointRun, Outcome]]:
    """Fit the PSF to edited beads, and make its layers."""
    array = np.asarray(run.source.data)
    fit = yield from joint_step(array, beads, run.recipe, PREVIEW_EVERY, before=run.fit)
    recipe = marked_by_hand(run.recipe, StepId.FIND_BEADS.value)
    refitted = dataclasses.replace(run, recipe=recipe, fit=fit, found=beads)
    return refitted, joint_outcome(refitted)
