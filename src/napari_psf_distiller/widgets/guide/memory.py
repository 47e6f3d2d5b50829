"""What the guide keeps from one session to the next: the parameters of its widgets."""

from collections.abc import Mapping
from typing import Any

from magicgui.widgets import FunctionGui
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QTimer

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.widgets.guide.parameters import (
    HEAD,
    parameters_path,
    read_parameters,
    set_values,
    values_of,
    write_parameters,
)

__all__ = ["Memory"]

# Milliseconds after a change until parameters are written.
WRITE_AFTER = 500


class Memory(QObject):
    """Writes the parameters soon after they were changed, and reads those of the last session.

    Parameters
    ----------
    guis : mapping of str to FunctionGui
        By title, with the parameters at their defaults.
    parent : QObject
    """

    def __init__(self, guis: Mapping[str, FunctionGui[Any, Any]], parent: QObject) -> None:
        super().__init__(parent)
        self._guis = guis
        self._defaults = values_of(guis)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WRITE_AFTER)
        self._timer.timeout.connect(self._write)

    def read(self) -> None:
        """Set all parameters to those of the last session."""
        path = parameters_path()
        if path is None or not path.exists():
            return
        try:
            set_values(self._guis, read_parameters(path))
        except InputError as error:
            show_warning(f"{HEAD}: the parameters of the last session were not read. {error}")

    def note_change(self) -> None:
        """Write the parameters soon."""
        self._timer.start()

    def write_now(self) -> None:
        """Write parameters that were just changed."""
        if self._timer.isActive():
            self._timer.stop()
            self._write()

    def reset(self) -> None:
        """Set all parameters to their defaults."""
        set_values(self._guis, self._defaults)

    def _write(self) -> None:
        path = parameters_path()
        if path is None:
            return
        try:
            write_parameters(path, values_of(self._guis))
        except InputError as error:
            show_warning(f"{HEAD}: the parameters are not kept. {error}")
