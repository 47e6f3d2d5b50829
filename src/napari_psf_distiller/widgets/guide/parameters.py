"""The parameters of the guide: kept from one session to the next, and read from a recipe."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magicgui.widgets import FunctionGui, Widget
from napari.settings import get_settings
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QTimer

from napari_psf_distiller.errors import InputError
from napari_psf_distiller.files import write_whole
from napari_psf_distiller.recipe import Recipe
from napari_psf_distiller.recipe.parameter import declared
from napari_psf_distiller.recipe.section import Section
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.microscope.part import MicroscopePart
from napari_psf_distiller.widgets.parts.form import form_of
from napari_psf_distiller.widgets.running.devices import ask_for_device

__all__ = [
    "HEAD",
    "HEAD_ID",
    "Memory",
    "Values",
    "left_out",
    "parameters_path",
    "read_parameters",
    "set_values",
    "values_of",
    "values_of_recipe",
    "write_parameters",
]

FORMAT = "napari-psf-distiller parameters"
VERSION = 1

# What is asked above the steps: under which name its parameters are kept, and what people read.
HEAD_ID, HEAD = "guide", "PSF Distiller"

# They belong to an image, not to the way it is worked on.
OF_THE_IMAGE = {"voxel_size", "value", "along"}

# For each step's id, and for what is asked above them, the parameters by name.
Values = dict[str, dict[str, Any]]


def parameters_path() -> Path | None:
    """Return where the parameters are kept: beside napari's settings; None if it keeps none."""
    path = get_settings().config_path
    return Path(path).with_name("psf-distiller.json") if path is not None else None


def values_of(guis: Mapping[str, FunctionGui[Any, Any]]) -> Values:
    """Return the parameters of the guide's widgets that are worth keeping."""
    return {
        asker: {name: widget.value for name, widget in _kept(gui).items()} | _remembered(gui)
        for asker, gui in guis.items()
    }


def _remembered(gui: FunctionGui[Any, Any]) -> dict[str, Any]:
    """Return what an earlier session gave where the image's file says something else now."""
    part: MicroscopePart | None = getattr(gui, "microscope_part", None)
    known = part.fields.remembered if part is not None else {}
    return {name: value for name, value in known.items() if hasattr(gui, name)}


def _kept(gui: FunctionGui[Any, Any]) -> dict[str, Any]:
    part: MicroscopePart | None = getattr(gui, "microscope_part", None)
    of_the_image = OF_THE_IMAGE | (part.fields.marks.names if part is not None else set())
    return {
        widget.name: widget
        for widget in gui
        if widget.name
        and not widget.gui_only
        and widget.name not in of_the_image
        and isinstance(getattr(widget, "value", None), bool | int | float | str | tuple)
    }


def set_values(
    guis: Mapping[str, FunctionGui[Any, Any]], values: Values, *, widen: bool = False
) -> None:
    """Set parameters of the guide's widgets: all of them, or, if one cannot be set, none.

    Parameters
    ----------
    guis : mapping of str to FunctionGui
        By the step's id.
    values : dict
    widen : bool
        Let a widget reach as far as a value that lies beyond its limits.

    Raises
    ------
    InputError
        A step or parameter that there is not, or a value that it cannot have.
    """
    before = values_of(guis)
    try:
        for asker, parameters in values.items():
            if asker not in guis:
                raise InputError(f"There is no step {asker!r}.")
            title = HEAD if asker == HEAD_ID else StepId(asker).title
            for name, value in parameters.items():
                widget = getattr(guis[asker], name, None)
                if not isinstance(widget, Widget):
                    raise InputError(f"{title} has no parameter {name!r}.")
                _set(widget, value, f"{title}, {name}", widen)
    except InputError:
        for asker, parameters in before.items():
            for name, value in parameters.items():
                guis[asker][name].value = value
        raise


def _set(widget: Any, value: Any, where: str, widen: bool) -> None:
    now = widget.value
    if isinstance(value, list):
        value = tuple(value)
    if not _alike(value, now):
        raise InputError(f"{where} is {value!r}, which it cannot be.")
    try:
        if widget.name == "device":
            ask_for_device(widget, value)
            return
        if widen and isinstance(value, int | float) and hasattr(widget, "max"):
            widget.max, widget.min = max(widget.max, value), min(widget.min, value)
        if value != now:
            widget.value = value
    except (ValueError, TypeError) as error:
        raise InputError(f"{where} is {value!r}: {error}") from None


def _alike(value: Any, other: Any) -> bool:
    """Return whether a value is of the kind that a widget has."""
    if isinstance(other, bool) or isinstance(value, bool):
        return type(value) is type(other)
    if isinstance(other, tuple):
        if not isinstance(value, tuple) or len(value) != len(other):
            return False
        return all(_alike(a, b) for a, b in zip(value, other, strict=True))
    if isinstance(other, float):
        return isinstance(value, int | float) and math.isfinite(value)
    return type(value) is type(other)


def read_parameters(path: Path) -> Values:
    """Read parameters that `write_parameters` wrote, strictly.

    Raises
    ------
    InputError
        The file cannot be read, or is not one of ours.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or document.get("version") != VERSION
        or set(document) != {"format", "version", "steps"}
    ):
        raise InputError(f"{path} is not a file of the guide's parameters.")
    steps = document["steps"]
    if not isinstance(steps, dict) or not all(isinstance(part, dict) for part in steps.values()):
        raise InputError(f"{path} has no parameters of steps.")
    return steps


def write_parameters(path: Path, values: Values) -> None:
    """Write parameters for the next session, whole or not at all.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    document = {"format": FORMAT, "version": VERSION, "steps": values}
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def left_out(recipe: Recipe) -> tuple[str, ...]:
    """Return what a recipe sets that no widget has a parameter for."""
    parts = {"": recipe} | {
        f"{field.name}.": part
        for field in dataclasses.fields(recipe)
        if isinstance(part := getattr(recipe, field.name), Section)
    }
    return tuple(
        place + one.field
        for place, part in parts.items()
        for one in declared(type(part))
        if not one.parameter.in_viewer and getattr(part, one.field) != one.default
    )


def values_of_recipe(recipe: Recipe, guis: Mapping[str, FunctionGui[Any, Any]]) -> Values:
    """Return what the guide's widgets show for a recipe; 0 stands for what is not set.

    Parameters
    ----------
    recipe : Recipe
    guis : mapping of str to FunctionGui
        See `set_values`.
    """
    forms = {asker: form_of(gui) for asker, gui in guis.items()}
    values = {asker: form.shown(recipe) for asker, form in forms.items() if form is not None}
    values[HEAD_ID]["method"] = recipe.distill.method
    return values


# Milliseconds after a change until parameters are written.
WRITE_AFTER = 500


class Memory(QObject):
    """Writes the parameters soon after they were changed, and reads those of the last session.

    Parameters
    ----------
    guis : mapping of str to FunctionGui
        By the step's id, with the parameters at their defaults.
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
