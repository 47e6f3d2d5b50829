"""The layer that shows what a threshold would take while it moves."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer
from napari.utils import Colormap
from napari.utils.transforms import Affine
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_psf_distiller.errors import DistillerError
from napari_psf_distiller.stepwise.threshold_preview import reduce_by_maximum
from napari_psf_distiller.widgets.layers.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.threshold.histogram import ABOVE_COLOUR
from napari_psf_distiller.widgets.threshold.picture import ThresholdPicture
from napari_psf_distiller.widgets.viewer.calm import remove_layer
from napari_psf_distiller.widgets.viewer.canvas import drawn_later

__all__ = ["Shown", "ThresholdOverlay"]

# A volume of more voxels is drawn reduced to so many.
VOXELS_IN_3D = 1_000_000

OPACITY = 0.7

# Numbers closer to zero are taken as zero.
TINY = 1e-30

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
    so long: drawn whole, it would not follow the hand. While the camera does not turn, a picture
    of the volume takes the volume's place.

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
        self._failed = failed
        self._viewer: napari.viewer.Viewer | None = None
        self._shown: Shown | None = None
        self._level = 0.0
        # What is drawn of a large image in 3D, and whether that hides the image.
        self._volume: Shown | None = None
        self._stands_in = False
        self._picture: ThresholdPicture | None = None
        self._reducer = Background(self._on_reduced, failed)

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
            self._shown, self._volume = shown, None
            self._place()
        self.set_level(level)

    def set_level(self, level: float) -> None:
        """Move the threshold."""
        self._level = level
        layer, shown, picture = self.layer, self._shown, self._picture
        if layer is None or shown is None:
            return
        if picture is not None and picture.ready:
            picture.draw(level)
        else:
            layer.contrast_limits = _limits(shown, level)

    def remove(self) -> None:
        """Remove the layer, and show the image again if it was hidden."""
        self._reducer.cancel()
        layer, viewer = self.layer, self._viewer
        self.layer = None
        self._show_image()
        self._remove_picture()
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._on_removed)
            viewer.dims.events.ndisplay.disconnect(self._before_ndisplay)
            viewer.dims.events.ndisplay.disconnect(self._after_ndisplay)
            if layer is not None:
                remove_layer(viewer, layer)
        self._viewer = self._shown = self._volume = None

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
            opacity=OPACITY,
            rendering="mip",
            interpolation3d="nearest",
            visible=False,
            metadata={PREVIEW_KEY: True},
            **shown.geometry,
        )
        _add_aside(viewer, layer)
        viewer.layers.events.removed.connect(self._on_removed)
        self.layer = layer
        self._place()

    def _place(self) -> None:
        """Give the layer the data that fit the view, 2D or 3D."""
        shown = self._shown
        if shown is None or self.layer is None:
            return
        self._remove_picture()
        if not self._stands_in_3d:
            self._fill(shown)
            self._show_image()
            self._take_picture(shown)
            return
        self._hide_image()
        if self._volume is not None:
            self._fill(self._volume)
            self._take_picture(self._volume)
            return
        self.layer.visible = False

        def reduce() -> tuple[Shown, Shown]:
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

    def _take_picture(self, volume: Shown) -> None:
        viewer, shown, layer = self._viewer, self._shown, self.layer
        assert viewer is not None
        assert shown is not None
        assert layer is not None
        if viewer.dims.ndisplay != 3 or shown.array.ndim != 3:
            return
        self._picture = ThresholdPicture(
            viewer,
            volume.array,
            np.divide(volume.geometry["scale"], shown.geometry["scale"]),
            shown.array.shape,
            {"name": f"{layer.name} in 3D", "opacity": OPACITY, **shown.geometry},
            self._exchange,
            self._failed,
        )
        _add_aside(viewer, self._picture.layer)

    def _remove_picture(self) -> None:
        picture, self._picture = self._picture, None
        if picture is None or self._viewer is None:
            return
        picture.drop()
        remove_layer(self._viewer, picture.layer)

    def _exchange(self) -> None:
        """Show the picture in the place of the volume, or the other way round."""
        picture, layer, shown = self._picture, self.layer, self._shown
        if picture is None or layer is None or shown is None:
            return
        before, after = (layer, picture.layer) if picture.ready else (picture.layer, layer)
        visible = layer.visible or picture.layer.visible
        before.visible = False
        if picture.ready:
            picture.draw(self._level)
        else:
            layer.contrast_limits = _limits(shown, self._level)
        after.visible = visible

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

    def _on_reduced(self, result: tuple[Shown, Shown]) -> None:
        shown, volume = result
        if shown is self._shown:
            self._volume = volume
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
        if shown is None:
            return
        self._remove_picture()
        if shown.array.size <= VOXELS_IN_3D:
            return
        if self.layer is not None:
            self.layer.visible = False
        if self._stands_in_3d:
            self._hide_image()

    def _after_ndisplay(self, event: Any = None) -> None:
        self._place()

    def _on_removed(self, event: Any) -> None:
        picture = self._picture.layer if self._picture is not None else None
        if event.value not in (self.layer, self.image, picture):
            return
        # The list is in the middle of removing: what else must go goes after it.
        QTimer.singleShot(0, self.remove)
        self._gone()


def _add_aside(viewer: "napari.viewer.Viewer", layer: Layer) -> None:
    """Add a layer; the user goes on with the one that was chosen."""
    selected, active = set(viewer.layers.selection), viewer.layers.selection.active
    # The hand is on a slider, which must not stand still.
    with drawn_later(viewer, selected=False):
        viewer.add_layer(layer)
    if viewer.layers.selection != selected:
        viewer.layers.selection = selected
    if viewer.layers.selection.active is not active:
        viewer.layers.selection.active = active


def _reduced(shown: Shown) -> Shown:
    """Return what is drawn of a large image in 3D."""
    geometry = dict(shown.geometry)
    array, factors = reduce_by_maximum(shown.array, geometry["scale"], VOXELS_IN_3D)
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
    # The colours change halfway between the limits: between the level and the next number there is.
    # Closer limits would make napari work out the data anew with each change.
    low = np.float32(level)
    step = max(float(np.spacing(np.abs(low))), TINY)
    below = 256 + (low > 0)
    return float(low) - below * step, float(low) + (below + 1) * step
