"""What a joint fit's model does not say of the beads: where it is seen, and what harm it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.joint.misfit.bead_shapes import bead_shapes
from napari_psf_distiller.joint.misfit.bead_sizes import SizeMisfit, size_misfit
from napari_psf_distiller.joint.misfit.common_residual import CommonMisfit, common_misfit
from napari_psf_distiller.joint.misfit.compression import Compression, find_compression
from napari_psf_distiller.joint.misfit.field_variation import (
    Variation,
    field_variation,
    refused_by_place,
)
from napari_psf_distiller.joint.misfit.lean import Lean, asymmetry_left, psf_lean
from napari_psf_distiller.joint.misfit.plane_misfit import PlaneMisfit, plane_misfit
from napari_psf_distiller.joint.misfit.sampling_edge import sampling_edge
from napari_psf_distiller.joint.voxel_phases import phase_coverage
from napari_psf_distiller.optics import limited_by_sampling

if TYPE_CHECKING:
    from napari_psf_distiller.joint.linearised import Linearised
    from napari_psf_distiller.joint.locate import BeadFit
    from napari_psf_distiller.joint.model.model import JointModel

__all__ = ["Misfit", "find_misfit"]

Floats = NDArray[np.float64]

# Beads that are looked at, at most: more take longer, and tell no more.
MAX_BEADS = 400

# From this many beads on that were refused for their shape, these are looked at with the others:
# where the PSF changes across the field, the beads in its corners are refused.
MIN_REFUSED = 3


@dataclass(frozen=True)
class Misfit:
    """How the beads of an image differ from the model of them.

    Attributes
    ----------
    image_shape : tuple of int
        (Z, Y, X).
    common : CommonMisfit
        The residual that all beads have in common.
    across, along : Variation or None
        How beads' shapes change across the field, and with depth; None where too few beads tell.
    refused_p_value : float
        Probability that it does not depend on the place which beads were refused for their shape.
    planes : PlaneMisfit or None
        How single planes differ.
    compression : Compression or None
        Whether brighter beads are flatter.
    sizes : SizeMisfit or None
        Whether there are beads of two sizes.
    lean : Lean
        By how much the beads lean: the PSF, and what it leaves of them.
    lean_fraction : float
        By what part of their width in the plane the beads lean within their width along z.
    asymmetry_left : float
        The part of the planes' asymmetry that the lean does not explain; see `asymmetry_left`.
    spectrum_at_limit : tuple of float
        How strong the PSF's spectrum still is at the highest frequencies that the voxels can show,
        along z, y and x; see `sampling_edge`.
    limited_by_sampling : tuple of bool
        Whether voxels and not the microscope limit the PSF's frequencies, along z and in the plane.
    phase_coverage : tuple of float
        How evenly the used beads are spread within their voxels along each axis; see
        `phase_coverage`.
    """

    image_shape: tuple[int, ...]
    common: CommonMisfit
    across: Variation | None
    along: Variation | None
    refused_p_value: float
    planes: PlaneMisfit | None
    compression: Compression | None
    sizes: SizeMisfit | None
    lean: Lean
    lean_fraction: float
    asymmetry_left: float
    spectrum_at_limit: tuple[float, ...]
    limited_by_sampling: tuple[bool, bool]
    phase_coverage: tuple[float, ...]


def find_misfit(
    model: JointModel,
    fit: BeadFit,
    state: Linearised,
    widths: Floats,
    reasons: NDArray[np.str_],
    errors: NDArray[np.float32],
    grid_errors: NDArray[np.float32],
) -> Misfit:
    """Look for what a finished model does not say of the beads.

    Parameters
    ----------
    model : JointModel
    fit : BeadFit
    state : Linearised
        The model's linearisation.
    widths : numpy.ndarray
        Full width at half maximum of a bead along each axis, in voxels.
    reasons : numpy.ndarray
        Why each bead is not used; empty for those that are.
    errors : numpy.ndarray
        (Z, Y, X): standard errors of the voxels of the PSF with the sum 1.
    grid_errors : numpy.ndarray
        (Z, Y, X): those of the voxels of the PSF's own grid, of the same PSF.

    Notes
    -----
    It takes a few per cent of the fit's time: each bead's core is looked at once.
    """
    shape, basis = model.bead_image.intensity.shape, model.basis
    used = np.flatnonzero(fit.whole & (reasons == ""))
    refused = np.flatnonzero(fit.whole & (reasons == "touching"))
    share = min(1.0, MAX_BEADS / max(len(used) + len(refused), 1))
    used, refused = (_some(beads, share) for beads in (used, refused))
    shapes = bead_shapes(model, widths, [*used.tolist(), *refused.tolist()])
    of_used = shapes.some(np.arange(len(used)))
    bead = basis.bead(model.coefficients)
    centre = [n // 2 for n in bead.shape]
    profiles = [
        bead[tuple(slice(None) if a == axis else c for a, c in enumerate(centre))]
        for axis in range(3)
    ]
    parts = [of_used, shapes] if len(refused) >= MIN_REFUSED else [of_used]
    laws = [field_variation(part, model.centres[part.beads], shape, profiles) for part in parts]
    found = [law for law in laws if law is not None]
    common = common_misfit(basis, model.coefficients, state, of_used, widths)
    psf = basis.on_voxels.psf(model.coefficients)
    psf_error, grid_error = (
        part.astype(np.float64) * model.total for part in (errors, grid_errors)
    )
    lean = psf_lean(psf, psf_error, widths).plus(common.lean)
    return Misfit(
        tuple(shape),
        common,
        min(found, key=lambda law: law.p_value) if found else None,
        field_variation(of_used, model.centres[used], shape, profiles, depth=True),
        refused_by_place(
            np.arange(len(shapes.beads)) >= len(used), model.centres[shapes.beads], shape
        ),
        plane_misfit(model, widths, used.tolist()),
        find_compression(model, widths, used.tolist()),
        size_misfit(model, fit, reasons),
        lean,
        lean.part(widths),
        asymmetry_left(psf, lean, widths),
        sampling_edge(basis.psf(model.coefficients), grid_error),
        limited_by_sampling(basis.band, basis.grid_spacing),
        phase_coverage(model.centres[used], (2, 2, 2)),
    )


def _some(beads: NDArray[np.intp], share: float) -> NDArray[np.intp]:
    """Return a share of some beads, evenly spread over them."""
    count = int(np.ceil(share * len(beads)))
    return beads[np.linspace(0, len(beads) - 1, count).astype(np.intp)] if count else beads
