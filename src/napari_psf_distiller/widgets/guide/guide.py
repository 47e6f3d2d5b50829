"""The guide PSF Distiller: from an image of beads to its PSF, step by step."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import napari
from magicgui.widgets import FunctionGui
from napari.layers import Image, Layer
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.distil.live_fit import LiveFit
from napari_psf_distiller.widgets.files.attending import attend_to
from napari_psf_distiller.widgets.guide.chain import Chain, choose
from napari_psf_distiller.widgets.guide.file_row import WITH_THE_PSF, FileRow
from napari_psf_distiller.widgets.guide.files import PSFMade, psf_made
from napari_psf_distiller.widgets.guide.head import asked_once, is_bead_image, show_scale_notice
from napari_psf_distiller.widgets.guide.parameters import (
    HEAD,
    HEAD_ID,
    Memory,
    left_out,
    set_values,
    values_of_recipe,
)
from napari_psf_distiller.widgets.guide.result import (
    REFITTED,
    WITHOUT_EDIT,
    ResultPanel,
    result_text,
)
from napari_psf_distiller.widgets.guide.run_bar import RunBar
from napari_psf_distiller.widgets.guide.step_list import StepList
from napari_psf_distiller.widgets.guide.steps import GuideStep, Standing, State, make_steps
from napari_psf_distiller.widgets.guide.view import INDENT, is_dark
from napari_psf_distiller.widgets.guide.welcome import Welcome
from napari_psf_distiller.widgets.layers.choices import is_preview, offer, unwrapped
from napari_psf_distiller.widgets.layers.source import voxel_size_of
from napari_psf_distiller.widgets.layers.voxel_size import differs, voxel_size_in_use
from napari_psf_distiller.widgets.microscope.part import MicroscopePart
from napari_psf_distiller.widgets.parts.column import Column, label_of, row_of
from napari_psf_distiller.widgets.parts.docks import stand_together
from napari_psf_distiller.widgets.parts.fold import Fold
from napari_psf_distiller.widgets.parts.keys import (
    CANCEL,
    RUN,
    SAVE_PSF,
    TabsAsSeen,
    leave_keys,
    press_by_keys,
    with_keys,
)
from napari_psf_distiller.widgets.parts.labels import align_labels

__all__ = ["Guide"]

# Milliseconds after a change until the guide looks again.
LOOK_AFTER = 30

# A layer's events after which a step may stand differently.
CHANGES = ("data", "paint", "features", "metadata")


class Guide(QWidget):
    """The steps from an image of beads to its PSF, each with where it stands.

    Parameters
    ----------
    viewer : napari.Viewer
    head : FunctionGui, optional
        What is asked once, see `asked_once`; made here if it is not given.
    steps : iterable of GuideStep, optional
        See `make_steps`; made here if they are not given. If they are, `put_in` shows them.

    Attributes
    ----------
    head : FunctionGui
        What is asked once.
    microscope : MicroscopePart
        Microscopes that are kept by name, and what the image's file says.
    steps : dict of StepId to GuideStep
        In their order; ``steps[StepId.DISTILL].gui`` is the step's widget, and its
        ``runner`` the one that runs it.
    sections : dict of StepId to Section
        How the steps are shown.
    run_button, cancel_button : QPushButton
    files : FileRow
        What is saved, exported and loaded.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        head: FunctionGui[Any, Any] | None = None,
        steps: Iterable[GuideStep] | None = None,
    ) -> None:
        super().__init__()
        self._viewer = unwrapped(viewer)
        self.head = asked_once() if head is None else head
        offer(self.head.image, self._viewer, unwrapped, is_bead_image)
        made = make_steps() if steps is None else steps
        self.steps: dict[StepId, GuideStep] = {step.id: step for step in made}
        # Before the step is laid out, which has such a part of its own elsewhere.
        distil = self.steps[StepId.DISTILL].gui
        self.microscope = MicroscopePart(self.head, distil)
        distil.microscope_part = self.head.microscope_part = self.microscope
        self._guis = {HEAD_ID: self.head} | {
            step.id.value: step.gui for step in self.steps.values()
        }
        self.chain = Chain(self._viewer, self.head, self.steps)
        self._standings: dict[StepId, Standing] = {}
        # What is said, as long as all steps stand so.
        self._message = ""
        self._said_of: tuple[State, ...] = ()
        # Whether the PSF was shown while it formed.
        self._watched = False
        self._listening: set[int] = set()
        self.destroyed.connect(self.chain.leave)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(LOOK_AFTER)
        self._look.timeout.connect(self.refresh)
        self._memory = Memory(self._guis, self)
        self._lay_out()
        self._memory.read()
        # What the image says counts before what was given in an earlier session.
        self.microscope.file.remember()
        self._connect()
        attend_to(self._viewer)
        if steps is None:
            for _ in self.put_in():
                pass
        self.refresh()

    @property
    def _alive(self) -> bool:
        return not self.chain.left

    @property
    def _live_fit(self) -> LiveFit:
        live: LiveFit = self.steps[StepId.DISTILL].gui.live_fit
        return live

    # --- what is shown

    def _lay_out(self) -> None:
        self.bar = RunBar()
        self.run_button, self.cancel_button = self.bar.run, self.bar.cancel
        self.status = self.bar.status
        self.deconvolve_too = QCheckBox("deconvolve too")
        self.deconvolve_too.setToolTip(
            "Run Deconvolve after the PSF is there: its use, and its test. It takes the longest."
        )
        self.files = FileRow(self._psf_made, self._say, self._use_recipe, self.reset, self._suggest)
        self.prove_button = QPushButton("Prove PSF")
        self.prove_button.setToolTip("Deconvolve the beads with their PSF: do they become points?")
        self.result = ResultPanel(
            [self.prove_button, *(self.files.buttons[text] for text in WITH_THE_PSF)]
        )
        self.welcome = Welcome(self._viewer, self._tell_failure)
        # The method that is best in most cases need not be looked at.
        self.fold = Fold("More: method, note, recipes")
        labels = align_labels(self.head)
        method = label_of(self.head.method, self.head.native)
        if method is not None:
            labels.add(method)
        for step in self.steps.values():
            align_labels(step.gui).stand_with(labels, INDENT)
        for widget in (row_of(self.head.method, self.head.native), self.deconvolve_too, self.files):
            self.fold.rows.addWidget(widget)
        self.column = Column()
        for part in (self.welcome, self.head.native, self.fold):
            self.column.column.addWidget(part)
        self.column.column.addSpacing(6)
        self._list = StepList(self.chain, self.column)
        self.sections = self._list.sections
        self.column.column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addWidget(self.result)
        layout.addWidget(self.column, 1)
        layout.addWidget(self.bar)
        self._tabs = TabsAsSeen(self)
        for button, keys in (
            (self.run_button, RUN),
            (self.cancel_button, CANCEL),
            (self.files.buttons["Save PSF"], SAVE_PSF),
        ):
            press_by_keys(button, keys, self)

    def _connect(self) -> None:
        self.run_button.clicked.connect(self.run_missing)
        self.cancel_button.clicked.connect(self.cancel)
        self.deconvolve_too.toggled.connect(self._look_again)
        self.prove_button.clicked.connect(self.prove)
        self.welcome.opened.connect(self._try)
        for step in self.steps.values():
            if step.runner is not None:
                # Bar and Cancel are in the footer, always in sight.
                step.runner.display.shows_progress = False
                step.runner.display.changed.connect(self._on_display)
        for gui in self._guis.values():
            gui.changed.connect(self._on_parameter)
        self.head.changed.connect(self._on_head)
        self._list.changed.connect(self._look_again)
        self.chain.changed.connect(self._look_again)
        self.chain.turned_to.connect(self.open)
        self.chain.ended.connect(self._on_chain_ended)
        runner = self.steps[StepId.DISTILL].runner
        assert runner is not None
        runner.progressed.connect(self._on_progress)
        self._live_fit.changed.connect(self._look_again)
        self._viewer.events.theme.connect(self._look_again)
        # Of time points and channels, the one that is shown counts.
        self._viewer.dims.events.point.connect(self._look_again)

    def put_in(self) -> Iterator[None]:
        """Put the steps into the guide, one each time."""
        for section in self._list.put_in():
            leave_keys(section.step.gui.native)
            yield
        self._tabs.set_order()
        self.reset_choices()
        self.refresh()

    def standing(self, step: StepId) -> Standing:
        """Return where a step stands at present."""
        return self.chain.standings()[step]

    def refresh(self) -> None:
        """Look where all steps stand, hand layers on, and show it."""
        if not self._alive:
            return
        for layer in self._viewer.layers:
            self._listen(layer)
        show_scale_notice(self.head)
        # Another channel may be shown now.
        self.microscope.file.look()
        self.chain.follow()
        self._standings = self.chain.standings()
        if self._states() != self._said_of:
            self._message = ""
        self._list.show(self._standings, is_dark(self._viewer.theme))
        busy = self.chain.running or self.chain.under_way
        missing = self.chain.missing(self.deconvolve_too.isChecked())
        has_image = self.chain.image is not None
        self.run_button.setEnabled(has_image and not busy and bool(missing))
        told = f"Runs {_titles(missing)}." if missing else "All is done."
        self.run_button.setToolTip(with_keys(told, RUN))
        fitting = self._live_fit.fitting
        self.bar.show_busy(busy or fitting)
        self.bar.show_theme(self._viewer.theme)
        self.prove_button.setEnabled(not busy)
        self.welcome.setVisible(not has_image)
        behind = "" if not self._live_fit.behind else REFITTED if fitting else WITHOUT_EDIT
        self.result.show_result(result_text(self._viewer.layers, self._standings, behind))
        self.head.scale_button.look(busy)
        self.head.scale_button.visible = differs(self.chain.image, self.head.voxel_size.value)
        has_psf = self._standings[StepId.POSTPROCESS].layer is not None
        self.files.enable_writing(has_psf)
        if not self._show_run():
            self.status.setText(self._message or self._advice(missing))
        if self.chain.under_way and not self.chain.running:
            # Here, so that layers which are just being added are all there.
            self.chain.run_next()

    def _advice(self, missing: list[StepId]) -> str:
        if self.chain.image is None:
            return "Open an image of fluorescent beads, or a sample under File > Open Sample."
        if missing:
            return f"Missing: {_titles(missing)}."
        return "All is done."

    def _show_run(self) -> bool:
        """Show the run that is under way, and return whether there is one."""
        running = [step for step in self.steps.values() if step.running]
        if not running and self._live_fit.fitting:
            running = [self.steps[StepId.DISTILL]]
        if running and running[0].runner is not None:
            self.bar.follow(running[0].runner.display)
        return bool(running)

    def _on_display(self) -> None:
        if self._alive:
            self._show_run()

    def _psf_made(self) -> PSFMade:
        return psf_made(self._viewer, self.chain.image)

    def _suggest(self) -> str:
        image = self.chain.image
        return image.name if image is not None else "PSF"

    def _tell_failure(self, sentence: str) -> None:
        self._say(sentence)
        show_error(f"{HEAD}: {sentence}")

    def _say(self, message: str) -> None:
        if not self._alive:
            return
        self._standings = self.chain.standings()
        self._message, self._said_of = message, self._states()
        self._look_again()

    def _on_progress(self, progress: Progress) -> None:
        # Who has the PSF made for him sees how it forms.
        if progress.preview is not None and self.chain.under_way and not self._watched:
            self._watched = True
            self.open(StepId.INSPECT)

    def _on_chain_ended(self, message: str) -> None:
        if self._alive and self.standing(StepId.POSTPROCESS).state is State.DONE:
            self.open(StepId.INSPECT)
        self._say(message)

    def _states(self) -> tuple[State, ...]:
        return tuple(standing.state for standing in self._standings.values())

    def _look_again(self, _event: Any = None) -> None:
        if self._alive:
            self._look.start()

    def open(self, step: StepId) -> None:
        """Open a step, and close the others."""
        self._list.open(step)

    # --- what changes

    def reset_choices(self, _event: Any = None) -> None:
        """Offer the layers that are there now; napari calls this when they change."""
        if not self._alive:
            return
        for asker, gui in self._guis.items():
            # It would draw whatever it comes to show; so only what is asked for.
            with gui.changed.blocked() if asker == StepId.INSPECT.value else nullcontext():
                gui.reset_choices()
        self._look.start()

    def event(self, event: QEvent | None) -> bool:
        """Look for the viewer's layers when the guide is put into its window."""
        put = event is not None and event.type() == QEvent.Type.ParentChange
        if put and hasattr(self, "_look"):
            self.reset_choices()
            stand_together(self)
            if self.parentWidget() is None:
                self.relax()
        return bool(super().event(event))

    def relax(self) -> None:
        """Leave Python and the viewer as they were found, though a step may be running."""
        for step in self.steps.values():
            if step.runner is not None:
                step.runner.relax()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Offer the layers that are there when it is shown."""
        self.reset_choices()
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Write parameters that were just changed."""
        self._memory.write_now()
        super().hideEvent(event)

    def _listen(self, layer: Layer) -> None:
        # What only shows a result while it forms changes often, and no step stands on it.
        if id(layer) in self._listening or is_preview(layer):
            return
        self._listening.add(id(layer))
        for name in CHANGES:
            emitter = getattr(layer.events, name, None)
            if emitter is not None:
                emitter.connect(self._look_again)
        for name in ("scale", "units"):
            getattr(layer.events, name).connect(self._on_scale)

    def _on_scale(self, event: Any) -> None:
        if self._alive and event.source is self.chain.image:
            self._show_voxel_size(voxel_size_of(self.chain.image))

    def _show_voxel_size(self, spacing: tuple[float, ...] | None) -> None:
        self.head.voxel_size.value = ((0.0,) * 3 + (spacing or ()))[-3:]

    def _on_parameter(self, *_: Any) -> None:
        self._message = ""
        self._look.start()
        self._memory.note_change()

    def _on_head(self, *_: Any) -> None:
        self.chain.follow()

    # --- what is run

    def run_missing(self) -> None:
        """Run the steps that are missing or out of date, up to the PSF."""
        self._message, self._watched = "", False
        if self.chain.image is None:
            self._tell_failure("No bead image is chosen. Open one and choose it.")
            return
        self.chain.run_missing(self.deconvolve_too.isChecked())
        self._look.start()

    def cancel(self) -> None:
        """Stop what is running, be it steps or a fit to edited beads."""
        self.chain.cancel()
        self._live_fit.cancel()

    def prove(self) -> None:
        """Run Prove PSF on the newest PSF."""
        self.chain.follow()
        self.open(StepId.PROVE)
        self.steps[StepId.PROVE].gui()

    def _try(self, sample: Image) -> None:
        """Distil the PSF of a sample that was opened here, whose beads are known."""
        choose(self.head.image, sample)
        self.refresh()
        if self.microscope.file.contradicted:
            # Another microscope than the sample's is filled in; it is told there what is to do.
            self._say("The sample is open. Look at what is known of it before it is distilled.")
        else:
            self.run_missing()

    # --- parameters

    def reset(self) -> None:
        """Set all parameters to their defaults."""
        self.microscope.fields.clear()
        self._memory.reset()
        self._show_voxel_size(voxel_size_in_use(self.chain.image, self._viewer.layers))
        self.microscope.file.fill()
        self.chain.follow()

    def _use_recipe(self, recipe: Recipe) -> None:
        if not self._alive:
            return
        try:
            set_values(self._guis, values_of_recipe(recipe, self._guis), widen=True)
        except InputError as error:
            self._tell_failure(str(error))
            return
        sizes = self.head.voxel_size.value
        if recipe.spacing is not None and not any(sizes):
            self._show_voxel_size(recipe.spacing)
        self.chain.follow()
        self._say("The recipe was loaded.")
        for name in left_out(recipe):
            show_warning(f"{HEAD}: the recipe sets {name}, which the guide leaves as it is.")


def _titles(steps: list[StepId]) -> str:
    return ", ".join(step.title for step in steps)
