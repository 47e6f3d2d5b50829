"""Joint distilling: PSF, places, amplitudes and background fitted to the raw image together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_psf_distiller.compute.bead_windows import open_windows
from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.fourier_bessel import Band, FourierBessel
from napari_psf_distiller.compute.threads import on_one_thread
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.progress import Progress, Steps
from napari_psf_distiller.steps.asymmetry import turning_priors
from napari_psf_distiller.steps.bead_field import BeadField
from napari_psf_distiller.steps.bead_places import BeadFit, fit_beads, improve_places
from napari_psf_distiller.steps.beads import AXES
from napari_psf_distiller.steps.detection import DEVIATION, Candidates
from napari_psf_distiller.steps.joint_model import JointModel
from napari_psf_distiller.steps.judging import REASONS, SIGNIFICANT, judge
from napari_psf_distiller.steps.psf_errors import psf_errors

__all__ = ["Joint", "Settings", "distil_jointly", "optics_band"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# The window reaches so many widths of a bead to each side, along z and in the plane. What light is
# beyond is taken for background, which errs the more the denser the beads are: where more than so
# many windows lie over each other in the plane, they are made larger, by up to so much.
REACH, OVERLAP, LARGER = (6.5, 9.0), 1.2, 1.35

# A window is no larger than this part of the image.
LARGEST = 0.55

# Frequencies up to so much of the sampling's own can be told.
ALONG, ACROSS = 0.45, 0.48

# The optics' figures are known to a few per cent.
TOLERANCE = (1.05, 1.02)

# Without them the band is taken this much wider than the bead's width asks for.
UNKNOWN = (1.6, 1.3)

# The first PSF is made from so many beads, those that stand alone: it must be good enough to place
# and to judge the others with.
FIRST_BEADS = 20

# Their brightness is within this factor's logarithm of the median.
USUAL = 0.7

# Rounds after the first, at most, and iterations in each.
ROUNDS, ITERATIONS = 6, 60

# They end where they gain less than this part of what the round gained: the first PSF, from a
# Gaussian's places, need not be found to the end.
FIRST, LATER = 0.01, 0.003

# Rounds end where one makes the image likelier by less than this, in nats a coefficient of the PSF:
# the noise alone is worth half of one.
ENOUGH = 0.05

# Of the parts that turn about the axis those with up to so many turns are looked at: coma has one,
# astigmatism two, trefoil three.
MOST_TURNS = 4

# Of what the typical bead is bright, a ripple on its halo is less than this part.
RIPPLE = 0.06

# A peak in a bead's halo is a bead if it exceeds what the model says by so many of its own errors,
# of which this part of the light there is one.
HIDDEN, DOUBT = 6.0, 0.15


class Settings(NamedTuple):
    """What joint distilling is told.

    Attributes
    ----------
    bead_diameter : float
        In micrometres; 0 is a point.
    band : Band or None
        What the optics pass; None estimates it from the beads' width.
    window : tuple of float or None
        Extent of the PSF along z, y and x in micrometres; None chooses it from the beads' width.
    judge : bool
        Whether beads that do not look single are refused.
    turns : int or None
        The PSF has parts that turn up to so many times about its axis; None leaves it to the
        evidence.
    """

    bead_diameter: float = 0.0
    band: Band | None = None
    window: tuple[float, ...] | None = None
    judge: bool = True
    turns: int | None = None


@dataclass(frozen=True)
class Joint:
    """What joint distilling found.

    Attributes
    ----------
    psf : numpy.ndarray
        float32, (Z, Y, X) or (Y, X), sum 1, its peak along z in the middle plane.
    psf_error : numpy.ndarray
        float32, of its shape: the standard error of each voxel.
    fwhm_error : tuple of float
        Standard errors of the widths along each axis, in micrometres.
    beads : pandas.DataFrame
        One row a bead: its centre and amplitude with their standard errors, ``background``,
        ``chi_squared`` (mean square of the residuals in its core, over the noise's), ``used`` and
        ``reason``.
    residual : numpy.ndarray
        float32, of the image's shape: what the model leaves.
    iterations : int
    band : Band
        The frequencies that the PSF may have.
    widths : numpy.ndarray
        Full width at half maximum of a bead's image along z, y and x, in voxels.
    """

    psf: Array
    psf_error: Array
    fwhm_error: tuple[float, ...]
    beads: pd.DataFrame
    residual: Array
    iterations: int
    band: Band
    widths: Floats


def optics_band(aperture: float, wavelength: float, index: float) -> Band:
    """Return what a widefield microscope passes.

    Parameters
    ----------
    aperture : float
        Numerical aperture.
    wavelength : float
        Of emission, in micrometres.
    index : float
        Of refraction of the immersion.

    Notes
    -----
    ``2 NA / wavelength`` in the plane and ``(n - sqrt(n^2 - NA^2)) / wavelength`` along the axis
    (B. R. Frieden, "Optical transfer of the three-dimensional object", JOSA 57, 1967).
    """
    if not 0 < aperture < index:
        raise InputError(
            f"The numerical aperture is {aperture:g}, the refractive index {index:g}: the aperture "
            "must be positive and below the index."
        )
    axial = (index - np.sqrt(index**2 - aperture**2)) / wavelength
    return Band(2 * aperture / wavelength, float(axial))


def distil_jointly(
    field: BeadField,
    candidates: Candidates,
    settings: Settings,
    device: Device,
    preview_every: int = 0,
) -> Steps[Joint]:
    """Fit PSF, beads and background to a bead image, as a generator of progress.

    Parameters
    ----------
    field : BeadField
    candidates : Candidates
    settings : Settings
    device : Device
        See `choose_device`.
    preview_every : int
        Iterations from one preview of the PSF to the next; 0 is none.

    Yields
    ------
    Progress
        Its likelihood is Gaussian, and relative to the start's.

    Returns
    -------
    Joint

    Raises
    ------
    InputError
        No bead can be used.
    DeviceError
        The device failed.

    Notes
    -----
    In turns, the PSF and the background are found by weighted least squares over all voxels of all
    used beads' windows, with weights one over the model's variance (which makes it Fisher's
    scoring for Poisson noise), and each bead's amplitude and centre by Gauss-Newton steps on its
    core, until neither gains anything. The PSF has no frequency that the optics do not pass, and is
    the same all around its axis where the image has no evidence for more: that leaves some
    hundreds of numbers to be told by millions of voxels, and nothing to be regularised.
    """
    run = _Run(field, candidates, settings, device, preview_every)
    try:
        return (yield from on_one_thread(run.steps()))
    finally:
        run.close()


class _Run:
    """One fit."""

    def __init__(
        self,
        field: BeadField,
        candidates: Candidates,
        settings: Settings,
        device: Device,
        preview_every: int,
    ) -> None:
        self._field, self._widths = field, candidates.widths
        self._candidates, self._preview_every = candidates, preview_every
        self._judge, self._turns, self._device = settings.judge, settings.turns, device
        self.band = self._band(settings)
        window = self._window(settings)
        self._basis = FourierBessel(window, field.spacing, self.band, settings.bead_diameter)
        self._windows = open_windows(device, self._basis)
        start = self._basis.fitted(_gaussian(window, self._widths * DEVIATION))
        start /= self._basis.total(start)
        places = candidates.voxels[~candidates.overshadowed].astype(np.float64)
        heights = candidates.heights[~candidates.overshadowed]
        self._order = _alone_first(places / self._widths, heights)
        places = places[self._order]
        self._model = JointModel(field, self._basis, self._windows, places, start)
        self._iterations, self._gained = 0, 0.0
        self._total = ITERATIONS

    def close(self) -> None:
        """Give back what is held on the device."""
        self._windows.close()

    def steps(self) -> Steps[Joint]:
        model = self._model
        logarithm = np.log(model.amplitudes)
        # Who is far off the typical brightness does not shape the first PSF.
        model.used = np.abs(logarithm - np.median(logarithm)) < 1.2
        count = len(model.used)
        model.attended = min(FIRST_BEADS, count)
        self._improve(2)
        yield from self._solve(FIRST)
        self._improve(2)
        if model.attended < count:
            yield from self._solve()
            model.attended = count
            self._improve(1)
        self._admit_hidden()
        reasons = yield from self._settled(self._judged())
        if self._admit_turns():
            reasons = yield from self._settled(reasons)
        return (yield from self._finished(reasons))

    def _settled(self, reasons: NDArray[np.str_]) -> Steps[NDArray[np.str_]]:
        """Improve and judge in turns until nothing is gained; return why beads are not used."""
        for _ in range(ROUNDS):
            before = self._gained
            yield from self._solve()
            self._improve(1)
            # Who is not used must not have shaped the PSF: so it is not judged after the last.
            if self._gained - before < ENOUGH * self._basis.size:
                break
            reasons = self._judged()
        return reasons

    def _improve(self, times: int) -> None:
        model = self._model
        for _ in range(times):
            model.render()
            steps = improve_places(model, self._widths).steps
            shape = np.array(self._field.image.shape)
            centres = np.clip(model.centres + steps[:, 1:], -0.5, shape - 0.5)
            model.move(centres, model.amplitudes + steps[:, 0])
        model.observe()

    def _solve(self, relative: float = LATER) -> Steps[None]:
        steps = self._model.solve(ITERATIONS, relative)
        while True:
            try:
                gain = next(steps)
            except StopIteration as stop:
                self._state = stop.value
                break
            self._iterations += 1
            self._gained += gain
            preview = None
            if self._preview_every and self._iterations % self._preview_every == 0:
                preview = self._basis.psf(self._model.coefficients).astype(np.float32)
            self._total = max(self._total, self._iterations)
            yield Progress("Distil PSF", self._iterations, self._total, self._gained, preview)
        self._model.calibrate()
        self._model.expect_alike()

    def _judged(self) -> NDArray[np.str_]:
        """Judge the beads; those without a reason against them are used from now on."""
        model = self._model
        model.render()
        self._fit = fit_beads(model, self._widths)
        reasons = judge(self._fit, model.amplitudes, self._widths, model.used)
        if not self._judge:
            reasons[:] = ""
        good = reasons == ""
        if not good.any():
            counts = {r: int((reasons == r).sum()) for r in REASONS}
            found = ", ".join(f"{n} {REASONS[r]}" for r, n in counts.items() if n)
            raise InputError(
                f"None of the {len(reasons)} beads can be used: {found}. Use an image with single, "
                "brighter or better separated beads."
            )
        model.used = good
        return reasons

    def _admit_hidden(self) -> None:
        """Add the peaks in others' halos that are more than these."""
        model, field = self._model, self._field
        hidden = self._candidates.voxels[self._candidates.overshadowed]
        if len(hidden) == 0:
            return
        model.render()
        shape = np.array(field.image.shape)
        levels = field.background.at(hidden.astype(np.float64))[:, 0] @ model.background
        kept = []
        for voxel, level in zip(hidden, levels, strict=True):
            box = tuple(
                slice(max(v - 1, 0), min(v + 2, n)) for v, n in zip(voxel, shape, strict=True)
            )
            light = model.light[box]
            off = float((field.image[box] - light - np.float32(level)).sum())
            spread = model.variance(light, np.full_like(light, level))
            doubt = float(spread.sum()) + (DOUBT * float(light.sum())) ** 2
            apart = (model.centres - voxel) / self._widths
            if off > HIDDEN * np.sqrt(doubt) and (np.linalg.norm(apart, axis=1) > 0.8).all():
                kept.append(voxel)
        if not kept:
            return
        voxels = np.array(kept)
        heights = field.image[tuple(voxels.T)] - model.light[tuple(voxels.T)]
        levels = field.background.at(voxels.astype(np.float64))[:, 0] @ model.background
        peak = float(self._basis.bead(model.coefficients).max())
        amplitudes = np.maximum(heights - levels, np.sqrt(field.floor)) / peak
        model.used = np.r_[model.used, np.ones(len(voxels), bool)]
        model.attended = len(model.used)
        model.move(np.vstack([model.centres, voxels]), np.r_[model.amplitudes, amplitudes])
        self._improve(2)

    def _admit_turns(self) -> bool:
        """Let the PSF differ around its axis as far as the residuals ask for it."""
        model, field = self._model, self._field
        most = MOST_TURNS if self._turns is None else self._turns
        if most == 0:
            return False
        orders = range(most + 1)
        # The beads' size hardly matters for whether something turns.
        basis = FourierBessel(self._basis.window, field.spacing, self.band, 0.0, orders)
        coefficients = np.zeros(basis.size)
        coefficients[: self._basis.size] = model.coefficients
        # The last round changed next to nothing.
        found = turning_priors(basis, coefficients, self._state, all_orders=self._turns is not None)
        if not found:
            return False
        chosen = (0, *dict.fromkeys(order for order, _ in found))
        self._basis = FourierBessel(
            basis.window, field.spacing, self.band, self._basis.diameter, chosen
        )
        self._windows.close()
        self._windows = open_windows(self._device, self._basis)
        model.take(self._basis, self._windows, [found.get(t) for t in self._basis.terms])
        return True

    def _finished(self, reasons: NDArray[np.str_]) -> Steps[Joint]:
        model, basis = self._model, self._basis
        yield Progress("Distil PSF", self._iterations, self._iterations)
        model.normalise()
        state = model.linearise()
        every = np.concatenate([basis.sums, np.zeros(len(model.background))])
        errors = psf_errors(basis, model.coefficients, state, model.variance_of(state, every))
        displacement = _axial_peak(basis, model.coefficients)
        moved = basis.psf(model.coefficients, -displacement)
        psf = (moved / moved.sum()).astype(np.float32)
        centres = model.centres + np.array([displacement, 0.0, 0.0])
        beads = _table(model, self._fit, centres, reasons, self._order)
        # Where the light was: an image's memory less.
        model.render()
        residual = model.light
        for z in range(len(residual)):
            np.subtract(self._field.image[z], residual[z], out=residual[z])
            residual[z] -= self._field.background.plane(model.background, z)
        widths = np.array(errors.widths) * self._field.spacing
        flat = len(residual) == 1
        return Joint(
            psf[0] if flat else psf,
            errors.voxels[0] if flat else errors.voxels,
            tuple(float(w) for w in (widths[1:] if flat else widths)),
            beads,
            residual[0] if flat else residual,
            self._iterations,
            self.band,
            self._widths,
        )

    def _band(self, settings: Settings) -> Band:
        spacing, widths = self._field.spacing, self._widths
        if settings.band is not None:
            lateral, axial = (
                settings.band.lateral * TOLERANCE[1],
                settings.band.axial * TOLERANCE[0],
            )
        else:
            lateral = UNKNOWN[1] * 1.02 / (min(widths[1:]) * spacing[1])
            axial = UNKNOWN[0] * 0.88 / (widths[0] * spacing[0])
        return Band(min(lateral, ACROSS / max(spacing[1:])), min(axial, ALONG / spacing[0]))

    def _window(self, settings: Settings) -> tuple[int, int, int]:
        shape, spacing = self._field.image.shape, self._field.spacing
        if settings.window is not None:
            halves = [
                extent / size / 2 for extent, size in zip(settings.window, spacing, strict=True)
            ]
        else:
            across = REACH[1] * max(self._widths[1:] * spacing[1:])
            plane = shape[1] * spacing[1] * shape[2] * spacing[2]
            overlap = len(self._candidates.voxels) * (2 * across) ** 2 / plane
            across *= float(np.clip(np.sqrt(overlap / OVERLAP), 1, LARGER))
            # Beside a bead there must be background.
            across = min(across, LARGEST * min(shape[1] * spacing[1], shape[2] * spacing[2]) / 2)
            halves = [REACH[0] * self._widths[0], across / spacing[1], across / spacing[2]]
        nz, ny, nx = (
            2 * max(2, min(int(np.ceil(half)), limit)) + 1
            for half, limit in zip(halves, ((shape[0] - 1) // 2, shape[1], shape[2]), strict=True)
        )
        return (1 if shape[0] == 1 else nz, ny, nx)


def _alone_first(places: Floats, heights: Floats) -> NDArray[np.intp]:
    """Return an order of beads: of those of usual brightness the ones that stand alone come first.

    Parameters
    ----------
    places : numpy.ndarray
        (beads, 3), in widths of a bead.
    heights : numpy.ndarray
        Of each.
    """
    logarithms = np.log(np.maximum(heights, 1e-300))
    unusual = np.abs(logarithms - np.median(logarithms)) > USUAL
    nearest = np.full(len(places), np.inf)
    if len(places) > 1:
        nearest = cKDTree(places).query(places, 2)[0][:, 1]
    return np.lexsort((-nearest, unusual))


def _gaussian(window: tuple[int, ...], deviations: Floats) -> Floats:
    axes = [
        np.exp(-0.5 * ((np.arange(n) - n // 2) / s) ** 2)
        for n, s in zip(window, deviations, strict=True)
    ]
    cube: Floats = axes[0][:, None, None] * axes[1][:, None] * axes[2]
    return cube


def _axial_peak(basis: FourierBessel, coefficients: Floats) -> float:
    """Return where along z the PSF's centre line is highest, in voxels from the middle."""
    if basis.window[0] == 1:
        return 0.0
    positions, values_at = basis.profile_gradient(0)
    line = values_at @ coefficients
    top = int(line.argmax())
    # Between voxels, by halving steps; the line is a sum of waves and can be computed anywhere.
    best = -float(positions[top])
    step = 0.5
    while step > 1e-3:
        places = (best - step, best, best + step)
        heights = [float(basis.psf_centre(coefficients, place)) for place in places]
        best = places[int(np.argmax(heights))]
        step /= 2
    return -best


def _table(
    model: JointModel,
    fit: BeadFit,
    centres: Floats,
    reasons: NDArray[np.str_],
    order: NDArray[np.intp],
) -> pd.DataFrame:
    flat = model.field.image.shape[0] == 1
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
    columns["background"] = model.levels
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
    certain = model.amplitudes > deviations[:, 0] / SIGNIFICANT
    beads = beads[model.used | (certain & (model.amplitudes > RIPPLE * typical))]
    # As they were found; what was found later is behind.
    beads = beads.rename(index=dict(enumerate(order.tolist()))).sort_index()
    beads.index = pd.RangeIndex(1, len(beads) + 1, name="bead")
    return beads
