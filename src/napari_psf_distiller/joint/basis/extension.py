"""What the residuals show that a PSF's basis lacks: angular orders, and higher frequencies."""

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
from napari_psf_distiller.optics import Band, sampled_band

__all__ = ["extended_basis", "orders_with_evidence", "term_priors", "wider_band"]

Floats = NDArray[np.float64]

# Angular orders up to the first of these are looked at first: coma has 1, astigmatism 2, trefoil 3.
# Where these are strong, there are multiples of them: so where any was found, up to the second.
FIRST_MAX_ORDER, MAX_ANGULAR_ORDER = 6, 12

# An order is admitted with this much evidence: what has less changes the PSF by less than its
# noise, and beads that lie in each other's light can feign it.
MIN_EVIDENCE_NATS = 50.0

# Combinations of each order's functions that the evidence looks at: those of the largest prior
# variance.
EVIDENCE_COMBINATIONS = 100

# From this ratio to the noise's power beyond the band on, and below this p-value, the band is
# widened by this factor. A band that is too wide costs little, so that less asks for it than
# for a warning.
MIN_POWER_RATIO, MAX_P_VALUE, WIDENING_FACTOR = 1.03, 1e-6, 1.5


def orders_with_evidence(
    basis: FourierBessel, coefficients: Floats, state: Linearised, max_order: int | None
) -> dict[int, OrderScale]:
    """Return the angular orders that the PSF lacks and the residuals have evidence for.

    Parameters
    ----------
    basis : FourierBessel
    coefficients : numpy.ndarray
        The PSF's coefficients.
    state : Linearised
        At these coefficients.
    max_order : int or None
        The PSF is to have all orders up to this one; None leaves it to the evidence.

    Returns
    -------
    dict
        The scale of the coefficients of each order; see `order_evidence`.
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


def wider_band(
    basis: FourierBessel, state: Linearised, widths: Floats, *, forbidden: bool = False
) -> Band | None:
    """Return a wider band where the residuals show power beyond the present one; else None.

    Parameters
    ----------
    basis : FourierBessel
    state : Linearised
        The linearisation of the model with the present PSF.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    forbidden : bool
        Whether optics forbid what lies beyond the present band: then more asks for it, as much as
        for a warning.

    Notes
    -----
    The first band is guessed from the width of the beads and from their spectra. An aberrated PSF
    is wide and has fine detail all the same, of little power.
    """
    axial, lateral = (
        power.significant
        if forbidden
        else power.ratio > MIN_POWER_RATIO and power.p_value < MAX_P_VALUE
        for power in powers_beyond(basis, state, widths)
    )
    most = sampled_band(basis.grid_spacing)
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
    *,
    alike: bool = False,
) -> FourierBessel:
    """Return a basis for a PSF of another band and other angular orders.

    Parameters
    ----------
    basis : FourierBessel
        The present PSF's.
    coefficients : numpy.ndarray
        The present PSF's: its light is the envelope of orders beyond 0; see
        `FourierBessel.envelope`.
    band : Band
    orders : tuple of int
    most : int
        Combinations of functions of each order beyond 0.
    alike : bool
        See `FourierBessel`.
    """
    parts = basis.window, basis.spacing, band, basis.diameter
    if orders == (0,):
        return FourierBessel(*parts, sampling=basis.sampling)
    return FourierBessel(
        *parts,
        orders,
        basis.envelope(coefficients),
        most,
        sampling=basis.sampling,
        alike=alike,
    )


def term_priors(
    basis: FourierBessel, symmetric: Floats | None, scales: Mapping[int, OrderScale]
) -> list[Floats | None]:
    """Return the prior precision of each term's coefficients.

    Parameters
    ----------
    basis : FourierBessel
    symmetric : numpy.ndarray or None
        The prior precision of order 0; None expects nothing of it.
    scales : mapping
        The scales of the orders that are new, see `order_evidence`; the others' are learnt next.
    """
    priors: list[Floats | None] = []
    for term, (order, _) in enumerate(basis.terms):
        if order == 0:
            priors.append(symmetric)
            continue
        scale = scales.get(order, OrderScale(1.0, 1.0))
        priors.append(order_precision(basis.prior_variances_of(term), basis.odd(term), scale))
    return priors
