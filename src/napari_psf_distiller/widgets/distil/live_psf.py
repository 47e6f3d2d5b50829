"""The PSF that follows what it was made from: post-processed anew, with its own parameters."""

import dataclasses
from typing import NamedTuple

from napari.layers import Image
from napari.viewer import Viewer
from psygnal import Signal

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import finish
from napari_psf_distiller.recipe import PostProcess
from napari_psf_distiller.widgets.layers.lineage import (
    identity,
    input_of,
    is_copy,
    rewrite,
    run_of,
    was_edited,
)
from napari_psf_distiller.widgets.layers.note import InputNote, own_note
from napari_psf_distiller.widgets.layers.source import read_image_layer
from napari_psf_distiller.widgets.postprocess import STEP, PostProcessTask, postprocess_steps
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.running.job import Outcome

__all__ = ["LivePSF"]


class LivePSF:
    """Post-processes a distilled PSF in a thread, and updates what was made of it.

    Only layers count whose record says that Post-process PSF made them of this distilled one, and
    that were not changed by hand since; neither do copies of them.

    Attributes
    ----------
    updated : Signal
        The layers show the distilled PSF as it was when `follow` was called last.
    failed : Signal of str
        The sentence of what went wrong.
    """

    updated = Signal()
    failed = Signal(str)

    def __init__(self) -> None:
        self._latest = Background(self._update, self.failed.emit)

    @property
    def busy(self) -> bool:
        """Whether a layer is not yet updated."""
        return self._latest.busy

    def follow(self, viewer: Viewer, distilled: Image) -> None:
        """Update what was made of a distilled PSF that is another now; the last call counts."""
        layers = [layer for layer in viewer.layers if _is_made_of(layer, distilled)]
        if not layers:
            return
        try:
            source = read_image_layer(distilled)
        except InputError as error:
            self.failed.emit(str(error))
            return
        note = own_note(distilled.metadata)
        tasks = [
            PostProcessTask(
                source,
                dataclasses.replace(source.recipe, postprocess=_settings_of(layer)),
                note,
            )
            for layer in layers
        ]
        work = _Work(viewer, distilled, input_of(distilled, viewer), layers)
        self._latest.ask(lambda: (work, [finish(postprocess_steps(task)) for task in tasks]))

    def stop(self) -> None:
        """Forget what was asked for."""
        self._latest.cancel()

    def _update(self, done: "tuple[_Work, list[Outcome]]") -> None:
        work, outcomes = done
        for layer, outcome in zip(work.layers, outcomes, strict=True):
            # Deleted or edited meanwhile, it is left alone.
            if layer in work.viewer.layers and _is_made_of(layer, work.distilled):
                run = run_of(layer)
                assert run is not None
                inputs = run.inputs | {"image": work.noted}
                ((data, keywords, _),) = outcome.layers
                run = dataclasses.replace(run, inputs=inputs, warnings=outcome.warnings)
                rewrite(layer, data, keywords, run)
        self.updated.emit()


class _Work(NamedTuple):
    """The layers made of a distilled PSF, and what a run notes of that."""

    viewer: Viewer
    distilled: Image
    noted: InputNote
    layers: list[Image]


def _is_made_of(layer: Image, distilled: Image) -> bool:
    note = own_note(layer.metadata)
    run, source = note.run if note is not None else None, run_of(distilled)
    return (
        note is not None
        and run is not None
        and (note.step, note.part) == (STEP, "")
        # What a run before wrote into the same layer was another PSF.
        and (source is None or run.time >= source.time)
        and "image" in run.inputs
        and run.inputs["image"].layer == identity(distilled)
        and not is_copy(layer)
        and not was_edited(layer)
    )


def _settings_of(layer: Image) -> PostProcess:
    note = own_note(layer.metadata)
    assert note is not None
    return note.recipe.postprocess
