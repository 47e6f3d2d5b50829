"""What the inspector looks at: a PSF layer, or its PSF at a place of the field."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.checks import check_image
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.psf import PSF
from napari_psf_distiller.psf.at_place import PSFOverField, psf_at_place
from napari_psf_distiller.psf.local_shape import local_shapes, local_width_errors
from napari_psf_distiller.psf.polynomials import place_of
from napari_psf_distiller.recipe import Optics
from napari_psf_distiller.widgets.layers.note import LayerNote
from napari_psf_distiller.widgets.layers.psf_layer import (
    changes_over_field,
    note_of_psf,
    psf_of_layer,
)
from napari_psf_distiller.widgets.layers.source import Source, read_image_layer

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_psf_distiller.psf.field import PSFField
    from napari_psf_distiller.widgets.inspect.field_place import FieldPlace

__all__ = ["LookedAt", "Subject", "SubjectAt", "subject_of"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A PSF layer as the inspector looks at it.

    Attributes
    ----------
    name : str
    data : array_like
        The layer's own, neither copied nor loaded.
    spacing : tuple of float or None
        Voxel size in micrometres.
    fwhm_error : tuple of float or None
        Standard errors of the widths in micrometres, one an axis.
    psf_error : array_like or None
        Standard errors of the voxels.
    optics : Optics
    varying : PSF or None
        The layer's PSF, if it changes over the field.
    """

    name: str
    data: Any
    spacing: tuple[float, ...] | None
    fwhm_error: tuple[float, ...] | None
    psf_error: Any
    optics: Optics
    varying: PSF | None = None

    @property
    def field(self) -> PSFField | None:
        """How it changes over the field."""
        model = None if self.varying is None else self.varying.model
        return None if model is None else model.over_field

    @property
    def sizes(self) -> tuple[float, ...]:
        """The voxel size, 1 voxel where it is not known."""
        return self.spacing or (1.0,) * len(np.shape(self.data))

    @property
    def unit(self) -> Literal["µm", "voxels"]:
        """What `sizes` are in."""
        return "voxels" if self.spacing is None else "µm"

    @cached_property
    def over_field(self) -> PSFOverField:
        """The PSF that changes over the field, prepared for many places; made in a thread."""
        assert self.varying is not None
        return PSFOverField(self.varying)

    def evaluated(self) -> Subject:
        """Return itself; see `SubjectAt`."""
        return self

    def psf(self) -> NDArray[np.float32]:
        """Return the PSF, or say why it cannot be drawn."""
        array = check_image(np.asarray(self.data), "The PSF")
        if not array.max() > 0:
            raise InputError("The PSF has no positive values; there is nothing to draw.")
        return array

    def errors(self) -> Any:
        """Return the voxels' standard errors if they fit the PSF."""
        fits = self.psf_error is not None and np.shape(self.psf_error) == np.shape(self.data)
        return self.psf_error if fits else None


@dataclass(frozen=True, eq=False)
class SubjectAt:
    """A PSF that changes over the field, at a place; it is found once, however often it is drawn.

    Attributes
    ----------
    whole : Subject
        With its ``varying``.
    place : FieldPlace
    moving : bool
        Whether other places of the same PSF come at once.
    """

    whole: Subject
    place: FieldPlace
    moving: bool = False

    @property
    def name(self) -> str:
        """The layer's, with the place."""
        field = self.whole.field
        return (
            self.whole.name if field is None else f"{self.whole.name} at {self.place.text(field)}"
        )

    def evaluated(self) -> Subject:
        """Return the PSF at the place; called in a thread, as it takes a tenth of a second."""
        return self._evaluated

    @cached_property
    def _evaluated(self) -> Subject:
        whole = self.whole
        assert whole.varying is not None
        if self.moving:
            here = whole.over_field.at(*self.place)
        else:
            here = psf_at_place(whole.varying, *self.place)
        return dataclasses.replace(
            whole,
            name=self.name,
            data=here.array,
            psf_error=here.error,
            fwhm_error=self._width_errors(here.ndim),
            varying=None,
        )

    def _width_errors(self, axes: int) -> tuple[float, ...] | None:
        varying = self.whole.varying
        assert varying is not None
        if varying.model is None:
            return None
        places, pixel = place_of(*self.place), varying.spacing[-2:]
        shapes = local_shapes(varying.model, pixel, places)
        errors = local_width_errors(varying.model, pixel, places, shapes)
        return None if errors is None else tuple(errors[0, -axes:].tolist())


# What is drawn: known already, or found in the drawings' thread.
LookedAt = Subject | SubjectAt


def subject_of(layer: Image | None) -> Subject:
    """Return a layer as the inspector looks at it, or say why it cannot be.

    Raises
    ------
    InputError
        No layer, RGB, or not of 2 or 3 axes of space.
    """
    source = read_image_layer(layer, "a PSF")
    assert layer is not None
    note = note_of_psf(layer)
    errors, error, varying = None, None, None
    if note is not None:
        errors, error = note.fwhm_error, note.psf_error
        varying = _varying(source, note)
        if error is None and varying is not None:
            error = varying.error
    if errors is not None and len(errors) != len(np.shape(source.data)):
        errors = None
    return Subject(
        name=source.name,
        data=source.data,
        spacing=source.recipe.spacing,
        fwhm_error=None if errors is None else tuple(float(error) for error in errors),
        psf_error=error,
        optics=source.recipe.optics,
        varying=varying,
    )


def _varying(source: Source, note: LayerNote) -> PSF | None:
    """Return the PSF of a layer if it changes over the field."""
    if not changes_over_field(note):
        return None
    found = psf_of_layer(source, note)
    return found if isinstance(found, PSF) and found.model is not None else None
