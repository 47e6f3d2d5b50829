"""How long the viewer keeps its user waiting: in the whole guided way, at a slider, after an edit.

    python benchmarks/responsiveness.py                     # all of it; needs a screen, or:
    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/responsiveness.py

A timer that should fire every four milliseconds tells when the event loop was busy: the gaps
between two of its ticks are what a user feels. What of a gap the main thread computed is told too:
the rest it waited, for a processor, the graphics or another thread. The guide is run from the image
to the deconvolved beads, all layers added; then the PSF is inspected and proved. Beside it stands
the time that the same steps take without a viewer, in the same process, in turns with those in it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
from napari.layers import Image
from qtpy.QtCore import QEventLoop, QObject, QTimer
from qtpy.QtWidgets import QApplication
from vispy.gloo import gl

import napari_psf_distiller as psfd
from napari_psf_distiller.joint.pipeline import find_raw_beads_step, joint_step
from napari_psf_distiller.progress import finish
from napari_psf_distiller.recipe.provenance import provenance_of
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.note import own_note

PLUGIN = "napari-psf-distiller"
SPACING, DIAMETER = (0.2, 0.08, 0.08), 0.1
UNITS = ("micrometer",) * 3

# Of the inspector.
TABS = ("Image", "Profiles", "OTF", "Compare")

# Milliseconds.
TICK, LOOK = 4, 20
PATIENCE = 900_000

# Seconds before a run, with a viewer and without: a virtual machine's host takes memory back that
# was free for some two seconds, and a run that gets it anew takes a tenth longer than one that
# follows another at once.
REST = 5.0

# Seconds, from one look at what the host keeps to the next.
LOOK_EVERY = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(50, 1024, 1024), metavar="N")
    parser.add_argument("--beads", type=int, default=100)
    parser.add_argument("--slider", type=int, nargs=3, default=(50, 2048, 2048), metavar="N")
    parser.add_argument("--dtype", nargs="+", default=["uint16", "float32"], help="of the slider's")
    parser.add_argument("--edited", type=int, nargs=3, default=(40, 384, 384), metavar="N")
    parser.add_argument("--rounds", type=int, default=4, help="with and without a viewer, in turns")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    given = parser.parse_args()
    warnings.simplefilter("ignore", psfd.DistillerWarning)
    rows = ["| what | figure |", "| --- | --- |"]
    for part in given.parts:
        for what, figure in PARTS[part](given):
            rows.append(f"| {what} | {figure} |")
            print(rows[-1], flush=True)
    if given.markdown is not None:
        given.markdown.write_text("\n".join(rows) + "\n", encoding="utf-8")


class Gaps(QObject):
    """How long the event loop was away, each time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        # What of each the main thread computed.
        self.computed: list[float] = []
        # What of the processors' time the machine did not get in the longest one.
        self.stolen = self._longest = 0.0
        self._last = self._looked = self._before = self._spent = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._tick)

    def __enter__(self) -> Gaps:
        self._last = self._looked = time.perf_counter()
        self._before, self._spent = stolen(), time.thread_time()
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now, spent = time.perf_counter(), time.thread_time()
        gap = now - self._last
        self.seconds.append(gap)
        self.computed.append(spent - self._spent)
        self._spent = spent
        # It takes a while to ask, so not each time.
        if gap > self._longest or now - self._looked > LOOK_EVERY:
            after = stolen()
            if gap > self._longest:
                self._longest, self.stolen = gap, after - self._before
            self._looked, self._before = now, after
        self._last = now

    def __str__(self) -> str:
        """Return what half of the time, 95 % of it, and in the worst case a user waits.

        A gap counts as often as a moment falls into it.
        """
        gaps = np.sort(self.seconds)
        part = np.cumsum(gaps) / gaps.sum()
        half, most = (gaps[np.searchsorted(part, share)] for share in (0.5, 0.95))
        counted = np.quantile(gaps, 0.95)
        own, most_own = (1000 * np.quantile(self.computed, share) for share in (0.95, 1))
        return (
            f"p95 {1000 * counted:.0f} ms of all gaps, max {1000 * gaps[-1]:.0f} ms (stolen by "
            f"the host: {1000 * self.stolen:.0f}); a moment falls into one of {1000 * half:.0f} ms "
            f"(median), {1000 * most:.0f} ms (p95); the main thread computed {own:.0f} ms "
            f"(p95), {most_own:.0f} ms (max)"
        )


