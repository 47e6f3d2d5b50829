"""The layers that show a trial: the measured region and each result, side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_psf_distiller.deconvolution.trial import Trial
from napari_psf_distiller.widgets.layers.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.layers.geometry import full_range, on_finer_voxels
from napari_psf_distiller.widgets.layers.new_layer import LayerData
from napari_psf_distiller.widgets.prove.panes import Range, headings

__all__ = ["MEASURED", "ShownTrial", "shown_trial"]

MEASURED = "measured"

# Each image is shown up to this percentile: one bright bead does not leave the rest dark.
BRIGHTEST = 99.95


# So many in a row, and what is left between them and between the rows, as a part of an image.
COLUMNS, BESIDE, UNDER = 2, 0.04, 0.26


@dataclass(frozen=True, eq=False)
class ShownTrial:
    """A trial, and what shows it in a viewer.

    Attributes
    ----------
    trial : Trial
    layers : list of LayerData
        The measured region and each result, in rows of two, and their headings. No step's layers:
        none is offered to work on.
    ranges : list of (float, float)
        Background and maximum of each image.
    point : tuple of float
        Where the measured region is brightest, in the world.
    """

    trial: Trial
    layers: list[LayerData]
    ranges: list[Range]
    point: tuple[float, ...]


def shown_trial(trial: Trial, geometry: dict[str, Any], title: str) -> ShownTrial:
    """Return what shows a trial in a viewer.

    Parameters
    ----------
    trial : Trial
    geometry : dict
        How the measured region lies in the world.
    title : str
        Of the image.
    """
    # They stand beside each other in the viewer's plane, however the image is turned.
    placed = {name: geometry[name] for name in ("scale", "translate", "units", "axis_labels")}
    # Headings stand in what is left between the rows.
    down, across = (
        (n + max(2, round(gap * n))) * size
        for n, gap, size in zip(
            trial.image.shape[-2:], (UNDER, BESIDE), placed["scale"][-2:], strict=True
        )
    )
    images = [(MEASURED, trial.image, (1,) * trial.image.ndim)]
    images += [
        (one.name, one.array, one.settings.factors(trial.image.shape)) for one in trial.attempts
    ]
    layers: list[LayerData] = []
    corners, ranges = [], []
    for n, (name, array, factors) in enumerate(images):
        row, column = divmod(n, COLUMNS)
        *depth, top, left = placed["translate"]
        offset = (*depth, top + row * down, left + column * across)
        own = placed | {"translate": offset}
        corners.append((offset[-2] - 0.5 * placed["scale"][-2], offset[-1]))
        low, high = full_range(array)
        ranges.append((low, max(float(np.percentile(array, BRIGHTEST)), np.nextafter(low, high))))
        keywords = (on_finer_voxels(own, factors) if max(factors) > 1 else own) | {
            "name": f"{title}: {name}",
            "metadata": {PREVIEW_KEY: True},
            "colormap": "gray",
            "contrast_limits": (low, high),
            "interpolation2d": "nearest",
        }
        layers.append((array, keywords, "image"))
    named = headings([name.replace(", ", ",\n") for name, *_ in images], corners, placed, title)
    brightest = np.unravel_index(int(np.argmax(trial.image)), trial.image.shape)
    point = tuple(
        float(start + size * int(place))
        for start, size, place in zip(placed["translate"], placed["scale"], brightest, strict=True)
    )
    return ShownTrial(trial, [*layers, named], ranges, point)
