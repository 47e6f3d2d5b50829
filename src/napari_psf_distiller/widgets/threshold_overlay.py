"""The layer that shows what a threshold would take while it moves."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from napari.utils import Colormap
from napari.utils.transforms import Affine
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_psf_distiller.steps.threshold_preview import reduce_by_maximum
from napari_psf_distiller.widgets.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.histogram import ABOVE_COLOUR
from napari_psf_distiller.widgets.latest import Latest

__all__ = ["Shown", "ThresholdOverlay"]

# Without a GPU, drawing a volume of more voxels does not follow the hand.
VOXELS_IN_3D = 1_000_000

COLOURS = Colormap([[0, 0, 0, 0], ABOVE_COLOUR], name="above the threshold", interpolation="zero")


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a threshold is drawn of.

    Attributes
    ----------
    image : napari.layers.Image
        The user's layer.
    array : numpy.ndarray
        (Z, Y, X) or (Y, X): the layer's own data, or what the threshold is compared with.
    low, high : float
        Its range.
    geometry : dict
        Where the array lies: scale, units, ...
    """

    image: Image
    array: NDArray[Any]
    low: float
    high: float
    geometry: dict[str, Any]


class ThresholdOverlay:
    """A second layer on the image's own data: transparent below the threshold, blue above.

    Only the contrast limits change with the threshold, which costs a redrawing and no look at the
    data. In 3D a large image is drawn at a reduced resolution, and the image's own layer is hidden
    so long: drawn whole, it would not follow the hand.

    Parameters
    ----------
    gone : callable
        Called when the user deleted the layer, or the image.
    failed : callable
        Gets the sentence of what went wrong.
    """

    def __init__(self, gone: Callable[[], None], failed: Callable[[str], None]) -> None:
        self.layer: Image | None = None
        self._gone = gone
        self._viewer: napari.viewer.Viewer | None = None
        self._shown: Shown | None = None
        self._reduced: Shown | None = None
        self._stands_in = False
        self._reducer = Latest(self._on_reduced, failed)

    @property
    def image(self) -> Image | None:
        """The user's layer that the overlay lies on."""
        return self._shown.image if self._shown is not None else None

    def show(self, viewer: "napari.viewer.Viewer", shown: Shown, level: float) -> None:
        """Draw a threshold of an image; nothing is done if that is drawn already but move it."""
        same = self._shown is not None and self._shown.array is shown.array
        if self.layer is None or not same:
            self.remove()
            self._viewer, self._shown = viewer, shown
            self._add(viewer, shown, level)
        elif not _same_place(self._shown, shown):
            self._shown, self._reduced = shown, None
            self._place()
        self.set_level(level)

    def set_level(self, level: float) -> None:
        """Move the threshold."""
        if self.layer is None or self._shown is None:
            return
        self.layer.contrast_limits = _limits(self._shown, level)

    def remove(self) -> None:
        """Remove the layer, and show the image again if it was hidden."""
        self._reducer.drop()
        layer, viewer = self.layer, self._viewer
        self.layer = None
        self._show_image()
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._on_removed)
            viewer.dims.events.ndisplay.disconnect(self._before_ndisplay)
            viewer.dims.events.ndisplay.disconnect(self._after_ndisplay)
            if layer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)
        self._viewer = self._shown = self._reduced = None

    def _add(self, viewer: "napari.viewer.Viewer", shown: Shown, level: float) -> None:
        # Before the viewer itself hears of it, so that nothing large is drawn in between.
        viewer.dims.events.ndisplay.connect(self._before_ndisplay, position="first")
        viewer.dims.events.ndisplay.connect(self._after_ndisplay, position="last")
        layer = Image(
            np.zeros((1,) * shown.array.ndim, shown.array.dtype),
            name=f"{shown.image.name} threshold preview",
            colormap=COLOURS,
            contrast_limits=_limits(shown, level),
            blending="translucent",
            opacity=0.7,
            rendering="mip",
            interpolation3d="nearest",
            visible=False,
            metadata={PREVIEW_KEY: True},
            **shown.geometry,
        )
        selected, active = set(viewer.layers.selection), viewer.layers.selection.active
        viewer.add_layer(layer)
        # The user goes on with the layer that was chosen.
        viewer.layers.selection = selected
        viewer.layers.selection.active = active
        viewer.layers.events.removed.connect(self._on_removed)
        self.layer = layer
        self._place()

    def _place(self) -> None:
        """Give the layer the data that fit the view, 2D or 3D."""
        viewer, shown = self._viewer, self._shown
        if viewer is None or shown is None or self.layer is None:
            return
        if viewer.dims.ndisplay == 2 or shown.array.size <= VOXELS_IN_3D:
            self._fill(shown)
            self._show_image()
            return
        self._hide_image()
        if self._reduced is not None:
            self._fill(self._reduced)
            return
        scale = shown.geometry["scale"]
        self.layer.visible = False

        def reduce() -> tuple[Shown, Any]:
            return shown, reduce_by_maximum(shown.array, scale, VOXELS_IN_3D)

        self._reducer.ask(reduce)

    def _fill(self, shown: Shown) -> None:
        layer = self.layer
        assert layer is not None
        if layer.data is not shown.array:
            layer.visible = False
            layer.data = shown.array
        for name, value in shown.geometry.items():
            setattr(layer, name, value)
        layer.contrast_limits_range = (shown.low - 1, shown.high + 1)
        layer.visible = True

    def _on_reduced(self, result: tuple[Shown, Any]) -> None:
        shown, (array, factors) = result
        if shown is not self._shown:
            return
        geometry = dict(shown.geometry)
        linear = Affine(
            **{name: geometry[name] for name in ("scale", "rotate", "shear") if name in geometry}
        ).linear_matrix
        # The middle of the first block, where that of the first voxel was.
        offset = linear @ ((np.array(factors) - 1) / 2)
        geometry["scale"] = tuple(np.multiply(geometry["scale"], factors))
        geometry["translate"] = tuple(np.add(geometry["translate"], offset))
        self._reduced = dataclasses.replace(shown, array=array, geometry=geometry)
        self._place()

    def _hide_image(self) -> None:
        image = self.image
        if image is not None and image.visible:
            image.visible = False
            self._stands_in = True

    def _show_image(self) -> None:
        image = self.image
        if self._stands_in and image is not None:
            image.visible = True
        self._stands_in = False

    def _before_ndisplay(self, event: Any = None) -> None:
        shown, viewer = self._shown, self._viewer
        if shown is None or viewer is None or shown.array.size <= VOXELS_IN_3D:
            return
        if self.layer is not None:
            self.layer.visible = False
        if viewer.dims.ndisplay == 3:
            self._hide_image()

    def _after_ndisplay(self, event: Any = None) -> None:
        self._place()

    def _on_removed(self, event: Any) -> None:
        if event.value is not self.layer and event.value is not self.image:
            return
        if event.value is self.image:
            self._stands_in = False
        # The list is in the middle of removing: what else must go goes after it.
        QTimer.singleShot(0, self.remove)
        self._gone()


def _same_place(one: Shown | None, other: Shown) -> bool:
    """Return whether two lie in the same way in the world."""
    if one is None or one.geometry.keys() != other.geometry.keys():
        return False
    return all(np.array_equal(one.geometry[name], value) for name, value in other.geometry.items())


def _limits(shown: Shown, level: float) -> tuple[float, float]:
    """Return contrast limits that divide the colours just above a threshold."""
    if shown.array.dtype.kind != "f":
        # Whole numbers: the next one above the level is the first that counts.
        whole = math.floor(min(max(level, shown.low - 1), shown.high))
        return whole + 0.5, whole + 1.0
    low = float(np.float32(level))
    return low, low + max(1e-6 * (shown.high - shown.low), 5e-7 * abs(low))
