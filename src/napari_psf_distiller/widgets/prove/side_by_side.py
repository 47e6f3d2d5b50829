"""What Prove PSF shows: beads as they were measured and deconvolved, side by side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.boxes import Box, relative_to
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.layers.geometry import full_range, unit_ratios
from napari_psf_distiller.widgets.layers.new_layer import LayerData, layer_like
from napari_psf_distiller.widgets.prove.panes import Range, headings
from napari_psf_distiller.widgets.prove.region import moved
from napari_psf_distiller.widgets.prove.run import Proven

__all__ = ["side_by_side"]

# Between two rows of pictures, a heading has the room of so many gaps between columns.
HEADING = 4.0

# What stands beside each other.
SHOWN = ("raw", "deconvolved")


def side_by_side(proven: Proven, box: Box) -> tuple[list[LayerData], list[Range]]:
    """Return the raw and the deconvolved image of a region beside each other, for a viewer.

    Below a stack's planes is its section through the brightest bead, along z and x.

    Parameters
    ----------
    proven : Proven
    box : tuple of slice
        In voxels of the image, within what was deconvolved.

    Returns
    -------
    list of LayerData
        Two images, of a stack two sections as well, and their headings.
    list of (float, float)
        The background and the maximum of each image.
    """
    source, proof = proven.task.image, proven.proof
    inner = relative_to(proven.box, box)
    geometry = moved(source.geometry, box)
    # They stand beside each other in the viewer's plane, however the image is turned.
    geometry = {name: geometry[name] for name in ("scale", "translate", "units", "axis_labels")}
    parts = [np.ascontiguousarray(array[inner]) for array in (proven.raw, proven.deconvolved)]
    levels = proof.background_before, proof.background_after
    ranges = [(level, full_range(part)[1]) for level, part in zip(levels, parts, strict=True)]
    high, wide = parts[0].shape[-2:]
    size = geometry["scale"]
    gap = max(2, round(0.06 * wide)) * size[-1]
    drawn: dict[str, Any] = {"colormap": "gray", "interpolation2d": "nearest"}
    layers: list[LayerData] = []
    corners, texts = [], []
    for n, (name, part) in enumerate(zip(SHOWN, parts, strict=True)):
        placed = _moved_in_plane(geometry, 0.0, n * (wide * size[-1] + gap))
        layers.append(
            layer_like(
                source,
                part,
                "image",
                f"{source.origin}: {name} beads",
                proven.task.recipe,
                step=StepId.PROVE,
                part=f"{name} beads",
                **placed,
                **drawn,
                contrast_limits=full_range(part),
            )
        )
        corners.append(_corner(placed))
        texts.append(f"{name}, xy" if part.ndim == 3 else name)
    if parts[0].ndim == 3:
        sections, below = _sections(parts, geometry, proven.shown[0])
        for n, (name, section) in enumerate(zip(SHOWN, sections, strict=True)):
            placed = _moved_in_plane(
                below, high * size[-2] + HEADING * gap, n * (wide * size[-1] + gap)
            )
            # No step's layer: it is offered nowhere to work on.
            own = {
                "name": f"{source.origin}: {name} beads, xz",
                "metadata": {PREVIEW_KEY: True},
                "contrast_limits": full_range(section),
            }
            layers.append((section, placed | drawn | own, "image"))
            corners.append(_corner(placed))
            texts.append(f"{name}, xz")
        ranges += ranges
    return [*layers, headings(texts, corners, geometry, source.origin)], ranges


def _moved_in_plane(geometry: dict[str, Any], down: float, right: float) -> dict[str, Any]:
    """Return how a layer lies in the world that is moved in the viewer's plane."""
    *before, y, x = geometry["translate"]
    return geometry | {"translate": (*before, y + down, x + right)}


def _corner(geometry: dict[str, Any]) -> tuple[float, float]:
    """Return where an image begins in the viewer's plane."""
    y, x = geometry["translate"][-2:]
    return y - 0.5 * geometry["scale"][-2], x


def _sections(
    parts: list[NDArray[Any]], geometry: dict[str, Any], planes: int
) -> tuple[list[NDArray[Any]], dict[str, Any]]:
    """Return the sections along z and x through what is brightest in the first of some stacks.

    Parameters
    ----------
    parts : list of numpy.ndarray
        (Z, Y, X), of one shape.
    geometry : dict
        How they lie in the world.
    planes : int
        How many a section reaches over at most.

    Returns
    -------
    list of numpy.ndarray
        (planes, X) each.
    dict
        How the first lies in the viewer's plane, on the first stack: z points down.
    """
    first = parts[0]
    z, y, _ = np.unravel_index(int(first.argmax()), first.shape)
    depth = min(planes, len(first))
    top = int(np.clip(z - depth // 2, 0, len(first) - depth))
    size, units = geometry["scale"], geometry["units"]
    # As long in the viewer as a length along y, whatever units the layer has.
    tall = size[0] * float(unit_ratios(units[:1], units[1:2])[0])
    *_, above, left = geometry["translate"]
    placed = {
        "scale": (tall, size[-1]),
        # Its first row begins where the plane's does.
        "translate": (above + 0.5 * (tall - size[-2]), left),
        "units": units[-2:],
        "axis_labels": geometry["axis_labels"][-2:],
    }
    return [np.ascontiguousarray(part[top : top + depth, y]) for part in parts], placed
