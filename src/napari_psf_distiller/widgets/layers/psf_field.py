"""The field of a step widget that asks for a PSF: it takes one by itself, and never any image."""

from html import escape
from typing import Any
from weakref import ref

from magicgui.widgets import CheckBox, ComboBox, FunctionGui
from napari.layers import Image, Layer

from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.layers.choices import is_preview, offer, viewer_of
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.psf_recognition import (
    confirm_psf,
    doubt_about_layer,
    is_psf,
    step_of_psf,
)
from napari_psf_distiller.widgets.viewer.kept_choice import keep_choice

__all__ = ["NO_PSF", "PSF_OPTIONS", "PSFField", "may_be_psf"]

# What the field says where there is none.
NO_PSF = "no PSF yet"

PSF_OPTIONS: dict[str, Any] = {"label": "PSF", "nullable": True}


class PSFField:
    """What a step widget's field for a PSF offers, and what it takes by itself.

    An empty field takes the newest PSF as soon as there is one; what its user chose stays. An image
    that is not known to be a PSF can be chosen, and is used when its user says that it is one.

    Parameters
    ----------
    gui : FunctionGui
        With the parameter ``viewer``.
    name : str
        The parameter's.
    image : str
        The parameter whose layer is never offered as the PSF; "" is none.
    wanted : sequence of StepId
        Whose PSFs are taken by themselves, the best last.
    asks : bool
        Whether there is a box to say that an image is a PSF.

    Attributes
    ----------
    confirm : CheckBox
        Shown where it is asked whether an image is a PSF.
    """

    def __init__(
        self,
        gui: FunctionGui[Any, Any],
        name: str = "psf",
        *,
        image: str = "image",
        wanted: tuple[StepId, ...] = (StepId.DISTILL, StepId.POSTPROCESS),
        asks: bool = True,
    ) -> None:
        self._choice: ComboBox = gui[name]
        self._wanted = wanted
        # What the field took by itself, which may give way to what is better.
        self._taken: ref[Layer] | None = None
        self._asked: ref[Layer] | None = None
        self.confirm = CheckBox(
            text="this image is a PSF",
            visible=False,
            gui_only=True,
        )
        if asks:
            gui.insert(gui.index(self._choice) + 1, self.confirm)
        self._choice.null_string = NO_PSF
        weakly = ref(gui)

        def fits(layer: Layer) -> bool:
            own = weakly()
            beside = own[image].value if own is not None and image else None
            return may_be_psf(layer) and layer is not beside

        offer(self._choice, gui, viewer_of, fits)
        keep_choice(self._choice, self._take)
        self._choice.changed.connect(self._on_choice)
        self.confirm.changed.connect(self._on_confirmed)
        if image:
            gui[image].changed.connect(self._offer_anew)
        gui.psf_field = self
        self._choice.reset_choices()

    @property
    def asking(self) -> bool:
        """Whether it is asked if what is chosen is a PSF."""
        return self._asked is not None and self._asked() is self._choice.value

    def _offer_anew(self, _: Any = None) -> None:
        self._choice.reset_choices()

    def _take(self) -> None:
        """Take the best PSF that is offered, unless a choice was made."""
        chosen = self._choice.value
        taken = self._taken() if self._taken is not None else None
        if chosen is not None and chosen is not taken:
            return
        best = None
        for layer in self._choice.choices:
            rank = self._rank(layer) if layer is not None else 0
            # Of equal ones the last in the list, where new layers come.
            if rank and (best is None or rank >= self._rank(best)):
                best = layer
        if best is not None and (chosen is None or self._rank(best) > self._rank(chosen)):
            self._taken = ref(best)
            self._choice.value = best

    def _rank(self, layer: Layer) -> int:
        """Return how well a layer is taken without a word, 0 if not at all."""
        step = step_of_psf(layer)
        if step is None:
            # Of another program; as finished as what a file of ours holds.
            step = StepId.OPEN if is_psf(layer) else None
        step = StepId.POSTPROCESS if step is StepId.OPEN else step
        return 0 if step not in self._wanted else 1 + self._wanted.index(step)

    def _on_choice(self, layer: Layer | None) -> None:
        if self._taken is not None and layer is not self._taken():
            self._taken = None
        self._ask()

    def _ask(self) -> None:
        """Ask whether what is chosen is a PSF, where that is not known."""
        layer = self._choice.value
        asked = self._asked() if self._asked is not None else None
        if layer is None or (not doubt_about_layer(layer) and layer is not asked):
            self._asked, self.confirm.visible = None, False
            return
        if layer is not asked:
            self._asked = ref(layer)
            with self.confirm.changed.blocked():
                self.confirm.value = False
            self.confirm.tooltip = (
                f"The layer {escape(layer.name)} does not look like a PSF: "
                f"{doubt_about_layer(layer)}. Say that it is one: it is used as it is."
            )
        self.confirm.visible = True

    def _on_confirmed(self, confirmed: bool) -> None:
        layer = self._choice.value
        if layer is not None:
            confirm_psf(layer, confirmed)


def may_be_psf(layer: Layer) -> bool:
    """Return whether a layer is a PSF, or an image of which nobody knows what it is."""
    if not isinstance(layer, Image) or layer.rgb or is_preview(layer):
        return False
    return own_note(layer.metadata) is None or step_of_psf(layer) is not None
