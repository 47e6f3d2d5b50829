"""What a user should know of several images that one PSF was to be distilled from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from napari_psf_distiller.joint.stacks.agreement import Difference
from napari_psf_distiller.wording import widths_text

__all__ = ["disagreement_text", "grouped", "left_out_text", "repeated_text"]


def left_out_text(difference: Difference, own: Sequence[float], others: Sequence[float]) -> str:
    """Return why an image is left out whose PSF is another one than that of most.

    Parameters
    ----------
    difference : Difference
    own, others : sequence of float
        Full widths at half maximum of its PSF and of one of the others', in micrometres.
    """
    return (
        f"its PSF differs by {100 * difference.part:.0f} % from that of the others "
        f"({widths_text(own)} against {widths_text(others)}), which its errors do not explain: it "
        "was left out. Distil it by itself, and look for what differed: the objective, its "
        "correction collar, the immersion, the colour, or the depth."
    )


def repeated_text(first: str) -> str:
    """Return why an image is left out that is the same as another."""
    return (
        f"it is the same image as {first}, so that it tells nothing more, and the errors would be "
        "too small: it was left out."
    )


def disagreement_text(
    one: tuple[str, Sequence[float]],
    other: tuple[str, Sequence[float]],
    difference: Difference,
    count: int,
) -> str:
    """Return why images give no PSF of which no more than half have the same.

    Parameters
    ----------
    one, other : (str, sequence of float)
        The names of two that differ, and the full widths at half maximum of their PSFs in
        micrometres.
    difference : Difference
        Of these two.
    count : int
        How many images there are.
    """
    which = "The two images" if count == 2 else f"No more than half of the {count} images agree:"
    those = "" if count == 2 else f" those of {one[0]} and {other[0]}"
    have = " have different PSFs" if count == 2 else f"{those} have different PSFs"
    return (
        f"{which}{have}, by {100 * difference.part:.0f} %, which their errors do not explain "
        f"({one[0]}: {widths_text(one[1])}; {other[0]}: {widths_text(other[1])}). A mean of them "
        "would be nobody's: distil each by itself, or give more images of one microscope."
    )


def grouped(said: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return what is to be said of several images, once where it is the same of some.

    Parameters
    ----------
    said : mapping
        The sentences of each image, by its name.

    Examples
    --------
    >>> grouped({"a.tif": ["It is dim by 3 %."], "b.tif": ["It is dim by 4 %."]})
    ('a.tif (and b.tif alike): It is dim by 3 %.',)
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for name, sentences in said.items():
        for sentence in sentences:
            # The figures differ a little from image to image.
            key = re.sub(r"\d+(\.\d+)?", "0", sentence)
            found.setdefault(key, (sentence, []))[1].append(name)
    result = []
    for sentence, (first, *others) in found.values():
        if not others and len(said) == 1:
            result.append(sentence)
        elif len(others) == len(said) - 1 and all(sentence in of for of in said.values()):
            # Of the PSF, or of what was given: the same in each.
            result.append(sentence)
        else:
            alike = f" (and {', '.join(others)} alike)" if others else ""
            result.append(f"{first}{alike}: {sentence}")
    return tuple(result)
