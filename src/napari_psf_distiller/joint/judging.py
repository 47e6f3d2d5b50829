"""Which beads may shape the PSF, and why the others may not."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from napari_psf_distiller.beads import REASONS
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM
from napari_psf_distiller.joint.locate import MOMENTS, BeadFit

__all__ = ["MAX_AMPLITUDE_ERROR", "check_one_kind", "judge", "why_none_is_used"]

Floats = NDArray[np.float64]

# What to do where it is why most of an image's beads cannot be used.
ADVICE = {
    "saturated": "Expose for a shorter time, or with less light.",
    "border": "Use an image in which whole beads are seen, from below their focus to above it.",
    "dim": "Use an image with brighter beads.",
}

# The part of single beads that is taken for touching ones by chance.
FALSE_REFUSAL_RATE = 0.01

# A bead whose amplitude is more than this many times the median is of another kind.
MAX_AMPLITUDE_RATIO = 3.0

# A bead counts if its amplitude's standard error is no more than this part of the amplitude.
MAX_AMPLITUDE_ERROR = 1 / 6

# Single beads scatter in the logarithm of their amplitude by at least this, and in their second
# moments by this part of the PSF's: less cannot be told from the model's own errors.
MIN_LOG_SCATTER, MIN_MOMENT_SCATTER = 0.15, 0.01


# Where at least this part of the beads is of another kind, the image has two kinds.
MIN_SHARE_OF_OTHERS = 0.2


def judge(
    fit: BeadFit, amplitudes: Floats, widths: Floats, used: NDArray[np.bool_]
) -> NDArray[np.str_]:
    """Return the reason why each bead should not be used; empty where it may be.

    Parameters
    ----------
    fit : BeadFit
    amplitudes : numpy.ndarray
        (beads,)
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    used : numpy.ndarray
        bool: those that were used until now, among which the typical ones are looked for.

    Notes
    -----
    Touching beads are those that are too wide and too bright at once: Mahalanobis' distance of
    their excess second moments, with the noise's covariance and the spread among the beads, and of
    the logarithm of their amplitude where it is high. For single beads it is chi squared
    distributed. Medians stand for what is typical, so that up to a good third may be others.
    """
    reasons = np.full(len(amplitudes), "", dtype="U16")
    deviation = 1 / np.sqrt(np.maximum(fit.information[:, 0, 0], 1e-300))
    dim = ~(deviation < MAX_AMPLITUDE_ERROR * amplitudes)
    candidates = used & fit.whole & ~fit.saturated & ~dim
    if not candidates.any():
        candidates = fit.whole & ~dim
    logarithms = np.log(np.maximum(amplitudes, 1e-300))
    typical = float(np.median(logarithms[candidates])) if candidates.any() else 0.0
    excess = logarithms - typical
    log_scatter = max(MIN_LOG_SCATTER, _robust_deviation(excess[candidates]))
    distance, moment_count = _shape_distance(fit, widths, candidates)
    distance = distance + np.maximum(excess / log_scatter, 0) ** 2
    limit = float(stats.chi2.isf(FALSE_REFUSAL_RATE, moment_count + 1))
    for reason, which in (
        ("saturated", fit.saturated),
        ("border", ~fit.whole),
        ("dim", dim),
        ("bright", excess > np.log(MAX_AMPLITUDE_RATIO)),
        ("touching", distance > limit),
    ):
        reasons[(reasons == "") & which] = reason
    return reasons


def why_none_is_used(reasons: NDArray[np.str_]) -> str:
    """Return the sentences that say why no bead is used, and what to do about it."""
    counts = Counter(reasons.tolist()).most_common()
    found = ", ".join(f"{n} {REASONS.get(reason, reason)}" for reason, n in counts)
    advice = ADVICE.get(counts[0][0], "Use an image with single, better separated beads.")
    beads = "The only bead cannot" if len(reasons) == 1 else f"None of the {len(reasons)} beads can"
    if len(counts) == 1 and len(reasons) > 1:
        found = f"{len(reasons)} of {found}"
    return f"{beads} be used: {found}. {advice}"


def check_one_kind(reasons: NDArray[np.str_]) -> None:
    """Raise where many beads are of another kind, and their light leaves no PSF.

    Parameters
    ----------
    reasons : numpy.ndarray
        Why each bead is not used, of a fit whose PSF's sum is not positive.

    Raises
    ------
    InputError
        `MIN_SHARE_OF_OTHERS` of them or more are.
    """
    other = int(np.isin(reasons, ["bright", "touching"]).sum())
    if other >= MIN_SHARE_OF_OTHERS * len(reasons):
        raise InputError(
            f"{other} of {len(reasons)} beads are of another brightness or shape than the rest, "
            "and their light covers the image, so that the PSF's halo cannot be told: there are "
            "beads of two sizes, or clumps. Use beads of one size that lie apart, mark the beads "
            "of one kind as not used, or use a smaller window."
        )


def _shape_distance(
    fit: BeadFit, widths: Floats, candidates: NDArray[np.bool_]
) -> tuple[Floats, int]:
    """Return the beads' squared distances from the typical shape, and the degrees of freedom."""
    deviations = widths * SIGMAS_PER_FWHM
    units = np.array([deviations[i] * deviations[j] for i, j in MOMENTS])
    # In a plane there are no moments along z.
    measured_moments = np.flatnonzero(
        fit.covariance.diagonal(axis1=1, axis2=2).max(axis=0, initial=0.0) > 0
    )
    moments = fit.moments[:, measured_moments] / units[measured_moments]
    covariance = fit.covariance[:, measured_moments][:, :, measured_moments] / np.multiply.outer(
        units[measured_moments], units[measured_moments]
    )
    if not candidates.any():
        return np.zeros(len(moments)), len(measured_moments)
    excess_moments = moments - np.median(moments[candidates], axis=0)
    noise = np.median(covariance.diagonal(axis1=1, axis2=2)[candidates], axis=0)
    scatter = np.array([_robust_deviation(column[candidates]) for column in excess_moments.T])
    scatter_variance = np.maximum(scatter**2 - noise, 0) + MIN_MOMENT_SCATTER**2
    distances = [
        float(vector @ np.linalg.solve(matrix + np.diag(scatter_variance), vector))
        for vector, matrix in zip(excess_moments, covariance, strict=True)
    ]
    return np.array(distances), len(measured_moments)


def _robust_deviation(values: Floats) -> float:
    """Return a standard deviation that is robust against a third of outliers."""
    return float(stats.median_abs_deviation(values, scale="normal")) if len(values) else 0.0
