"""The layers that steps add to the viewer: drawn as their source is, with the recipe so far."""

from collections.abc import Sequence
from typing import Any

from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.geometry import full_range, in_true_size, on_finer_voxels
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, Drawn, LayerNote
from napari_psf_distiller.widgets.layers.record import digest_of
from napari_psf_distiller.widgets.layers.source import Source

__all__ = ["LayerData", "layer_like"]

# What napari adds to the viewer: data, keywords, type.
LayerData = tuple[Any, dict[str, Any], str]


def layer_like(
    source: Source,
    data: Any,
    kind: str,
    name: str,
    recipe: Recipe,
    *,
    step: StepId,
    part: str = "",
    others: Sequence[Source] = (),
    iterations: int | None = None,
    same_grid: bool = True,
    finer: tuple[int, ...] = (),
    **keywords: Any,
) -> LayerData:
    """Return a new layer that is drawn as its source is, with the recipe so far.

    Parameters
    ----------
    source : Source
        The layer it was made from.
    data : array_like
    kind : {"image", "labels", "points"}
    name : str
    recipe : Recipe
        Up to and with this step.
    step : StepId
    part : str
        Which of the step's results it is, such as "residual"; "" of what the step is there for.
    others : sequence of Source
        Further layers that went in.
    iterations : int, optional
        How many were done, which the recipe may have left open.
    same_grid : bool
        Whether voxel 0 of the new layer is voxel 0 of the source, so that it lies on it. If not,
        it is drawn in its true size, see `in_true_size`.
    finer : tuple of int
        How many voxels of the new layer, which lies on the source, one of the source has along each
        axis; empty where it has the source's. The recipe's spacing is the new layer's.
    **keywords
        More of the layer's properties.
    """
    geometry, lies_on_it = source.geometry, same_grid
    if finer:
        geometry, same_grid = on_finer_voxels(geometry, finer), False
    elif not same_grid:
        geometry = in_true_size(geometry, source.recipe.spacing)
    keywords = geometry | keywords
    note = LayerNote(
        step=step,
        part=part,
        recipe=recipe,
        origin=source.origin,
        source=source.summary,
        source_layer=source.identity,
        others=tuple(other.summary for other in others),
        same_grid=same_grid,
        finer=_times(source.finer, finer) if lies_on_it else (),
        drawn=Drawn.of(keywords["scale"], keywords["units"]),
        digest=digest_of(data, keywords.get("features")),
        chosen=source.chosen,
        iterations=iterations,
    )
    if kind == "image" and "contrast_limits" not in keywords:
        keywords["contrast_limits"] = full_range(data)
    return data, {"name": name, "metadata": {METADATA_KEY: note}} | keywords, kind


def _times(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Return how fine voxels are that are finer twice; empty is not finer."""
    if not one or not other:
        return one or other
    return tuple(a * b for a, b in zip(one, other, strict=True))
