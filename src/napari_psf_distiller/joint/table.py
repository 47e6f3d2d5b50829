"""The table of a joint fit's beads."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.joint.judging import MAX_AMPLITUDE_ERROR
from napari_psf_distiller.joint.locate import BeadFit
from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["bead_table"]

Floats = NDArray[np.float64]

# A ripple on a typical bead's halo is dimmer than this part of the bead.
RIPPLE_FRACTION = 0.06


def bead_table(
    model: JointModel,
    fit: BeadFit,
    centres: Floats,
    reasons: NDArray[np.str_],
    order: NDArray[np.intp],
) -> pd.DataFrame:
    """Return the table of the beads.

    Parameters
    ----------
    model : JointModel
    fit : BeadFit
    centres : numpy.ndarray
        (beads, 3), voxels.
    reasons : numpy.ndarray
        Why each is not used; empty for those that are.
    order : numpy.ndarray
        The rank of the model's first beads in the table; the others come behind.

    Returns
    -------
    pandas.DataFrame
        A row for each bead; see `JointFitResult`.
    """
    flat = model.bead_image.intensity.shape[0] == 1
    free = [0, 2, 3] if flat else [0, 1, 2, 3]
    deviations = np.full((len(centres), 4), np.nan)
    for row, matrix in zip(deviations, fit.information, strict=True):
        inverse = np.linalg.pinv(matrix[np.ix_(free, free)])
        row[free] = np.sqrt(np.maximum(np.diag(inverse), 0))
    columns: dict[str, object] = {}
    for axis, name in enumerate(AXES):
        if not (flat and axis == 0):
            columns[name] = centres[:, axis]
    columns["amplitude"] = model.amplitudes
    columns["background"] = model.background_at_beads
    for axis, name in enumerate(AXES):
        if not (flat and axis == 0):
            columns[f"{name}_error"] = deviations[:, 1 + axis]
    columns["amplitude_error"] = deviations[:, 0]
    columns["chi_squared"] = fit.chi_squared
    columns["used"] = reasons == ""
    columns["reason"] = reasons.astype(object)
    beads = pd.DataFrame(columns)
    # What is hardly there, or hardly brighter than a ripple on the others' halos, is no bead.
    typical = float(np.median(model.amplitudes[model.used]))
    certain = model.amplitudes > deviations[:, 0] / MAX_AMPLITUDE_ERROR
    beads = beads[model.used | (certain & (model.amplitudes > RIPPLE_FRACTION * typical))]
    # As they were found; what was found later is behind.
    beads = beads.rename(index=dict(enumerate(order.tolist()))).sort_index()
    beads.index = pd.RangeIndex(1, len(beads) + 1, name="bead")
    return beads
