"""The fields that a widget, or several, have for a microscope."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from magicgui.widgets import FunctionGui
from psygnal import Signal

from napari_psf_distiller.microscopes import MicroscopePreset
from napari_psf_distiller.recipe import Camera, Optics
from napari_psf_distiller.recipe.parameter import Declared, declared
from napari_psf_distiller.widgets.microscope.marks import FileMarks

__all__ = ["MicroscopeFields"]

# Figures that differ by less than this part were typed, or computed, from the same one.
SAME_FIGURE = 1e-9


class MicroscopeFields:
    """The fields for optics and camera, wherever they are.

    Parameters
    ----------
    gui : FunctionGui
        With the fields for optics.
    *others : FunctionGui
        With those that it has not itself, as for the camera.

    Attributes
    ----------
    marks : FileMarks
        Of the fields that the image's file filled in.
    remembered : dict of str to Any
        What an earlier session gave, by the fields' names, until somebody gives something else.
        What the image says counts before it; without an image that says something it stands there.
    changed : Signal
        Somebody, or something, changed one of them.
    """

    changed = Signal()

    def __init__(self, gui: FunctionGui[Any, Any], *others: FunctionGui[Any, Any]) -> None:
        self.marks = FileMarks(gui)
        self.remembered: dict[str, Any] = {}
        self._asked: dict[str, tuple[Declared, Any]] = {}
        for one in (*declared(Optics), *declared(Camera)):
            asks = next((each for each in (gui, *others) if hasattr(each, one.name)), None)
            if one.parameter.in_viewer and asks is not None:
                self._asked[one.name] = one, asks[one.name]
        self._filling = False
        for name, (_, widget) in self._asked.items():
            widget.changed.connect(lambda _, name=name: self._on_change(name))

    # --- what is said

    @property
    def kind(self) -> str:
        """The kind of microscope."""
        return str(self._asked["microscope"][1].value)

    @property
    def given(self) -> set[str]:
        """The names of Optics' fields that somebody filled in, in this session, and no file."""
        said = {
            name
            for name, (one, widget) in self._asked.items()
            if one.section is Optics
            and name not in self.marks.names | self.remembered.keys()
            and widget.value != one.shown(one.default)
        }
        # Who gave a figure has looked at the kind.
        kind = {"microscope"} if said and "microscope" not in self.marks.names else set()
        return said | kind

    def values(self, section: type[Optics] | type[Camera]) -> dict[str, Any]:
        """Return the fields of a section as a recipe has them, of those that count."""
        return {
            one.field: one.taken(widget.value)
            for one, widget in self._asked.values()
            if one.section is section and self._counts(one)
        }

    def optics(self) -> Optics:
        """Return what the fields say.

        Raises
        ------
        InputError
            They cannot be together.
        """
        return Optics(**self.values(Optics))

    def preset(self, beside: MicroscopePreset) -> MicroscopePreset:
        """Return what the fields say, as it can be kept by name.

        Parameters
        ----------
        beside : MicroscopePreset
            Has what there are no fields for.

        Raises
        ------
        InputError
            They cannot be together.
        """
        hidden = {
            one.field: getattr(beside.camera, one.field)
            for one in declared(Camera)
            if one.name not in self._asked
        }
        return MicroscopePreset(self.optics(), Camera(**hidden | self.values(Camera)))

    def left_out(self, preset: MicroscopePreset) -> tuple[str, ...]:
        """Return what a microscope says that there are no fields for."""
        return tuple(
            one.name.replace("_", " ")
            for part in (preset.optics, preset.camera)
            for one in declared(type(part))
            if one.name not in self._asked and getattr(part, one.field) != one.default
        )

    def shows(self, preset: MicroscopePreset) -> bool:
        """Return whether the fields say what a microscope does.

        What a file filled in beside it does not count, nor what its kind does not ask for.
        """
        return all(
            _shows(widget, one.shown(value))
            for name, (one, widget, value) in self._beside(preset).items()
            if self._counts(one) and (name not in self.marks.names or value is not None)
        )

    # --- what is filled in

    def show(self, preset: MicroscopePreset) -> None:
        """Fill in all fields from a microscope that was kept."""
        self.marks.unmark(*self._asked)
        for name in self._asked:
            self.remembered.pop(name, None)
        with self._quietly():
            for one, widget, value in self._beside(preset).values():
                _set(widget, one.shown(value))
        self.changed.emit()

    def fill(self, values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        """Fill in fields of Optics from the image's file, and mark them.

        Parameters
        ----------
        values : mapping of str to Any
            By the names of Optics' fields.
        sources : mapping of str to str
            Where each is from.
        """
        with self._quietly():
            for name, value in values.items():
                if name not in self._asked:
                    continue
                one, widget = self._asked[name]
                _set(widget, one.shown(value))
                self.marks.mark(name, sources[name])
        self.changed.emit()

    def forget_file(self) -> None:
        """Empty the fields that a file filled in, which is not the image's any more.

        What an earlier session gave stands there again.
        """
        names = (self.marks.names | self.remembered.keys()) & self._asked.keys()
        self.marks.unmark(*names)
        with self._quietly():
            for name in names:
                one, widget = self._asked[name]
                _set(widget, self.remembered.get(name, one.shown(one.default)))
        if names:
            self.changed.emit()

    def remember(self) -> None:
        """Take what the fields for optics say for the answers of an earlier session."""
        self.remembered |= {
            name: widget.value
            for name, (one, widget) in self._asked.items()
            if one.section is Optics
            and name not in self.marks.names
            and widget.value != one.shown(one.default)
        }

    def empty_remembered(self) -> None:
        """Empty the fields of an earlier session's answers that do not go with what a file says."""
        with self._quietly():
            for name in self.remembered.keys() & self._asked.keys():
                one, widget = self._asked[name]
                if one.section is Optics and name not in self.marks.names:
                    _set(widget, one.shown(one.default))

    def clear(self) -> None:
        """Empty all fields, whoever filled them in."""
        self.marks.unmark(*self._asked)
        self.remembered.clear()
        with self._quietly():
            for one, widget in self._asked.values():
                _set(widget, one.shown(one.default))
        self.changed.emit()

    def _beside(self, preset: MicroscopePreset) -> dict[str, tuple[Declared, Any, Any]]:
        """Return for each field its widget, and what a microscope has there."""
        parts: dict[type[Any], Any] = {Optics: preset.optics, Camera: preset.camera}
        return {
            name: (one, widget, getattr(parts[one.section], one.field))
            for name, (one, widget) in self._asked.items()
        }

    def _counts(self, one: Declared) -> bool:
        when = one.parameter.when
        return when is None or when[0] != "microscope" or self.kind in when[1]

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._filling = self._filling, True
        try:
            yield
        finally:
            self._filling = before

    def _on_change(self, name: str) -> None:
        if self._filling:
            return
        self.marks.unmark(name)
        self.remembered.pop(name, None)
        self.changed.emit()


def _set(widget: Any, value: Any) -> None:
    """Show a value, also one beyond the field's limits, which a recipe may have."""
    if isinstance(value, float) and hasattr(widget, "max"):
        widget.max, widget.min = max(widget.max, value), min(widget.min, value)
    if widget.value != value:
        widget.value = value


def _shows(widget: Any, value: Any) -> bool:
    """Return whether a field shows a value."""
    if not isinstance(value, float):
        return bool(widget.value == value)
    return math.isclose(widget.value, value, rel_tol=SAME_FIGURE)
