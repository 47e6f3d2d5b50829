"""What of a new image layer is shown as black and as white."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["full_range"]


def full_range(image: NDArray[Any]) -> tuple[float, float]:
    """Return the contrast limits that show all of an image, the lower below the upper.

    Left to itself napari looks at a few planes of a large image alone, and does so in the main
    thread: where the beads are in focus in another, they come out white.
    """
    low, high = float(np.min(image)), float(np.max(image))
    if not (np.isfinite(low) and np.isfinite(high)):
        return 0.0, 1.0
    return low, high if low < high else low + 1.0
