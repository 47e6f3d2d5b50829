"""From where a viewer looks at its layers, to come back there."""

from dataclasses import dataclass
from typing import Any

import napari

__all__ = ["Viewpoint", "camera_of", "viewpoint_of"]


@dataclass(frozen=True)
class Viewpoint:
    """What a viewer's sliders and camera were set to."""

    ndisplay: int
    order: tuple[int, ...]
    point: tuple[float, ...]
    camera: dict[str, Any]

    def restore(self, viewer: napari.Viewer) -> None:
        """Go back; the sliders stay where they are if there are others now."""
        viewer.dims.ndisplay = self.ndisplay
        if len(self.order) == viewer.dims.ndim:
            viewer.dims.order = self.order
            viewer.dims.set_point(range(viewer.dims.ndim), self.point)
        camera_of(viewer).update(self.camera)


def viewpoint_of(viewer: napari.Viewer) -> Viewpoint:
    """Return from where a viewer looks now."""
    return Viewpoint(
        ndisplay=viewer.dims.ndisplay,
        order=tuple(viewer.dims.order),
        point=tuple(viewer.dims.point),
        camera=camera_of(viewer).model_dump(),
    )


def camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, which belongs to its scene since napari 0.9."""
    return getattr(viewer, "scene", viewer).camera
