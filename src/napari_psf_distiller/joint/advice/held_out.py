"""What beads that a PSF was not fitted to say of it."""

from __future__ import annotations

import numpy as np

from napari_psf_distiller.beads import HELD_OUT
from napari_psf_distiller.joint.results import JointFitResult

__all__ = ["held_out_warnings"]

# Beads that were held out are said to fit worse where their chi squared is this many times as large
# as that of the others, in the median, and by this many standard errors more.
MIN_RATIO, MIN_SIGMAS = 1.1, 3.0

# The standard error of a median of normally distributed values, in units of that of the mean.
MEDIAN_ERROR = 1.25


def held_out_warnings(fit: JointFitResult) -> list[str]:
    """Return whether the beads that were held out fit the PSF worse than those that shaped it.

    Parameters
    ----------
    fit : JointFitResult
    """
    beads = fit.beads
    # Of one whose core is saturated throughout, no voxel counts: it is 0 there.
    told = beads[beads["chi_squared"] > 0]
    used, held_out = (
        np.log(told.loc[of, "chi_squared"].to_numpy(float))
        for of in (told["used"], told["reason"] == HELD_OUT)
    )
    if min(len(used), len(held_out)) < 2:
        return []
    difference = float(np.median(held_out) - np.median(used))
    variance = sum(float(values.var(ddof=1)) / len(values) for values in (used, held_out))
    if difference < max(np.log(MIN_RATIO), MIN_SIGMAS * MEDIAN_ERROR * np.sqrt(variance)):
        return []
    return [
        f"The {len(held_out)} beads that were held out differ from the model by "
        f"{np.exp(difference / 2):.2f} times as much as those that the PSF was fitted to: the PSF "
        "does not hold for all beads of the image. Use more beads, or alike ones."
    ]
