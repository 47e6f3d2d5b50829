"""How a PSF changes over the field of view and with depth: polynomials fitted to the beads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.psf.polynomials import (
    Extent,
    Pattern,
    group_of,
    pattern_groups,
    place_of,
    values_of,
)

__all__ = [
    "Depth",
    "PSFField",
]

Floats = NDArray[np.float64]

# In a file's mapping of arrays these have this before their names.
PREFIX = "field."

# What a file calls the polynomials; see `values_of`.
POLYNOMIALS = "of the distance, times cosines and sines of multiples of the angle, times of depth"

# Of these each group of `PSFField` has one; a file may lack them.
ERRORS = ("errors", "width_errors", "order_errors")


class Depth(NamedTuple):
    """How deep the beads lie that show that a PSF changes with depth.

    Attributes
    ----------
    extent : tuple of float
        Where the outermost beads lie, (first, last), in planes of the bead image.
    planes : int
        Of the bead image.
    spacing : float
        From one of its planes to the next, in micrometres.
    """

    extent: tuple[float, float]
    planes: int
    spacing: float


@dataclass(frozen=True)
class PSFField:
    """How the functions that a PSF is a sum of change with the place in the bead image.

    Attributes
    ----------
    patterns : tuple of Pattern
        The polynomials that it changes by; the first one is 1.
    extent : tuple of tuple of float
        Where the outermost beads lie that shaped it, (first, last) along y and along x, in voxels
        of the bead image.
    image_shape : tuple of int
        (Y, X): rows and columns of the bead image.
    pixel : tuple of float
        Size of the bead image's voxels along y and x, in micrometres.
    amplitudes : numpy.ndarray
        (polynomials, terms, waves, radial): of each polynomial, the amplitudes of the functions;
        see `FittedFunctions`.
    gram : numpy.ndarray
        (polynomials, polynomials): the polynomials' mean products over the beads, each counting by
        its squared light.
    spacing : tuple of float
        Size of the voxels of `errors` along z, y and x, in micrometres.
    errors : numpy.ndarray or None
        float32, (groups, Z, Y, X), the PSF's centre in the middle: for each of `groups` the
        standard errors of the voxels of what a polynomial adds that is 1 in the mean square over
        the beads; of the first, of the mean PSF, of the sum 1.
    width_errors : numpy.ndarray or None
        (groups, 3): the same of the full width at half maximum along z, y and x, in micrometres.
    order_errors : numpy.ndarray or None
        (groups, orders): the same of each angular order of the terms, the lowest first: the root
        of the sum of its voxels' variances, relative to the root of the sum of the squares of the
        mean PSF's voxels.
    depth : Depth or None
        None of a PSF that is the same in all planes.
    """

    patterns: tuple[Pattern, ...]
    extent: Extent
    image_shape: tuple[int, int]
    pixel: tuple[float, float]
    amplitudes: Floats = field(repr=False)
    gram: Floats = field(repr=False)
    spacing: tuple[float, float, float]
    errors: NDArray[np.float32] | None = field(default=None, repr=False)
    width_errors: Floats | None = field(default=None, repr=False)
    order_errors: Floats | None = field(default=None, repr=False)
    depth: Depth | None = None

    @property
    def degree(self) -> int:
        """The highest degree of the polynomials of the place in the plane."""
        return max(pattern.degree for pattern in self.patterns)

    @property
    def depth_degree(self) -> int:
        """That of the polynomials of the depth; 0 of a PSF that is the same in all planes."""
        return max(pattern.depth for pattern in self.patterns)

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The degrees in the plane and in depth that there are polynomials of."""
        return pattern_groups(self.patterns)

    def amplitudes_at(self, y: float, x: float, z: float | None = None) -> Floats:
        """Return the amplitudes of the PSF at a place, (terms, waves, radial); see `place_of`."""
        polynomials = self.polynomials_at(place_of(y, x, z))[0]
        amplitudes: Floats = np.tensordot(polynomials, self.amplitudes, axes=1)
        return amplitudes

    def width_errors_at(self, places: Floats) -> Floats | None:
        """Return the standard errors of the widths at places, (places, 3), in micrometres.

        As if the PSF fell as steeply as the mean PSF does; see `local_width_errors`.

        Parameters
        ----------
        places : numpy.ndarray
            (places, 2): y and x in voxels of the bead image.
        """
        if self.width_errors is None:
            return None
        strengths = self.group_strengths(self.polynomials_at(places))
        errors: Floats = np.sqrt(strengths @ self.width_errors**2)
        return errors

    def errors_at(self, y: float, x: float, z: float | None = None) -> NDArray[np.float32] | None:
        """Return the standard errors of the PSF's voxels at a place, (Z, Y, X).

        As if the polynomials, made orthonormal over the beads, were known independently of one
        another, and those of one group alike: where beads are few or far, the polynomials are
        large, and so are the errors.
        """
        if self.errors is None:
            return None
        strengths = self.group_strengths_at(y, x, z)
        variance = np.tensordot(strengths, self.errors.astype(np.float64) ** 2, axes=1)
        errors: NDArray[np.float32] = np.sqrt(variance).astype(np.float32)
        return errors

    def group_strengths_at(self, y: float, x: float, z: float | None = None) -> Floats:
        """Return how strongly the polynomials of each group count in the errors at a place.

        Returns
        -------
        numpy.ndarray
            (groups,): the sum of the squares of each group's polynomials, made orthonormal over
            the beads. The variance of what is found at the place is the sum of these times the
            variances that are known for each group; see `errors`.
        """
        strengths: Floats = self.group_strengths(self.polynomials_at(place_of(y, x, z)))[0]
        return strengths

    def group_strengths(self, polynomials: Floats) -> Floats:
        """Return the same for values of the polynomials, or for differences of such.

        Parameters
        ----------
        polynomials : numpy.ndarray
            (places, polynomials).

        Returns
        -------
        numpy.ndarray
            (places, groups).
        """
        own = np.linalg.solve(np.linalg.cholesky(self.gram), polynomials.T) ** 2
        of_group = np.array(
            [[group == group_of(pattern) for group in self.groups] for pattern in self.patterns]
        )
        strengths: Floats = own.T @ of_group.astype(np.float64)
        return strengths

    def is_covered(self, y: float, x: float, z: float | None = None) -> bool:
        """Return whether a place lies among the beads, and not beyond the outermost ones."""
        places, ends = [y, x], list(self.extent)
        if z is not None and self.depth is not None:
            places.append(z)
            ends.append(self.depth.extent)
        return all(
            first <= place <= last for place, (first, last) in zip(places, ends, strict=True)
        )

    def polynomials_at(self, places: Floats) -> Floats:
        """Return the polynomials at places, (places, polynomials); see `values_of`."""
        depth_extent = (0.0, 0.0) if self.depth is None else self.depth.extent
        return values_of(self.patterns, self.extent, depth_extent, places)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file needs to keep, by name; see `from_arrays`."""
        found = {
            "polynomials": np.array(POLYNOMIALS),
            "patterns": np.array(self.patterns, np.int32),
            "extent": np.array(self.extent),
            "image_shape": np.array(self.image_shape, np.int32),
            "pixel": np.array(self.pixel),
            "amplitudes": self.amplitudes.astype(np.float32),
            "gram": self.gram,
            "spacing": np.array(self.spacing),
        }
        if self.depth is not None:
            found |= {f"depth_{name}": np.array(of) for name, of in self.depth._asdict().items()}
        for name in ERRORS:
            errors = getattr(self, name)
            if errors is not None:
                found[name] = errors
        return {PREFIX + name: values for name, values in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PSFField | None:
        """Return the field that `arrays` gave; None where there is none.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is damaged.
        """
        if PREFIX + "polynomials" not in arrays:
            return None
        own = {
            name.removeprefix(PREFIX): values
            for name, values in arrays.items()
            if name.startswith(PREFIX)
        }
        if str(own["polynomials"]) != POLYNOMIALS:
            raise ValueError("The field's polynomials are of another kind.")
        patterns = tuple(Pattern(*(int(n) for n in pattern)) for pattern in own["patterns"])
        depth = None
        if "depth_extent" in own:
            shallowest, deepest = (float(plane) for plane in own["depth_extent"])
            depth = Depth(
                (shallowest, deepest), int(own["depth_planes"]), float(own["depth_spacing"])
            )
        amplitudes, gram = (np.asarray(own[name], np.float64) for name in ("amplitudes", "gram"))
        count, groups = len(patterns), len(pattern_groups(patterns))
        errors = {name: own.get(name) for name in ERRORS}
        if (
            (amplitudes.ndim, len(amplitudes)) != (4, count)
            or gram.shape != (count, count)
            or any(some is not None and len(some) != groups for some in errors.values())
        ):
            raise ValueError("The field's polynomials and their amplitudes do not agree.")
        (top, bottom), (left, right) = own["extent"].astype(np.float64).tolist()
        sz, sy, sx = (float(size) for size in own["spacing"])
        rows, columns = (int(n) for n in own["image_shape"])
        height, width = (float(size) for size in own["pixel"])
        return cls(
            patterns=patterns,
            extent=((top, bottom), (left, right)),
            image_shape=(rows, columns),
            pixel=(height, width),
            amplitudes=amplitudes,
            gram=gram,
            spacing=(sz, sy, sx),
            depth=depth,
            **errors,
        )
