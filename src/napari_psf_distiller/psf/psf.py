"""The point spread function as an object, and how one is read from a file."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.arrays import HoldsArray, read_only
from napari_psf_distiller.checks import check_image, check_number, check_spacing
from napari_psf_distiller.errors import DistillerWarning, InputError, shown
from napari_psf_distiller.export import save_as
from napari_psf_distiller.io import read_stored_psf
from napari_psf_distiller.measure.otf import OTFSection, otf_section
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.psf import picture
from napari_psf_distiller.psf.at_place import psf_at_place
from napari_psf_distiller.psf.depth_profile import DepthProfile, profile_in_depth
from napari_psf_distiller.psf.eigen import LEFT, EigenPSFs, constant_psf, eigen_psfs
from napari_psf_distiller.psf.evaluation import evaluated_psf
from napari_psf_distiller.psf.field_mapping import map_field
from napari_psf_distiller.psf.field_maps import FieldMaps
from napari_psf_distiller.psf.functions import FittedFunctions
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.quantities import Tails
from napari_psf_distiller.wording import sizes_text, widths_text

__all__ = ["PSF", "read_psf"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PSF(HoldsArray):
    """A point spread function with its voxel size, its errors and what it was made with.

    NumPy, matplotlib and napari take it as an array: ``np.asarray(psf)`` gives its voxels, and
    ``np.log(psf)`` or ``plt.imshow(psf.array[z])`` do what they do with any array.

    Parameters
    ----------
    array : array_like
        (Z, Y, X) or (Y, X). A distilled PSF has the sum 1 and its peak at n // 2 on each axis; one
        from elsewhere stays as it is.
    spacing : sequence of float
        Voxel size in micrometres, one an axis.
    error : array_like, optional
        Of the array's shape: the standard error of each voxel.
    recipe : Recipe, optional
        What it was made with.
    model : FittedFunctions, optional
        The functions whose sum it is, for `evaluate`; the joint fit gives them.
    measured : array_like, optional
        bool, of the array's shape: where it is known from beads, and not continued as theory says.

    Attributes
    ----------
    array, error : numpy.ndarray
        float32, not to be written to; ``error`` is None where it is not known.
    measured : numpy.ndarray or None
        bool; None where no voxel is continued.
    spacing : tuple of float
    recipe : Recipe or None
    model : FittedFunctions or None

    Raises
    ------
    InputError
        The array is no PSF, or the spacing or the errors do not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_psf_distiller as psfd
    >>> array = psfd.simulate_psf((31, 63, 63), (0.2, 0.08, 0.08))
    >>> psf = psfd.PSF(array, spacing=(0.2, 0.08, 0.08))
    >>> psf
    PSF(31 x 63 x 63 voxels of 0.2 x 0.08 x 0.08 µm, FWHM z 624 nm, y 243 nm, x 243 nm)
    >>> round(float(np.sum(psf)), 3)
    1.0
    """

    array: NDArray[np.float32]
    spacing: tuple[float, ...]
    error: NDArray[np.float32] | None = None
    recipe: Recipe | None = None
    model: FittedFunctions | None = None
    measured: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        array = check_image(self.array, "The PSF")
        values: dict[str, Any] = {
            "array": read_only(array),
            "spacing": check_spacing(self.spacing, array.ndim),
        }
        if self.error is not None:
            error = check_image(self.error, "The PSF's error", constant=True)
            if error.shape != array.shape:
                raise InputError(
                    f"The PSF has the shape {array.shape}, its error {error.shape}; they must be "
                    "the same."
                )
            values["error"] = read_only(error)
        if self.measured is not None:
            measured = np.array(self.measured, bool)
            if measured.shape != array.shape:
                raise InputError(
                    f"The PSF has the shape {array.shape}, what is measured of it "
                    f"{measured.shape}; they must be the same."
                )
            values["measured"] = read_only(measured)
        for name, kind in (("recipe", Recipe), ("model", FittedFunctions)):
            given = getattr(self, name)
            if given is not None and not isinstance(given, kind):
                raise InputError(
                    f"The PSF's {name} is {shown(given)}; it should be a {kind.__name__}."
                )
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def fwhm(self) -> tuple[float, ...]:
        """Return the full width at half maximum along each axis, in micrometres; see `fwhm`."""
        return fwhm(self.array, self.spacing)

    def otf(self) -> OTFSection:
        """Return the optical transfer function's magnitude in the plane ky = 0.

        Returns
        -------
        OTFSection
            ``magnitude`` (kz, kx), 1 at the frequency 0, which lies at n // 2; ``down`` and
            ``across`` are the frequencies of its rows and columns in cycles per micrometre. Of a
            2D PSF it is the whole OTF, (ky, kx).

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> psf = psfd.PSF(psfd.simulate_psf((31, 63, 63), (0.2, 0.08, 0.08)), (0.2, 0.08, 0.08))
        >>> otf = psf.otf()
        >>> round(float(otf.magnitude.max()), 3)
        1.0
        """
        return otf_section(self.array, self.spacing)

    def at(self, y: float, x: float, z: float | None = None) -> PSF:
        """Return the PSF at a place of the bead image.

        A PSF of the joint fit that changes over the field is known at each place by polynomials
        that were fitted to the beads; this one is then their mean.

        Parameters
        ----------
        y, x : float
            In voxels of the bead image.
        z : float, optional
            The plane of the bead image, of a PSF that changes with depth; without it in the mean
            over the depth.

        Returns
        -------
        PSF
            This one if it is the same everywhere. With errors where this one has them, and without
            what theory says beyond the window.

        Raises
        ------
        InputError
            The place is none.

        Warns
        -----
        DistillerWarning
            The place lies beyond the outermost beads: the PSF there is extrapolated.
        """
        for name, value in (("y", y), ("x", x), ("z", 0.0 if z is None else z)):
            check_number(value, f"place along {name}")
        over_field = None if self.model is None else self.model.over_field
        if over_field is not None and not over_field.is_covered(y, x, z):
            plane = "" if z is None else f"z {z:g}, "
            warnings.warn(
                f"At {plane}y {y:g}, x {x:g} the PSF is extrapolated: the beads that it was fitted "
                "to end before. Use beads there, too.",
                DistillerWarning,
                stacklevel=2,
            )
        return psf_at_place(self, y, x, z)

    def field_maps(
        self, places: int | tuple[int, int] = 9, beads: pd.DataFrame | None = None
    ) -> FieldMaps:
        """Return maps of the PSF over the field of view, with their errors.

        Parameters
        ----------
        places : int or (int, int)
            How many places along y and along x: the bead image is divided into so many equal parts,
            and a place is the middle of one.
        beads : pandas.DataFrame, optional
            The beads that it was distilled from, of one image, such as `Result.beads_in_image`:
            where these lie on a slide, they tell where the PSF is in focus.

        Returns
        -------
        FieldMaps
            Widths with their ratio to the theory, how strong each angular order is and which way it
            points, and the focus. Of a PSF that is the same everywhere the maps are flat.

        Raises
        ------
        InputError
            The PSF has no functions, or does not say of which image it is; the places are none; the
            beads are those of another image, or of several.

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
        >>> result = psfd.distill(field.image, spacing=field.spacing, device="numpy")
        >>> maps = result.psf.field_maps(places=3, beads=result.beads)
        >>> maps.shape, maps.varies, sorted(maps.widths)
        ((3, 3), False, ['x', 'y', 'z'])
        """
        if self.model is None:
            raise InputError(
                "The PSF has no functions that tell how it changes over the field, which only the "
                "joint fit gives; distil it by that."
            )
        of_field, optics, image_shape = self.model.over_field, None, None
        image_spacing = self.spacing
        if self.recipe is not None:
            optics, made = self.recipe.optics, self.recipe.provenance
            image_shape = None if made is None else made.image_shape
            # This one may have been evaluated on other voxels.
            image_spacing = self.recipe.spacing or self.spacing
        if of_field is not None:
            image_shape = of_field.image_shape
            image_spacing = (of_field.spacing[0], *of_field.pixel)[-self.ndim :]
        if image_shape is None:
            raise InputError(
                "The PSF does not say how large the bead image is that it was distilled from, so "
                "that there is no field to map; distil it again."
            )
        size = (image_shape[-2], image_shape[-1])
        return map_field(self.model, self.spacing, size, image_spacing, places, beads, optics)

    def depth_profile(self, places: int = 25) -> DepthProfile | None:
        """Return how wide the PSF is in each depth, with its errors.

        Parameters
        ----------
        places : int
            Of how many equal parts of the bead image along z the middles are taken.

        Returns
        -------
        DepthProfile or None
            None of a PSF that is the same in all planes.

        Raises
        ------
        InputError
            The places are none.

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> psf = psfd.PSF(psfd.simulate_psf((31, 63, 63), (0.2, 0.08, 0.08)), (0.2, 0.08, 0.08))
        >>> psf.depth_profile() is None
        True
        """
        over_field = None if self.model is None else self.model.over_field
        if self.model is None or over_field is None or over_field.depth is None:
            return None
        return profile_in_depth(self.model, over_field, self.spacing[-2:], places)

    def evaluate(
        self,
        spacing: Sequence[float] | None = None,
        shape: Sequence[int] | None = None,
        with_error: bool = False,
        *,
        interpolate: bool = False,
        tails: Tails | None = None,
    ) -> PSF:
        """Return the PSF on voxels of another size, as the fitted functions have it there.

        Nothing is interpolated: a distilled PSF is a sum of functions that have a value at every
        place. They were fitted to what square pixels of ``model.spacing`` measure, each all light
        that falls on it; on other pixels they are what these measure. Of a microscope that scans a
        single focus (confocal, two- and three-photon, STED), voxels are points of any distance.
        Along z, planes are taken to be thin.

        Parameters
        ----------
        spacing : sequence of float, optional
            Voxel size in micrometres, one an axis; by default this PSF's.
        shape : sequence of int, optional
            Number of voxels along each axis; by default what covers this PSF's extent.
        with_error : bool
            Whether the result has the standard errors of its voxels: those of the voxels that the
            functions were fitted on, their variances interpolated linearly, and scaled as the PSF
            is.
        interpolate : bool
            Of a PSF without functions, interpolate its voxels by splines instead of raising an
            error: along z between its planes, in the plane so that each pixel has the light that
            falls on it, or of a scanned focus between its points.
        tails : {"none", "continued"}, optional
            Beyond the window that the PSF was fitted in, "continued" has the light of the
            theoretical PSF, scaled so that it joins, with ``measured`` of the result False there:
            for a shape of any size. It needs the functions, and a recipe with the optics. By
            default a PSF that is continued stays so.

        Returns
        -------
        PSF
            Its sum is 1, and its brightest voxel lies at n // 2 on each axis; of one that is
            interpolated the centre, at n // 2, stays where it is.

        Raises
        ------
        InputError
            The PSF has no functions and is not to be interpolated; the spacing or the shape cannot
            be used, or goes beyond the window that the PSF was fitted in, outside of which the
            functions are not known, and it is not to be continued, or there is no theory of the
            microscope; errors are asked for that it does not have.

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
        >>> psf = psfd.distill(field.image, spacing=field.spacing, device="numpy").psf
        >>> finer = psf.evaluate(spacing=(0.1, 0.04, 0.04))
        >>> finer.spacing, max(finer.shape) > max(psf.shape)
        ((0.1, 0.04, 0.04), True)
        """
        return evaluated_psf(
            self, spacing, shape, with_error=with_error, interpolate=interpolate, tails=tails
        )

    def eigen_psfs(
        self,
        spacing: Sequence[float] | None = None,
        shape: Sequence[int] | None = None,
        *,
        left: float = LEFT,
    ) -> EigenPSFs:
        """Return the PSF over the field as a sum of few kernels, each times a weight of the place.

        Parameters
        ----------
        spacing, shape : sequence, optional
            Voxel size in micrometres, and number of voxels along each axis; see `evaluate`.
        left : float
            What may be left out of the PSF, in relative L2 over the field.

        Returns
        -------
        EigenPSFs
            Of a PSF that is the same everywhere, the PSF and the weight 1.

        Raises
        ------
        InputError
            See `evaluate`. Or the PSF changes over the field and is continued beyond its window,
            where nothing is known of that.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_psf_distiller as psfd
        >>> array = psfd.simulate_psf((31, 63, 63), (0.2, 0.08, 0.08))
        >>> eigen = psfd.PSF(array, (0.2, 0.08, 0.08)).eigen_psfs()
        >>> len(eigen), eigen.weights_at(np.array([5.0]), np.array([7.0, 9.0])).shape
        (1, (1, 1, 2))
        """
        there = self if spacing is None and shape is None else self.evaluate(spacing, shape)
        if there.model is None or there.model.over_field is None:
            return constant_psf(there.array, there.spacing)
        if there.measured is not None:
            raise InputError(
                "How the PSF changes over the field is not known where it is continued beyond its "
                "window. Take the PSF as it was before, or its mean."
            )
        check_number(left, "part that may be left out", 0, 1)
        return eigen_psfs(there.model, there.spacing, there.shape, left)

    def save(self, path: str | Path, format: str | None = None, **options: Any) -> None:
        """Write the PSF to a file, whole or not at all, for this program or another.

        Parameters
        ----------
        path : str or Path
            Its ending chooses the format, such as ``.tif`` for ImageJ's TIFF or ``.ome.tif`` for
            OME-TIFF; `exporters` lists them.
        format : str, optional
            The format's name, such as ``"deconwolf"``, where the ending alone does not say it.
        **options
            Of the format, such as ``dtype="uint16"``; each exporter has its ``options``.

        Raises
        ------
        InputError
            No format has this name or ending, an option is not known, the PSF cannot be written so,
            or the file cannot be written.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import napari_psf_distiller as psfd
        >>> psf = psfd.PSF(psfd.simulate_psf((15, 31, 31), (0.2, 0.08, 0.08)), (0.2, 0.08, 0.08))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     psf.save(pathlib.Path(folder, "psf.tif"))
        ...     psfd.read_psf(pathlib.Path(folder, "psf.tif")).shape
        (15, 31, 31)
        """
        save_as(self, path, options, format)

    def __repr__(self) -> str:
        said = {
            f"{sizes_text(self.shape)} voxels of {sizes_text(self.spacing)} µm": True,
            f"FWHM {widths_text(self.fwhm())}": True,
            "with errors": self.error is not None,
            "with functions": self.model is not None,
            "changing over the field": self.model is not None and self.model.over_field is not None,
            "partly continued": self.measured is not None,
        }
        return f"PSF({', '.join(text for text, is_so in said.items() if is_so)})"

    def _repr_html_(self) -> str:
        rows = {
            "voxels": sizes_text(self.shape),
            "voxel size": f"{sizes_text(self.spacing)} µm",
            "FWHM": widths_text(self.fwhm()),
            "errors": "known" if self.error is not None else "not known",
            "between voxels": "known" if self.model is not None else "not known",
        }
        return picture.as_html(self.array, self.spacing, rows)


def read_psf(path: str | Path) -> PSF:
    """Read a PSF from a file, ours or any that has a voxel size.

    Parameters
    ----------
    path : str or Path
        Of a TIFF, an OME-Zarr, a NumPy archive of ours, a DeltaVision file, or with the extra
        ``huygens`` one of Huygens, as the name's ending says. An OTF or a spline is not read.

    Returns
    -------
    PSF
        Its voxels as they are stored. One that was saved by `PSF.save` has all that it had; that of
        another program has neither errors, recipe nor functions.

    Raises
    ------
    InputError
        The file cannot be read, is cut short or damaged, holds no PSF, or says nothing of its voxel
        size.
    """
    stored = read_stored_psf(path)
    model = None
    try:
        if stored.functions is not None:
            model = FittedFunctions.from_arrays(stored.functions)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} is damaged or cut short. Copy or export it again.") from None
    return PSF(stored.psf, stored.spacing, stored.error, stored.recipe, model, stored.measured)
