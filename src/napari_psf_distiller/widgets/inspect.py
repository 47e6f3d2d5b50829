"""The widget Inspect PSF: projections, profiles with FWHM, and a view in 3D."""

from typing import Any

import napari
import numpy as np
from magicgui import magic_factory
from magicgui.widgets import Container, FunctionGui, Label, PushButton
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.notifications import show_error
from napari.utils.theme import get_theme

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.figures import draw_profiles, draw_projections, widths_text
from napari_psf_distiller.steps.deconvolve import check_psf
from napari_psf_distiller.widgets.layers import Source, prefer_layers, read_image_layer

__all__ = ["inspect_psf"]

TITLE = "Inspect PSF"

# The notebook's two looks at a PSF: as it is, and where artefacts show.
PRESETS = {"Plain": (1.0, 1.0), "Find artefacts": (0.5, 0.4)}


# A layer up to this size is drawn as soon as the widget opens; a larger one is hardly a PSF, and is
# drawn when it is chosen.
UNASKED_VOXELS = 2_000_000


class Inspector:
    """The drawings and the 3D view of an Inspect PSF widget."""

    def __init__(self, gui: FunctionGui[Any, Any]) -> None:
        self._gui = gui
        self._before: dict[str, Any] | None = None
        self.projections = Figure(figsize=(4, 4), layout="constrained")
        self.profiles = Figure(figsize=(4, 2.6), layout="constrained")
        for figure, height in ((self.projections, 300), (self.profiles, 200)):
            canvas = FigureCanvasQTAgg(figure)
            canvas.setMinimumSize(260, height)
            gui.native.layout().addWidget(canvas)
        self.widths = Label(value="", label="", gui_only=True)
        self.presets = [PushButton(text=name, gui_only=True) for name in PRESETS]
        for button, (vmax, gamma) in zip(self.presets, PRESETS.values(), strict=True):
            button.changed.connect(lambda _, v=vmax, g=gamma: self._set_preset(v, g))
        self.view_3d = PushButton(text="View in 3D", gui_only=True)
        self.view_3d.changed.connect(lambda _: self._toggle_3d())
        buttons = Container(
            widgets=[*self.presets, self.view_3d],
            layout="horizontal",
            labels=False,
            label="",
            gui_only=True,
        )
        buttons.margins = (0, 0, 0, 0)
        gui.extend([buttons, self.widths])
        gui.inspector = self
        gui.native_parent_changed.connect(self._on_parent)

    def draw(self, viewer: napari.Viewer, layer: Any, vmax: float, gamma: float) -> None:
        """Draw the PSF of a layer, or say why it cannot be drawn."""
        try:
            self._draw(viewer, layer, vmax, gamma)
        except InputError as error:
            self.widths.value = str(error)
            self._clear()
            if layer is not None:
                show_error(f"{TITLE}: {error}")

    def _draw(self, viewer: napari.Viewer, layer: Any, vmax: float, gamma: float) -> None:
        source = read_image_layer(layer, "a PSF")
        psf = check_psf(np.asarray(source.data))
        spacing = source.recipe.spacing or (1.0,) * psf.ndim
        background = get_theme(viewer.theme).background.as_hex()
        foreground = get_theme(viewer.theme).text.as_hex()
        for figure in (self.projections, self.profiles):
            figure.set_facecolor(background)
        draw_projections(
            self.projections,
            psf,
            spacing,
            gamma=gamma,
            vmax=vmax * float(psf.max()),
            foreground=foreground,
        )
        draw_profiles(self.profiles, psf, spacing, foreground=foreground)
        for figure in (self.projections, self.profiles):
            figure.canvas.draw_idle()
        self.widths.value = self._shown(source, psf)
        self.view_3d.enabled = psf.ndim == 3 or self._before is not None

    def _shown(self, source: Source, psf: Any) -> str:
        return f"{widths_text(psf, source.recipe.spacing)}; sum {psf.sum():.4g}"

    def _clear(self) -> None:
        for figure in (self.projections, self.profiles):
            figure.clear()
            figure.canvas.draw_idle()

    def _set_preset(self, vmax: float, gamma: float) -> None:
        with self._gui.changed.blocked():
            self._gui.vmax.value = vmax
            self._gui.gamma.value = gamma
        self._gui()

    def _toggle_3d(self) -> None:
        viewer, layer = self._gui.viewer.value, self._gui.psf.value
        if viewer is None:
            return
        if self._before is not None:
            self._leave_3d()
        elif layer is None or layer.ndim != 3:
            show_error(f"{TITLE}: choose a PSF with the axes z, y and x to view it in 3D.")
        else:
            self._enter_3d(viewer, layer)

    def _enter_3d(self, viewer: napari.Viewer, layer: Any) -> None:
        """Show the PSF alone in 3D; what was shown before is kept for the way back."""
        self._before = {
            "viewer": viewer,
            "visible": {other: other.visible for other in viewer.layers},
            "ndisplay": viewer.dims.ndisplay,
            "camera": _camera_of(viewer).model_dump(),
            "layer": layer,
            "rendering": layer.rendering,
            "attenuation": layer.attenuation,
            "gamma": layer.gamma,
        }
        for other in viewer.layers:
            other.visible = other is layer
        layer.rendering = "attenuated_mip"
        layer.attenuation = 0.1
        layer.gamma = min(self._gui.gamma.value, 0.6)
        viewer.dims.ndisplay = 3
        # The view is fitted to all layers, hidden ones too; the PSF is the small one among them.
        viewer.reset_view()
        low, high = (np.asarray(corner)[-3:] for corner in viewer.layers.extent.world)
        small_low, small_high = (np.asarray(corner)[-3:] for corner in layer.extent.world)
        camera = _camera_of(viewer)
        camera.center = tuple((small_low + small_high) / 2)
        camera.zoom *= float(np.linalg.norm(high - low))
        camera.zoom /= float(np.linalg.norm(small_high - small_low))
        # Seen from the side and a little above, so that the axial extent shows.
        camera.angles = (0.0, 20.0, 75.0)
        self.view_3d.text = "Back"

    def _leave_3d(self) -> None:
        """Show again what was shown before."""
        before, self._before = self._before or {}, None
        viewer, layer = before["viewer"], before["layer"]
        for name in ("rendering", "attenuation", "gamma"):
            setattr(layer, name, before[name])
        for other, visible in before["visible"].items():
            other.visible = visible
        viewer.dims.ndisplay = before["ndisplay"]
        _camera_of(viewer).update(before["camera"])
        self.view_3d.text = "View in 3D"

    def _on_parent(self, parent: Any) -> None:
        # The dock was closed, and with it the way back.
        if parent is None and self._before is not None:
            self._leave_3d()


