"""Draw the pictures of docs/results.md.

PYTHONPATH=benchmarks python docs/figures.py [--cases slide,crowded] [-o docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import distilled, recipe_of
from bead_cases import CASES, Array, Case, Field, Score, score, simulate
from matplotlib import colormaps
from matplotlib.figure import Figure
from scipy import ndimage

import napari_psf_distiller as psfd

CHOSEN = "dry200,clumps,aberrated"
# The difference is drawn on this part of the PSF's scale.
FINE = 0.1
# The image and its residual are drawn up to so many standard deviations of the noise.
DEVIATIONS = 6.0
# In so many colours: noise takes much room in a file.
COLOURS = 13
# Only so many voxels of the image are drawn along y and x, where most beads lie.
SHOWN = 150
DOTS_PER_INCH = 75


def draw(case: Case, path: Path) -> None:
    """Distil a case and save what was found beside the truth, and image and residual."""
    field = simulate(case)
    result = distilled(field.image, case, recipe_of(case))
    figure = Figure(figsize=(10, 7.6), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    above, below = parts
    found = score(result.psf.array, field.psf)
    _draw_psf(above.subplots(1, 6), found, case)
    _draw_image(below.subplots(1, 2), field, result)
    figure.suptitle(f"{case.name}: relative L2 error {found.l2:.3f}")
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _draw_psf(panels: np.ndarray, found: Score, case: Case) -> None:
    """Draw the middle planes of the PSF, the truth and their difference."""
    top = found.truth.max()
    arrays = {"found": found.found, "truth": found.truth, "difference": found.found - found.truth}
    for number, (name, array) in enumerate(arrays.items()):
        for axis, plane in enumerate(("xy", "xz")):
            panel = panels[2 * number + axis]
            shown = array.take(array.shape[axis] // 2, axis) / top
            aspect = case.spacing[axis - 1 if axis else 1] / case.spacing[2]
            if name == "difference":
                panel.imshow(shown, cmap="RdBu_r", vmin=-FINE, vmax=FINE, aspect=aspect)
                panel.set_title(f"difference x {1 / FINE:.0f}, {plane}", fontsize=9)
            else:
                bright = np.sqrt(np.maximum(shown, 0))
                panel.imshow(bright, cmap="inferno", vmin=0, vmax=1, aspect=aspect)
                panel.set_title(f"{name} (square root), {plane}", fontsize=9)
            panel.set(xticks=[], yticks=[])


def _draw_image(panels: np.ndarray, field: Field, result: psfd.Result) -> None:
    """Draw the brightest plane, and what is left of it, in units of the noise."""
    light = field.expected - field.background
    plane = int(light.sum(axis=(1, 2)).argmax())
    centred = ndimage.uniform_filter(light[plane], SHOWN, mode="constant")
    y, x = (
        int(np.clip(middle - SHOWN // 2, 0, n - SHOWN))
        for middle, n in zip(
            np.unravel_index(centred.argmax(), centred.shape), centred.shape, strict=True
        )
    )
    colours = colormaps["PiYG"].resampled(COLOURS)
    deviation: Array = np.sqrt(field.expected[plane] + field.case.read_noise**2)
    residual = result.residual
    assert residual is not None
    image = field.image[plane] - field.case.offset - field.background
    for panel, array, name in (
        (panels[0], image / deviation, "image less its background"),
        (panels[1], residual[plane] / deviation, "residual"),
    ):
        drawn = panel.imshow(
            array, cmap=colours, interpolation="nearest", vmin=-DEVIATIONS, vmax=DEVIATIONS
        )
        panel.set(xticks=[], yticks=[], xlim=(x, x + SHOWN), ylim=(y + SHOWN, y))
        panel.set_title(f"plane {plane}: {name}, over the noise", fontsize=9)
    used = result.beads[result.beads["used"]]
    others = result.beads[~result.beads["used"]]
    panels[0].plot(used["x"], used["y"], "o", mfc="none", mec="tab:blue", ms=9, label="used")
    panels[0].plot(
        others["x"], others["y"], "o", mfc="none", mec="tab:orange", ms=9, label="not used"
    )
    panels[0].legend(loc="lower right", fontsize=8)
    panels[1].figure.colorbar(drawn, ax=panels, shrink=0.8)


def main() -> None:
    """Draw the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=CHOSEN, help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.cases.split(","):
        draw(CASES[name], arguments.output / f"{name}.png")


if __name__ == "__main__":
    main()
