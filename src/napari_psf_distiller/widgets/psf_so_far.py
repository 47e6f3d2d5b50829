"""The PSF while it is distilled: a layer that goes when it is done, and what an inspector shows."""

from napari.layers import Image

from napari_psf_distiller.progress import Progress, note_likelihood
from napari_psf_distiller.widgets.choices import PREVIEW_KEY, unwrapped
from napari_psf_distiller.widgets.distill_joint import DistilJob
from napari_psf_distiller.widgets.inset import inset
from napari_psf_distiller.widgets.inspector import inspectors_in
from napari_psf_distiller.widgets.worker import Ending, StepRunner

__all__ = ["PSFSoFar"]


class PSFSoFar:
    """Shows the previews of a run, and how the likelihood rises.

    Parameters
    ----------
    runner : StepRunner
        Of Distil PSF.
    """

    def __init__(self, runner: StepRunner) -> None:
        self._layer: Image | None = None
        self._curve: list[tuple[int, float]] = []
        self._runner = runner
        runner.progressed.connect(self._show)
        runner.ended.connect(self._on_ended)

    def _show(self, progress: Progress) -> None:
        job = self._runner.job
        if not isinstance(job, DistilJob) or job.made.source is None:
            return
        note_likelihood(self._curve, progress)
        if progress.preview is None:
            return
        viewer = unwrapped(job.viewer)
        source = job.made.source
        for inspector in inspectors_in(viewer):
            inspector.preview(
                progress.preview, source.recipe.spacing, self._curve, gains=job.made.gains
            )
        limits = (0.0, max(float(progress.preview.max()), 1e-30))
        if self._layer is None:
            self._layer = Image(
                progress.preview,
                name=f"{source.origin} PSF so far",
                colormap="inferno",
                contrast_limits=limits,
                metadata={PREVIEW_KEY: True},
                **source.geometry | {"translate": inset(source, progress.preview)},
            )
            viewer.layers.append(self._layer)
            self._runner.stand_in = self._layer
        elif self._layer in viewer.layers:
            # If not, its user deleted it, and does not want to see it.
            self._layer.data = progress.preview
            self._layer.contrast_limits = limits

    def _on_ended(self, ending: Ending) -> None:
        layer, self._layer, self._curve = self._layer, None, []
        self._runner.stand_in = None
        if layer is None or ending.job is None:
            return
        viewer = unwrapped(ending.job.viewer)
        if layer in viewer.layers and layer not in ending.layers:
            viewer.layers.remove(layer)
        images = [made for made in ending.layers if isinstance(made, Image)]
        for inspector in inspectors_in(viewer):
            inspector.end_preview(images[-1] if images else None)
