"""Whether a PSF is as wide as the optics that were given make it without aberrations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.recipe.microscope import WITH_PINHOLE

__all__ = ["WidthRatio", "likely_diameter", "narrower_ones", "wider_ones", "width_ratios"]

# A width differs from theory's by this many of its standard errors at least, and by a margin.
MIN_SIGMAS = 2.0

# Or narrower by so many where it is told by the sum of its planes: spherical aberration takes light
# out of a shallow window, and the spectrum of what is left has another shape than theory's, which
# the error shows, but not in which direction it draws the width.
MIN_SIGMAS_OF_SUM = 5.0

# PSFs are narrower than theory's by more than this part, along z and in the plane, if theory is not
# theirs.
NARROWER_MARGIN = (0.05, 0.03)

# Of emitters that do not turn, lit from along the axis, those that point along it are half as
# bright as among those that turn freely: the PSF is narrower in the plane by 3 to 6 %, and by the
# sum of its planes by 6 to 8 %. This times the squared sine of the aperture's angle is added.
POLARISATION, POLARISATION_OF_SUM = 0.04, 0.07

# Spherical aberration can make a PSF narrower in the plane by so much; in an image of one plane its
# other signs are not seen.
ABERRATION_MARGIN = 0.15

# A closed pinhole makes a PSF narrower than one of the usual size by about this part.
PINHOLE_MARGIN = 0.18

# A PSF is narrower than theory's by this part in the plane, and along z as a diameter would make it
# but for this part, if the beads may be smaller than given.
DIAMETER_MARGIN, MAX_AXIAL_DIFFERENCE = 0.025, 0.04

# Or if it is, whatever its error, and the sum of its planes is narrower by this part.
DIAMETER_MARGIN_OF_SUM = 0.03

# Taking a ball out of an image makes the square of its width smaller by this times that of the
# ball's diameter: 8 ln 2 times its variance, a twentieth of its squared diameter.
SQUARED_WIDTH_OF_BALL = 8 * math.log(2) / 20

# Wider by less than this part, along z and in the plane, are the PSFs of good microscopes, too.
WIDER_MARGIN = (0.08, 0.05)


class WidthRatio(NamedTuple):
    """A PSF's width beside theory's.

    Attributes
    ----------
    along : bool
        Whether it is that along z; else it is the geometric mean of those along y and x, which
        astigmatism hardly changes.
    found, expected : float
        Full width at half maximum, in micrometres.
    error : float
        Standard error of the width that was found, in micrometres.
    by_sum : bool
        Whether it is told by the sum of all planes; see `projected_scale`.
    """

    along: bool
    found: float
    expected: float
    error: float
    by_sum: bool = False

    @property
    def ratio(self) -> float:
        """What was found over what is expected."""
        return self.found / self.expected


def width_ratios(
    widths: Sequence[float],
    errors: Sequence[float],
    theory: Sequence[float | None],
    coarse: Sequence[str] = (),
) -> tuple[WidthRatio, ...]:
    """Return a PSF's widths beside theory's, where both are known.

    Parameters
    ----------
    widths, errors : sequence of float
        Full width at half maximum along z, y and x or y and x, and their standard errors, in
        micrometres; NaN is not known.
    theory : sequence of float or None
        Of a PSF without aberrations; see `theoretical_widths`.
    coarse : sequence of str
        Axes along which voxels are too large for the optics, which are left out.

    Examples
    --------
    >>> along, across = width_ratios((0.5, 0.2, 0.2), (0.01,) * 3, (0.4, 0.2, 0.2))
    >>> round(along.ratio, 2), round(across.ratio, 2)
    (1.25, 1.0)
    """
    axes = AXES[-len(widths) :]
    known = {
        axis: (width, expected, error)
        for axis, width, expected, error in zip(axes, widths, theory, errors, strict=True)
        if expected is not None and math.isfinite(width) and math.isfinite(error)
        if axis not in coarse
    }
    found = []
    if "z" in known:
        found.append(WidthRatio(True, *known["z"]))
    if "y" in known and "x" in known:
        (y, y_theory, y_error), (x, x_theory, x_error) = known["y"], known["x"]
        width = math.sqrt(y * x)
        # The errors of both are of the same PSF.
        error = width * (y_error / y + x_error / x) / 2
        found.append(WidthRatio(False, width, math.sqrt(y_theory * x_theory), error))
    return tuple(found)


def narrower_ones(widths: Sequence[WidthRatio], optics: Optics) -> list[WidthRatio]:
    """Return which of a PSF's widths are less than its optics can make them.

    Parameters
    ----------
    widths : sequence of WidthRatio
    optics : Optics
        With all that theory needs of them.

    Notes
    -----
    No aberration passes more of any frequency than a perfect pupil does (J. W. Goodman,
    Introduction to Fourier Optics), and none makes a PSF shorter. In the plane a spherical one can
    make its middle narrower, at the cost of its rings, by up to 15 %; but then it makes it longer
    along z by a fifth and more. None makes the sum of its planes narrower.
    """
    long = any(one.along for one in wider_ones(widths))
    optics_sine = _squared_sine(optics)
    depth_known = any(one.along for one in widths)
    found: list[WidthRatio] = []
    for one in widths:
        margin = NARROWER_MARGIN[0 if one.along else 1]
        if one.by_sum:
            if any(not other.along for other in found):
                continue
            margin += POLARISATION_OF_SUM * optics_sine
        elif not one.along:
            if long:
                continue
            margin += 0.0 if depth_known else ABERRATION_MARGIN
            margin += POLARISATION * optics_sine
        if optics.microscope in WITH_PINHOLE and optics.pinhole is None:
            margin += PINHOLE_MARGIN
        sigmas = MIN_SIGMAS_OF_SUM if one.by_sum else MIN_SIGMAS
        if one.found + sigmas * one.error < (1 - margin) * one.expected:
            found.append(one)
    return found


def wider_ones(widths: Sequence[WidthRatio]) -> list[WidthRatio]:
    """Return which of a PSF's widths are more than its optics make them without aberrations.

    The sum of its planes counts where its width in the plane is not known.
    """
    across_known = any(not (one.along or one.by_sum) for one in widths)
    return [
        one
        for one in widths
        if not (one.by_sum and across_known)
        if one.found - MIN_SIGMAS * one.error
        > (1 + WIDER_MARGIN[0 if one.along else 1]) * one.expected
    ]


def likely_diameter(widths: Sequence[WidthRatio], bead_diameter: float) -> float | None:
    """Return the diameter of beads with which a PSF would be as wide as theory's.

    Parameters
    ----------
    widths : sequence of WidthRatio
        Of a PSF that was found with beads of ``bead_diameter``.
    bead_diameter : float
        As it was given, in micrometres.

    Returns
    -------
    float or None
        In micrometres; None where another diameter does not explain both widths, or the one that
        was given is as good.

    Examples
    --------
    >>> widths = width_ratios((0.64, 0.22, 0.22), (0.002,) * 3, (0.65, 0.25, 0.25))
    >>> round(likely_diameter(widths, 0.3), 2)
    0.2
    """
    told = [one for one in widths if not one.by_sum]
    if [one.along for one in told] != [True, False]:
        return None
    along, across = told
    off = abs(across.ratio - 1) - MIN_SIGMAS * across.error / across.expected
    narrow_sum = any(
        one.found + MIN_SIGMAS * one.error < (1 - DIAMETER_MARGIN_OF_SUM) * one.expected
        for one in widths
        if one.by_sum
    )
    if off < DIAMETER_MARGIN and not (narrow_sum and across.ratio < 1 - DIAMETER_MARGIN):
        return None
    change = (across.found**2 - across.expected**2) / SQUARED_WIDTH_OF_BALL
    square = bead_diameter**2 + change
    expected = along.expected**2 + SQUARED_WIDTH_OF_BALL * change
    if square < 0 or expected < 0:
        return None
    difference = abs(along.found - math.sqrt(expected)) - MIN_SIGMAS * along.error
    return math.sqrt(square) if difference < MAX_AXIAL_DIFFERENCE * along.expected else None


def _squared_sine(optics: Optics) -> float:
    """Return that of the angle of the steepest rays that the objective takes in."""
    aperture, index = optics.numerical_aperture, optics.refractive_index
    return (aperture / index) ** 2 if aperture and index else 0.0
