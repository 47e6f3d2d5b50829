"""Take the pictures of docs/guide.md from the running plugin.

    python docs/screenshots.py                     # all of them; needs a screen, or:
    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py
    python docs/screenshots.py --only threshold    # one of them

The whole guided way is gone with simulated beads, in a viewer of 1280 x 800 pixels that reads and
keeps no settings.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before napari is imported: whoever runs this keeps their own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
os.environ["PSF_DISTILLER_MICROSCOPES"] = str(Path(tempfile.mkdtemp()) / "microscopes.json")

import napari
import numpy as np
import tifffile
from napari.layers import Image, Layer, Points
from numpy.typing import NDArray
from PIL import Image as Pictures
from qtpy.QtCore import QEvent, QEventLoop, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

import napari_psf_distiller as psfd
from napari_psf_distiller.io import write_image
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.guide import Guide
from napari_psf_distiller.widgets.inspect.field_place import FieldPlace

PLUGIN, SAMPLE = "napari-psf-distiller", "beads_on_slide"
WIDTH, HEIGHT = 1280, 800
OPTICS = {"numerical_aperture": 1.2, "wavelength": 0.52, "refractive_index": 1.33}
DIAMETER = 0.1
# What a microscope's program writes into an OME-TIFF.
INSTRUMENT = (
    '<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="1.2" Immersion="Water"/>'
    "</Instrument>"
)
CHANNEL = (
    'EmissionWavelength="520" ExcitationWavelength="488" AcquisitionMode="SpinningDiskConfocal"'
)

# Seconds that nothing here takes.
PATIENCE = 300
# So many times the PSF was shown before it is taken while it forms.
FORMED = 4
# A file larger than this is written in fewer colours.
LARGEST_FILE, COLOURS = 240_000, 256
# Of the guide's dock.
GUIDE_WIDTH = 400


def wait_for(condition: Callable[[], Any]) -> None:
    """Run the event loop until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("The plugin did not get there.")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)


def come_to_rest() -> None:
    """Let everything be laid out and drawn that was asked for."""
    for _ in range(10):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)


class Desk:
    """A viewer, what is done in it, and the pictures taken of it.

    Parameters
    ----------
    folder : Path
        Where the pictures go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(WIDTH, HEIGHT)
        self.window: QMainWindow = self.viewer.window._qt_window
        # Where it touches nothing that has a tooltip.
        QCursor.setPos(self.window.screen().geometry().bottomRight())
        come_to_rest()

    def open_sample(self) -> Image:
        """Open the sample and return its layer."""
        (layer,) = self.viewer.open_sample(PLUGIN, SAMPLE)
        return layer

    def open(self, name: str, width: int = 0) -> Any:
        """Open a widget by its name in the menu."""
        dock, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        self.widen(dock, width)
        return widget

    def widen(self, dock: Any, width: int) -> None:
        """Give a dock a width, and the viewer the rest."""
        if width:
            self.window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
        come_to_rest()
        self.viewer.reset_view()

    def show_through(self, layers: list[Layer]) -> None:
        """Show some layers alone, through their whole depth."""
        dims = self.viewer.dims
        depth = dims.range[0].stop - dims.range[0].start
        dims.margin_left = dims.margin_right = (depth, *dims.margin_left[1:])
        for layer in self.viewer.layers:
            layer.visible = layer in layers
        for layer in layers:
            layer.projection_mode = "all" if isinstance(layer, Points) else "max"
        come_to_rest()

    def show_plane(self) -> None:
        """Show one plane again."""
        dims = self.viewer.dims
        dims.margin_left = dims.margin_right = (0.0,) * dims.ndim

    def close_docks(self) -> None:
        """Close what was opened beside the viewer."""
        self.viewer.window.remove_dock_widget("all")
        come_to_rest()

    def picture(self, part: QWidget | None = None) -> NDArray[np.uint8]:
        """Return what the window shows, or a widget in it."""
        for widget in QApplication.topLevelWidgets() + self.window.findChildren(QWidget):
            if type(widget).__name__ == "NapariQtNotification":
                widget.close()
        come_to_rest()
        shown = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        if part is None:
            return shown
        ratio = shown.shape[1] / self.window.width()
        corner = part.mapTo(self.window, part.rect().topLeft())
        left, top = (round(n * ratio) for n in (corner.x(), corner.y()))
        right, bottom = (
            round(n * ratio) for n in (corner.x() + part.width(), corner.y() + part.height())
        )
        return shown[max(top, 0) : bottom, max(left, 0) : right]

    def take(self, name: str, part: QWidget | None = None) -> None:
        """Save a picture of the window, or of a widget in it."""
        self.save(name, self.picture(part))

    def save(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Write a picture; in few colours if it takes much room."""
        path = self._folder / f"{name}.png"
        whole = Pictures.fromarray(np.ascontiguousarray(picture))
        whole.save(path, optimize=True)
        if path.stat().st_size > LARGEST_FILE:
            # Rare colours count as much as those of the noise.
            few = whole.quantize(COLOURS, Pictures.Quantize.MAXCOVERAGE, kmeans=1)
            few.save(path, optimize=True)


