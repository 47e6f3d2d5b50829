"""The list of the guide's steps: each with where it stands, and one of them open."""

from collections.abc import Iterator

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.chain import Chain, choose
from napari_psf_distiller.widgets.guide.steps import INPUTS, GuideStep, Standing, State
from napari_psf_distiller.widgets.guide.view import Section
from napari_psf_distiller.widgets.parts.column import Column
from napari_psf_distiller.wording import listed

__all__ = ["StepList"]


class StepList:
    """Shows the steps below each other, and opens one at a time.

    Parameters
    ----------
    chain : Chain
        With the steps.
    column : Column
        Gets them at its end, see `put_in`.

    Attributes
    ----------
    sections : dict of StepId to Section
        How the steps are shown.
    changed : Signal
        Inspect PSF shows another PSF, so that it stands elsewhere.
    """

    changed = Signal()

    def __init__(self, chain: Chain, column: Column) -> None:
        self._chain, self._column = chain, column
        self._steps: dict[StepId, GuideStep] = chain.steps
        self._place = column.column.count()
        self.sections: dict[StepId, Section] = {}
        inspect = self._steps[StepId.INSPECT].gui
        inspect.called.connect(self._on_seen)
        inspect.inspector.tabs.currentChanged.connect(self._on_tab)
        self._steps[StepId.DISTILL].gui.live_fit.psf.updated.connect(self._on_updated)

    def put_in(self) -> Iterator[Section]:
        """Put the steps into the column, one each time; until then none of them is shown."""
        for step in self._steps.values():
            section = Section(step)
            self._column.column.insertWidget(self._place + len(self.sections), section)
            section.turned.connect(self._on_toggle)
            self.sections[step.id] = section
            yield section

    def show(self, standings: dict[StepId, Standing], dark: bool) -> None:
        """Show where the steps stand; those that are not needed take no room.

        Parameters
        ----------
        standings : dict of StepId to Standing
        dark : bool
            Whether it is for a dark theme.
        """
        number = 0
        for step, section in self.sections.items():
            needed = standings[step].state is not State.NOT_NEEDED
            section.setVisible(needed)
            number += needed
            section.header.number = number
            section.show_standing(standings[step], self._works_on(step), dark)
            self._steps[step].show_run(standings[step])

    def open(self, step: StepId) -> None:
        """Open a step, and close the others."""
        if not self._chain.left:
            self.sections[step].header.setChecked(True)

    def _works_on(self, step: StepId) -> str:
        sources = INPUTS[self._chain.method].get(step, {})
        if step is StepId.INSPECT or not sources:
            return ""
        layers = [self._chain.layer_of(source) for source in sources.values()]
        names = [f"“{layer.name}”" for layer in layers if layer is not None]
        if len(names) < len(sources):
            return ""
        return f"Works on {listed(names)}."

    def _on_toggle(self, step: StepId, opened: bool) -> None:
        if not opened:
            return
        for other, section in self.sections.items():
            if other is not step:
                section.header.setChecked(False)
        if step is StepId.INSPECT:
            self._inspect()
        # When it has been laid out.
        QTimer.singleShot(0, self._show_open)

    def _show_open(self) -> None:
        for section in self.sections.values():
            if section.header.isChecked() and not self._chain.left:
                self._column.keep_visible(section, section.header)

    # --- Inspect PSF

    def _inspect(self) -> None:
        """Let Inspect PSF show the newest PSF."""
        gui, layer = self._steps[StepId.INSPECT].gui, self._chain.layer_of(StepId.POSTPROCESS)
        with gui.changed.blocked():
            gui.reset_choices()
            choose(gui.psf, layer)
        if layer is not None:
            gui()

    def _on_tab(self, _: int) -> None:
        # Under the mouse the tabs stay; where nobody points, what is shown comes into sight.
        self.sections[StepId.INSPECT].hold_height()
        if self._steps[StepId.INSPECT].gui.inspector.tabs.hasFocus():
            self._column.let_go()

    def _on_updated(self) -> None:
        # Inspect PSF draws a layer anew that it shows.
        if not self._chain.left and self.sections[StepId.INSPECT].header.isChecked():
            self._on_seen()

    def _on_seen(self, _: object = None) -> None:
        inspect = self._steps[StepId.INSPECT]
        inspect.note_seen(inspect.gui.psf.value)
        self.changed.emit()
