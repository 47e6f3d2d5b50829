"""The voxel size in a step widget: read from the layer, corrected by the user.

What is typed counts for all that is computed. The image is drawn as it was, and so is what is made
from it, until the user asks for the voxel size as the layer's scale: then all get it together.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from magicgui.widgets import FunctionGui, PushButton
from napari.layers import Image, Layer
from napari.utils.notifications import show_error
from napari.utils.transforms import Affine
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.lengths import SPACING
from napari_psf_distiller.typed_numbers import MICROMETRES, TypedNumber
from napari_psf_distiller.widgets.layers.agreement import is_made_from
from napari_psf_distiller.widgets.layers.choices import viewer_of
from napari_psf_distiller.widgets.layers.geometry import (
    geometry_of,
    on_finer_voxels,
    scaled,
    spacing_of,
    unit_ratios,
)
from napari_psf_distiller.widgets.layers.lineage import beginning_of, identity
from napari_psf_distiller.widgets.layers.note import Drawn, own_note
from napari_psf_distiller.widgets.layers.planes import hide_z_of_planes
from napari_psf_distiller.widgets.layers.record import voxel_size_noted
from napari_psf_distiller.widgets.layers.region import axes_of_space, place_shown, show_place
from napari_psf_distiller.widgets.layers.source import (
    Source,
    check_image_layer,
    read_image_layer,
    source_of,
    voxel_size_of,
    with_voxel_size,
)
from napari_psf_distiller.widgets.parts.docks import when_docked
from napari_psf_distiller.widgets.viewer.number_fields import NumberField

__all__ = [
    "VOXEL_SIZE_OPTIONS",
    "differs",
    "draw_as_its_file_says",
    "offer_voxel_size",
    "set_voxel_size",
    "voxel_size_in_use",
    "with_voxel_size_of",
]

VOXEL_SIZE_OPTIONS: dict[str, Any] = {
    "label": "voxel size (µm)",
    "tooltip": "z, y, x; taken from the layer's scale. Correct it if the file did not say: all "
    "that is computed uses it. 0 is not known, shown as ?. For a 2D image z does not count.",
    "options": {
        "widget_type": NumberField,
        "typed": TypedNumber("voxel size", MICROMETRES, bound=SPACING, unset="?"),
        "min": 0.0,
        "max": 1e4,
        "step": 0.001,
    },
}


class ScaleButton(PushButton):
    """The button that gives the voxel size to the image's layer, live where that changes it.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters ``image`` and ``voxel_size``.
    """

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        super().__init__(
            text="Set as the layer's scale",
            tooltip="Draw the image, and what was made from it, with this voxel size: then the "
            "viewer's scale bar and 3D view are right. What is computed has it already.",
            gui_only=True,
            enabled=False,
        )
        self._gui = gui
        self._busy = False
        for name in ("image", "voxel_size"):
            gui[name].changed.connect(self._on_change)

    def look(self, busy: bool | None = None) -> None:
        """Be live, or not, as the widget is now.

        Parameters
        ----------
        busy : bool, optional
            Whether a step runs from now on: what is being made lies where the image lay when it
            began.
        """
        self._busy = self._busy if busy is None else busy
        self.enabled = not self._busy and self._changes_something()

    def _changes_something(self) -> bool:
        layer, sizes = self._gui.image.value, self._gui.voxel_size.value
        if layer is None:
            return False
        # What a step made is drawn as its image, whatever voxel size it was made with.
        return _is_whole(layer, sizes) if own_note(layer.metadata) else differs(layer, sizes)

    def _on_change(self, _: Any = None) -> None:
        self.look()


def _is_whole(layer: Image, sizes: Sequence[float]) -> bool:
    return all(tuple(sizes)[-len(axes_of_space(layer)) :])


def offer_voxel_size(gui: FunctionGui[Any, Any], title: str) -> ScaleButton:
    """Let a widget's voxel size follow its image layer, and add a button to give it to the layer.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters ``viewer``, ``image`` and ``voxel_size``.
    title : str
        The step's name.

    Returns
    -------
    ScaleButton
        Below the voxel size.
    """
    set_scale = ScaleButton(gui)

    def apply_voxel_size() -> None:
        viewer, image = viewer_of(gui), gui.image.value
        shown = place_shown(image, viewer) if image is not None else None
        try:
            layers = viewer.layers if viewer is not None else ()
            set_voxel_size(image, gui.voxel_size.value, layers)
        except InputError as error:
            show_error(f"{title}: {error}")
            return
        set_scale.look()
        if viewer is not None and shown is not None:
            viewer.reset_view()
            show_place(image, viewer, shown)

    def show_voxel_size(layer: Any) -> None:
        viewer = viewer_of(gui)
        spacing = voxel_size_in_use(layer, viewer.layers if viewer is not None else ())
        sizes = (0.0, *spacing) if spacing is not None and len(spacing) == 2 else spacing
        gui.voxel_size.value = sizes or (0.0, 0.0, 0.0)

    set_scale.changed.connect(lambda _: apply_voxel_size())
    gui.insert(gui.index(gui.voxel_size) + 1, set_scale)
    hide_z_of_planes(gui)
    gui.image.changed.connect(show_voxel_size)
    # The first choice of layers comes with the viewer, and is not announced as a change.
    when_docked(gui, lambda: show_voxel_size(gui.image.value))
    if hasattr(gui, "runner"):
        gui.runner.started.connect(lambda: set_scale.look(busy=True))
        gui.runner.ended.connect(lambda _: set_scale.look(busy=False))
    return set_scale


def voxel_size_in_use(layer: Image | None, layers: Iterable[Layer]) -> tuple[float, ...] | None:
    """Return the voxel size that an image's newest results were made with, else its layer's.

    So what was typed is there again when the image is chosen again; but if the image got another
    scale since, that counts.

    Parameters
    ----------
    layer : napari.layers.Image or None
    layers : iterable of Layer
        All of the viewer's.
    """
    known = voxel_size_of(layer)
    if layer is None or own_note(layer.metadata) is not None:
        return known
    geometry = geometry_of(layer, axes_of_space(layer))
    scale, units = geometry["scale"], geometry["units"]
    made = []
    for place, other in enumerate(layers):
        note = own_note(other.metadata)
        run = note.run if note is not None else None
        if note is None or run is None:
            continue
        drawn_so = note.same_grid and note.drawn == Drawn.of(scale, units)
        if drawn_so and beginning_of(other) == identity(layer):
            made.append((run.time, place, other.metadata))
    if not made:
        return known
    return voxel_size_noted(max(made, key=lambda entry: entry[:2])[2], scale, units)


def draw_as_its_file_says(layer: Image, sizes: Sequence[float], viewer: Viewer | None) -> bool:
    """Give a layer the voxel size that its file says and its reader left out, if nothing is moved.

    A layer beside it that is drawn in pixels may lie on it, as what its user marked there does:
    then the layer stays as it is.

    Parameters
    ----------
    layer : napari.layers.Image
    sizes : sequence of float
        z, y, x; of a 2D image y and x count.
    viewer : napari.viewer.Viewer or None
        Where it is shown.

    Returns
    -------
    bool
        Whether it got the size.
    """
    if viewer is None or not differs(layer, sizes):
        return False
    drawn = [layer, *(other for other in viewer.layers if other is not layer)]
    known = [spacing_of(other.scale, other.units) is not None for other in drawn]
    if known[0] or not all(known[1:]):
        return False
    shown = place_shown(layer, viewer)
    set_voxel_size(layer, sizes, viewer.layers)
    viewer.reset_view()
    show_place(layer, viewer, shown)
    return True


def set_voxel_size(
    layer: Image | None, sizes: Sequence[float], layers: Iterable[Layer] = ()
) -> None:
    """Give an image layer a voxel size in micrometres, because the user asks for it.

    What steps of ours made from it follows, so that it lies on the image as before. Of a layer
    that a step made it is the image it was made from that gets the size, if that is still there.

    Parameters
    ----------
    layer : napari.layers.Image or None
    sizes : sequence of float
        z, y, x; of a 2D image y and x count.
    layers : iterable of Layer
        All of the viewer's.

    Raises
    ------
    InputError
        No layer that can be used, or a size that is not positive.
    """
    check_image_layer(layer, "an image layer")
    assert layer is not None
    made = [other for other in layers if beginning_of(other) == beginning_of(layer)]
    image = next((other for other in made if identity(other) == beginning_of(layer)), layer)
    axes = axes_of_space(image)
    spacing = check_spacing(tuple(sizes)[-len(axes) :], len(axes))
    note = own_note(layer.metadata)
    if note is not None and note.finer and image is not layer:
        # The layer's voxels are parts of the image's.
        spacing = tuple(size * f for size, f in zip(spacing, note.finer, strict=True))
    before = geometry_of(image, axes)
    after = scaled(before, spacing)
    _draw(image, axes, after)
    for other in made:
        own = axes_of_space(other)
        if other is not image and len(own) == len(axes):
            _draw(other, own, _followed(other, own, before, after))


def _followed(
    layer: Layer, axes: tuple[int, ...], before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    """Return the geometry of a layer that stays where it is on an image with another voxel size.

    Parameters
    ----------
    layer : Layer
        That a step made from the image.
    axes : tuple of int
        Its axes of space.
    before, after : dict
        How the image was drawn, and how it is.
    """
    old = geometry_of(layer, axes)
    new, voxel = after, np.zeros(len(axes))
    note = own_note(layer.metadata)
    if note is not None and note.finer:
        new = on_finer_voxels(after, note.finer)
    elif note is None or not note.same_grid:
        # A PSF keeps its size, and its middle plane the place.
        spacing = voxel_size_noted(layer.metadata, old["scale"], old["units"])
        new = scaled(old, spacing or after["scale"])
        if len(axes) == 3:
            voxel[0] = np.shape(layer.data)[0] // 2
    place = np.add(old["translate"], _turned(old) @ voxel)
    place = place * unit_ratios(old["units"], before["units"])
    on_image = np.linalg.solve(_turned(before), place - before["translate"])
    offset = _turned(after) @ on_image + after["translate"] - _turned(new) @ voxel
    return new | {"translate": tuple(float(value) for value in offset)}


def _turned(geometry: dict[str, Any]) -> NDArray[np.float64]:
    """Return the matrix that a geometry puts voxels into the world with, but for the offset."""
    parts = {name: geometry[name] for name in ("scale", "rotate", "shear") if name in geometry}
    matrix: NDArray[np.float64] = Affine(**parts).linear_matrix
    return matrix


def _draw(layer: Layer, axes: tuple[int, ...], geometry: dict[str, Any]) -> None:
    for name in ("units", "scale", "translate"):
        values = list(getattr(layer, name))
        for axis, value in zip(axes, geometry[name], strict=True):
            values[axis] = value
        setattr(layer, name, values)


def with_voxel_size_of(layer: Layer | None, image: Source) -> Source:
    """Return the image with the voxel size that another layer was made from it with.

    Who gives a voxel size where the beads are found means it for what is made of them too, even if
    the image layer has none, or another; and so for what is deconvolved with their PSF.

    Parameters
    ----------
    layer : Layer or None
        Beads, or a PSF.
    image : Source
        As it is returned if the layer was not made from it.
    """
    if layer is None or not (
        is_made_from(layer, image) or beginning_of(layer) == image.identity != identity(layer)
    ):
        return image
    return with_voxel_size(image, source_of(layer).recipe.spacing or (0.0,) * 3)


def differs(layer: Image | None, sizes: Sequence[float]) -> bool:
    """Return whether a whole voxel size was given, in micrometres, that is not the layer's."""
    try:
        source = read_image_layer(layer)
        return with_voxel_size(source, sizes) is not source
    except InputError:
        return False
