"""The table of a step's beads: napari's own table of features, which selects with the points."""

from typing import Any
from weakref import WeakSet, ref

from magicgui.widgets import FunctionGui, PushButton
from napari.layers import Points
from napari.utils.notifications import show_info
from qtpy.compat import isalive

from napari_psf_distiller.widgets.beads.centring import centre_on_chosen
from napari_psf_distiller.widgets.beads.depth import show_in_depth
from napari_psf_distiller.widgets.beads.fates import show_fates
from napari_psf_distiller.widgets.beads.history import EditHistory
from napari_psf_distiller.widgets.beads.legend import Legend
from napari_psf_distiller.widgets.beads.places import follow_points
from napari_psf_distiller.widgets.layers.choices import unwrapped
from napari_psf_distiller.widgets.parts.docks import put_below
from napari_psf_distiller.widgets.running.job import Ending
from napari_psf_distiller.widgets.running.runner import StepRunner

__all__ = ["offer_table"]

# Of napari itself.
PLUGIN, TABLE = "napari", "Features table widget"

# In pixels: some rows show, and the image still has most of the window.
TABLE_HEIGHT = 230


# Layers that show what becomes of their beads.
_shown: WeakSet[Points] = WeakSet()


def offer_table(gui: FunctionGui[Any, Any], runner: StepRunner) -> PushButton:
    """Add a button to a step widget that opens the table of the beads which its last run wrote.

    Their points show from then on what becomes of each bead, and that in all planes of its light.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``viewer``.
    runner : StepRunner
        Its own.
    """
    button = PushButton(
        text="Table of the beads",
        tooltip="All beads with their figures, and why one is not used: select one to see it in "
        "the viewer, mark which are used. Places and their errors are in voxels, amplitudes and "
        "backgrounds in the image's intensities.",
        enabled=False,
        gui_only=True,
    )
    written: WeakSet[Points] = WeakSet()
    legend = Legend()
    undo = PushButton(
        text="Undo the last edit",
        tooltip="Take back what was last added, moved, deleted or marked among the beads; again "
        "for what was before. In the viewer with the layer of the beads selected: Ctrl+Z.",
        enabled=False,
        gui_only=True,
    )

    def show_whether() -> None:
        if isalive(undo.native):  # type: ignore[no-untyped-call]
            undo.enabled = history.count > 0

    # Layers hold who listens weakly.
    history = gui.bead_edits = EditHistory(show_whether)
    undo.changed.connect(lambda _: history.undo())

    def note(ending: Ending) -> None:
        points = [layer for layer in ending.layers if isinstance(layer, Points)]
        if points:
            written.clear()
            written.update(points)
            button.enabled = True
        for layer in points:
            # The next run may write the same ones over.
            if layer not in _shown:
                _shown.add(layer)
                show_fates(layer)
                show_in_depth(layer)
                follow_points(layer)
        if points:
            # Of several stacks the last is that of the image.
            legend.follow(points[-1])
            history.follow(points[-1])
            _bind_undo(points[-1], history)

    def open_table() -> None:
        viewer = gui.viewer.value
        there = [layer for layer in written if viewer is not None and layer in viewer.layers]
        if not there:
            show_info(f"{runner.title}: the layer of the beads is gone; run the step again.")
            return
        try:
            _, table = viewer.window.add_plugin_dock_widget(PLUGIN, TABLE)
        except (KeyError, ValueError):
            show_info("This version of napari has no table of features; version 0.6.2 has one.")
            return
        put_below(table, TABLE_HEIGHT)
        centre_on_chosen(table, unwrapped(viewer), lambda: list(written))
        viewer.layers.selection = set(there)

    runner.ended.connect(note)
    button.changed.connect(lambda _: open_table())
    gui.append(button)
    gui.append(undo)
    gui.native.layout().addWidget(legend)
    return button


def _bind_undo(layer: Points, history: EditHistory) -> None:
    """Take back the last edit by the key that everybody knows, while the layer is selected."""
    weakly = ref(history)

    def undo(edited: Points) -> None:
        own = weakly()
        if own is not None and own.layer is edited:
            own.undo()

    layer.bind_key("Control-Z", undo, overwrite=True)
