"""A choice of layers outside of a form, beside fixed ones, brought up to date when it is opened."""

from collections.abc import Callable, Sequence

import napari
from napari.layers import Layer
from qtpy.QtWidgets import QComboBox

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.layers.choices import is_preview
from napari_psf_distiller.widgets.layers.lineage import identity

__all__ = ["FindViewer", "LayerChoice"]

FindViewer = Callable[[], "napari.viewer.Viewer | None"]

# Letters of its choices that it has room for at least.
LEAST_LETTERS = 13


class LayerChoice(QComboBox):
    """Offers fixed choices, and the layers of a kind that there are when it is opened.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, or None.
    kind : type
        Of the layers.
    fixed : sequence of str
    fits : callable, optional
        Whether a layer of that kind is offered.
    """

    def __init__(
        self,
        find_viewer: FindViewer,
        kind: type[Layer],
        fixed: Sequence[str],
        fits: Callable[[Layer], bool] = lambda _: True,
    ) -> None:
        super().__init__()
        self._find_viewer, self._kind, self._fits = find_viewer, kind, fits
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(LEAST_LETTERS)
        for name in fixed:
            self.addItem(name, "")
        self._fixed = self.count()

    def showPopup(self) -> None:  # noqa: N802
        """Offer the layers that there are now."""
        self.offer_layers()
        super().showPopup()

    def offer_layers(self) -> None:
        """Offer the layers that there are now; what is chosen stays."""
        chosen, text = self.currentData(), self.currentText()
        while self.count() > self._fixed:
            self.removeItem(self._fixed)
        for layer in self._layers():
            self.addItem(layer.name, identity(layer))
        place = self.findData(chosen) if chosen else self.findText(text)
        self.setCurrentIndex(max(place, 0))

    def add_fixed(self, name: str) -> None:
        """Offer one more fixed choice, and choose it."""
        place = self.findText(name)
        if not 0 <= place < self._fixed:
            place = self._fixed
            self.insertItem(place, name, "")
            self._fixed += 1
        self.setCurrentIndex(place)

    @property
    def fixed(self) -> str:
        """The fixed choice that is chosen; "" where it is a layer."""
        return "" if self.currentData() else self.currentText()

    def layer(self) -> Layer | None:
        """Return the layer that is chosen; None where it is a fixed choice.

        Raises
        ------
        InputError
            It is gone.
        """
        chosen = self.currentData()
        if not chosen:
            return None
        for layer in self._layers():
            if identity(layer) == chosen:
                return layer
        raise InputError(f"The layer {self.currentText()!r} is gone: choose another one.")

    def _layers(self) -> list[Layer]:
        viewer = self._find_viewer()
        found = viewer.layers if viewer is not None else ()
        return [
            one
            for one in found
            if isinstance(one, self._kind) and not is_preview(one) and self._fits(one)
        ]
