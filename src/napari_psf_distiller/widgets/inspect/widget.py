"""The widget Inspect PSF: pictures, profiles with FWHM, OTF, a comparison, and a view in 3D."""

from typing import Any

import napari
from magicgui import magic_factory
from magicgui.widgets import FunctionGui

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.files.attending import attend
from napari_psf_distiller.widgets.help.offer import offer_help
from napari_psf_distiller.widgets.inspect.inspector import Inspector
from napari_psf_distiller.widgets.layers.choices import offer, viewer_of
from napari_psf_distiller.widgets.layers.psf_field import PSF_OPTIONS, PSFField, may_be_psf
from napari_psf_distiller.widgets.parts.docks import share_dock, when_docked
from napari_psf_distiller.widgets.parts.labels import align_labels
from napari_psf_distiller.widgets.viewer.sliders import NumberSlider

__all__ = ["inspect_psf"]


def _init(gui: FunctionGui[Any, Any]) -> None:
    inspector = Inspector(gui)
    share_dock(gui)
    offer_help(gui, StepId.INSPECT.title)
    align_labels(gui)
    # Who chooses another image means to look at it.
    PSFField(gui, image="", asks=False)
    attend(gui)
    offer(gui.other, gui, viewer_of, may_be_psf)

    def draw_first() -> None:
        if gui.native.parent() is None:
            return
        with gui.changed.blocked():
            gui.psf.reset_choices()
        # The first choice of layers comes with the viewer, and is not announced as a change.
        inspector.draw()

    when_docked(gui, draw_first)
    gui.called.connect(lambda _: inspector.draw())


@magic_factory(
    widget_init=_init,
    auto_call=True,
    psf=PSF_OPTIONS | {"tooltip": "The image layer of the PSF."},
    kind={
        "label": "show",
        # With less to read, it has room in a large font.
        "choices": [("projections", "maximum projections"), ("slices", "central slices")],
        "tooltip": "Maximum projections show all light along an axis; slices go through the "
        "middle of the array, where a PSF has its peak.",
    },
    other={
        "label": "with",
        "nullable": True,
        "tooltip": "A second PSF; it is cropped and, if its voxels have another size, resampled "
        "to the first one's.",
    },
    logarithmic={
        "text": "logarithmic",
        "tooltip": "Show four decades below the maximum; gamma does not count then.",
    },
    vmax={
        "label": "maximum",
        "widget_type": NumberSlider,
        "min": 0.01,
        "max": 1.0,
        "step": 0.01,
        "tooltip": "The brightest intensity shown, as a fraction of the PSF's maximum; 1 shows "
        "all, 0.5 brings up what is dim.",
    },
    gamma={
        "widget_type": NumberSlider,
        "min": 0.1,
        "max": 2.0,
        "step": 0.05,
        "tooltip": "Exponent of the intensity: below 1 it brings up rings, tails and artefacts; "
        "0.4 is a good value for these, 1 is plain.",
    },
    logarithmic_profiles={
        "text": "logarithmic",
        "tooltip": "Show the profiles down to 0.00001 of the peak, where the noise lies.",
    },
)
def inspect_psf(
    viewer: "napari.viewer.Viewer",
    psf: "napari.layers.Image | None" = None,
    kind: str = "maximum projections",
    other: "napari.layers.Image | None" = None,
    logarithmic: bool = False,
    vmax: float = 1.0,
    gamma: float = 1.0,
    logarithmic_profiles: bool = False,
) -> None:
    """Look at a PSF: pictures, profiles with FWHM, OTF, beside another one, and in 3D."""