def side_by_side(pictures: list[NDArray[np.uint8]], gap: int = 8) -> NDArray[np.uint8]:
    """Return pictures in a row, on white."""
    height = max(len(picture) for picture in pictures)
    row: list[NDArray[np.uint8]] = []
    for picture in pictures:
        low = np.full((height - len(picture), picture.shape[1], 3), 255, np.uint8)
        row += [np.vstack([picture, low]), np.full((height, gap, 3), 255, np.uint8)]
    return np.hstack(row[:-1])


def fill_in(guide: Guide) -> None:
    """Tell the guide what is known of the sample."""
    guide.head.bead_diameter.value = DIAMETER
    for name, value in OPTICS.items():
        guide.head[name].value = value
    come_to_rest()
    guide.refresh()


def run(guide: Guide) -> None:
    """Press the button of the guide, and wait until all is done."""
    guide.refresh()
    guide.run_button.click()
    wait_for(lambda: not (guide.chain.under_way or guide.chain.running))
    come_to_rest()


def scroll_down(guide: Guide) -> None:
    """Show what is at the end of the guide."""
    come_to_rest()
    bar = guide.column.verticalScrollBar()
    assert bar is not None
    bar.setValue(bar.maximum())


def run_step(gui: Any) -> None:
    """Press a step's button, and wait until it is done."""
    gui.call_button.native.click()
    wait_for(lambda: not gui.runner.running)
    come_to_rest()


def inspector_at_rest(gui: Any) -> None:
    """Wait until an inspector has drawn."""
    wait_for(lambda: not gui.inspector.busy)
    come_to_rest()


# --- the pictures


def guided(desk: Desk, wanted: Callable[[str], bool]) -> None:
    """Go the guided way, from the image to the PSF, and look at it."""
    viewer = desk.viewer
    image = desk.open_sample()
    image.gamma = 0.6
    guide = desk.open("PSF Distiller", GUIDE_WIDTH)
    fill_in(guide)
    guide.open(StepId.DISTILL)
    if wanted("start"):
        desk.take("start")
    formed(desk, guide, wanted("forming"))
    psf, beads = (viewer.layers[f"{image.name} {name}"] for name in ("PSF", "fitted beads"))
    psf.gamma = 0.4
    desk.show_through([image, beads, psf])
    if wanted("overview"):
        inspect = guide.steps[StepId.INSPECT].gui
        inspect.inspector.presets[1].native.click()
        scroll_down(guide)
        inspector_at_rest(inspect)
        desk.take("overview")
    desk.show_plane()
    desk.close_docks()
    if wanted("inspector"):
        inspected(desk, psf, image)
    if wanted("view3d"):
        in_3d(desk, psf)
    if wanted("proof") or wanted("residual"):
        proven(desk, wanted)


def formed(desk: Desk, guide: Guide, wanted: bool) -> None:
    """Run the guide to the PSF; take a picture while the PSF forms."""
    seen: list[Progress] = []
    inspector = guide.steps[StepId.INSPECT].gui.inspector

    def note(progress: Progress) -> None:
        if progress.preview is not None:
            seen.append(progress)

    runner = guide.steps[StepId.DISTILL].runner
    assert runner is not None
    runner.progressed.connect(note)
    guide.refresh()
    guide.run_button.click()
    if wanted:
        # While the layer is added, nothing of the window is drawn.
        drawn = desk.window.updatesEnabled
        wait_for(lambda: len(seen) >= FORMED and not inspector.busy and drawn())
        scroll_down(guide)
        desk.take("forming")
    wait_for(lambda: not (guide.chain.under_way or guide.chain.running))
    inspector_at_rest(guide.steps[StepId.INSPECT].gui)


