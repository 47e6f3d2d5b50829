"""What a user should know of several images that one PSF was to be distilled from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari_psf_distiller.joint.stacks.agreement import Difference
from napari_psf_distiller.wording import widths_text

__all__ = ["disagreement_text", "grouped", "left_out_text", "repeated_text", "unsure_text"]

# From this part of a PSF on, a difference that would not show is told: by as much differ the PSFs
# of two objectives of one kind, or with and without a cover glass' aberration.
UNSURE_PART = 0.2

# So many names of images stand in a sentence.
MOST_NAMED = 3


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


def unsure_text(least_told: float) -> str:
    """Return that an image tells too little to say whether its PSF is that of the others.

    Parameters
    ----------
    least_told : float
        From what part of the PSF on a difference would have been told.

    Returns
    -------
    str
        "" where what would not show is small.
    """
    if least_told < UNSURE_PART:
        return ""
    what = (
        f"a difference of less than {100 * least_told:.0f} % would not show"
        if least_told < 1
        else "it may be any"
    )
    return (
        "its beads are too few or too dim to tell whether its PSF is that of the others: "
        f"{what}. It was used, and counts for as little as it tells; if you are not sure that the "
        "microscope was the same, leave it out."
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


def grouped(said: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """Return what is to be said of several images, once where it is the same of some.

    Parameters
    ----------
    said : sequence of (str, sequence of str)
        Of each image its name and the sentences about it.

    Examples
    --------
    >>> grouped([("a.tif", ["It is dim by 3 %."]), ("b.tif", ["It is dim by 4 %."])])
    ('a.tif (and b.tif alike): It is dim by 3 %.',)
    """
    found: dict[str, tuple[str, dict[int, str]]] = {}
    for number, (_, sentences) in enumerate(said):
        for sentence in sentences:
            # The figures differ a little from image to image.
            key = re.sub(r"\d+(\.\d+)?", "0", sentence)
            found.setdefault(key, (sentence, {}))[1].setdefault(number, sentence)
    result = []
    for sentence, by_image in found.values():
        if len(by_image) == len(said) and set(by_image.values()) == {sentence}:
            # Of the PSF, or of what was given: the same in each.
            result.append(sentence)
            continue
        first, *others = (said[number][0] for number in by_image)
        more = len(others) - MOST_NAMED
        listed = ", ".join(others[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        alike = f" (and {listed} alike)" if others else ""
        result.append(f"{first}{alike}: {sentence}")
    return tuple(result)
