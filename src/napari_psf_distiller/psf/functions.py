"""A fitted PSF as the functions that it is a sum of, which have a value at every place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_psf_distiller.compute.psf_basis import angular_factor
from napari_psf_distiller.negative_values import without_negative_values
from napari_psf_distiller.psf.field import PSFField
from napari_psf_distiller.psf.finer_grid import FinerGrid, finer_grid
from napari_psf_distiller.psf.pixel_filter import pixel_cosines, pixel_links

__all__ = ["Evaluated", "FittedFunctions"]

Floats = NDArray[np.float64]

# What a saved sum of this kind calls itself.
KIND = "fourier-bessel"

# Of the pixels' filter, cosines of the direction that are nowhere more than this part of 1 are left
# out.
LEAST_COSINE = 2e-9

# The brightest voxel is put into the middle so many times.
MOST_MOVES = 3

# Distances from the axis that differ by less, in micrometres, are the same.
SAME_DISTANCE = 1e-7


class Evaluated(NamedTuple):
    """A PSF on a grid.

    Attributes
    ----------
    values : numpy.ndarray
        float64, of the sum 1, or of any sum where that is not positive.
    scale : float
        What the functions were multiplied by.
    """

    values: Floats
    scale: float


@dataclass(frozen=True)
class FittedFunctions:
    """A PSF as a sum of waves along z times Bessel functions in the plane.

    At the distance r and the angle phi from the optical axis and z along it, a function is
    ``J_m(2 pi k r) cos(m phi)``, or the sine, times ``cos(2 pi f z)``, or the sine. Their sum is
    what voxels of the fitted size measure, whose pixels take all light that falls on them. On
    pixels of another size each frequency is scaled by the ratio of what the two pass. A microscope
    that scans a focus measures points, however far apart: ``pixel`` stays what it is then.

    Attributes
    ----------
    waves : numpy.ndarray
        (waves,): the frequencies f in cycles a micrometre; negative ones are sines.
    radial : numpy.ndarray
        (radial,): the frequencies k in cycles a micrometre.
    terms : tuple of (int, bool)
        Each term's angular order m, and whether it is a sine.
    amplitudes : numpy.ndarray
        (terms, waves, radial).
    spacing : tuple of float
        Size of the fitted voxels along z, y and x in micrometres.
    window : tuple of int
        (Z, Y, X) voxels, odd, in which they were fitted; Z is 1 for a plane.
    centre : tuple of float
        Where the PSF's centre lies from the window's middle, (z, y, x) in micrometres.
    background : float
        This part of the highest value is subtracted.
    clip : bool
        What is negative is taken from the voxels around it before, and what is so then becomes 0.
    error : numpy.ndarray or None
        float32, (Z, Y, X): the standard error of each of the fitted voxels of a PSF with the sum 1
        on them, its brightest in the middle, before a background is subtracted and negative values
        are cut off. None where they are those of the PSF's own voxels.
    pixel : tuple of float or None
        (y, x) in micrometres: the light on a square of this size is what a voxel of any size
        measures. None where that is the voxel's own size, as of a camera's pixel.
    over_field : PSFField or None
        How the amplitudes change with the place; those above are the mean over the beads. None of a
        PSF that is the same everywhere.
    """

    waves: Floats = field(repr=False)
    radial: Floats = field(repr=False)
    terms: tuple[tuple[int, bool], ...]
    amplitudes: Floats = field(repr=False)
    spacing: tuple[float, float, float]
    window: tuple[int, int, int]
    centre: tuple[float, float, float]
    background: float = 0.0
    clip: bool = True
    error: NDArray[np.float32] | None = field(default=None, repr=False)
    pixel: tuple[float, float] | None = None
    over_field: PSFField | None = None

    def at(self, y: float, x: float, z: float | None = None) -> FittedFunctions:
        """Return the functions at a place of the bead image, which do not change any more.

        Parameters
        ----------
        y, x : float
            In voxels of the bead image.
        z : float, optional
            The plane; without it in the mean over the depth.
        """
        if self.over_field is None:
            return self
        return replace(
            self, amplitudes=self.over_field.amplitudes_at(y, x, z), error=None, over_field=None
        )._centred()

    def _centred(self) -> FittedFunctions:
        """Return these functions with the centre in the brightest voxel of the window."""
        values = self.values(self.spacing, self.window, self.centre)
        peak = np.unravel_index(int(values.argmax()), values.shape)
        moved = [
            middle + (int(top) - n // 2) * size
            for middle, top, n, size in zip(
                self.centre, peak, self.window, self.spacing, strict=True
            )
        ]
        return replace(self, centre=(moved[0], moved[1], moved[2]))

    @property
    def reach(self) -> tuple[tuple[float, float], ...]:
        """How far the window's voxels reach from the PSF's centre: (low, high) along z, y and x.

        Both are lengths in micrometres; a plane has no depth.
        """
        found = []
        for n, size, centre in zip(self.window, self.spacing, self.centre, strict=True):
            half = n / 2 * size if n > 1 else 0.0
            found.append((half + centre, half - centre))
        return tuple(found)

    def evaluate(self, spacing: Sequence[float], shape: Sequence[int]) -> Evaluated:
        """Return the PSF on voxels of another size, its brightest one at n // 2 on each axis.

        Of two peaks that are as high, that which was brighter on the fitted voxels is taken.

        Parameters
        ----------
        spacing : sequence of float
            (z, y, x) in micrometres.
        shape : sequence of int
            (Z, Y, X) voxels.
        """
        values, centre = self._about_brightest(spacing, shape)
        finer = self.finer_than(spacing, shape, centre)
        if finer is not None:
            values = values + finer.added(self.values(finer.spacing, finer.shape, finer.centre))
        return self.as_psf(values, spacing)

    def as_psf(self, values: Floats, spacing: Sequence[float]) -> Evaluated:
        """Return sums of the functions as a PSF: background and negative values gone, the sum 1.

        Parameters
        ----------
        values : numpy.ndarray
            See `values`; of larger voxels than the fitted ones with what `FinerGrid.added` gives.
        spacing : sequence of float
            Of their voxels, (z, y, x) in micrometres.
        """
        if self.clip:
            reach = [own / size for own, size in zip(self.spacing, spacing, strict=True)]
            values = without_negative_values(values, reach)
        values = values - self.background * values.max()
        if self.clip:
            np.maximum(values, 0, out=values)
        total = float(values.sum())
        scale = 1 / total if total > 0 else 1.0
        return Evaluated(values * scale, scale)

    def finer_than(
        self, spacing: Sequence[float], shape: Sequence[int], centre: Sequence[float] | Floats
    ) -> FinerGrid | None:
        """Return the voxels on which negative values are taken away in the place of larger ones.

        Parameters
        ----------
        spacing, shape, centre
            See `values`.

        Returns
        -------
        FinerGrid or None
            None where no other voxels are needed.
        """
        if not self.clip:
            return None
        points = self.pixel is not None
        return finer_grid(self.spacing, self.window, spacing, shape, centre, (True, points, points))

    def centre_on(self, spacing: Sequence[float], shape: Sequence[int]) -> Floats:
        """Return where the voxel at n // 2 lies from the window's middle, see `evaluate`.

        Parameters
        ----------
        spacing : sequence of float
            (z, y, x) in micrometres.
        shape : sequence of int
            (Z, Y, X) voxels.

        Returns
        -------
        numpy.ndarray
            (z, y, x) in micrometres.
        """
        return self._about_brightest(spacing, shape)[1]

    def _about_brightest(
        self, spacing: Sequence[float], shape: Sequence[int]
    ) -> tuple[Floats, Floats]:
        """Return the values on voxels whose brightest one is the central one, and its place."""
        centre = np.array(self.centre)
        for turn in range(MOST_MOVES):
            values = self.values(spacing, shape, centre)
            peak = np.unravel_index(int(values.argmax()), values.shape)
            moves = np.array([int(p) - n // 2 for p, n in zip(peak, shape, strict=True)])
            # Of finer voxels the brightest may be a neighbour. One farther off is another peak's.
            near = np.abs(moves) * spacing < self.spacing
            if not moves.any() or not near.all() or turn == MOST_MOVES - 1:
                break
            centre = centre + moves * spacing
        return values, centre

    def values(
        self, spacing: Sequence[float], shape: Sequence[int], centre: Sequence[float] | Floats
    ) -> Floats:
        """Return the sum of the functions on voxels, as it is.

        Parameters
        ----------
        spacing : sequence of float
            (z, y, x) in micrometres.
        shape : sequence of int
            (Z, Y, X) voxels.
        centre : sequence of float
            Where the voxel at n // 2 lies from the window's middle, in micrometres.
        """
        z, y, x = (
            (np.arange(n) - n // 2) * size + middle
            for n, size, middle in zip(shape, spacing, centre, strict=True)
        )
        along = self.waves_along(z)
        distance = np.hypot(y[:, None], x)
        angle = np.arctan2(y[:, None], np.broadcast_to(x, distance.shape))
        _, first, ring = np.unique(
            np.round(distance / SAME_DISTANCE), return_index=True, return_inverse=True
        )
        radii = distance.ravel()[first]
        ring = ring.reshape(distance.shape)
        values = np.zeros(tuple(shape))
        bessel: dict[int, Floats] = {}
        for (order, sine), part in self._on_pixels(spacing).items():
            if not part.any():
                # As of most polynomials of the field most terms are.
                continue
            if order not in bessel:
                bessel[order] = special.jv(order, 2 * np.pi * self.radial[:, None] * radii)
            planes = (along @ part @ bessel[order])[:, ring]
            values += planes * angular_factor(order, sine, angle) if order else planes
        return values

    def values_by_polynomial(
        self, spacing: Sequence[float], shape: Sequence[int], centre: Sequence[float] | Floats
    ) -> Iterator[Floats]:
        """Yield what each polynomial of the field adds on voxels, as it is: (Z, Y, X).

        The functions' values at a place are the sum of these, each times its polynomial there, see
        `PSFField.polynomials_at`; those of functions that are the same everywhere are the only one.

        Parameters
        ----------
        spacing, shape, centre
            See `values`.
        """
        one = self.amplitudes[np.newaxis]
        for amplitudes in one if self.over_field is None else self.over_field.amplitudes:
            own = replace(self, amplitudes=amplitudes, over_field=None)
            yield own.values(spacing, shape, centre)

    def waves_along(self, z: Floats, *, slope: bool = False) -> Floats:
        """Return the waves at places along z, (places, waves).

        Parameters
        ----------
        z : numpy.ndarray
            (places,): from the window's middle, in micrometres.
        slope : bool
            Their derivatives by z instead.
        """
        # A sine is a cosine a quarter of a turn later.
        phase = 2 * np.pi * z[:, None] * self.waves - np.where(self.waves < 0, np.pi / 2, 0)
        return -2 * np.pi * self.waves * np.sin(phase) if slope else np.cos(phase)

    def _on_pixels(self, spacing: Sequence[float]) -> dict[tuple[int, bool], Floats]:
        """Return each term's amplitudes as pixels of another size see them."""
        pixel = spacing[1:] if self.pixel is None else self.pixel
        cosines = pixel_cosines(self.radial, self.spacing[1:], pixel, LEAST_COSINE)
        found: dict[tuple[int, bool], Floats] = {}
        for source, target, factor in pixel_links(self.terms, cosines):
            part = self.amplitudes[source] * factor
            found[target] = found[target] + part if target in found else part
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file needs to keep, by name; see `from_arrays`."""
        found = {
            "kind": np.array(KIND),
            "waves": self.waves,
            "radial": self.radial,
            "terms": np.array(self.terms, np.int32),
            # They hardly cancel one another: what is lost is 1e-7 of the PSF.
            "amplitudes": self.amplitudes.astype(np.float32),
            "spacing": np.array(self.spacing),
            "window": np.array(self.window, np.int32),
            "centre": np.array(self.centre),
            "background": np.array(self.background),
            "clip": np.array(self.clip),
        }
        if self.error is not None:
            found["error"] = self.error
        if self.pixel is not None:
            found["pixel"] = np.array(self.pixel)
        if self.over_field is not None:
            found |= self.over_field.arrays()
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> FittedFunctions | None:
        """Return the functions that `arrays` gave; None of those of a kind that is not known.

        Raises
        ------
        KeyError, TypeError, ValueError
            They are damaged.
        """
        if str(arrays["kind"]) != KIND:
            return None
        waves, radial, amplitudes = (
            np.asarray(arrays[name], np.float64) for name in ("waves", "radial", "amplitudes")
        )
        terms = tuple((int(order), bool(sine)) for order, sine in arrays["terms"])
        if amplitudes.shape != (len(terms), len(waves), len(radial)):
            raise ValueError("The functions and their amplitudes do not agree.")
        sz, sy, sx = (float(size) for size in arrays["spacing"])
        nz, ny, nx = (int(n) for n in arrays["window"])
        cz, cy, cx = (float(place) for place in arrays["centre"])
        error = np.asarray(arrays["error"], np.float32) if "error" in arrays else None
        if error is not None and error.ndim != 3:
            raise ValueError("The errors of the fitted voxels are no array of three axes.")
        pixel = None
        if "pixel" in arrays:
            py, px = (float(size) for size in arrays["pixel"])
            pixel = (py, px)
        return cls(
            waves=waves,
            radial=radial,
            terms=terms,
            amplitudes=amplitudes,
            spacing=(sz, sy, sx),
            window=(nz, ny, nx),
            centre=(cz, cy, cx),
            background=float(arrays["background"]),
            clip=bool(arrays["clip"]),
            error=error,
            pixel=pixel,
            over_field=PSFField.from_arrays(arrays),
        )