def inspected(desk: Desk, psf: Image, image: Image) -> None:
    """Take the inspector's tabs side by side."""
    truth = desk.viewer.add_image(
        image.metadata["true_psf"], name="true PSF", scale=image.scale, units=image.units
    )
    truth.visible = False
    gui = desk.open("Inspect PSF", 420)
    gui.other.value = truth
    gui.inspector.presets[1].native.click()
    # The widths of this one have errors.
    distilled = desk.viewer.layers[f"{image.name} distilled"]
    pictures = []
    for tab in ("Image", "Profiles", "OTF", "Compare"):
        gui.inspector.tab = tab
        gui.psf.value = distilled if tab == "Profiles" else psf
        inspector_at_rest(gui)
        pictures.append(desk.picture(gui.native))
    desk.save("inspector", side_by_side(pictures))
    desk.viewer.layers.remove(truth)
    desk.close_docks()


def in_3d(desk: Desk, psf: Image) -> None:
    """Take the PSF in 3D."""
    desk.viewer.layers.selection.active = psf
    gui = desk.open("Inspect PSF", 340)
    inspector_at_rest(gui)
    gui.inspector.view_3d.native.click()
    inspector_at_rest(gui)
    desk.take("view3d")
    gui.inspector.view_3d.native.click()
    desk.close_docks()


def proven(desk: Desk, wanted: Callable[[str], bool]) -> None:
    """Prove the PSF on its beads."""
    gui = desk.open("Prove PSF", 420)
    run_step(gui)
    wait_for(lambda: not gui.panel.busy)
    come_to_rest()
    if wanted("proof"):
        desk.take("proof")
    if wanted("residual"):
        gui.panel.residual.native.click()
        wait_for(lambda: not gui.panel.busy)
        desk.take("residual")
    desk.close_docks()


