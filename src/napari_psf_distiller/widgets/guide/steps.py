"""The steps of the guide: what each works on, and where it stands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from magicgui.widgets import FunctionGui
from napari.layers import Layer

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets import deconvolve, postprocess, preprocess
from napari_psf_distiller.widgets.beads import widget as beads
from napari_psf_distiller.widgets.distil import widget as distill
from napari_psf_distiller.widgets.inspect import widget as inspect_module
from napari_psf_distiller.widgets.layers.lineage import (
    input_of,
    inputs_of,
    newest_layer,
    parameters_of,
    run_of,
    was_edited,
)
from napari_psf_distiller.widgets.prove import widget as prove
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.threshold import widget as threshold_module

__all__ = [
    "FITTED",
    "INPUTS",
    "RAW",
    "TO_THE_PSF",
    "GuideStep",
    "Origin",
    "Standing",
    "State",
    "make_steps",
]

# The image that all begins with, among what a step works on.
RAW: Literal["raw"] = "raw"
# The beads as Distil PSF fitted them, beside its PSF.
FITTED: Literal["fitted"] = "fitted"
Origin = StepId | Literal["raw", "fitted"]

_AFTER_DISTILLING: dict[StepId, dict[str, Origin]] = {
    StepId.POSTPROCESS: {"image": StepId.DISTILL},
    StepId.INSPECT: {"psf": StepId.POSTPROCESS},
}
_PROVING: dict[str, Origin] = {"image": RAW, "psf": StepId.POSTPROCESS}

# What each step of a method works on: for a parameter, the step that writes its layer.
INPUTS: dict[str, dict[StepId, dict[str, Origin]]] = {
    "joint": {
        StepId.FIND_BEADS: {"image": RAW},
        StepId.DISTILL: {"image": RAW, "beads": StepId.FIND_BEADS},
        StepId.DECONVOLVE: {"image": RAW, "psf": StepId.POSTPROCESS},
        StepId.PROVE: _PROVING | {"beads": FITTED},
        **_AFTER_DISTILLING,
    },
    "richardson-lucy": {
        StepId.PREPROCESS: {"image": RAW},
        StepId.THRESHOLD: {"image": StepId.PREPROCESS},
        StepId.FIND_BEADS: {"image": StepId.PREPROCESS, "mask": StepId.THRESHOLD},
        StepId.DISTILL: {"image": StepId.PREPROCESS, "beads": StepId.FIND_BEADS},
        StepId.DECONVOLVE: {"image": StepId.PREPROCESS, "psf": StepId.POSTPROCESS},
        StepId.PROVE: _PROVING | {"beads": StepId.FIND_BEADS},
        **_AFTER_DISTILLING,
    },
}

# The steps that lead to the PSF, in their order.
TO_THE_PSF = (
    StepId.PREPROCESS,
    StepId.THRESHOLD,
    StepId.FIND_BEADS,
    StepId.DISTILL,
    StepId.POSTPROCESS,
)


class State(Enum):
    """Where a step stands; the value is what people read."""

    TO_DO = "to do"
    RUNNING = "running"
    DONE = "done"
    OUT_OF_DATE = "out of date"
    FAILED = "failed"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True)
class Standing:
    """Where a step stands, and why.

    Attributes
    ----------
    state : State
    why : str
        A sentence, or "".
    layer : Layer or None
        What it wrote last from the guide's image.
    edited : bool
        Whether that was changed by hand since.
    """

    state: State
    why: str = ""
    layer: Layer | None = None
    edited: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known of what the step wrote last."""
        run = run_of(self.layer) if self.layer is not None else None
        return run.warnings if run is not None else ()

    @property
    def warned(self) -> bool:
        """Whether it is done, and something is to be known of it."""
        return self.state is State.DONE and bool(self.warnings)

    @property
    def text(self) -> str:
        """What the guide shows."""
        count = len(self.warnings) if self.warned else 0
        warned = ("", ", a warning")[count] if count < 2 else f", {count} warnings"
        return f"{self.state.value}{warned}{', edited' if self.edited else ''}"


