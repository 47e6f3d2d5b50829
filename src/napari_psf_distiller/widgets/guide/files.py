"""What the guide writes: the PSF, its recipe, and the report."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from napari.layers import Image, Layer, Points
from napari.viewer import Viewer

from napari_psf_distiller.beads import AXES
from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.microscopes import MicroscopePresets
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.recipe import Optics, Recipe
from napari_psf_distiller.results import Result
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.beads.places import without_places
from napari_psf_distiller.widgets.distil.joint import FITTED_BEADS, RESIDUAL
from napari_psf_distiller.widgets.files.writer import write_psf_layer
from napari_psf_distiller.widgets.guide.steps import TO_THE_PSF
from napari_psf_distiller.widgets.layers.lineage import identity, newest_layer, root_of, run_of
from napari_psf_distiller.widgets.layers.note import METADATA_KEY, RunNote, own_note
from napari_psf_distiller.widgets.layers.record import used_points
from napari_psf_distiller.widgets.layers.source import read_image_layer

__all__ = ["PSFMade", "psf_made"]


@dataclass(frozen=True)
class PSFMade:
    """A PSF and the layers on its way, taken in the main thread and written in another.

    Attributes
    ----------
    image, psf : Any
        The arrays of the bead image and the PSF.
    title : str
        The image's name.
    recipe : Recipe
        All that was done.
    attributes : dict
        What a writer needs to know of the PSF's layer.
    beads : pandas.DataFrame
    residual : Any
        The array, or None.
    fwhm_error : tuple of float or None
    runs : dict of StepId to RunNote
        What is recorded of each step's run.
    """

    image: Any
    psf: Any
    title: str
    recipe: Recipe
    attributes: dict[str, Any]
    beads: pd.DataFrame | None
    residual: Any
    fwhm_error: tuple[float, ...] | None
    runs: dict[StepId, RunNote]

    def described(self, note: str) -> Self:
        """Return the same with what the image and the microscope are called, and a note."""
        recipe = self.recipe.described(
            image_name=self.title, microscope=_kept_as(self.recipe.optics), note=note
        )
        metadata = dict(self.attributes["metadata"])
        made = own_note(metadata)
        assert made is not None
        metadata[METADATA_KEY] = replace(made, recipe=recipe)
        return replace(self, recipe=recipe, attributes={**self.attributes, "metadata": metadata})

    def save(self, path: Path) -> None:
        """Write the PSF in the format that the name asks for."""
        write_psf_layer(str(path), self.psf, self.attributes)

    def export_recipe(self, path: Path) -> None:
        """Write the recipe, which can be replayed on the image's file."""
        self.recipe.save(path)

    def export_report(self, path: Path) -> None:
        """Write the report as one HTML file.

        Raises
        ------
        InputError
            The beads' layer is gone, or the file cannot be written.
        """
        # matplotlib takes a while to import, and only here is it needed.
        from napari_psf_distiller.figures.report import write_report

        write_report(path, np.asarray(self.image), self._result(), title=f"PSF from {self.title}")

    def _result(self) -> Result:
        if self.beads is None:
            raise InputError(
                "The points layer of the beads is gone, and the report lists them: run Distil PSF "
                "again."
            )
        array = np.asarray(self.psf, np.float32)
        psf = PSF(array, check_spacing(self.recipe.spacing, array.ndim), recipe=self.recipe)
        timings = {
            step.value: run.seconds for step, run in self.runs.items() if run.seconds is not None
        }
        distilled = self.runs.get(StepId.DISTILL)
        return Result(
            psf=psf,
            beads=self.beads,
            recipe=self.recipe,
            timings=timings | {"total": sum(timings.values())},
            fwhm=psf.fwhm(),
            fwhm_error=self.fwhm_error or (float("nan"),) * psf.ndim,
            log_likelihood=distilled.log_likelihood if distilled is not None else (),
            warnings=tuple(w for run in self.runs.values() for w in run.warnings),
            image=np.asarray(self.image),
            residual=None if self.residual is None else np.asarray(self.residual),
            preprocessed=None,
        )


def psf_made(viewer: Viewer, image: Image | None) -> PSFMade:
    """Return the newest PSF that was made from an image, with what led to it.

    Raises
    ------
    InputError
        There is none.
    """
    source = read_image_layer(image, "a bead image", viewer)
    assert image is not None
    present = list(viewer.layers)
    psf = newest_layer(present, StepId.POSTPROCESS, root=root_of(image, viewer))
    if psf is None:
        raise InputError("There is no PSF yet. Press Distil PSF.")
    note = own_note(psf.metadata)
    assert note is not None
    lineage = _lineage(present, psf)
    distilled = lineage.get(StepId.DISTILL)
    made = run_of(distilled) if distilled is not None else None
    run = made.id if made is not None else "-"
    residual = newest_layer(present, StepId.DISTILL, RESIDUAL, run=run)
    beads = newest_layer(present, StepId.DISTILL, FITTED_BEADS, run=run) or lineage.get(
        StepId.FIND_BEADS
    )
    told = own_note(distilled.metadata) if distilled is not None else None
    return PSFMade(
        image=source.data,
        psf=psf.data,
        title=source.origin,
        recipe=note.recipe,
        attributes={
            "name": psf.name,
            "scale": tuple(psf.scale),
            "units": psf.units,
            "metadata": psf.metadata,
        },
        beads=_table(beads) if isinstance(beads, Points) else None,
        residual=residual.data if residual is not None else None,
        fwhm_error=told.fwhm_error if told is not None else None,
        runs={
            step: made
            for step in TO_THE_PSF
            if step in lineage and (made := run_of(lineage[step])) is not None
        },
    )


def _kept_as(optics: Optics) -> str:
    """Return by which name a microscope is kept; "" if it is not, or nothing is known of it."""
    if optics == Optics():
        return ""
    try:
        kept = dict(MicroscopePresets())
    except InputError:
        # The row of the microscopes says so; there are no names then.
        return ""
    return next((name for name, one in kept.items() if one.optics == optics), "")


def _lineage(layers: list[Layer], last: Layer) -> dict[StepId, Layer]:
    """Return the layers that led to one, by the step that wrote them."""
    known = {identity(layer): layer for layer in layers}
    found: dict[tuple[StepId, str], Layer] = {}
    waiting = [last]
    while waiting:
        layer = waiting.pop()
        note = own_note(layer.metadata)
        run = note.run if note is not None else None
        if note is None or run is None or (note.step, note.part) in found:
            continue
        found[note.step, note.part] = layer
        waiting += [known[i.layer] for i in run.inputs.values() if i.layer in known]
    return {step: layer for (step, part), layer in found.items() if not part}


def _table(beads: Points) -> pd.DataFrame:
    """Return the beads of a layer as the table that the pipeline gives."""
    features = without_places(beads.features.reset_index(drop=True))
    places = pd.DataFrame(np.asarray(beads.data, float), columns=list(AXES[-beads.ndim :]))
    table: pd.DataFrame = pd.concat([places, features], axis=1)
    table["used"] = used_points(features) if "used" in features else True
    table["reason"] = features["reason"].fillna("") if "reason" in features else ""
    return table.set_index("bead") if "bead" in table else table
