"""The voxel size in a step widget: read from the layer, corrected by the user."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from magicgui.widgets import FunctionGui, PushButton
from napari.layers import Image, Layer
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QAbstractSpinBox

from napari_psf_distiller.checks import check_spacing
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.geometry import geometry_of, scaled, spacing_of
from napari_psf_distiller.widgets.layers import (
    VOXEL_SIZE_DIGITS,
    Source,
    check_image_layer,
    read_image_layer,
    voxel_size_of,
    with_voxel_size,
)
from napari_psf_distiller.widgets.lineage import identity, run_of
from napari_psf_distiller.widgets.region import axes_of_space

__all__ = [
    "VOXEL_SIZE_OPTIONS",
    "differs",
    "displaced",
    "offer_voxel_size",
    "set_voxel_size",
    "with_given_size",
]

VOXEL_SIZE_OPTIONS: dict[str, Any] = {
    "label": "voxel size (µm)",
    "tooltip": "z, y, x; taken from the layer's scale. Correct it if the file did not say. "
    "0 is unknown. For a 2D image z does not count.",
    "options": {"min": 0.0, "max": 1e4, "step": 0.001},
}


def offer_voxel_size(gui: FunctionGui[Any, Any], title: str) -> PushButton:
    """Let a widget's voxel size follow its image layer, and add a button to give it to the layer.

    Parameters
    ----------
    gui : FunctionGui
        With the parameters ``viewer``, ``image`` and ``voxel_size``.
    title : str
        The step's name.

    Returns
    -------
    PushButton
        Below the voxel size.
    """
    for size in gui.voxel_size:
        size.native.setDecimals(VOXEL_SIZE_DIGITS)
        # A size is typed, not stepped to; without the buttons its digits fit into a narrow dock.
        size.native.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)

    set_scale = PushButton(
        text="Set as the layer's scale",
        tooltip="Give the bead image itself this voxel size, so that new layers lie on it.",
        gui_only=True,
    )

    def apply_voxel_size() -> None:
        try:
            set_voxel_size(gui.image.value, gui.voxel_size.value)
        except InputError as error:
            show_error(f"{title}: {error}")
            return
        _tell_unit(gui.viewer.value.layers, gui.image.value)
        gui.viewer.value.reset_view()

    def show_voxel_size(layer: Any) -> None:
        spacing = voxel_size_of(layer)
        sizes = (0.0, *spacing) if spacing is not None and len(spacing) == 2 else spacing
        gui.voxel_size.value = sizes or (0.0, 0.0, 0.0)

    set_scale.changed.connect(lambda _: apply_voxel_size())
    gui.insert(gui.index(gui.voxel_size) + 1, set_scale)
    gui.image.changed.connect(show_voxel_size)
    # The first choice of layers comes with the viewer, and is not announced as a change.
    gui.native_parent_changed.connect(lambda _: show_voxel_size(gui.image.value))
    return set_scale


def set_voxel_size(layer: Image | None, sizes: Sequence[float]) -> None:
    """Give an image layer a voxel size in micrometres, because the user asks for it.

    Parameters
    ----------
    layer : napari.layers.Image or None
    sizes : sequence of float
        z, y, x; of a 2D image y and x count.

    Raises
    ------
    InputError
        No layer that can be used, or a size that is not positive.
    """
    check_image_layer(layer, "an image layer")
    assert layer is not None
    axes = axes_of_space(layer)
    spacing = check_spacing(tuple(sizes)[-len(axes) :], len(axes))
    geometry = scaled(geometry_of(layer, axes), spacing)
    for name in ("units", "scale", "translate"):
        values = list(getattr(layer, name))
        for axis, value in zip(axes, geometry[name], strict=True):
            values[axis] = value
        setattr(layer, name, values)


def _tell_unit(layers: Iterable[Layer], image: Image) -> None:
    """Give the unit to what was made from an image while that had none; see `with_given_size`."""
    for layer in layers:
        run = run_of(layer)
        if run is None or not run["root"].startswith(identity(image)):
            continue
        # Of a scale of ones nothing is known without a unit.
        if spacing_of((1.0,) * layer.ndim, layer.units) is None:
            layer.units = ("micrometer",) * layer.ndim


def with_given_size(unscaled: Source, sizes: Sequence[float]) -> Source:
    """Return the source with the voxel size that the user gave; see `with_voxel_size`.

    Of a layer without a unit of length what is made from it has none either, though its scale is
    in micrometres: napari warns of each layer whose units do not go with the others', and draws it
    at the same place with a unit or without.
    """
    source = with_voxel_size(unscaled, sizes)
    geometry = source.geometry | {"units": unscaled.geometry["units"]}
    if spacing_of(geometry["scale"], geometry["units"]) != source.recipe.spacing:
        return source
    return dataclasses.replace(source, geometry=geometry)


def differs(layer: Image | None, sizes: Sequence[float]) -> bool:
    """Return whether a whole voxel size was given, in micrometres, that is not the layer's."""
    try:
        source = read_image_layer(layer)
        return with_voxel_size(source, sizes) is not source
    except InputError:
        return False


def displaced(unscaled: Source, source: Source) -> tuple[str, ...]:
    """Return a warning if a new layer with the voxel size given does not lie on its image.

    Parameters
    ----------
    unscaled, source : Source
        The image layer as it is, and with the voxel size given.
    """
    if source.geometry["scale"] == unscaled.geometry["scale"]:
        return ()
    return (
        f"The layer {source.name!r} has another scale than the voxel size given, so "
        "the new layer does not lie on it. Press Set as the layer's scale to mend it.",
    )