def stolen() -> float:
    """Return how much time of its processors, all together, a virtual machine's host kept."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def wait_for(condition: Callable[[], Any]) -> None:
    """Run the event loop until something is so."""
    # As napari runs it: without Python between two events, which would hold up the workers.
    loop = QEventLoop()
    late = QTimer()
    late.setSingleShot(True)
    late.timeout.connect(loop.quit)
    look = QTimer()
    look.setInterval(LOOK)
    look.timeout.connect(lambda: loop.quit() if condition() else None)
    late.start(PATIENCE)
    look.start()
    loop.exec()
    look.stop()
    if not condition():
        raise TimeoutError("It took too long.")


def settle(seconds: float = 1.0) -> None:
    """Let the viewer come to rest."""
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > until)


def field_of(shape: tuple[int, int, int], beads: int) -> psfd.SimulatedBeads:
    return psfd.simulate_beads(
        shape, SPACING, beads=beads, bead_diameter=DIAMETER, separation=1.0, seed=1
    )


def bead_image(viewer: napari.Viewer, array: np.ndarray[Any, Any]) -> Image:
    return viewer.add_image(
        array, name="beads", scale=SPACING, units=UNITS, axis_labels=("z", "y", "x")
    )


def guided(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Take the whole guided way, and the finding and distilling in it without a viewer too."""
    array = field_of(tuple(given.shape), given.beads).image
    headless, in_viewer = [], []
    text = " x ".join(map(str, given.shape))
    result = []
    for turn in range(given.rounds):
        # Each is first as often.
        if turn % 2 == 0:
            headless.append(seconds_without_viewer(array))
        viewer = napari.Viewer()
        image = bead_image(viewer, array)
        _, guide = viewer.window.add_plugin_dock_widget(PLUGIN, "PSF Distiller")
        guide.head.image.value = image
        # Not what its user chose last.
        guide.head.method.value = "joint"
        guide.head.bead_diameter.value = DIAMETER
        settle(REST)
        over: list[str] = []
        guide.chain.ended.connect(over.append)
        guide.deconvolve_too.setChecked(True)
        with Gaps() as gaps:
            guide.run_button.click()
            wait_for(partial(bool, over))
            settle()
        rows_after = seen_and_proved(viewer, text)
        in_viewer.append(seconds_noted(viewer, (StepId.FIND_BEADS, StepId.DISTILL)))
        result.append((f"event loop, {text}, whole guided way ({over[0]})", str(gaps)))
        result += rows_after
        viewer.close()
        settle(0.2)
        if turn % 2 == 1:
            headless.append(seconds_without_viewer(array))
    ratios = np.divide(in_viewer, headless)
    result.append(
        (
            "find beads and distil, in the viewer over without",
            f"median {np.median(ratios):.2f}, from {ratios.min():.2f} to {ratios.max():.2f} "
            f"(medians {np.median(in_viewer):.1f} s and {np.median(headless):.1f} s)",
        )
    )
    return result


def seen_and_proved(viewer: napari.Viewer, text: str) -> list[tuple[str, str]]:
    """Look at the PSF in each of the inspector's tabs, and prove it."""
    _, inspect = viewer.window.add_plugin_dock_widget(PLUGIN, "Inspect PSF")
    with Gaps() as looking:
        for tab in TABS:
            inspect.inspector.tab = tab
            wait_for(lambda: not inspect.inspector.busy)
            settle(0.3)
    _, prove = viewer.window.add_plugin_dock_widget(PLUGIN, "Prove PSF")
    with Gaps() as proving:
        run(prove)
        wait_for(lambda: not prove.panel.busy)
        settle()
    return [
        (f"event loop, {text}, tabs of the inspector", str(looking)),
        (f"event loop, {text}, Prove PSF", str(proving)),
    ]


def seconds_noted(viewer: napari.Viewer, steps: tuple[StepId, ...]) -> float:
    """Return how long some steps' workers took, as the layers that they made say it."""
    notes = [own_note(layer.metadata) for layer in viewer.layers]
    runs = {note.step: note.run for note in notes if note is not None and note.run is not None}
    return float(sum(runs[step].seconds or 0.0 for step in steps))


def seconds_without_viewer(array: np.ndarray[Any, Any]) -> float:
    """Find the beads and distil as the widgets do it, with previews and the image's checksum."""
    recipe = psfd.Recipe(bead_diameter=DIAMETER, spacing=SPACING)
    # There is no event loop before the first viewer.
    time.sleep(REST)
    begin = time.perf_counter()
    beads = finish(find_raw_beads_step(array, recipe))
    provenance_of(array, "")
    finish(joint_step(array, beads, recipe, 2))
    provenance_of(array, "")
    return time.perf_counter() - begin


