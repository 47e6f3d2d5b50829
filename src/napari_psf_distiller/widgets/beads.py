"""The widget Find beads: an image and what is bead in it become a points layer."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import napari
import numpy as np
import pandas as pd
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.figures import NOT_USED, USED
from napari_psf_distiller.pipeline import find_beads_step
from napari_psf_distiller.progress import Steps
from napari_psf_distiller.recipe import FindBeads
from napari_psf_distiller.steps.beads import centres_of
from napari_psf_distiller.widgets.layers import (
    layer_like,
    prefer_layers,
    read_image_layer,
    read_labels_layer,
)
from napari_psf_distiller.widgets.record import (
    marked_by_hand,
)
from napari_psf_distiller.widgets.worker import Job, Outcome, StepRunner

__all__ = ["find_beads"]

TITLE = "Find beads"
DEFAULT = FindBeads()


def _init(gui: FunctionGui[Any, Any]) -> None:
    StepRunner(gui, TITLE)
    prefer_layers(gui, {"image": "Preprocess beads", "mask": "Threshold"})


def _of_added_points(features: pd.DataFrame) -> dict[str, Any]:
    """Return the features of a point that the user adds: used, and nothing known of it.

    Left to itself napari takes those of the last bead, which may be one that is not used.
    """
    unknown = {"b": True, "i": 0, "f": np.nan}
    return {str(name): unknown.get(column.dtype.kind, "") for name, column in features.items()}


@magic_factory(
    widget_init=_init,
    call_button="Find beads",
    image={"label": "image", "tooltip": "The preprocessed image layer."},
    mask={"label": "threshold", "tooltip": "The labels layer that Threshold wrote from it."},
    centre={
        "tooltip": "Centroid of an object's voxels, plain as in the notebook or weighted by the "
        "image, which is finer."
    },
    min_voxels={"min": 1, "max": 10**9, "tooltip": "Smaller objects are noise; not used."},
    max_voxels={
        "min": 0,
        "max": 10**9,
        "tooltip": "Larger objects are clumps; not used. 0 is no limit.",
    },
    margin={
        "label": "margin (µm)",
        "options": {"min": 0.0, "max": 1e4, "step": 0.1},
        "tooltip": "z, y, x: beads nearer to the border are cut off; not used. 0 uses all.",
    },
)
def find_beads(
    viewer: "napari.viewer.Viewer",
    image: "napari.layers.Image",
    mask: "napari.layers.Labels",
    centre: Literal["weighted", "centroid"] = DEFAULT.centre,
    min_voxels: int = DEFAULT.min_voxels,
    max_voxels: int = 0,
    margin: tuple[float, float, float] = (0.5, 0.5, 0.5),
) -> Job:
    """Find the centre of each bead."""

    def prepare() -> Callable[[], Steps[Outcome]]:
        source = read_image_layer(image, "a preprocessed image")
        objects = read_labels_layer(mask)
        settings = FindBeads(
            centre=centre,
            min_voxels=min_voxels,
            max_voxels=max_voxels or None,
            margin=margin if any(margin) else None,
        )
        recipe = dataclasses.replace(
            source.recipe, threshold=objects.recipe.threshold, find_beads=settings
        )
        if objects.edited:
            recipe = marked_by_hand(recipe, "threshold")

        def steps() -> Steps[Outcome]:
            beads = yield from find_beads_step(
                np.asarray(source.data), np.asarray(objects.data), recipe
            )
            sizes = source.recipe.spacing or (1.0,) * len(source.geometry["scale"])
            # What was subtracted is not known here; a column of zeros would be untrue.
            features = beads.drop(
                columns=[c for c in (*"zyx", "background") if c in beads]
            ).reset_index()
            layer = layer_like(
                source,
                centres_of(beads),
                "points",
                f"{source.origin} beads",
                recipe,
                step=TITLE,
                others=[objects],
                features=features,
                feature_defaults=_of_added_points(features),
                # A ring about as large as a bead's image, in voxels of the plane.
                size=max(7.0, 1.0 / sizes[-1]),
                face_color="transparent",
                border_color="used",
                border_color_cycle={True: USED, False: NOT_USED},
                border_width=0.12,
            )
            used = int(beads["used"].sum())
            return [layer], f"done: {len(beads)} beads, {used} of them used", ()

        return steps

    return Job(viewer, prepare)
