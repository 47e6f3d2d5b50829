"""The layer that shows what a threshold would take while it moves."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from napari.utils import Colormap
from napari.utils.transforms import Affine
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.steps.threshold_preview import reduce_by_maximum
from napari_psf_distiller.widgets.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.histogram import ABOVE_COLOUR
from napari_psf_distiller.widgets.superseding_worker import SupersedingWorker

__all__ = ["Shown", "ThresholdOverlay"]

# A volume of more voxels is drawn reduced to so many.
VOXELS_IN_3D = 1_000_000

# Where that does not follow the hand, as without a GPU, so many times fewer while it moves.
COARSER = (8, 64)

# Milliseconds after which a change should be on the screen, and is late; how often in a row counts:
# once, something else may have kept the viewer.
LOOK, LATE, OFTEN = 20, 40, 2

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
    so long: drawn whole, it would not follow the hand. Where the reduced one does not either, a
    coarser one is drawn while the hand moves.

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
        # In 3D: for a hand that rests, and ever coarser ones for one that moves.
        self._volumes: list[Shown] = []
        self._stands_in = False
        # Which of them follows the hand; when the change was made whose drawing is timed; how many
        # were late in a row.
        self._coarse = 0
        self._since: float | None = None
        self._late = 0
        self._reducer = SupersedingWorker(self._on_reduced, failed)

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
            self._shown, self._volumes = shown, []
            self._place()
        self.set_level(level)

    def set_level(self, level: float) -> None:
        """Move the threshold."""
        layer, shown = self.layer, self._shown
        if layer is None or shown is None:
            return
        if self._volumes and self._stands_in_3d:
            self._exchange(self._volumes[self._coarse])
            if self._since is None:
                self._since = time.perf_counter()
                QTimer.singleShot(LOOK, self._look)
        layer.contrast_limits = _limits(shown, level)

    def rest(self) -> None:
        """Draw it as finely as it can be: the hand rests."""
        if self._volumes and self._stands_in_3d:
            self._exchange(self._volumes[0])

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
        self._viewer = self._shown = self._since = None
        self._volumes = []

    def _add(self, viewer: "napari.viewer.Viewer", shown: Shown, level: float) -> None:
        # Before the viewer itself hears of it, so that nothing large is drawn in between.
        viewer.dims.events.ndisplay.connect(self._before_ndisplay, position="first")
        viewer.dims.events.ndisplay.connect(self._after_ndisplay, position="last")
        layer = Image(
            np.zeros((1,) * shown.array.ndim, shown.array.dtype),
            name=f"{shown.image.name} threshold preview",
            colormap=COLOURS,
            contrast_limits=_limits(shown, level),
            # To look at the depth too would double the time of a drawing without a GPU.
            blending="translucent_no_depth",
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
        shown = self._shown
        if shown is None or self.layer is None:
            return
        self._coarse = self._late = 0
        if not self._stands_in_3d:
            self._fill(shown)
            self._show_image()
            return
        self._hide_image()
        if self._volumes:
            self._fill(self._volumes[0])
            return
        self.layer.visible = False

        def reduce() -> tuple[Shown, list[Shown]]:
            try:
                return shown, _reduced(shown)
            except (DistillerError, MemoryError):
                raise
            except Exception as error:  # whatever it is, the image must not stay hidden
                raise DistillerError(f"The preview cannot be drawn in 3D: {error}.") from error

        self._reducer.ask(reduce)

    @property
    def _stands_in_3d(self) -> bool:
        """Whether a reduced volume is drawn in the place of the image."""
        viewer, shown = self._viewer, self._shown
        if viewer is None or shown is None:
            return False
        return viewer.dims.ndisplay == 3 and shown.array.size > VOXELS_IN_3D

    def _look(self) -> None:
        """Go to a coarser volume if this timer, set with a change, is held up by its drawing."""
        since, self._since = self._since, None
        if since is None:
            return
        late = 1000 * (time.perf_counter() - since) > LATE
        self._late = self._late + 1 if late else 0
        if self._late == OFTEN:
            self._coarse, self._late = min(self._coarse + 1, len(COARSER)), 0

    def _exchange(self, volume: Shown) -> None:
        if self.layer is not None and self.layer.data is not volume.array:
            self._fill(volume)

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

    def _on_reduced(self, result: tuple[Shown, list[Shown]]) -> None:
        shown, volumes = result
        if shown is self._shown:
            self._volumes = volumes
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
        shown = self._shown
        if shown is None or shown.array.size <= VOXELS_IN_3D:
            return
        if self.layer is not None:
            self.layer.visible = False
        if self._stands_in_3d:
            self._hide_image()

    def _after_ndisplay(self, event: Any = None) -> None:
        self._place()

    def _on_removed(self, event: Any) -> None:
        if event.value is not self.layer and event.value is not self.image:
            return
        # The list is in the middle of removing: what else must go goes after it.
        QTimer.singleShot(0, self.remove)
        self._gone()


def _reduced(shown: Shown) -> list[Shown]:
    """Return what is drawn of a large image in 3D."""
    fine = _reduced_to(shown, VOXELS_IN_3D)
    return [fine, *(_reduced_to(fine, VOXELS_IN_3D // factor) for factor in COARSER)]


def _reduced_to(shown: Shown, voxels: int) -> Shown:
    geometry = dict(shown.geometry)
    array, factors = reduce_by_maximum(shown.array, geometry["scale"], voxels)
    linear = Affine(
        **{name: geometry[name] for name in ("scale", "rotate", "shear") if name in geometry}
    ).linear_matrix
    # The middle of the first block, where that of the first voxel was.
    offset = linear @ ((np.array(factors) - 1) / 2)
    geometry["scale"] = tuple(np.multiply(geometry["scale"], factors))
    geometry["translate"] = tuple(np.add(geometry["translate"], offset))
    return dataclasses.replace(shown, array=array, geometry=geometry)


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
