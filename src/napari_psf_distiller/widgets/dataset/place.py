"""Which part of a data set is tried: its position, time and channel, and the region there."""

from napari.layers import Shapes
from qtpy.QtWidgets import QComboBox, QWidget

from napari_psf_distiller.deconvolution.datasets.survey import Survey
from napari_psf_distiller.typed_numbers import TypedNumber
from napari_psf_distiller.widgets.dataset.run import Place
from napari_psf_distiller.widgets.layers.layer_choice import FindViewer, LayerChoice
from napari_psf_distiller.widgets.parts.flow import Flow
from napari_psf_distiller.widgets.prove.region import drawn_in
from napari_psf_distiller.widgets.trial.region import DETAIL, MIDDLE
from napari_psf_distiller.widgets.viewer.number_fields import NumberBox

__all__ = ["PlaceChoice"]

TIME = TypedNumber("t", whole=True)

REGION_TOOLTIP = (
    "Which part of the stack is tried: where it has the most bright detail in focus, in the middle "
    "of the field; the middle; or the rectangle of a shapes layer, drawn on the opened data. All "
    "planes."
)


class PlaceChoice(QWidget):
    """Chooses the position, the channel and the time that are tried; beside it the region is.

    Parameters
    ----------
    find_viewer : callable
        Returns the viewer, whose shapes layers are offered as regions.

    Attributes
    ----------
    region : LayerChoice
        Stands elsewhere.
    """

    def __init__(self, find_viewer: FindViewer) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self.position, self.channel, self.time = QComboBox(), QComboBox(), NumberBox(TIME)
        self.region = LayerChoice(find_viewer, Shapes, (DETAIL, MIDDLE))
        self.region.setAccessibleName("region")
        row = Flow(self)
        tips = {
            self.position: "Which position of the data set is tried.",
            self.channel: "Which channel is tried.",
            self.time: "Which point of time (t) is tried, from 0.",
        }
        for widget, tip in tips.items():
            widget.setToolTip(tip)
            row.addWidget(widget)
        self.region.setToolTip(REGION_TOOLTIP)
        for choice in (self.position, self.channel):
            choice.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            choice.setMinimumContentsLength(6)
        self.time.setPrefix("t ")
        self.time.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)

    def show_survey(self, found: Survey) -> None:
        """Offer what a data set has."""
        self._names = found.channels if found.named else ()
        names = [name or "the image" for name in found.positions]
        for choice, texts in (
            (self.position, names),
            (self.channel, found.channels or ("one channel",)),
        ):
            choice.clear()
            choice.addItems(list(texts))
            choice.setEnabled(len(texts) > 1)
        self.time.setMaximum(found.times - 1)
        self.time.setEnabled(found.times > 1)

    def read(self) -> Place:
        """Return what is chosen, in the main thread.

        Raises
        ------
        InputError
            The shapes layer of the region is gone or empty, or there is no such time.
        """
        self.time.interpretText()
        if self.time.problem is not None:
            raise self.time.problem
        drawn = self.region.layer()
        channel = max(self.channel.currentIndex(), 0)
        return Place(
            max(self.position.currentIndex(), 0),
            round(self.time.value()),
            # So it is found in an image that has the channels in another order.
            self._names[channel] if self._names else channel,
            drawn_in(drawn) if isinstance(drawn, Shapes) else self.region.fixed,
        )
