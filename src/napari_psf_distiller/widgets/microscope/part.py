"""The microscope in a widget: a row of those kept by name, and below its fields what is to know."""

from typing import Any

from magicgui.widgets import FunctionGui

from napari_psf_distiller.recipe import JointFit, Optics
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.widgets.microscope.fields import MicroscopeFields
from napari_psf_distiller.widgets.microscope.oddities import Oddities
from napari_psf_distiller.widgets.microscope.presets import PresetRow
from napari_psf_distiller.widgets.microscope.stored import FileMicroscope
from napari_psf_distiller.widgets.parts.column import row_of, tab_through

__all__ = ["MicroscopePart"]


class MicroscopePart:
    """What a widget has for the microscope, besides its fields.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters ``image``, ``method`` and ``microscope``.
    *others : FunctionGui
        With fields for the camera, if it has none itself.

    Attributes
    ----------
    fields : MicroscopeFields
    presets : PresetRow
    file : FileMicroscope
    oddities : Oddities
    """

    def __init__(self, gui: FunctionGui[Any, Any], *others: FunctionGui[Any, Any]) -> None:
        self.fields = MicroscopeFields(gui, *others)
        self.file = FileMicroscope(gui, self.fields)
        self.oddities = Oddities(gui, self.fields)
        self.presets = PresetRow(gui, self.fields, self.file.fill)
        optics = [gui[one.name] for one in declared(Optics) if hasattr(gui, one.name)]
        last = optics[-1]
        gui.insert(gui.index(last) + 1, self.file.use)
        # Labels go in last: the container does not count them.
        layout = gui.native.layout()
        for before, label in ((last, self.file.notice), (self.presets.row, self.presets.problem)):
            layout.insertWidget(layout.indexOf(row_of(before, gui.native)) + 1, label)
        row = self.presets.row
        order = (gui[gui.index(row) - 1], *row, *optics, self.file.use)
        # They were made later than what stands below them.
        tab_through([widget.native for widget in order])
        gui.method.changed.connect(self._on_method)
        self._on_method(gui.method.value)
        # It may be docked already, with an image.
        self.file.look()

    def _on_method(self, method: str) -> None:
        # The stepwise way knows nothing of a microscope.
        self.presets.show(method == JointFit.tag())
        self.file.show(method == JointFit.tag())
        self.oddities.show(method == JointFit.tag())
