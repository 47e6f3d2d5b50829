"""What the colours and symbols of beads mean, with how many of them there are of each."""

from collections import Counter
from html import escape
from typing import Any
from weakref import ref

from napari.layers import Points
from qtpy.compat import isalive
from qtpy.QtWidgets import QLabel

from napari_psf_distiller.colours import NOT_USED
from napari_psf_distiller.widgets.beads.fates import FATES
from napari_psf_distiller.widgets.layers.record import used_points

__all__ = ["Legend", "legend_of"]

# How a text shows the symbols that napari draws.
SIGNS = {
    "disc": "○",
    "x": "✕",
    "diamond": "◇",
    "square": "□",
    "star": "☆",
    "triangle_up": "△",
    "triangle_down": "▽",
    "ring": "◎",
    "cross": "✚",
}

# What is not used without a reason that the table names.
OTHERS = "not used"


class Legend(QLabel):
    """The legend of a layer's beads; it takes no room as long as there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setVisible(False)
        self._layer: ref[Points] | None = None

    def follow(self, layer: Points) -> None:
        """Show the legend of a layer, and of no other, now and when its beads change."""
        before = self._layer() if self._layer is not None else None
        if before is not None:
            before.events.features.disconnect(self._show)
        self._layer = ref(layer)
        layer.events.features.connect(self._show)
        self._show()

    def _show(self, _: Any = None) -> None:
        layer = self._layer() if self._layer is not None else None
        if layer is None or not isalive(self):  # type: ignore[no-untyped-call]
            return
        text = legend_of(layer)
        self.setText(text)
        self.setVisible(bool(text))


def legend_of(layer: Points) -> str:
    """Return the legend of a points layer of beads, as HTML; "" of one that says nothing of them.

    Parameters
    ----------
    layer : napari.layers.Points
        With the feature ``used``, and ``reason`` if it is known.
    """
    features = layer.features
    if "used" not in features or len(features) == 0:
        return ""
    used = used_points(features)
    reasons = (
        features["reason"].fillna("").astype(str) if "reason" in features else [""] * len(used)
    )
    counts = Counter(
        "used" if one else (reason or OTHERS) for one, reason in zip(used, reasons, strict=True)
    )
    # The used ones first, as most are.
    order = sorted(counts, key=lambda fate: (fate != "used", -counts[fate], fate))
    return " &nbsp; ".join(_entry(fate, counts[fate]) for fate in order)


def _entry(fate: str, count: int) -> str:
    colour, symbol = FATES.get(fate, (NOT_USED, FATES[""][1]))
    return f'<span style="color: {colour}">{SIGNS[symbol]}</span> {count} {escape(fate)}'
