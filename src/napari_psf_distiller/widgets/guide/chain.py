"""What the guide does: it hands layers and parameters on, and runs one step after the other."""

from typing import Any

from magicgui.widgets import ComboBox, FunctionGui
from napari.layers import Image, Layer
from napari.viewer import Viewer
from psygnal import Signal

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.points import FITTED_BEADS
from napari_psf_distiller.widgets.distil.widget import BEAD_DIAMETER, OPTICS
from napari_psf_distiller.widgets.guide.steps import (
    FITTED,
    INPUTS,
    RAW,
    TO_THE_PSF,
    GuideStep,
    Origin,
    Standing,
    State,
)
from napari_psf_distiller.widgets.layers.lineage import newest_layer, root_of
from napari_psf_distiller.widgets.running.job import Ending

__all__ = ["Chain", "choose"]


class Chain:
    """The steps of one guide, as they hang together.

    Parameters
    ----------
    viewer : napari.Viewer
    head : FunctionGui
        What is asked once.
    steps : dict of StepId to GuideStep
        In their order.

    Attributes
    ----------
    left : bool
        Whether the guide is gone.
    changed : Signal
        A step began or ended.
    turned_to : Signal of StepId
        The chain runs this step now, or stopped at it.
    ended : Signal of str
        The chain is over; what is to be said of it.
    """

    changed = Signal()
    turned_to = Signal(StepId)
    ended = Signal(str)

    def __init__(
        self, viewer: Viewer, head: FunctionGui[Any, Any], steps: dict[StepId, GuideStep]
    ) -> None:
        self._viewer = viewer
        self._head = head
        self.steps = steps
        # Whether a chain is under way, whether it ends with Deconvolve, and what of it ran already.
        self._under_way = self._deconvolve = False
        self._ran: set[StepId] = set()
        # The image that the chain under way began with.
        self._begun_with: Image | None = None
        self.left = False
        # The image that Deconvolve was given; another that the user chooses there stays.
        self._given: Layer | None = None
        for step in steps.values():
            if step.runner is not None:
                step.runner.asking.append(head)
                step.runner.started.connect(self.changed.emit)
                step.runner.ended.connect(lambda ending, step=step: self._on_end(step, ending))

    @property
    def image(self) -> Image | None:
        """The bead image that is chosen."""
        image: Image | None = self._head.image.value
        return image

    @property
    def root(self) -> str:
        """What all that is made from the bead image goes back to; "" without one."""
        return root_of(self.image, self._viewer) if self.image is not None else ""

    @property
    def method(self) -> str:
        """The method that is chosen."""
        return str(self._head.method.value)

    @property
    def under_way(self) -> bool:
        """Whether the missing steps are being run."""
        return self._under_way

    @property
    def running(self) -> bool:
        """Whether any step is running."""
        return any(step.running for step in self.steps.values())

    def standings(self) -> dict[StepId, Standing]:
        """Return where each step stands."""
        layers, root, method = list(self._viewer.layers), self.root, self.method
        found: dict[StepId, Standing] = {}
        for step in self.steps.values():
            found[step.id] = step.standing(layers, root, method, found)
        return found

    def missing(self, deconvolve: bool = False) -> list[StepId]:
        """Return the steps that would be run, in their order."""
        asked = (*TO_THE_PSF, StepId.DECONVOLVE) if deconvolve else TO_THE_PSF
        standings = self.standings()
        return [
            step for step in asked if standings[step].state not in (State.DONE, State.NOT_NEEDED)
        ]

    def follow(self) -> None:
        """Hand on what is asked once, and to each step what the steps before it wrote."""
        image = self.image
        for step, inputs in (INPUTS["richardson-lucy"] | INPUTS[self.method]).items():
            for name, source in inputs.items():
                layer = self.layer_of(source)
                if step is StepId.INSPECT or (
                    (step, name) == (StepId.DECONVOLVE, "image") and layer is self._given
                ):
                    continue
                if (step, name) == (StepId.DECONVOLVE, "image"):
                    self._given = layer
                choose(self.steps[step].gui[name], layer)
        distil, find = self.steps[StepId.DISTILL].gui, self.steps[StepId.FIND_BEADS].gui
        asked: dict[Any, Any] = {
            distil.method: self.method,
            **{distil[one.name]: self._head[one.name].value for one in (*OPTICS, *BEAD_DIAMETER)},
            find.method: "matched" if self.method == "joint" else "threshold",
        }
        if image is not None:
            sizes = tuple(self._head.voxel_size.value)
            asked |= {find.voxel_size: sizes, self.steps[StepId.PREPROCESS].gui.voxel_size: sizes}
        for widget, value in asked.items():
            if widget.value != value:
                widget.value = value

    def layer_of(self, source: Origin) -> Layer | None:
        """Return the image, or the newest layer that a step wrote from it."""
        image = self.image
        if source == RAW or image is None:
            return image
        step, part = (StepId.DISTILL, FITTED_BEADS) if source == FITTED else (source, "")
        return newest_layer(self._viewer.layers, step, part, root=self.root)

    def run_missing(self, deconvolve: bool = False) -> None:
        """Run what is to do, failed or out of date, up to the PSF, one step after the other."""
        if self.running or self.under_way:
            return
        self._under_way, self._deconvolve = True, deconvolve
        self._ran, self._begun_with = set(), self.image
        self.run_next()

    def run_next(self) -> None:
        """Run the next of the missing steps; nothing if the chain was stopped meanwhile."""
        if not self._under_way or self.running:
            return
        if self._begun_with not in self._viewer.layers:
            name = self._begun_with.name if self._begun_with is not None else ""
            self._stop(f"Stopped: the bead image {name!r} was removed.")
            return
        self.follow()
        missing = self.missing(self._deconvolve)
        if not missing:
            self._stop("The PSF is ready.")
        elif missing[0] in self._ran:
            # Somebody changes things while it runs; it must not go on for ever.
            self._stop(f"{missing[0].title} is out of date again: it was changed meanwhile.")
        else:
            step = missing[0]
            self._ran.add(step)
            self.turned_to.emit(step)
            self.steps[step].gui()

    def cancel(self) -> None:
        """Stop the chain and whatever step is running."""
        self._under_way = False
        for step in self.steps.values():
            if step.running and step.runner is not None:
                step.runner.cancel()
        self.changed.emit()

    def _stop(self, message: str) -> None:
        self._under_way = False
        self.ended.emit(message)
        self.changed.emit()

    def leave(self) -> None:
        """Start and tell nothing any more: the widgets are gone."""
        self._under_way, self.left = False, True

    def _on_end(self, step: GuideStep, ending: Ending) -> None:
        if self.left:
            return
        if ending.kind == "failed":
            step.note_failure(ending.message)
        else:
            step.forget_failure()
        if self._under_way and ending.kind != "done":
            what = "failed" if ending.kind == "failed" else "was cancelled"
            self.turned_to.emit(step.id)
            self._stop(f"Stopped: {step.title} {what}.")
        else:
            self.changed.emit()


def choose(choice: ComboBox, layer: Layer | None) -> None:
    """Choose a layer in a widget, if the widget offers it."""
    if layer is None or choice.value is layer:
        return
    if layer not in choice.choices:
        choice.reset_choices()
    if layer in choice.choices:
        choice.value = layer
