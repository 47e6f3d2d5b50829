"""A step's run in parts: what it works on, what it makes of that, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from napari.layers import Layer
from napari.viewer import Viewer

from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.layers.source import Source

__all__ = ["Ending", "ImageTask", "Job", "Outcome"]

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a step gives back to the main thread.

    Attributes
    ----------
    layers : list of LayerData
        To add.
    message : str
        What the widget says of the run.
    warnings : tuple of str
    found : object
        What else is shown by whoever listens to the runner, such as a fit.
    """

    layers: list[LayerData]
    message: str
    warnings: tuple[str, ...] = ()
    found: object = None


@dataclass(frozen=True)
class ImageTask:
    """What a step of one image works on, as it was read in the main thread.

    Attributes
    ----------
    source : Source
        The image.
    recipe : Recipe
        The image's own, and how this step is to be done.
    """

    source: Source
    recipe: Recipe


@dataclass(frozen=True)
class Job(Generic[T]):
    """What a step widget returns when it is called: a run that its `StepRunner` then starts.

    Attributes
    ----------
    viewer : napari.Viewer
        Gets the layers.
    read : callable
        Called in the main thread: reads layers and parameters, and returns the task. An
        `InputError` from it is shown to the user.
    steps : callable
        Makes of the task the generator for the thread.
    replace_for : napari.layers.Layer, optional
        The layer worked on, if what the run before made of the same one gives way to the new.
    cancelling : str
        What the widget says from when the run is cancelled to when it has stopped.
    """

    viewer: Viewer
    read: Callable[[], T]
    steps: Callable[[T], Steps[Outcome]]
    replace_for: Layer | None = None
    cancelling: str = "cancelling"


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    kind : {"done", "failed", "cancelled"}
    message : str
        What the widget says of it; of a failed one the sentence.
    layers : tuple of Layer
        What was added, or written anew.
    job : Job or None
        What was run; None if it could not begin.
    found : object
        See `Outcome`.
    """

    kind: Literal["done", "failed", "cancelled"]
    message: str
    layers: tuple[Layer, ...] = ()
    job: Job[Any] | None = None
    found: object = None
