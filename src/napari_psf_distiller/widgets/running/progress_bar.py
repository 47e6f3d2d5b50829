"""A step's progress bar in napari's activity dock."""

from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QTimer

from napari_psf_distiller.progress import Progress

__all__ = ["ActivityBar"]


class ActivityBar:
    """Shows where a step stands, each time in a turn of its own of the event loop.

    napari's bar handles events whenever it is made or updated, and with them further progress or
    the end of the run: whoever updates it must be done with all else.

    Parameters
    ----------
    title : str
        The step's name.
    """

    def __init__(self, title: str) -> None:
        self._bar = cancelable_progress(total=0, desc=title)
        self._shown: Progress | None = None
        self._closed = False

    @property
    def cancelled(self) -> bool:
        """Whether its own Cancel button was pressed."""
        return bool(self._bar.is_canceled)

    def show(self, progress: Progress) -> None:
        """Show where the step stands, as soon as all that waits is done; the last call counts."""
        if self._shown is None:
            QTimer.singleShot(0, self._update)
        self._shown = progress

    def close(self) -> None:
        """Take it away."""
        self._closed = True
        self._bar.close()

    def _update(self) -> None:
        progress, self._shown = self._shown, None
        if self._closed or progress is None:
            return
        if self._bar.desc != f"{progress.step}: ":
            self._bar.set_description(progress.step)
            if self._closed:
                return
        self._bar.total = progress.total
        self._bar.update(progress.iteration - self._bar.n)
