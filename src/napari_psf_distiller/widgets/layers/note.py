"""What a layer says of itself in its metadata: which step wrote it, from what, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.steps import StepId

__all__ = ["METADATA_KEY", "Drawn", "InputNote", "LayerNote", "LayerSummary", "RunNote", "own_note"]

# Under which name a layer's metadata hold its note.
METADATA_KEY = "psf_distiller"

VERSION = 1

# The value of a parameter.
Parameter = bool | int | float | str | tuple[int | float, ...]


@dataclass(frozen=True)
class LayerSummary:
    """What a layer that went in was, for people.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of the volume or plane that was worked on.
    dtype : str
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Drawn:
    """How a layer was drawn when its step wrote it.

    Attributes
    ----------
    scale : tuple of float
    units : tuple of str
    """

    scale: tuple[float, ...]
    units: tuple[str, ...]

    @classmethod
    def of(cls, scale: Sequence[float], units: Sequence[Any]) -> Self:
        """Return the same in plain data, whatever numbers and units a layer has."""
        return cls(tuple(float(size) for size in scale), tuple(str(unit) for unit in units))


@dataclass(frozen=True)
class InputNote:
    """A layer that went into a run, as it was then.

    Attributes
    ----------
    layer : str
        Its identity, which it keeps when it is renamed.
    part : str
        Which of its time points and channels; "" of a layer that has no others.
    content : str
        Another one when the layer was changed.
    """

    layer: str
    part: str
    content: str


@dataclass(frozen=True)
class RunNote:
    """The run of a step that wrote a layer.

    Attributes
    ----------
    id : str
    time : float
        When it began, in seconds since 1970.
    parameters : dict
        Those that count, by name.
    inputs : dict of str to InputNote
        The layers that went in, by parameter.
    root : str
        Layer and volume that all began with.
    seconds : float or None
        How long it took.
    log_likelihood : tuple of (int, float)
        See `Result`.
    warnings : tuple of str
    message : str
        What the step's widget said when it was over.
    layer : str
        The identity of the layer that it wrote: a copy has another.
    written : str
        That layer's content, when it was written.
    """

    id: str
    time: float
    parameters: dict[str, Parameter]
    inputs: dict[str, InputNote]
    root: str
    seconds: float | None = None
    log_likelihood: tuple[tuple[int, float], ...] = ()
    warnings: tuple[str, ...] = ()
    message: str = ""
    layer: str = ""
    written: str = ""


@dataclass(frozen=True)
class LayerNote:
    """What a layer says of how it was made.

    Attributes
    ----------
    step : StepId
        That wrote it.
    recipe : Recipe
        Up to and with this step.
    origin : str
        The name of the layer that all began with, and which of its volumes it was.
    part : str
        Which of the step's results it is, such as "residual"; "" of what the step is there for.
    source : LayerSummary or None
        What the step worked on; its file, if it was opened.
    source_layer : str
        The identity of that layer.
    others : tuple of LayerSummary
        Further layers that went in.
    same_grid : bool
        Whether it has the voxels of the source, and lies on it.
    finer : tuple of int
        Of one that lies on the image that all began with, with finer voxels: how many of them one
        of that image's has along each axis. Else empty.
    drawn : Drawn or None
        How it was drawn; None where any drawing will do.
    digest : str
        A fingerprint of what people edit, see `digest_of`.
    chosen : dict of str to int
        Which time, channel, ... it was made from.
    iterations : int or None
        How many were done.
    unfinished : bool
        Whether its run was cancelled.
    fwhm_error : tuple of float or None
        Of a PSF: standard errors of its widths, in micrometres.
    psf_error : numpy.ndarray or None
        Of a PSF: standard errors of its voxels.
    psf : PSF or None
        Of a PSF: with its errors and functions, for as long as the layer has its voxels.
    run : RunNote or None
        None as long as the layer is not in the viewer, and of one that was opened.

    Examples
    --------
    >>> note = LayerNote(StepId.DISTILL, Recipe(), "beads")
    >>> LayerNote.from_dict(note.to_dict()) == note
    True
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    step: StepId
    recipe: Recipe
    origin: str
    part: str = ""
    source: LayerSummary | None = None
    source_layer: str = ""
    others: tuple[LayerSummary, ...] = ()
    same_grid: bool = False
    finer: tuple[int, ...] = ()
    drawn: Drawn | None = None
    digest: str = ""
    chosen: dict[str, int] = field(default_factory=dict)
    iterations: int | None = None
    unfinished: bool = False
    fwhm_error: tuple[float, ...] | None = None
    # An array has no one answer to whether it is equal to another.
    psf_error: Any = field(default=None, compare=False)
    psf: Any = field(default=None, compare=False)
    run: RunNote | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the note as versioned plain data; errors of voxels and a PSF stay as they are."""
        plain = {
            "step": self.step.value,
            "recipe": self.recipe.to_dict(),
            "psf_error": self.psf_error,
            "psf": self.psf,
        }
        return {"version": VERSION} | asdict(replace(self, psf_error=None, psf=None)) | plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read a note that `to_dict` wrote, strictly.

        Raises
        ------
        InputError
            Of another version, an unknown or missing field, or one of the wrong type.
        """
        version = data.get("version")
        if version != VERSION:
            raise InputError(
                f"What a layer says of how it was made has version {shown(version)}; this program "
                f"reads version {VERSION}. Make the layer again, or update napari-psf-distiller."
            )
        fields = {name: value for name, value in data.items() if name != "version"}
        recipe = Recipe.from_dict(fields.get("recipe"), "recipe")
        try:
            # The recipe has sentences of its own.
            note: Self = TypeAdapter(cls).validate_python(fields | {"recipe": recipe})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"What a layer says of how it was made cannot be read: {place} is "
                f"{shown(first['input'])}, {first['msg'].lower()}."
            ) from None
        return note

    @classmethod
    def read(cls, metadata: Mapping[str, Any]) -> Self | None:
        """Return the note in a layer's metadata; None if no step of ours wrote one.

        Parameters
        ----------
        metadata : mapping
            With the note itself, or with its plain data, as another program kept it.

        Raises
        ------
        InputError
            See `from_dict`.
        """
        note = metadata.get(METADATA_KEY)
        if isinstance(note, cls):
            return note
        return cls.from_dict(note) if isinstance(note, dict) and "recipe" in note else None


def own_note(metadata: Mapping[str, Any]) -> LayerNote | None:
    """Return what a step wrote into a layer's metadata, or None if no step of ours did.

    One that cannot be read counts as none here; a step that is to work on the layer says so.
    """
    try:
        return LayerNote.read(metadata)
    except InputError:
        return None