def placed(desk: Desk, wanted: Callable[[str], bool]) -> None:
    """Take the PSF at a place of a field over which the spherical aberration changes, and maps."""
    spacing, shape, window = (0.2, 0.08, 0.08), (40, 216, 216), (39, 61, 61)
    psfs = [
        psfd.simulate_psf(window, spacing, spherical=part) for part in np.linspace(-0.08, 0.08, 9)
    ]
    rng = np.random.default_rng(1)
    image = np.zeros([n + m for n, m in zip(shape, window, strict=True)])
    for y in range(14, shape[1], 30):
        for x in range(14, shape[2], 30):
            z, y_off, x_off = rng.integers((-2, -5, -5), (3, 6, 6))
            corner = (shape[0] // 2 + z, y + y_off, x + x_off)
            box = tuple(slice(low, low + m) for low, m in zip(corner, window, strict=True))
            image[box] += 4e5 * rng.uniform(0.7, 1) * psfs[x * len(psfs) // shape[2]]
    inner = tuple(slice(m // 2, m // 2 + n) for n, m in zip(shape, window, strict=True))
    layer = desk.viewer.add_image(
        (rng.poisson(image[inner] + 20) + 100).astype(np.uint16),
        name="field",
        scale=spacing,
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
        gamma=0.6,
    )
    guide = desk.open("PSF Distiller", GUIDE_WIDTH)
    fill_in(guide)
    run(guide)
    desk.close_docks()
    desk.show_through([layer])
    gui = desk.open("Inspect PSF", 420)
    gui.inspector.presets[1].native.click()
    rows, columns = shape[1:]
    gui.inspector.place.choose(FieldPlace(rows / 2, columns * 0.9))
    inspector_at_rest(gui)
    if wanted("place"):
        desk.take("place")
    if wanted("maps"):
        gui.inspector.tab = "Maps"
        inspector_at_rest(gui)
        choice = gui.inspector.maps_tab.choice
        pictures = []
        for name in ("FWHM along z", "focus or spherical aberration"):
            choice.setCurrentText(name)
            choice.activated.emit(choice.currentIndex())
            inspector_at_rest(gui)
            pictures.append(desk.picture(gui.native))
        desk.save("maps", side_by_side(pictures))
    desk.show_plane()
    desk.close_docks()


def tried(desk: Desk, _: Callable[[str], bool]) -> None:
    """Take a region that is tried in several ways."""
    image = desk.open_sample()
    spacing = tuple(float(size) for size in image.scale)
    psf = desk.viewer.add_image(
        psfd.simulate_psf((21, 31, 31), spacing),
        name="psf",
        scale=spacing,
        units=image.units,
        axis_labels=image.axis_labels,
    )
    gui = desk.open("Deconvolve", GUIDE_WIDTH)
    gui.image.value, gui.psf.value = image, psf
    gui.trial.button.native.click()
    wait_for(lambda: not gui.trial.busy)
    come_to_rest()
    desk.take("trial")
    gui.trial.back.native.click()
    wait_for(lambda: not gui.trial.busy)
    desk.close_docks()


def sorted_beads(desk: Desk, _: Callable[[str], bool]) -> None:
    """Take what became of beads of which not all are good, with their table."""
    field = psfd.simulate_beads((32, 176, 176), beads=34, separation=0.1, spread=0.9, seed=7)
    # Some beads lie at the border now, and the brightest are saturated.
    part = field.image[:, 24:, 12:-12]
    image = desk.viewer.add_image(
        np.minimum(part, np.sort(part.max(axis=0).ravel())[-8]),
        name="dense beads",
        scale=field.spacing,
        units=("micrometer",) * 3,
        axis_labels=("z", "y", "x"),
        gamma=0.5,
    )
    guide = desk.open("PSF Distiller", GUIDE_WIDTH)
    fill_in(guide)
    run(guide)
    desk.viewer.layers.selection.active = beads = desk.viewer.layers["dense beads fitted beads"]
    desk.show_through([image, beads])
    desk.close_docks()
    dock, _ = desk.viewer.window.add_plugin_dock_widget("napari", "Features table widget")
    desk.widen(dock, GUIDE_WIDTH)
    desk.take("beads")
    desk.show_plane()
    desk.close_docks()


def thresholded(desk: Desk, _: Callable[[str], bool]) -> None:
    """Take the threshold while it is dragged."""
    desk.open_sample()
    run_step(desk.open("Preprocess beads"))
    desk.close_docks()
    gui = desk.open("Threshold", 360)
    wait_for(lambda: gui.preview.histogram.level is not None)
    gui.method.value = "manual"
    gui.preview.histogram.moved.emit(gui.preview.histogram.level)
    wait_for(lambda: gui.preview.overlay.image is not None and gui.preview.summary.text())
    desk.take("threshold")
    desk.close_docks()


def microscopes(desk: Desk, _: Callable[[str], bool]) -> None:
    """Take what the guide asks for, of several microscopes, side by side."""
    image = desk.open_sample()
    guide = desk.open("PSF Distiller", GUIDE_WIDTH)
    head, part = guide.head, guide.microscope
    pictures = []
    water = psfd.Optics(1.2, 0.52, 1.33)
    for optics in (water, dataclasses.replace(water, microscope="light sheet", sheet=1.5)):
        part.fields.show(psfd.MicroscopePreset(optics))
        come_to_rest()
        pictures.append(desk.picture(head.native))
    oil = psfd.Optics(1.4, 0.52, 1.518, microscope="confocal", excitation=0.488, pinhole=1.0)
    psfd.MicroscopePresets().save("Lab confocal 63x", psfd.MicroscopePreset(oil))
    part.presets.read()
    part.presets.choice.value = "Lab confocal 63x"
    head.pinhole.value = 0.8
    come_to_rest()
    pictures.append(desk.picture(head.native))
    part.presets.choice.value = ""
    part.fields.show(psfd.MicroscopePreset())
    path = Path(tempfile.mkdtemp()) / "beads.ome.tif"
    write_image(path, image.data, spacing=tuple(float(size) for size in image.scale))
    xml = str(tifffile.tiffcomment(path)).replace("<Image ", f"{INSTRUMENT}<Image ", 1)
    tifffile.tiffcomment(path, xml.replace("<Channel ", f"<Channel {CHANNEL} ", 1).encode())
    (image,) = desk.viewer.open(str(path), plugin="napari")
    head.image.value = image
    wait_for(lambda: bool(part.fields.marks.names))
    come_to_rest()
    pictures.append(desk.picture(head.native))
    desk.save("microscopes", side_by_side(pictures))
    desk.close_docks()


# What is done to take the pictures, and those that it takes.
WAYS: dict[Callable[[Desk, Callable[[str], bool]], None], tuple[str, ...]] = {
    guided: ("start", "forming", "overview", "inspector", "view3d", "proof", "residual"),
    placed: ("place", "maps"),
    tried: ("trial",),
    sorted_beads: ("beads",),
    thresholded: ("threshold",),
    microscopes: ("microscopes",),
}


def main() -> None:
    """Take all pictures, or one."""
    names = [name for taken in WAYS.values() for name in taken]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "images")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    desk = Desk(given.out)
    for way, taken in WAYS.items():
        if given.only is None or given.only in taken:
            way(desk, lambda name: given.only in (None, name))
            desk.viewer.layers.clear()
    desk.viewer.close()


if __name__ == "__main__":
    main()
