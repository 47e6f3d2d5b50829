"""The PSF while it is distilled: a layer that goes when it is done, and what an inspector shows."""

from functools import partial

import numpy as np
from napari.layers import Image
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_psf_distiller.progress import Progress, note_likelihood
from napari_psf_distiller.widgets.distil.joint import DistilTask
from napari_psf_distiller.widgets.inspect.inspector import inspectors_in
from napari_psf_distiller.widgets.layers.choices import PREVIEW_KEY, unwrapped
from napari_psf_distiller.widgets.layers.geometry import beside, in_true_size
from napari_psf_distiller.widgets.running.job import Ending
from napari_psf_distiller.widgets.running.runner import StepRunner
from napari_psf_distiller.widgets.viewer.calm import remove_layer
from napari_psf_distiller.widgets.viewer.canvas import drawn_later

__all__ = ["PSFSoFar"]


class PSFSoFar:
    """Shows the previews of a run, and how the likelihood rises.

    Parameters
    ----------
    runner : StepRunner
        Of Distil PSF.
    """

    def __init__(self, runner: StepRunner) -> None:
        # Whose previews are shown, and the newest of them.
        self._task: DistilTask | None = None
        self._preview: NDArray[np.float32] | None = None
        self._layer: Image | None = None
        self._curve: list[tuple[int, float]] = []
        self._runner = runner
        runner.progressed.connect(self._show)
        runner.ended.connect(self._on_ended)

    def _show(self, progress: Progress) -> None:
        job, task = self._runner.job, self._runner.task
        if job is None or not isinstance(task, DistilTask):
            return
        note_likelihood(self._curve, progress)
        if progress.preview is None:
            return
        self._preview = progress.preview
        viewer = unwrapped(job.viewer)
        if self._task is not task:
            self._task = task
            # In turns of their own, since each takes a while: the layer, and the first drawing.
            QTimer.singleShot(0, partial(self._add, task, viewer))
        elif self._layer is not None:
            self._draw(task, viewer, progress.preview)
            if self._layer in viewer.layers:
                # If not, its user deleted it, and does not want to see it.
                self._layer.data = progress.preview
                self._layer.contrast_limits = _limits(progress.preview)

    def _add(self, task: DistilTask, viewer: Viewer) -> None:
        source, preview = task.source, self._preview
        if self._task is not task or preview is None:
            return
        self._layer = Image(
            preview,
            name=f"{source.short_name} PSF so far",
            colormap="inferno",
            contrast_limits=_limits(preview),
            metadata={PREVIEW_KEY: True},
            **in_true_size(source.geometry, source.recipe.spacing),
            translate=beside(
                source.geometry, source.recipe.spacing, np.shape(source.data), preview
            ),
        )
        with drawn_later(viewer, partial(self._go_on, task, viewer)):
            viewer.layers.append(self._layer)
        self._runner.stand_in = self._layer
        # What is left is Qt's and OpenGL's, which work beside it.
        task.shown.set()

    def _go_on(self, task: DistilTask, viewer: Viewer) -> None:
        if self._task is task and self._preview is not None:
            self._draw(task, viewer, self._preview)

    def _draw(self, task: DistilTask, viewer: Viewer, preview: NDArray[np.float32]) -> None:
        spacing = task.source.recipe.spacing
        # The joint fit tells how much likelier it became, Richardson-Lucy how likely it is.
        gains = task.recipe.distill.method == "joint"
        for inspector in inspectors_in(viewer):
            inspector.preview(preview, spacing, self._curve, gains=gains)

    def _on_ended(self, ending: Ending) -> None:
        layer, self._layer, self._curve = self._layer, None, []
        self._task = self._preview = None
        self._runner.stand_in = None
        if layer is None or ending.job is None:
            return
        viewer = unwrapped(ending.job.viewer)
        if layer not in ending.layers:
            remove_layer(viewer, layer)
        images = [made for made in ending.layers if isinstance(made, Image)]
        for inspector in inspectors_in(viewer):
            inspector.end_preview(images[-1] if images else None)


def _limits(preview: NDArray[np.float32]) -> tuple[float, float]:
    return 0.0, max(float(preview.max()), 1e-30)
