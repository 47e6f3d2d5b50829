"""What became of each bead, in colours and symbols that are kept up to date with the features."""

from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_psf_distiller.colours import NOT_USED, USED
from napari_psf_distiller.widgets.layers.record import used_points

__all__ = ["FATES", "looks_of", "show_fates"]

# Colours of Okabe and Ito, told apart by colour-blind readers too; and a symbol for each, so that
# nobody has to. A reason that is not among them looks as the one of the empty name does.
FATES = {
    "used": (USED, "disc"),
    "": (NOT_USED, "x"),
    "touching": (NOT_USED, "diamond"),
    "border": ("#CC79A7", "square"),
    "bright": ("#F0E442", "star"),
    "saturated": ("#D55E00", "triangle_up"),
    "dim": ("#009E73", "triangle_down"),
    "held out": ("#56B4E9", "ring"),
    "halo": (NOT_USED, "cross"),
}


def looks_of(features: Any) -> tuple[list[str], list[str]]:
    """Return the colour and the symbol of each bead.

    Parameters
    ----------
    features : pandas.DataFrame
        Of a points layer, with ``used``, and ``reason`` if it is known.
    """
    used = used_points(features)
    reasons = (
        features["reason"].fillna("").astype(str).tolist()
        if "reason" in features
        else [""] * len(used)
    )
    fates = [
        FATES["used"] if is_used else FATES.get(reason, FATES[""])
        for is_used, reason in zip(used, reasons, strict=True)
    ]
    return [colour for colour, _ in fates], [symbol for _, symbol in fates]


def show_fates(layer: Points) -> None:
    """Let a points layer of beads show what became of each, now and when its features change."""

    def show(_: Any = None) -> None:
        features = layer.features
        if "used" not in features or len(features) == 0:
            return
        colours, symbols = looks_of(features)
        # Only what differs: each is an event, and this is called for every one of them.
        if _hex(layer.border_color) != [colour.lower() for colour in colours]:
            layer.border_color = colours
        if [symbol.value for symbol in layer.symbol] != symbols:
            layer.symbol = symbols

    layer.events.features.connect(show)
    layer.events.data.connect(show)
    show()


def _hex(colours: NDArray[np.floating]) -> list[str]:
    levels = np.round(np.asarray(colours)[:, :3] * 255).astype(int)
    return ["#{:02x}{:02x}{:02x}".format(*level) for level in levels]
