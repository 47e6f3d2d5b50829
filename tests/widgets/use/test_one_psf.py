"""What is looked at when a PSF is there: each by the mouse and the keys, before one viewer."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Points
from person import Person, read, shown
from PIL import Image as Picture
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTableView

import napari_psf_distiller as psfd
from napari_psf_distiller.widgets.help.pages import CHAPTERS
from napari_psf_distiller.widgets.help.window import HelpWindow
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of, scales_of

TABS = ("Profiles", "OTF", "Compare", "Progress", "Image")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Beside the page itself in what the browser gives back: the cells of the table of beads, those of
# them that take more than one line, and how much of the table is beyond the page.
LOOK = """<pre id="found"></pre><script>
const cells = [...document.querySelectorAll(".beads td, .beads th")];
const broken = cells.filter(cell => {
  const text = document.createRange();
  text.selectNodeContents(cell);
  return new Set([...text.getClientRects()].map(line => Math.round(line.top))).size > 1;
});
const right = document.querySelector(".beads table").getBoundingClientRect().right;
document.getElementById("found").textContent = JSON.stringify({
  cells: cells.length, broken: broken.map(cell => cell.textContent), beyond: right - innerWidth
});
</script></body>"""
# Pixels that a sheet of A4 is wide.
SHEET = 794


def test_the_tabs_stay_under_the_mouse(with_psf: Person) -> None:
    for name in TABS:
        before = with_psf.place_of_tab(name)
        with_psf.hands.press(before)
        # What is in them has another height each.
        with_psf.rests(0.3)
        assert with_psf.place_of_tab(name) == before
        assert name in with_psf.open_tabs()


def test_the_progress_keeps_its_curve(with_psf: Person) -> None:
    with_psf.turns_to("Progress")
    with_psf.waits_for("How the PSF of the last run formed.")
    assert not with_psf.sees("Nothing is being distilled")
    with_psf.turns_to("Image")


def test_the_profiles_are_told_apart_without_colours(with_psf: Person, tmp_path: Path) -> None:
    with_psf.turns_to("Profiles")
    path = saves_picture(with_psf, tmp_path / "profiles.svg")
    # Beside z, whose line is whole.
    assert len(set(re.findall(r"stroke-dasharray: ([^;\"]+)", path.read_text("utf-8")))) >= 2
    with_psf.turns_to("Image")


def test_help_is_a_click_away(with_psf: Person) -> None:
    with_psf.presses("? in the guide")
    with_psf.waits(lambda: shown(HelpWindow))
    # It is a window, and napari's main window's too.
    window, *_ = shown(HelpWindow)
    assert window.shown_text in CHAPTERS.values()
    window.close()


def test_the_table_has_places_and_units_and_brings_a_bead_into_the_middle(
    with_psf: Person,
) -> None:
    viewer = with_psf.viewer
    points: Points = viewer.layers["beads fitted beads"]
    with_psf.presses("2  Distil PSF")
    with_psf.presses("Table of the beads")
    with_psf.waits(lambda: shown(QTableView))
    (table,) = shown(QTableView)
    model = table.model()
    headings = [model.headerData(n, Qt.Orientation.Horizontal) for n in range(model.columnCount())]
    for axis in "zyx":
        assert f"{axis} (voxels)" in headings
        assert f"{axis} error (voxels)" in headings
    # Of several rows, that of a bead which lies elsewhere.
    row = int(np.argmax(np.abs(points.data[:3, 0] - viewer.dims.point[0] / points.scale[0])))
    index = model.index(row, 1)
    with_psf.hands.press(table.viewport().mapToGlobal(table.visualRect(index).center()))
    number = int(model.data(model.index(row, 0)))
    world = points.data_to_world(points.data[number])
    with_psf.waits(lambda: np.allclose(camera_of(viewer).center[-2:], world[-2:], atol=1e-3))
    assert viewer.dims.point[0] == pytest.approx(world[0], abs=points.scale[0])
    with_psf.closes_dock("Features")
    with_psf.presses("5  Inspect PSF")


def test_the_view_in_3d_has_a_scale_bar_and_axes(with_psf: Person) -> None:
    viewer = with_psf.viewer
    with_psf.presses("View in 3D")
    with_psf.waits(lambda: viewer.dims.ndisplay == 3)
    assert [one.visible for one in scales_of(viewer)] == [True, True]
    assert [str(unit) for unit in viewer.layers.units] == ["micrometer"] * 3
    assert viewer.dims.axis_labels == ("z", "y", "x")
    with_psf.presses("Back from 3D")
    with_psf.waits(lambda: viewer.dims.ndisplay == 2)
    assert [one.visible for one in scales_of(viewer)] == [False, False]


def test_a_psf_of_any_name_is_opened_from_the_file_menu(
    with_psf: Person, field: psfd.SimulatedBeads, tmp_path: Path, told: Any
) -> None:
    psfd.PSF(field.psf, field.spacing).save(tmp_path / "mine.tif")
    with_psf.answers(lambda: with_psf.names_file(str(tmp_path / "mine.tif"), "Open"))
    with_psf.opens("File", "IO Utilities", "Open a saved PSF")
    with_psf.waits(lambda: "mine" in with_psf.viewer.layers)
    assert np.allclose(with_psf.viewer.layers["mine"].scale, field.spacing)
    with_psf.viewer.layers.remove("mine")
    with_psf.rests()
    assert told.errors == []


def test_the_inspector_saves_a_picture_of_its_own_shape(with_psf: Person, tmp_path: Path) -> None:
    path = saves_picture(with_psf, tmp_path / "psf.png")
    picture = np.asarray(Picture.open(path).convert("L"), float)
    height, width = picture.shape
    assert width <= 1.5 * height <= 2.5 * width
    # No band across it is empty.
    empty = picture.std(axis=1) == 0
    longest = max(len(run) for run in "".join("x" if one else " " for one in empty).split(" "))
    assert longest < 0.1 * height


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser")
def test_the_report_says_what_it_is_of_and_prints_whole(with_psf: Person, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with_psf.answers(lambda: with_psf.names_file(str(path), "Save"))
    with_psf.presses("Export report")
    with_psf.waits(path.exists)
    with_psf.waits(lambda: path.read_text("utf-8").rstrip().endswith("</html>"))
    report = path.read_text("utf-8")
    for line in ("Image", "Distilled", "Microscope"):
        assert f"<th>{line}</th>" in report
    # As it is laid out for paper.
    printed = tmp_path / "printed.html"
    printed.write_text(
        report.replace("@media print", "@media all").replace("</body>", LOOK), encoding="utf-8"
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--window-size={SHEET},1000", printed.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    found = json.loads(done.stdout.decode().split('<pre id="found">')[1].split("</pre>")[0])
    assert found["cells"] > 8 * 10
    assert found["broken"] == []
    assert found["beyond"] <= 0


def saves_picture(person: Person, path: Path) -> Path:
    """Save what the inspector shows."""
    person.answers(lambda: person.names_file(str(path), "Save"))
    (button,) = (one for one in person.buttons("Save") if read(one).endswith("…"))
    person.presses(button)
    person.waits(lambda: path.exists() and path.stat().st_size > 0)
    return path
