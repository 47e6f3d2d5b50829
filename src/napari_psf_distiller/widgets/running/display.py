"""What a step widget shows of its runs: how far one is, and what there is to say at its end."""

from collections.abc import Callable
from html import escape
from typing import Any

from magicgui.widgets import FunctionGui, ProgressBar, PushButton
from psygnal import Signal
from qtpy.QtWidgets import QSizePolicy

from napari_psf_distiller.progress import Progress
from napari_psf_distiller.widgets.layers.lineage import layers_of, parameters_of
from napari_psf_distiller.widgets.layers.note import RunNote
from napari_psf_distiller.widgets.parts.column import scroll_to
from napari_psf_distiller.widgets.parts.notice import Notice
from napari_psf_distiller.widgets.parts.sentence import Sentence

__all__ = ["RunDisplay"]


class StatusLine(Sentence):
    """A sentence that takes no room as long as it says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setVisible(False)

    @property
    def value(self) -> str:
        """What it says."""
        return self.text()

    @value.setter
    def value(self, text: str) -> None:
        self.setText(text)
        self.setVisible(bool(text))


class RunDisplay:
    """Below a step widget's button: a progress bar and Cancel, a sentence, and the warnings.

    Sentence and warnings stay until the step is run again, or other layers are chosen: they are
    not of these. What went wrong stays until any parameter is changed.

    Parameters
    ----------
    gui : FunctionGui
    cancel : callable
        Stops the run.

    Attributes
    ----------
    progress_bar : ProgressBar
    cancel_button : PushButton
    status : StatusLine
        How the run goes, or how the last one ended.
    notice : Notice
        The warnings, whole.
    warnings : tuple of str
    shows_progress : bool
        Whether bar and button show while it runs; where they are elsewhere they need not.
    changed : Signal
        It shows something else.
    """

    changed = Signal()

    def __init__(self, gui: FunctionGui[Any, Any], cancel: Callable[[], None]) -> None:
        self._gui = gui
        # What it says is of these layers, and the run that it is of is this one, if it is known.
        self._layers: dict[str, tuple[str, str]] = {}
        self._run = ""
        self._running = False
        # The parameters with which nothing could be done, if that is what it says.
        self._failed: dict[str, Any] | None = None
        self.shows_progress = True
        self.warnings: tuple[str, ...] = ()
        self.status = StatusLine()
        self.notice = Notice()
        self.progress_bar = ProgressBar(value=0, min=0, max=1, visible=False)
        self.cancel_button = PushButton(text="Cancel", enabled=False, visible=False)
        self.cancel_button.changed.connect(lambda _: cancel())
        # As wide as the widget is, and as high as its text then needs.
        for label in (self.status, self.notice):
            label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        # Below the parameters and over the whole width; none of them is a parameter.
        own = (self.progress_bar.native, self.cancel_button.native, self.status, self.notice)
        for widget in own:
            gui.native.layout().addWidget(widget)
        gui.changed.connect(self._on_parameter)

    def set_running(self, running: bool) -> None:
        """Show bar and button while a run is under way; what the last one said goes."""
        self._running = running
        self.cancel_button.enabled = running
        self.cancel_button.visible = self.progress_bar.visible = running and self.shows_progress
        self.progress_bar.value = 0
        if running:
            self._layers = layers_of(self._gui)
            self.warn(())
            self._come_into_sight()

    def show_progress(self, text: str, progress: Progress) -> None:
        """Show how far the run is, in words and as a bar."""
        self.progress_bar.max = progress.total
        self.progress_bar.value = progress.iteration
        self.say(text)

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show a sentence.

        Parameters
        ----------
        text : str
        failed : bool
            Whether it says why nothing was done, which another parameter may mend.
        """
        if failed and not self._running:
            # It did not even begin.
            self._layers = layers_of(self._gui)
        self._failed = parameters_of(self._gui) if failed else None
        self.status.value = text
        if failed:
            self._come_into_sight()
        self.changed.emit()

    def _come_into_sight(self) -> None:
        """Scroll to what it shows, which may be below the end of a low window."""
        if self.shows_progress:
            scroll_to(self.notice, self.status, self.progress_bar.native)

    def warn(self, warnings: tuple[str, ...]) -> None:
        """Show warnings, each as a paragraph."""
        self.warnings = warnings
        paragraphs = (escape(warning, quote=False) for warning in warnings)
        self.notice.say("<br><br>".join(paragraphs), to_do=True)

    def show_run(self, run: RunNote) -> None:
        """Show what a run said that made a layer from those that are chosen, if it is another."""
        if self._running or self._failed is not None or run.id == self._run:
            return
        self._layers, self._run = layers_of(self._gui), run.id
        self.say(run.message)
        self.warn(run.warnings)

    def _on_parameter(self, _: Any = None) -> None:
        if self._running or not (self.status.value or self.warnings):
            return
        mended = self._failed is not None and self._failed != parameters_of(self._gui)
        if mended or layers_of(self._gui) != self._layers:
            self._run = ""
            self.say("")
            self.warn(())
