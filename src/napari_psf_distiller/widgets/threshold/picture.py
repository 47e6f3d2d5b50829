"""A threshold of a volume drawn as a flat picture: what follows the hand in 3D without a GPU."""

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from napari.layers import Surface
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from superqt.utils import qdebounced

from napari_psf_distiller.measure.projection import Projection, project_maximum
from napari_psf_distiller.widgets.layers.choices import PREVIEW_KEY
from napari_psf_distiller.widgets.running.background import Background
from napari_psf_distiller.widgets.threshold.histogram import ABOVE_COLOUR
from napari_psf_distiller.widgets.viewer.viewpoint import camera_of

__all__ = ["ThresholdPicture"]

Direction = tuple[float, float, float]

# Pixels along the picture's longer side.
PIXELS = 512

# Milliseconds until a camera rests.
REST = 100

# Below the threshold and above it, each four bytes as one number.
COLOURS = (
    (255 * transform_color(["#00000000", ABOVE_COLOUR])).round().astype(np.uint8).view(np.uint32)
).ravel()


class ThresholdPicture:
    """The maximum projection of a volume as the camera sees it, pasted on the volume's faces.

    To cast rays through a volume takes too long without a GPU, however coarse it is. From the same
    side, a threshold of the maxima is the maximum of what is above the threshold.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    volume : numpy.ndarray
        (Z, Y, X).
    factors : sequence of float
        How many of the image's voxels one of the volume's is along each axis.
    shape : tuple of int
        Of the image.
    keywords : dict
        For the layer: name, opacity, and where the image lies.
    changed : callable
        Called when there is a picture of the side that the camera sees, and when that has gone.
    failed : callable
        Gets the sentence of what went wrong.

    Attributes
    ----------
    layer : napari.layers.Surface
        Not visible at first.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        volume: NDArray[Any],
        factors: NDArray[np.float64],
        shape: tuple[int, ...],
        keywords: dict[str, Any],
        changed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._dims, self._camera = viewer.dims, camera_of(viewer)
        self._volume = volume
        self._factors = factors
        self._shape = np.array(shape)
        self._changed = changed
        self._seen: Projection | None = None
        self._side: tuple[Direction, Direction] | None = None
        self._colours: NDArray[np.uint32] = np.zeros((1, 1), np.uint32)
        # From the middle of the first voxel to that of the last, as napari takes an image's extent.
        corners = np.zeros((4, 3))
        corners[1:] = self._shape - 1
        self.layer = Surface(
            (corners, np.array([[0, 1, 2]])),
            shading="none",
            blending="translucent_no_depth",
            visible=False,
            metadata={PREVIEW_KEY: True},
            **keywords,
        )
        self._projector = Background(self._on_projected, failed)
        self._soon = qdebounced(self._project, timeout=REST)
        for event in self._events:
            event.connect(self._on_camera)
        self._project()

    @property
    def ready(self) -> bool:
        """Whether there is a picture of the side that the camera sees."""
        return self._seen is not None

    def draw(self, level: float) -> None:
        """Draw a threshold, if there is a picture."""
        if self._seen is None:
            return
        image = self._seen.image
        above = image > (np.float32(level) if image.dtype.kind == "f" else level)
        np.take(COLOURS, above.view(np.uint8), out=self._colours, mode="clip")
        # Were the texture set anew, napari would slice the layer and compile its shader again.
        self.layer.events.texture(value=self.layer.texture)

    def drop(self) -> None:
        """Stop following the camera."""
        self._soon.cancel()
        self._projector.cancel()
        self._seen = None
        for event in self._events:
            event.disconnect(self._on_camera)

    @property
    def _events(self) -> tuple[Any, ...]:
        camera, dims = self._camera.events, self._dims.events
        return camera.angles, camera.perspective, camera.orientation, dims.order

    def _view(self) -> tuple[Direction, Direction] | None:
        """Return from where the camera looks; None where that has no such picture."""
        camera, dims = self._camera, self._dims
        straight = tuple(range(dims.ndim - 3, dims.ndim))
        if camera.perspective or dims.displayed != straight or len(set(self.layer.units)) > 1:
            return None
        return camera.view_direction, camera.up_direction

    def _on_camera(self, event: Any = None) -> None:
        if self._view() == self._side:
            return
        self._seen = self._side = None
        self._changed()
        self._soon()

    def _project(self) -> None:
        side = self._view()
        if side is None or self._dims.ndisplay != 3:
            return
        origin, *axes = (
            np.asarray(self.layer.data_to_world(place)) for place in (np.zeros(3), *np.eye(3))
        )
        linear = np.stack([axis - origin for axis in axes], axis=1) * self._factors
        volume = self._volume
        self._projector.ask(
            lambda: (side, project_maximum(volume, linear, side[0], side[1], PIXELS))
        )

    def _on_projected(self, result: tuple[Any, Projection]) -> None:
        side, seen = result
        if side != self._view():
            return
        vertices, faces = self._faces(seen)
        # The volume's voxels are blocks of the image's.
        places = seen.pixels((vertices - (self._factors - 1) / 2) / self._factors)
        ny, nx = seen.image.shape
        self._colours = np.zeros((ny, nx), np.uint32)
        self.layer.texcoords = None
        self.layer.data = (vertices, faces)
        self.layer.texture = self._colours.view(np.uint8).reshape(ny, nx, 4)
        self.layer.texcoords = (places[:, ::-1] + 0.5) / (nx, ny) * (1, -1) + (0, 1)
        self._seen, self._side = seen, side
        self._changed()

    def _faces(self, seen: Projection) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the faces of the image that the camera sees, two triangles each."""
        # Along this, in voxels, nothing moves in the projection.
        sight = np.cross(*seen.matrix) * self._factors
        quads = []
        for axis, step in enumerate(sight):
            if abs(step) < 1e-6 * np.abs(sight).max():
                continue
            corners = np.zeros((4, 3))
            corners[:, axis] = step < 0
            corners[:, [k for k in range(3) if k != axis]] = [(0, 0), (0, 1), (1, 1), (1, 0)]
            quads.append(corners * (self._shape - 1))
        first = 4 * np.arange(len(quads))[:, None, None]
        faces = (first + np.array([(0, 1, 2), (0, 2, 3)])).reshape(-1, 3)
        return np.concatenate(quads), faces
