"""The steps by which a PSF is made and used: what each is called, and what people read of it."""

from __future__ import annotations

from enum import Enum

__all__ = ["StepId"]


class StepId(Enum):
    """A step, by the name under which files, layers and timings know it.

    The value stays as it is for as long as anything that was saved has it; what people read is its
    `title`, which may change.

    Examples
    --------
    >>> StepId("distill").title
    'Distil PSF'
    """

    PREPROCESS = "preprocess"
    THRESHOLD = "threshold"
    FIND_BEADS = "find_beads"
    DISTILL = "distill"
    POSTPROCESS = "postprocess"
    DECONVOLVE = "deconvolve"
    INSPECT = "inspect"
    PROVE = "prove"
    OPEN = "open"

    @property
    def title(self) -> str:
        """What buttons, docks and progress bars show."""
        return _TITLES[self]


_TITLES = {
    StepId.PREPROCESS: "Preprocess beads",
    StepId.THRESHOLD: "Threshold",
    StepId.FIND_BEADS: "Find beads",
    StepId.DISTILL: "Distil PSF",
    StepId.POSTPROCESS: "Post-process PSF",
    StepId.DECONVOLVE: "Deconvolve",
    StepId.INSPECT: "Inspect PSF",
    StepId.PROVE: "Prove PSF",
    StepId.OPEN: "Open PSF",
}