def _camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, which belongs to its scene since napari 0.9."""
    return getattr(viewer, "scene", viewer).camera


def _init(gui: FunctionGui[Any, Any]) -> None:
    Inspector(gui)
    prefer_layers(gui, {"psf": "Post-process PSF"})
    gui.called.connect(lambda arguments: gui.inspector.draw(*arguments))

    def draw_first(_: Any) -> None:
        layer = gui.psf.value
        if layer is not None and not layer.multiscale and np.size(layer.data) <= UNASKED_VOXELS:
            gui()

    # The first choice of layers comes with the viewer, and is not announced as a change.
    gui.native_parent_changed.connect(draw_first)


@magic_factory(
    widget_init=_init,
    auto_call=True,
    psf={"label": "PSF", "tooltip": "The image layer of the PSF."},
    vmax={
        "label": "maximum shown",
        "widget_type": "FloatSlider",
        "min": 0.01,
        "max": 1.0,
        "step": 0.01,
        "tooltip": "The brightest intensity shown, as a fraction of the PSF's maximum.",
    },
    gamma={
        "widget_type": "FloatSlider",
        "min": 0.1,
        "max": 2.0,
        "step": 0.05,
        "tooltip": "Below 1 it brings up what is dim: rings, tails, artefacts.",
    },
)
def inspect_psf(
    viewer: "napari.viewer.Viewer",
    psf: "napari.layers.Image",
    vmax: float = 1.0,
    gamma: float = 1.0,
) -> Any:
    """Look at a PSF: maximum projections, profiles with FWHM, and in 3D."""
    return viewer, psf, vmax, gamma
