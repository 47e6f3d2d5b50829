"""What can be chosen of a format, declared once for Python, the command line and the documents."""

from __future__ import annotations

from dataclasses import dataclass

from napari_psf_distiller.errors import InputError, shown
from napari_psf_distiller.wording import listed

__all__ = ["CENTRE", "SCALE", "SIZES", "TYPE", "FormatOption"]


@dataclass(frozen=True)
class FormatOption:
    """Something that can be chosen of a format.

    `PSF.save` takes it by its name, and the command line as an option of that name.

    Attributes
    ----------
    name : str
    choices : tuple of str
        The first is the default.
    help : str
        What it decides, and what the choices mean; without a full stop.

    Examples
    --------
    >>> import napari_psf_distiller as psfd
    >>> psfd.FormatOption("digits", ("6", "9"), "of each value").default
    '6'
    """

    name: str
    choices: tuple[str, ...]
    help: str

    @property
    def default(self) -> str:
        """What is done if nothing is chosen."""
        return self.choices[0]

    def check(self, value: object, format_name: str) -> None:
        """Refuse what is none of the choices.

        Raises
        ------
        InputError
        """
        if value not in self.choices:
            raise InputError(
                f"The option {self.name} of {format_name} is {shown(value)}; it should be "
                f"{listed(self.choices, 'or')}."
            )


CENTRE = FormatOption(
    "centre",
    ("middle", "first"),
    "where the PSF's peak lies: at n // 2 of each axis, or in the first voxel, as programs want it "
    "that multiply Fourier transforms",
)

SCALE = FormatOption(
    "scale", ("sum", "maximum"), "what becomes 1: the sum of all voxels, or the brightest"
)

SIZES = FormatOption(
    "sizes",
    ("any", "odd"),
    "the numbers of voxels: as they are, or odd, for which the first voxel is left out of each "
    "even axis, so that the peak has as many voxels on both sides",
)

TYPE = FormatOption(
    "dtype",
    ("float32", "uint16"),
    "how numbers are stored: float32, or uint16, of which the brightest voxel gets 65535, whatever "
    "the scale, and light below 1 / 131070 of it becomes 0",
)
