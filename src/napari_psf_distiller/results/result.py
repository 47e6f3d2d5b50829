"""What distilling gives, and the time that its steps take."""

from __future__ import annotations

import dataclasses
import functools
import time
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_psf_distiller.psf import PSF, DepthProfile, FieldMaps
from napari_psf_distiller.psf.picture import as_html
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.results.folder import result_names, write_results
from napari_psf_distiller.results.stacks import StackResult, stacks_text
from napari_psf_distiller.results.staging import results_in
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.theory import theory_text
from napari_psf_distiller.wording import reasons_text, sizes_text, widths_text

__all__ = ["Clock", "Result"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A distilled PSF and how it came about.

    Attributes
    ----------
    psf : PSF
        Its voxels have the sum 1 and their peak at n // 2; with their errors, where the method
        gives them.
    beads : pandas.DataFrame
        A row a bead: its centre ``z``, ``y``, ``x`` in voxels, its ``amplitude`` and
        ``background`` in the image's units, whether it is ``used``, and the ``reason`` if not; of
        the joint fit their standard errors too. Of several images ``stack`` is the number of the
        bead's, counted from 0.
    recipe : Recipe
        All that is needed to run it again, versions and device included.
    timings : dict of str to float
        Seconds for each step, and "total".
    fwhm : tuple of float
        Full width at half maximum along each axis, in micrometres; see `fwhm`.
    fwhm_error : tuple of float
        Their standard errors; NaN where the method gives none. A 95 % interval is 1.96 of them to
        each side.
    log_likelihood : tuple of (int, float)
        (iteration, log-likelihood before it), where it was computed.
    warnings : tuple of str
        What a user should know before using the PSF.
    image : numpy.ndarray
        The image that it was distilled from, as it was given; of several that with most used beads.
    residual : numpy.ndarray or None
        float32, of the image's shape: what the joint fit leaves of the image, in its units.
    preprocessed : numpy.ndarray or None
        float32, the image that the PSF was distilled from where that is not the raw one.
    stacks : tuple of StackResult
        What became of each image, where several were given; else empty.
    """

    psf: PSF
    beads: pd.DataFrame
    recipe: Recipe
    timings: dict[str, float]
    fwhm: tuple[float, ...]
    fwhm_error: tuple[float, ...]
    log_likelihood: tuple[tuple[int, float], ...]
    warnings: tuple[str, ...]
    image: NDArray[Any]
    residual: NDArray[np.float32] | None
    preprocessed: NDArray[np.float32] | None
    stacks: tuple[StackResult, ...] = ()

    @functools.cached_property
    def maps(self) -> FieldMaps | None:
        """Maps of a PSF that changes over the field, see `PSF.field_maps`; None of another."""
        model = self.psf.model
        if model is None or model.over_field is None or model.over_field.degree == 0:
            return None
        return self.psf.field_maps(beads=self.beads_in_image)

    @functools.cached_property
    def depth_profile(self) -> DepthProfile | None:
        """What a PSF that changes with depth is in each; see `PSF.depth_profile`."""
        return self.psf.depth_profile()

    def described(self, *, image_name: str = "", microscope: str = "", note: str = "") -> Result:
        """Return the result with words about it in its record and in the PSF's, for people.

        They stand at the top of the report, and are saved with the PSF and in the recipe.

        Parameters
        ----------
        image_name : str
            What the image is called, such as its file.
        microscope : str
            The microscope's name, or its objective's.
        note : str
            Whatever is to be kept: who took the image, which slide, which day.

        Examples
        --------
        >>> import napari_psf_distiller as psfd
        >>> field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
        >>> result = psfd.distill(field.image, spacing=field.spacing, device="numpy")
        >>> result = result.described(image_name="beads.tif", note="slide 3, new oil")
        >>> result.recipe.provenance.note, result.psf.recipe.provenance.image_name
        ('slide 3, new oil', 'beads.tif')
        """
        recipe = self.recipe.described(image_name=image_name, microscope=microscope, note=note)
        psf = dataclasses.replace(self.psf, recipe=recipe)
        return dataclasses.replace(self, recipe=recipe, psf=psf)

    @property
    def beads_in_image(self) -> pd.DataFrame:
        """The rows of `beads` that are of `image`."""
        numbers = [number for number, one in enumerate(self.stacks) if one.image is self.image]
        return self.beads[self.beads["stack"] == numbers[0]] if numbers else self.beads

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size in micrometres; the PSF's."""
        return self.psf.spacing

    @property
    def psf_error(self) -> NDArray[np.float32] | None:
        """Standard error of each voxel of the PSF; the PSF's."""
        return self.psf.error

    def save(
        self,
        folder: str | Path,
        *,
        overwrite: bool = False,
        ome: bool = False,
        title: str = "Distilled PSF",
    ) -> None:
        """Write what the command line writes: PSF, recipe, beads, report, and the fit's images.

        All files are written, or none.

        Parameters
        ----------
        folder : str or Path
            Made if its parent exists. It gets ``psf.tif``, ``recipe.json``, ``beads.csv`` and
            ``report.html``, of the joint fit ``psf_error.tif`` and ``residual.tif``, which is
            `residual`, of a PSF that changes over the field its `maps`, ``field.csv`` and
            ``field.png``, and of one that changes with depth its `depth_profile`, ``depth.csv``
            and ``depth.png``.
        overwrite : bool
            Whether results that are there already may be replaced.
        ome : bool
            Write OME-TIFF: ``psf.ome.tif`` in the place of ``psf.tif``, and so on.
        title : str
            The report's heading.

        Raises
        ------
        InputError
            The folder cannot be written, or has such results already.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import napari_psf_distiller as psfd
        >>> field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
        >>> result = psfd.distill(field.image, spacing=field.spacing, device="numpy")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result.save(folder)
        ...     sorted(path.name for path in pathlib.Path(folder).iterdir())
        ['beads.csv', 'psf.tif', 'psf_error.tif', 'recipe.json', 'report.html', 'residual.tif']
        """
        names = result_names(self.recipe, ome)
        with results_in(Path(folder), names, overwrite, option="overwrite=True") as staging:
            write_results(staging, self, title, ome)

    def summary(self) -> str:
        """Return what people want to know first, a line each, and then the warnings."""
        lines = [f"{name + ':':<9}{text}" for name, text in self._said().items()]
        return "\n".join([*lines, *(f"Warning: {warning}" for warning in self.warnings)])

    def __repr__(self) -> str:
        return f"<Result\n{self.summary()}>"

    def _repr_html_(self) -> str:
        warnings = "".join(f"<p><b>Warning:</b> {escape(text)}</p>" for text in self.warnings)
        return as_html(self.psf.array, self.psf.spacing, self._said()) + warnings

    def _said(self) -> dict[str, str]:
        psf, made = self.psf, self.recipe.provenance
        reasons = reasons_text(self.beads)
        used = f"{int(self.beads['used'].sum())} of {len(self.beads)} used"
        device = made.device if made is not None else self.recipe.device
        theory = theory_text(self.recipe.optics, psf.spacing)
        return {
            "PSF": f"{sizes_text(psf.shape)} voxels of {sizes_text(psf.spacing)} µm",
            "FWHM": widths_text(self.fwhm, self.fwhm_error),
            **({"Theory": theory} if theory else {}),
            "Beads": f"{used}{'; not used: ' * bool(reasons)}{reasons}",
            **({"Stacks": stacks_text(self.stacks)} if self.stacks else {}),
            "Device": f"{device}, {self.timings['total']:.1f} s",
        }


class Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def note(self, step: StepId) -> None:
        """Count the time since the last note to a step."""
        now = time.perf_counter()
        self._seconds[step.value] = now - self._last
        self._last = now

    def total(self) -> dict[str, float]:
        """Return the seconds of each step and of all."""
        return self._seconds | {"total": time.perf_counter() - self._start}