def threshold(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Move the threshold's slider, and wait each time until it is seen."""
    rng = np.random.default_rng(0)
    array = rng.poisson(100, given.slider).astype(np.uint16)
    array[25, ::64, ::64] += 2000
    return [row for dtype in given.dtype for row in moved_threshold(array.astype(dtype))]


def moved_threshold(array: np.ndarray[Any, Any]) -> list[tuple[str, str]]:
    result = []
    viewer = napari.Viewer()
    image = bead_image(viewer, array)
    _, gui = viewer.window.add_plugin_dock_widget(PLUGIN, "Threshold")
    gui.image.value = image
    gui.method.value = "manual"
    settle(3)
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    painted: list[float] = []
    seen: list[float] = []

    def finish_painting(_: Any) -> None:
        # OpenGL only takes its orders; without a GPU they are carried out later, by the processor.
        gl.glFinish()
        painted.append(time.perf_counter())

    canvas.events.draw.connect(finish_painting, position="last")
    canvas.native.frameSwapped.connect(lambda: seen.append(time.perf_counter()))
    text = f"{' x '.join(map(str, array.shape))} {array.dtype}"
    for ndisplay in (2, 3):
        viewer.dims.ndisplay = ndisplay
        gui.value.value = 150.0
        settle(5)
        waited = []
        for level in np.linspace(120, 1500, 60):
            painted.clear()
            seen.clear()
            begin = time.perf_counter()
            gui.value.value = float(level)
            # The next event is the painting.
            while not seen:
                QApplication.processEvents()
            waited.append((painted[0] - begin, seen[0] - begin))
            settle(0.03)
        for what, seconds in zip(
            ("painted", "on the screen, with its window"), zip(*waited, strict=True), strict=True
        ):
            p50, p95 = np.quantile(seconds, [0.5, 0.95])
            figure = (
                f"median {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms, "
                f"max {1000 * max(seconds):.0f} ms"
            )
            result.append((f"threshold to {what}, {text} in {ndisplay}D", figure))
    viewer.close()
    settle(0.2)
    return result


def edits(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Edit fitted beads, and wait for the PSF that follows."""
    viewer = napari.Viewer()
    image = bead_image(viewer, field_of(tuple(given.edited), 60).image)
    _, find = viewer.window.add_plugin_dock_widget(PLUGIN, "Find beads")
    find.image.value = image
    run(find)
    _, distil = viewer.window.add_plugin_dock_widget(PLUGIN, "Distil PSF")
    distil.bead_diameter.value = DIAMETER
    run(distil)
    points = next(layer for layer in viewer.layers if layer.name.endswith("fitted beads"))
    seen: list[float] = []
    done: list[float] = []
    distil.live_fit.followed.connect(lambda: seen.append(time.perf_counter()))
    distil.live_fit.fitted.connect(lambda: done.append(time.perf_counter()))
    figures = {}
    for name, edit in (("moved", move), ("deleted", delete), ("added", add)):
        waited = []
        for number in range(4):
            settle(0.5)
            seen.clear()
            done.clear()
            begin = time.perf_counter()
            edit(points, 5 + number)
            wait_for(lambda: done)
            waited.append(((seen or done)[0] - begin, done[0] - begin))
        figures[name] = waited
    viewer.close()
    settle(0.2)
    text = " x ".join(map(str, given.edited))
    return [
        (
            f"a bead {name}, {text} with 60 beads, to {what}",
            f"median {np.median(waited):.2f} s, max {max(waited):.2f} s",
        )
        for name, both in figures.items()
        for what, waited in zip(
            ("the PSF's layer", "the end of the fit"), zip(*both, strict=True), strict=True
        )
    ]


def run(gui: Any) -> None:
    """Press a step's button, and wait for its end."""
    over: list[Any] = []
    gui.runner.ended.connect(over.append)
    gui()
    wait_for(lambda: over)


def move(points: Any, number: int) -> None:
    data = points.data.copy()
    data[number] += (0.5, 1.5, -1.5)
    points.data = data


def delete(points: Any, number: int) -> None:
    points.selected_data = {number}
    points.remove_selected()


def add(points: Any, _: int) -> None:
    # Beside a bead that is there, as a second one.
    points.add(points.data[3] + np.array([0.0, 20.0, 20.0]))


PARTS = {"guided": guided, "threshold": threshold, "edits": edits}


if __name__ == "__main__":
    main()