@dataclass
class GuideStep:
    """One step of the guide.

    Attributes
    ----------
    id : StepId
    gui : FunctionGui
        The step's widget, the same as the menu's.
    open : tuple of str
        Its few important parameters; the others are folded.
    asked_above : tuple of str
        Those that the guide asks once for all steps, or hands on from step to step.
    optional : bool
        Whether the PSF is there without it.
    """

    id: StepId
    gui: FunctionGui[Any, Any]
    open: tuple[str, ...]
    asked_above: tuple[str, ...]
    optional: bool = False
    _failure: tuple[str, Any] | None = field(default=None, repr=False)
    _seen: Any = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """What people read of it."""
        return self.id.title

    @property
    def runner(self) -> StepRunner | None:
        """What runs it; None of Inspect PSF, which does not run."""
        runner: StepRunner | None = getattr(self.gui, "runner", None)
        return runner

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self.runner is not None and self.runner.running

    def note_failure(self, message: str) -> None:
        """Remember that it failed with the present parameters and layers."""
        self._failure = (message, self._present())

    def forget_failure(self) -> None:
        """Forget that it failed."""
        self._failure = None

    def note_seen(self, layer: Layer | None) -> None:
        """Remember that Inspect PSF showed a layer."""
        self._seen = input_of(layer) if layer is not None else None

    def show_run(self, standing: Standing) -> None:
        """Show in the step's widget what the run said that it stands on, whoever ran it."""
        run = run_of(standing.layer) if standing.layer is not None else None
        # What is out of date of an optional step may be of another image.
        stands = standing.state is State.DONE or not self.optional
        if self.runner is not None and run is not None and stands:
            self.runner.display.show_run(run)

    def _present(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return parameters_of(self.gui), inputs_of(self.gui)

    def standing(
        self,
        layers: Iterable[Layer],
        root: str,
        method: str,
        earlier: dict[StepId, Standing],
    ) -> Standing:
        """Return where the step stands.

        Parameters
        ----------
        layers : iterable of Layer
            The viewer's.
        root : str
            The guide's image, see `root_of`; "" if there is none.
        method : {"joint", "richardson-lucy"}
        earlier : dict of StepId to Standing
            Of the steps before it.
        """
        # Any image can be deconvolved.
        made_from = "" if self.optional else root
        layer = newest_layer(layers, self.id, root=made_from) if root else None
        edited = layer is not None and was_edited(layer)
        if self.running:
            return Standing(State.RUNNING, layer=layer)
        inputs = INPUTS[method].get(self.id)
        if inputs is None:
            return Standing(State.NOT_NEEDED, "The method joint works on the raw image.", layer)
        if self._failure is not None and self._failure[1] == self._present():
            return Standing(State.FAILED, self._failure[0], layer)
        before = [
            earlier[StepId.DISTILL if origin == FITTED else origin]
            for origin in inputs.values()
            if origin != RAW
        ]
        if self.runner is None:
            return self._standing_of_view(before)
        if layer is None:
            return Standing(State.TO_DO)
        if any(other.state is not State.DONE for other in before):
            return Standing(State.OUT_OF_DATE, "An earlier step is not done.", layer, edited)
        run = run_of(layer)
        assert run is not None
        if run.inputs != inputs_of(self.gui):
            why = "It was made from other layers, or they were changed since."
            return Standing(State.OUT_OF_DATE, why, layer, edited)
        if run.parameters != parameters_of(self.gui):
            why = "Its parameters were changed since."
            return Standing(State.OUT_OF_DATE, why, layer, edited)
        return Standing(State.DONE, layer=layer, edited=edited)

    def _standing_of_view(self, before: list[Standing]) -> Standing:
        if self._seen is None or any(other.layer is None for other in before):
            return Standing(State.TO_DO)
        if any(
            other.state is not State.DONE or self._seen != input_of(other.layer)
            for other in before
            if other.layer is not None
        ):
            return Standing(State.OUT_OF_DATE, "There is, or will be, another PSF.")
        return Standing(State.DONE)


def make_steps() -> Iterator[GuideStep]:
    """Make the eight steps, in their order, each with a widget of its own when it is asked for."""
    yield GuideStep(
        StepId.PREPROCESS,
        preprocess.preprocess_beads(),
        preprocess.FORM.important,
        ("image", "voxel_size"),
    )
    yield GuideStep(
        StepId.THRESHOLD,
        threshold_module.threshold(),
        threshold_module.FORM.important,
        ("image",),
    )
    yield GuideStep(
        StepId.FIND_BEADS,
        beads.find_beads(),
        beads.FORM.important,
        ("image", "mask", "method", "voxel_size"),
    )
    yield GuideStep(
        StepId.DISTILL,
        distill.distil_psf(),
        distill.FORM.important,
        ("image", "beads", "method", "bead_diameter", *(one.name for one in distill.OPTICS)),
    )
    yield GuideStep(
        StepId.POSTPROCESS,
        postprocess.postprocess_psf(),
        postprocess.FORM.important,
        ("image",),
    )
    yield GuideStep(
        StepId.DECONVOLVE,
        deconvolve.deconvolve(),
        ("image", *deconvolve.FORM.important),
        ("psf",),
        optional=True,
    )
    yield GuideStep(StepId.INSPECT, inspect_module.inspect_psf(), (), (), optional=True)
    yield GuideStep(
        StepId.PROVE,
        prove.prove_psf(),
        ("iterations",),
        ("image", "psf", "beads"),
        optional=True,
    )
