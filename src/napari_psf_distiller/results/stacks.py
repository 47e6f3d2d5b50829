"""What became of each of several images that one PSF was distilled from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["StackResult", "stacks_text"]


@dataclasses.dataclass(frozen=True, eq=False)
class StackResult:
    """One of several images of beads, and whether it counts for the PSF.

    Attributes
    ----------
    name : str
        The file's or the layer's, or "stack" and its number, counted from 0.
    used : bool
        Whether the PSF is from its beads too.
    reason : str
        Why it is not used; "" where it is.
    difference : float or None
        Relative L2 norm of the difference of its own PSF from that of the images that are used,
        where it was left out for that.
    image : numpy.ndarray
        As it was given.
    residual : numpy.ndarray or None
        float32, of its shape: what the joint fit leaves of it, in its units; None of an image that
        is not used.
    """

    name: str
    used: bool
    reason: str
    difference: float | None
    image: NDArray[Any]
    residual: NDArray[np.float32] | None


def stacks_text(stacks: Sequence[StackResult]) -> str:
    """Return how many of several images are used, and which are not."""
    out = ", ".join(one.name for one in stacks if not one.used)
    used = f"{sum(one.used for one in stacks)} of {len(stacks)} used"
    return f"{used}; left out: {out}" if out else used
