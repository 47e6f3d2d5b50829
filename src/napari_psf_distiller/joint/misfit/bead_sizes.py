"""Whether an image shows beads of two sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_psf_distiller.joint.locate import BeadFit
    from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["SizeMisfit", "size_misfit"]

Floats = NDArray[np.float64]

# The variance along any axis of a uniform ball of diameter 1 is one over this.
BALL_VARIANCE_DIVISOR = 20.0

# Beads that must be of the other size, and which part of all.
MIN_BEADS, MIN_SHARE = 3, 0.15

# By how many standard errors they must be narrower, together.
MIN_SIGMAS = 6.0

# A ball's light grows with its surface or its volume: the smaller ones are this many times dimmer.
MIN_BRIGHTNESS_RATIO = 1.5


class SizeMisfit(NamedTuple):
    """Beads that are narrower than those that shape the PSF.

    Attributes
    ----------
    narrower_count : int
        Number of these beads; they were refused for their shape.
    variance : float
        By how much their second moment in the plane is smaller, in square micrometres.
    brightness_ratio : float
        The median amplitude of the used beads over theirs.
    """

    narrower_count: int
    variance: float
    brightness_ratio: float

    def larger(self, diameter: float) -> float:
        """Return the diameter of the used beads if the narrower ones have this one."""
        return float(np.sqrt(diameter**2 + BALL_VARIANCE_DIVISOR * self.variance))


def size_misfit(model: JointModel, fit: BeadFit, reasons: NDArray[np.str_]) -> SizeMisfit | None:
    """Tell whether beads were refused that are narrower than the others.

    Parameters
    ----------
    model : JointModel
    fit : BeadFit
    reasons : numpy.ndarray
        Why each bead is not used; empty for those that are.

    Returns
    -------
    SizeMisfit or None
        None where there are none such.

    Notes
    -----
    Clumped beads and those out of focus are wider than single ones. What is narrower, and dimmer,
    is a smaller bead: a ball's second moment is a twentieth of its squared diameter.
    """
    spacing = model.bead_image.spacing
    # The mean of y and x.
    moments = (fit.moments[:, 1] * spacing[1] ** 2 + fit.moments[:, 2] * spacing[2] ** 2) / 2
    errors = np.diagonal(fit.covariance, axis1=1, axis2=2)[:, 1:3] @ np.square(
        np.square(spacing[1:])
    )
    used = fit.whole & (reasons == "")
    other = fit.whole & ~fit.saturated & (reasons == "touching") & (moments < 0)
    count = int(other.sum())
    if count < max(MIN_BEADS, MIN_SHARE * (count + used.sum())) or not used.any():
        return None
    weights = 4 / np.maximum(errors, 1e-300)
    typical = float(np.average(moments[used], weights=weights[used]))
    mean = float(np.average(moments[other], weights=weights[other])) - typical
    if -mean < MIN_SIGMAS / np.sqrt(weights[other].sum()):
        return None
    dimmer = float(np.median(model.amplitudes[used]) / np.median(model.amplitudes[other]))
    return SizeMisfit(count, -mean, dimmer) if dimmer > MIN_BRIGHTNESS_RATIO else None
