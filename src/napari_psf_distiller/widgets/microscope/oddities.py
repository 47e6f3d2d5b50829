"""What is odd about the figures of beads, voxels and microscope, said below their fields."""

from collections.abc import Callable
from typing import Any

from magicgui.widgets import FunctionGui
from superqt.utils import qdebounced

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.odd_figures import OddFigure, odd_figures
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.widgets.layers.region import axes_of_space
from napari_psf_distiller.widgets.layers.source import voxel_size_of
from napari_psf_distiller.widgets.microscope.fields import MicroscopeFields
from napari_psf_distiller.widgets.running.background import Background

__all__ = ["Oddities"]

# Milliseconds until what is typed rests.
REST = 300

# The fields that they stand below; of a widget without the first, below its image.
FIELDS = {"spacing": ("voxel_size", "image"), "bead_diameter": ("bead_diameter",)}


class Oddities:
    """Looks at the figures whenever one of them changes, in a thread.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters ``image`` and ``bead_diameter``, and with notes.
    fields : MicroscopeFields
    """

    def __init__(self, gui: FunctionGui[Any, Any], fields: MicroscopeFields) -> None:
        self._gui, self._fields = gui, fields
        self._shown = self._alive = True
        self._background: Background[tuple[OddFigure, ...]] = Background(
            self._say, self._on_failure
        )
        self._look: Callable[..., Any] = qdebounced(self.look, timeout=REST)
        fields.changed.connect(self._look_soon)
        for name in ("voxel_size", "image", "bead_diameter"):
            if hasattr(gui, name):
                gui[name].changed.connect(self._look_soon)
        gui.native.destroyed.connect(self._die)

    def show(self, shown: bool) -> None:
        """Say what is odd, or nothing where the microscope does not count."""
        self._shown = shown
        self._look_soon()

    def look(self) -> None:
        """Look at the figures as they are."""
        if not self._alive:
            return
        try:
            optics = self._fields.optics() if self._shown else Optics()
        except InputError:
            # What they cannot be together is said elsewhere.
            optics = Optics()
        spacing, diameter = self._spacing(), self._gui.bead_diameter.value or None
        if optics.missing or spacing is diameter is None:
            self._background.cancel()
            self._say(())
            return
        self._background.ask(lambda: odd_figures(optics, spacing, diameter))

    def _look_soon(self, _: Any = None) -> None:
        self._look()

    def _spacing(self) -> tuple[float, ...] | None:
        """Return the voxel size that counts; None of one that is not known."""
        layer = self._gui.image.value
        if layer is None:
            return None
        if not hasattr(self._gui, "voxel_size"):
            return voxel_size_of(layer)
        sizes = tuple(self._gui.voxel_size.value)[-min(len(axes_of_space(layer)), 3) :]
        return sizes if all(sizes) else None

    def _say(self, found: tuple[OddFigure, ...]) -> None:
        said = {}
        for odd in found:
            name = next(name for name in FIELDS[odd.name] if hasattr(self._gui, name))
            said[name] = odd.sentence, odd.likely
        self._gui.notes.advise(said)

    def _die(self) -> None:
        self._alive = False
        self._background.cancel()

    def _on_failure(self, sentence: str) -> None:
        """Say nothing: what cannot be is refused when a step begins."""
