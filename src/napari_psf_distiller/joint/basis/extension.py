"""How much freedom the beads ask a PSF to have: orders that turn, and higher frequencies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.basis.beyond_band import powers_beyond
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import (
    OrderScale,
    order_evidence,
    order_precision,
)
from napari_psf_distiller.joint.basis.terms import MAX_COMBINATIONS
from napari_psf_distiller.joint.linearised import Linearised
from napari_psf_distiller.optics import Band, highest_band

__all__ = ["extended_basis", "orders_with_evidence", "term_priors", "wider_band"]

Floats = NDArray[np.float64]

# Of the parts that turn about the axis those with up to so many turns are looked at first: coma has
# one, astigmatism two, trefoil three. Where these are strong, there are multiples of that: so where
# any was found, up to more.
FIRST_MAX_ORDER, MAX_ANGULAR_ORDER = 6, 12

# The evidence must speak for an order by so many nats: what is less changes the PSF by less than
# its noise, and beads that lie in each other's light can feign it.
MIN_EVIDENCE_NATS = 50.0

# The evidence looks at so many combinations of functions of each, those that are expected to be
# strongest.
EVIDENCE_COMBINATIONS = 100

# Where the residuals show so much more power beyond the band than noise makes, and it is not
# chance, the band is widened. A band that is too wide costs little, so that less asks for it than
# for a warning.
MIN_POWER_RATIO, MAX_P_VALUE, WIDENING_FACTOR = 1.03, 1e-6, 1.5


def orders_with_evidence(
    basis: FourierBessel, coefficients: Floats, state: Linearised, max_order: int | None
) -> dict[int, OrderScale]:
    """Return the orders that the residuals ask for and the PSF lacks, and how strong each is.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        Of the PSF.
    state : Linearised
        At these coefficients.
    max_order : int or None
        The PSF is to have the orders up to this one; None leaves it to the evidence.

    Returns
    -------
    dict
        The scale of each order's coefficients; see `order_evidence`.
    """
    if max_order is not None:
        searches = [range(1, max_order + 1)]
    else:
        searches = [
            range(1, FIRST_MAX_ORDER + 1),
            range(FIRST_MAX_ORDER + 1, MAX_ANGULAR_ORDER + 1),
        ]
    found: dict[int, OrderScale] = {}
    for orders in searches:
        missing = tuple(order for order in orders if order not in basis.orders)
        if missing:
            trial = extended_basis(
                basis, coefficients, basis.band, (0, *missing), EVIDENCE_COMBINATIONS
            )
            evidence = order_evidence(trial, state)
            found |= {
                order: scale
                for order, (scale, nats) in evidence.items()
                if nats > MIN_EVIDENCE_NATS or max_order is not None
            }
        if not found and basis.orders == (0,):
            break
    return found


def wider_band(basis: FourierBessel, state: Linearised, widths: Floats) -> Band | None:
    """Return a wider band where the residuals show power beyond the present one; else None.

    Parameters
    ----------
    basis : FourierBessel
    state : Linearised
        Of the present PSF.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.

    Notes
    -----
    The first band is guessed from the width of the beads and from their spectra. An aberrated PSF
    is wide and has fine detail all the same, of little power.
    """
    axial, lateral = (
        power.ratio > MIN_POWER_RATIO and power.p_value < MAX_P_VALUE
        for power in powers_beyond(basis, state, widths)
    )
    most = highest_band(basis.spacing)
    wider = Band(
        min(basis.band.lateral * (WIDENING_FACTOR if lateral else 1), most.lateral),
        min(basis.band.axial * (WIDENING_FACTOR if axial else 1), most.axial),
    )
    return wider if wider != basis.band else None


def extended_basis(
    basis: FourierBessel,
    coefficients: Floats,
    band: Band,
    orders: tuple[int, ...],
    most: int = MAX_COMBINATIONS,
) -> FourierBessel:
    """Return functions for a PSF of another band and other orders.

    Parameters
    ----------
    basis, coefficients
        Of the present PSF: the orders that turn keep within its light, see `envelope`.
    band : Band
    orders : tuple of int
    most : int
        Combinations of functions of each order that turns.
    """
    parts = basis.window, basis.spacing, band, basis.diameter
    if orders == (0,):
        return FourierBessel(*parts)
    return FourierBessel(*parts, orders, basis.envelope(coefficients), most)


def term_priors(
    basis: FourierBessel, symmetric: Floats | None, scales: Mapping[int, OrderScale]
) -> list[Floats | None]:
    """Return the prior precision of each term's coefficients.

    Parameters
    ----------
    basis : FourierBessel
    symmetric : numpy.ndarray or None
        That of the part that is the same all around the axis.
    scales : mapping
        Of the orders that are new, see `order_evidence`; what the others' is worth is learnt next.
    """
    priors: list[Floats | None] = []
    for term, (order, _) in enumerate(basis.terms):
        if order == 0:
            priors.append(symmetric)
            continue
        scale = scales.get(order, OrderScale(1.0, 1.0))
        priors.append(order_precision(basis.prior_variances_of(term), basis.odd(term), scale))
    return priors
