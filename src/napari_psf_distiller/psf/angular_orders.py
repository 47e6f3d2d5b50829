"""How much of each angular order a PSF has over the field, and which way it points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.psf.functions import FittedFunctions
from napari_psf_distiller.psf.polynomials import Extent

__all__ = ["OrderMap", "aberration_name", "angular_orders"]

Floats = NDArray[np.float64]

# What a part of a PSF, or its change, of each angular order is called.
ABERRATIONS = {
    0: "focus or spherical aberration",
    1: "coma",
    2: "astigmatism",
    3: "trefoil",
    4: "quatrefoil",
}

# Distances from the axis at which profiles are computed, in a pixel.
RADII_PER_PIXEL = 2

# An order of a smaller part of the PSF points nowhere.
NOTHING = 1e-6


def aberration_name(order: int) -> str:
    """Return what a part of a PSF of an angular order is called; of order 0, a change.

    Examples
    --------
    >>> aberration_name(2), aberration_name(7)
    ('astigmatism', 'the angular order 7')
    """
    return ABERRATIONS.get(order, f"the angular order {order}")


class OrderMap(NamedTuple):
    """How much of an angular order the PSF has at some places, and which way it points.

    Attributes
    ----------
    order : int
        The angular order m, of ``cos m phi``.
    strength : numpy.ndarray
        The relative L2 norm of the order's part of the PSF, of order 0 of its difference from that
        in the middle of the beads; what noise has of it is taken off.
    strength_error : numpy.ndarray
        The largest that its standard error can be, as if all of the order's noise were in the one
        pattern that the order has; NaN where it is not known.
    direction : numpy.ndarray
        In degrees from the x axis towards the y axis, from 0 to 360 / m; NaN of order 0, and where
        there is nothing of the order but noise. In focus, the tail of coma lies there, and each of
        the legs of trefoil; above the focus, at larger z, the long axis of an astigmatic PSF.
    direction_error : numpy.ndarray
        Its standard error in degrees, at the most.
    """

    order: int
    strength: Floats
    strength_error: Floats
    direction: Floats
    direction_error: Floats

    @property
    def name(self) -> str:
        """What it is called, such as ``"coma"``."""
        return aberration_name(self.order)


class _Profiles:
    """The parts of a PSF as functions of z and the distance from the axis, in a cylinder.

    There, parts of different angular orders are orthogonal, whichever way each points.
    """

    def __init__(self, functions: FittedFunctions) -> None:
        planes, *sides = functions.window
        self._functions = functions
        self._z = (np.arange(planes, dtype=np.float64) - planes // 2) * functions.spacing[0]
        # Up to the sides of the window.
        step = min(functions.spacing[1:]) / RADII_PER_PIXEL
        reach = min(n / 2 * size for n, size in zip(sides, functions.spacing[1:], strict=True))
        self._radii = (np.arange(max(1, int(reach / step))) + 0.5) * step

    def profiles(self, amplitudes: Floats, order: int) -> Floats:
        """Return profiles, (..., Z, radii), times the root of the ring's area.

        So the square of a part's norm is the sum of its profile's squares.

        Parameters
        ----------
        amplitudes : numpy.ndarray
            (..., waves, radial).
        order : int
        """
        bessel = special.jv(order, 2 * np.pi * self._functions.radial[:, None] * self._radii)
        return self._weighted(self._functions.waves_along(self._z) @ amplitudes @ bessel, order)

    def displaced_across(self, amplitudes: Floats) -> Floats:
        """Return the profile that a small displacement in the plane adds to the order 1."""
        slopes = -2 * np.pi * self._functions.radial * amplitudes
        bessel = special.jv(1, 2 * np.pi * self._functions.radial[:, None] * self._radii)
        return self._weighted(self._functions.waves_along(self._z) @ slopes @ bessel, 1)

    def displaced_along(self, amplitudes: Floats) -> Floats:
        """Return the profile that a small displacement along z adds to the order 0."""
        waves = self._functions.waves_along(self._z, slope=True)
        bessel = special.jv(0, 2 * np.pi * self._functions.radial[:, None] * self._radii)
        return self._weighted(waves @ amplitudes @ bessel, 0)

    def _weighted(self, profiles: Floats, order: int) -> Floats:
        # The mean square of cos m phi is a half.
        area = np.pi * self._radii * (2 if order == 0 else 1)
        weighted: Floats = profiles * np.sqrt(area)
        return weighted

    def lies_out(self, profile: Floats, order: int, core: Floats) -> bool:
        """Return whether an order's light lies where its cosine is positive.

        Of an odd order in focus, where coma has its tail. Of an even one above the focus: below it,
        an astigmatic PSF is long the other way.

        Parameters
        ----------
        profile : numpy.ndarray
            (Z, radii).
        order : int
        core : numpy.ndarray
            The profile of the order 0, by which each place counts: far from the axis is noise.
        """
        on_axis = core[:, 0]
        planes = on_axis >= on_axis.max() / 2
        if order % 2 == 0 and len(planes) > 1:
            planes = np.arange(len(planes)) > int(on_axis.argmax())
        weights = np.maximum(core, 0) * self._radii**order
        return float((profile * weights)[planes].sum()) >= 0


def angular_orders(functions: FittedFunctions, places: Floats) -> tuple[OrderMap, ...]:
    """Return how much of each angular order a PSF has at some places of the field.

    What a small displacement of the PSF would do is left out, for it cannot be told from another
    place of the beads; and of order 0 what a change of its sum would do.

    Parameters
    ----------
    functions : FittedFunctions
        Those of a PSF that is the same everywhere have the same at each place.
    places : numpy.ndarray
        (..., 2): y and x in voxels of the bead image.

    Returns
    -------
    tuple of OrderMap
        By their order; order 0 only of a PSF that changes. Their arrays have the places' shape.

    Notes
    -----
    The cosine's and the sine's part of an order are each a profile, a function of z and of the
    distance from the axis. What these profiles have in common over the field, the first of their
    singular vectors, is taken to be the order's pattern; its amounts in cosine and sine at a place
    are ``cos(m direction)`` and ``sin(m direction)``, times how much there is. The pattern's sign
    is such that light lies in the direction: in focus of odd orders, as the tail of coma does, and
    above the focus, at larger z, of even ones, as the long axis of astigmatism.
    """
    over_field, flat = functions.over_field, places.reshape(-1, 2)
    orders = np.array([order for order, _ in functions.terms])
    sines = np.array([sine for _, sine in functions.terms])
    profiles = _Profiles(functions)
    if over_field is None:
        polynomials, amplitudes = np.ones((len(flat), 1)), functions.amplitudes[None]
    else:
        polynomials, amplitudes = over_field.polynomials_at(flat), over_field.amplitudes
    mean = amplitudes[0][int(np.flatnonzero(orders == 0)[0])]
    core = profiles.profiles(mean, 0)
    parts: dict[int, Floats] = {}
    for order in sorted(set(orders.tolist())):
        both = np.zeros((2, *amplitudes.shape[:1], *amplitudes.shape[2:]))
        for term in np.flatnonzero(orders == order):
            both[int(sines[term])] = amplitudes[:, term]
        parts[order] = profiles.profiles(both, order)
    whole = np.sqrt(sum(_norms(part, polynomials) ** 2 for part in parts.values()))
    found = []
    for order, part in parts.items():
        own, values = part, polynomials
        if order == 0:
            if over_field is None:
                continue
            own = _without(part, core, profiles.displaced_along(mean))
            values = polynomials - over_field.polynomials_at(_middle(over_field.extent))
        elif order == 1:
            own = _without(part, profiles.displaced_across(mean))
        noise = _noise(over_field, order, values, orders)
        norms = _norms(own, values) / whole
        strength = np.sqrt(np.maximum(norms**2 - np.nan_to_num(noise) ** 2, 0))
        direction, turned = np.full((2, len(flat)), np.nan)
        error = noise
        if order:
            # Half of the noise turns the pattern, and half of it adds to it.
            error = noise / math.sqrt(2)
            direction, amount = _directions(own, values, order, profiles, core)
            with np.errstate(divide="ignore"):
                turned = np.degrees(np.minimum(error * whole / amount, math.pi)) / order
            nothing = strength < NOTHING
            direction[nothing] = turned[nothing] = np.nan
        arrays = (strength, error, direction, turned)
        found.append(OrderMap(order, *(one.reshape(places.shape[:-1]) for one in arrays)))
    return tuple(found)


def _middle(extent: Extent) -> Floats:
    """Return the place in the middle of the beads, (1, 2)."""
    return np.array([[(first + last) / 2 for first, last in extent]])


def _norms(part: Floats, polynomials: Floats) -> Floats:
    """Return the norm of a part at each place.

    Parameters
    ----------
    part : numpy.ndarray
        (2, polynomials, Z, radii): of the cosine's part and the sine's.
    polynomials : numpy.ndarray
        (places, polynomials).
    """
    flat = part.reshape(2, part.shape[1], -1)
    gram = np.einsum("cip,cjp->ij", flat, flat)
    squares: Floats = np.einsum("pi,ij,pj->p", polynomials, gram, polynomials)
    return np.sqrt(np.maximum(squares, 0))


def _without(part: Floats, *templates: Floats) -> Floats:
    """Return a part less what it has of some profiles."""
    basis, _ = np.linalg.qr(np.stack([template.ravel() for template in templates], axis=1))
    flat = part.reshape(*part.shape[:2], -1)
    left: Floats = (flat - flat @ basis @ basis.T).reshape(part.shape)
    return left


def _directions(
    part: Floats, polynomials: Floats, order: int, profiles: _Profiles, core: Floats
) -> tuple[Floats, Floats]:
    """Return where an order points at each place, in degrees, and how much there is of it."""
    at_places = np.tensordot(polynomials, part, axes=(1, 1)).swapaxes(0, 1)
    flat = at_places.reshape(2 * len(polynomials), -1)
    common = np.linalg.svd(flat, full_matrices=False)[2][0].reshape(core.shape)
    if not profiles.lies_out(common, order, core):
        common = -common
    cosines, sine = np.tensordot(at_places, common, axes=2)
    turn = 360 / order
    angles = np.degrees(np.arctan2(sine, cosines)) / order % turn
    # What is a rounding error below 0 became a whole turn.
    return np.where(angles < turn, angles, 0.0), np.hypot(cosines, sine)


def _noise(
    over_field: PSFField | None, order: int, polynomials: Floats, orders: NDArray[np.intp]
) -> Floats:
    """Return the root of the noise's energy in an order's part, relative to the PSF.

    Parameters
    ----------
    over_field : PSFField or None
    order : int
    polynomials : numpy.ndarray
        (places, polynomials).
    orders : numpy.ndarray
        That of each term.

    Returns
    -------
    numpy.ndarray
        (places,): NaN where it is not known.
    """
    if over_field is None or over_field.order_errors is None:
        return np.full(len(polynomials), np.nan)
    errors = over_field.order_errors[:, int(np.searchsorted(np.unique(orders), order))]
    noise: Floats = np.sqrt(over_field.group_strengths(polynomials) @ errors**2)
    return noise
