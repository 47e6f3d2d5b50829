"""From thresholded objects to beads: centres, amplitudes, and which of them are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label, regionprops_table

from napari_psf_distiller.beads import AXES, bead_voxels, centres_of
from napari_psf_distiller.checks import check_choice, check_image, check_spacing
from napari_psf_distiller.errors import InputError

__all__ = ["find_beads"]


def find_beads(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    centre: Literal["centroid", "weighted"] = "centroid",
    min_voxels: int = 1,
    max_voxels: int | None = None,
    margin: Sequence[float] | None = None,
    placement: Literal["truncate", "nearest"] = "nearest",
    spacing: Sequence[float] | None = None,
    background: float | NDArray[np.float32] = 0.0,
) -> pd.DataFrame:
    """Label the objects of a mask and return one bead for each.

    Parameters
    ----------
    image : array_like
        (Z, Y, X) or (Y, X), preprocessed.
    mask : array_like
        Of the same shape; where it is not 0, there is bead. Touching voxels, corners included, are
        one object.
    centre : {"centroid", "weighted"}
        The centroid of the object's voxels, plain or weighted by the image.
    min_voxels, max_voxels : int, optional
        Objects with fewer or more voxels are not used.
    margin : sequence of float, optional
        Beads whose centre is nearer to the border than this, in micrometres along each axis, are
        not used. Of three values the last two count for a 2D image.
    placement : {"truncate", "nearest"}
        Which voxel is a centre's own, for its amplitude; see `bead_voxels`.
    spacing : sequence of float, optional
        Voxel size in micrometres; needed with `margin`.
    background : float or numpy.ndarray
        What was subtracted from the image, to be noted for each bead.

    Returns
    -------
    pandas.DataFrame
        One row a bead, in the order of the labels, index from 1: ``z``, ``y``, ``x`` (voxels,
        fractional; no ``z`` in 2D), ``amplitude`` (the image's value at the centre's voxel),
        ``background``, ``voxels`` (its size), ``used`` (bool) and ``reason`` (why not; empty for
        the used ones).

    Raises
    ------
    InputError
        No object, or none that can be used.
    """
    array = check_image(image)
    objects = np.asarray(mask) != 0
    if objects.shape != array.shape:
        raise InputError(
            f"The thresholded image has the shape {objects.shape}, the image {array.shape}; "
            "threshold this image first."
        )
    if not objects.any():
        raise InputError("No bead was found: no voxel is above the threshold. Choose a lower one.")
    check_choice(centre, "centre", ("centroid", "weighted"))
    labels = label(objects)
    table = regionprops_table(labels, properties=("area", "centroid"))
    centroids = _columns(table, "centroid", array.ndim)
    if centre == "weighted":
        # Negative values have no weight: they would push a centroid out of its object.
        weights = array if array.min() >= 0 else np.maximum(array, 0)
        with np.errstate(invalid="ignore"):
            weighted = regionprops_table(labels, weights, properties=("centroid_weighted",))
        # Where an object has no light, there is no weighted centroid.
        finer = _columns(weighted, "centroid_weighted", array.ndim)
        centroids = np.where(np.isfinite(finer), finer, centroids)
    beads = pd.DataFrame(centroids, columns=list(AXES[-array.ndim :]))
    beads.index = pd.RangeIndex(1, len(beads) + 1, name="bead")
    voxels = tuple(bead_voxels(centres_of(beads), array.shape, placement).T)
    beads["amplitude"] = array[voxels].astype(float)
    beads["background"] = (
        background[voxels].astype(float) if isinstance(background, np.ndarray) else background
    )
    beads["voxels"] = table["area"].astype(int)
    beads["used"] = True
    beads["reason"] = ""
    if margin is not None:
        _refuse(beads, _near_border(beads, array.shape, margin, spacing), "border")
    _refuse(beads, beads["voxels"] < min_voxels, "small")
    if max_voxels is not None:
        _refuse(beads, beads["voxels"] > max_voxels, "large")
    # A floor of 0 can lie at an object's centroid when the object is not convex.
    _refuse(beads, beads["amplitude"] <= 0, "hollow")
    if not beads["used"].any():
        counts = beads["reason"].value_counts()
        reasons = ", ".join(f"{n} {_REASONS[str(reason)]}" for reason, n in counts.items())
        raise InputError(
            f"None of the {len(beads)} objects can be used: {reasons}. Change the threshold, the "
            "sizes or the margin."
        )
    return beads


_REASONS = {
    "border": "too near to the border",
    "small": "too small",
    "large": "too large",
    "hollow": "dark at the centre",
}


def _columns(table: dict[str, NDArray[np.float64]], name: str, ndim: int) -> NDArray[np.float64]:
    return np.column_stack([table[f"{name}-{axis}"] for axis in range(ndim)])


def _refuse(beads: pd.DataFrame, which: pd.Series[bool] | NDArray[np.bool_], reason: str) -> None:
    """Mark beads as not used, keeping the first reason of those that have one."""
    now = beads["used"] & which
    beads.loc[now, "used"] = False
    beads.loc[now, "reason"] = reason


def _near_border(
    beads: pd.DataFrame,
    shape: tuple[int, ...],
    margin: Sequence[float],
    spacing: Sequence[float] | None,
) -> NDArray[np.bool_]:
    sizes = check_spacing(spacing, len(shape))
    if len(margin) < len(shape):
        raise InputError(
            f"The margin {tuple(margin)} has {len(margin)} values, but the image has {len(shape)} "
            "axes."
        )
    reach = np.asarray(margin[-len(shape) :]) / sizes
    centres = centres_of(beads)
    outer = (centres < reach) | (centres > np.asarray(shape) - 1 - reach)
    return np.asarray(outer.any(axis=1))
