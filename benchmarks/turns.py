"""Which part of the guided way keeps the event loop busy, and for how long at a time.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/turns.py
    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/turns.py --image beads.tif \
        --bead-diameter 0.2 --numerical-aperture 0.95 --wavelength 0.52 --refractive-index 1

A part at a time: the guide is opened and run, the PSF inspected and proved, a bead moved, and the
threshold's slider dragged. Of each turn of the event loop stands how long it was by the clock, and
what the main thread computed in it: the first is what a user feels, the second is the same however
busy the machine is with other things. Beside them stands how long it takes from a place of the
slider to the painted canvas, OpenGL's orders carried out; and what napari needs to add an image
layer by itself, in one turn.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from responsiveness import PLUGIN, TABS, UNITS, Gaps, move, run, settle, wait_for
from vispy.gloo import gl

import napari_psf_distiller as psfd
from napari_psf_distiller.steps import StepId

# Seconds that no turn should take.
LONG = 0.1

# Of the threshold's slider, and the seconds from one place to the next as it is dragged.
PLACES, PACE = 60, 0.03

# Times that napari adds a layer by itself.
ALONE = 5

COLUMNS = (
    "part",
    "turns",
    "p95 by the clock",
    "longest",
    "p95 computed",
    "most computed",
    "over 100 ms computed",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="TIFF with its voxel size; a sample without it")
    parser.add_argument("--bead-diameter", type=float, default=0.1)
    parser.add_argument("--numerical-aperture", type=float, default=1.2)
    parser.add_argument("--wavelength", type=float, default=0.52)
    parser.add_argument("--refractive-index", type=float, default=1.33)
    parser.add_argument("--iterations", type=int, default=15, help="of the deconvolution in Prove")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    viewer = napari.Viewer()
    way = Way(viewer, bead_layer(viewer, given), given.iterations)
    settle()
    for name, part in way.parts().items():
        with Gaps() as gaps:
            part()
            settle()
        print(row(name, gaps), flush=True)
    by_clock, own = 1000 * np.array(way.painted).T
    print(
        f"\nFrom the slider to the painted canvas: p95 {np.quantile(by_clock, 0.95):.0f} ms, "
        f"longest {by_clock.max():.0f} ms by the clock; p95 {np.quantile(own, 0.95):.0f} ms, most "
        f"{own.max():.0f} ms computed ({len(own)} of {PLACES} places)."
    )
    alone = 1000 * np.array(seconds_alone(viewer))
    print(
        f"\nnapari computes {np.median(alone):.0f} ms (median), {alone.max():.0f} ms (most) to add "
        "an image layer by itself."
    )
    viewer.close()
    settle(0.2)


def row(name: str, gaps: Gaps) -> str:
    clock, own = np.array(gaps.seconds), np.array(gaps.computed)
    figures = (np.quantile(clock, 0.95), clock.max(), np.quantile(own, 0.95), own.max())
    cells = [name, str(len(own)), *(f"{1000 * figure:.0f} ms" for figure in figures)]
    return "| " + " | ".join([*cells, str((own > LONG).sum())]) + " |"


def bead_layer(viewer: napari.Viewer, given: argparse.Namespace) -> Image:
    """Add the image, with what is known of its microscope, as one of the samples has it."""
    if given.image is None:
        field = psfd.simulate_beads(bead_diameter=given.bead_diameter)
        array, spacing = field.image, field.spacing
    else:
        stored = psfd.read_image(given.image)
        if stored.spacing is None:
            raise SystemExit(f"{given.image} has no voxel size.")
        array, spacing = stored.image, stored.spacing
    known = ("bead_diameter", "numerical_aperture", "wavelength", "refractive_index")
    return viewer.add_image(
        array,
        name="beads",
        scale=spacing,
        units=UNITS,
        axis_labels=("z", "y", "x"),
        metadata={"microscope": "widefield"} | {name: getattr(given, name) for name in known},
    )


class Way:
    """The parts of the guided way, each to be gone after the one before it.

    Parameters
    ----------
    viewer : napari.Viewer
    image : napari.layers.Image
    iterations : int
        Of the deconvolution in Prove.

    Attributes
    ----------
    painted : list of (float, float)
        Of each place of the threshold's slider that changed the picture: seconds until it was
        painted, by the clock, and what of them the main thread computed.
    """

    def __init__(self, viewer: napari.Viewer, image: Image, iterations: int) -> None:
        self._viewer, self._image, self._iterations = viewer, image, iterations
        self._guide: Any = None
        self._inspect: Any = None
        self._prove: Any = None
        self._threshold: Any = None
        # Of the slider; not worked out while it is dragged, which would be counted with it.
        low, high = np.quantile(image.data, [0.5, 0.9999])
        self._levels = np.linspace(low, high, PLACES)
        self.painted: list[tuple[float, float]] = []

    def parts(self) -> dict[str, Callable[[], None]]:
        return {
            "the guide is opened": self._open_guide,
            "the PSF is distilled": self._distil,
            "Inspect PSF is opened": self._open_inspector,
            "its tabs": self._turn_tabs,
            "Prove PSF": self._run_proof,
            "its residual, and back": self._see_residual,
            "a bead is moved, and fitted again": self._edit,
            "Threshold is opened": self._open_threshold,
            "its slider is dragged": self._drag,
        }

    def _open(self, name: str) -> Any:
        return self._viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]

    def _open_guide(self) -> None:
        self._guide = self._open("PSF Distiller")
        wait_for(lambda: self._guide.whole)
        self._guide.head.image.value = self._image
        # Not what its user chose last.
        self._guide.head.method.value = "joint"

    def _distil(self) -> None:
        over: list[str] = []
        self._guide.chain.ended.connect(over.append)
        self._guide.run_button.click()
        wait_for(lambda: over)
        if over != ["The PSF is ready."]:
            raise RuntimeError(over[0])

    def _open_inspector(self) -> None:
        self._inspect = self._open("Inspect PSF")
        settle()
        wait_for(lambda: not self._inspect.inspector.busy)

    def _turn_tabs(self) -> None:
        for tab in TABS:
            self._inspect.inspector.tab = tab
            wait_for(lambda: not self._inspect.inspector.busy)
            settle(0.3)

    def _run_proof(self) -> None:
        self._prove = self._open("Prove PSF")
        # Nobody presses a button of it in the same moment.
        settle(0.3)
        self._prove.iterations.value = self._iterations
        run(self._prove)
        wait_for(lambda: not self._prove.panel.busy)

    def _see_residual(self) -> None:
        for _ in range(2):
            self._prove.panel.residual.native.click()
            settle(0.3)
            wait_for(lambda: not self._prove.panel.busy)

    def _edit(self) -> None:
        done: list[bool] = []
        live_fit = self._guide.steps[StepId.DISTILL].gui.live_fit
        live_fit.fitted.connect(lambda: done.append(True))
        layers = self._viewer.layers
        move(next(layer for layer in layers if layer.name.endswith("fitted beads")), 3)
        wait_for(lambda: done)

    def _open_threshold(self) -> None:
        self._threshold = self._open("Threshold")
        settle(0.3)
        self._threshold.image.value = self._image
        self._threshold.method.value = "manual"
        wait_for(lambda: self._threshold.preview.overlay.layer)

    def _drag(self) -> None:
        canvas = self._viewer.window._qt_viewer.canvas._scene_canvas
        done: list[tuple[float, float]] = []

        def finish_painting(_: Any) -> None:
            # OpenGL only takes its orders; without a GPU the processor carries them out later.
            gl.glFinish()
            done.append((time.perf_counter(), time.thread_time()))

        canvas.events.draw.connect(finish_painting, position="last")
        for level in self._levels:
            done.clear()
            begin, spent = time.perf_counter(), time.thread_time()
            self._threshold.value.value = float(level)
            settle(PACE)
            if done:
                self.painted.append((done[0][0] - begin, done[0][1] - spent))
        canvas.events.draw.disconnect(finish_painting)


def seconds_alone(viewer: napari.Viewer) -> list[float]:
    """Return what the main thread computes when napari adds an image layer, each time."""
    array = np.zeros((11, 40, 40), np.float32)
    result = []
    for _ in range(ALONE):
        begin = time.thread_time()
        layer = viewer.add_image(array, scale=(0.2, 0.1, 0.1), units=UNITS)
        result.append(time.thread_time() - begin)
        settle(0.3)
        viewer.layers.remove(layer)
        settle(0.3)
    return result


if __name__ == "__main__":
    main()
