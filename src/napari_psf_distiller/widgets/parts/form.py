"""A step widget's parameters, made from what a recipe declares of them."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from magicgui import magic_factory
from magicgui.widgets import ComboBox, FunctionGui, TupleEdit
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QSizePolicy

from napari_psf_distiller.recipe import PLACES, Recipe
from napari_psf_distiller.recipe.parameter import Condition, Declared
from napari_psf_distiller.recipe.section import Section
from napari_psf_distiller.widgets.parts.elided import ElidedText
from napari_psf_distiller.widgets.viewer.number_fields import NumberField

__all__ = ["LEAST_LETTERS", "Form", "form_of", "keep_narrow"]

S = TypeVar("S", bound=Section)

# Of numbers that stand three side by side.
NARROW = "QAbstractSpinBox { min-width: 52px; padding-left: 2px; padding-right: 0px; }"

# Letters of its choices that a narrow combo box has room for at least.
LEAST_LETTERS = 8


class Form:
    """What a step widget asks for, besides layers.

    Parameters
    ----------
    asked : iterable of Declared
        In their order; those that no widget asks for are left out.
    first : sequence of str
        Parameters of the widget that come first, declared ones and its own.
    way : str
        The widget's parameter that chooses the method of distilling, if what counts depends on it.
    conditions : mapping of str to Condition
        For which values of another parameter of the widget one counts, where nothing declares it.
    options : mapping of str to dict
        More of magicgui's options for a parameter.

    Attributes
    ----------
    options : dict of str to dict
        magicgui's options of each parameter.
    """

    def __init__(
        self,
        asked: Iterable[Declared],
        *,
        first: Sequence[str] = (),
        way: str = "",
        conditions: Mapping[str, Condition] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._asked = {one.name: one for one in asked if one.parameter.in_viewer}
        self._first = first
        self._conditions = {name: list(one.conditions) for name, one in self._asked.items()}
        for name, one in self._asked.items():
            if way and one.methods:
                self._conditions[name].append((way, one.methods))
        for name, condition in (conditions or {}).items():
            self._conditions.setdefault(name, []).append(condition)
        more = options or {}
        self.options: dict[str, Any] = {
            name: _options_of(one, more.get(name, {})) for name, one in self._asked.items()
        }

    @property
    def important(self) -> tuple[str, ...]:
        """The parameters that are not folded away."""
        return tuple(name for name, one in self._asked.items() if not one.parameter.seldom)

    def widget(
        self,
        *,
        widget_init: Callable[[FunctionGui[Any, Any]], None],
        call_button: str | bool,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., FunctionGui[..., Any]]]:
        """Make a widget's factory of the function that is decorated; see `magicgui.magic_factory`.

        Parameters
        ----------
        widget_init : callable
            Calls `attach`.
        call_button : str or bool
        **options
            Of the function's own parameters.
        """

        def factory(function: Callable[..., Any]) -> Callable[..., FunctionGui[..., Any]]:
            made: Callable[..., FunctionGui[..., Any]] = magic_factory(
                self._asked_by(function),
                widget_init=widget_init,
                call_button=call_button,
                **(options | self.options),
            )
            return made

        return factory

    def _asked_by(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a widget's function the parameters in the place of its ``**parameters``."""
        own = inspect.signature(function)
        parameters = {
            name: parameter
            for name, parameter in own.parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        }
        for name, one in self._asked.items():
            parameters[name] = inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=one.shown(one.default),
                annotation=_annotation_of(one),
            )
        # Layers, which have no default, come before all others.
        needed = [name for name, parameter in parameters.items() if parameter.default is own.empty]
        order = dict.fromkeys((*needed, *self._first, *parameters))
        order = {name: None for name in order if name in parameters}
        signature = own.replace(parameters=[parameters[name] for name in order])

        @functools.wraps(function)
        def filled(*args: Any, **keywords: Any) -> Any:
            bound = signature.bind(*args, **keywords)
            bound.apply_defaults()
            return function(**bound.arguments)

        filled.__signature__ = signature  # type: ignore[attr-defined]
        filled.__annotations__ = {name: parameters[name].annotation for name in order}
        return filled

    def attach(self, gui: FunctionGui[Any, Any]) -> None:
        """Let a widget show only those of its parameters that count."""
        gui.form = self
        _narrow(gui)
        asked = {widget.name for widget in gui}
        depending = [name for name, found in self._conditions.items() if found and name in asked]

        def show_what_counts(_: Any = None) -> None:
            values = {widget.name: getattr(widget, "value", None) for widget in gui}
            for name in depending:
                gui[name].visible = self.counts(name, values)

        for name in {other for one in self._conditions.values() for other, _ in one}:
            gui[name].changed.connect(show_what_counts)
        show_what_counts()

    def counts(self, name: str, values: Mapping[str, Any]) -> bool:
        """Return whether a parameter counts.

        Parameters
        ----------
        name : str
            Of any of the widget's parameters.
        values : mapping of str to Any
            Of all parameters, by name.
        """
        conditions = self._conditions.get(name, ())
        return all(values[other] in wanted for other, wanted in conditions)

    def taken(self, section: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a section of a recipe, as the widget's values say.

        One that another method has is left out, and so is a number that stands for nothing, or that
        the section refuses, as long as it does not count.
        """
        return {
            one.field: one.taken(values[name])
            for name, one in self._asked.items()
            if one.section is section and self._is_had(one, values)
        }

    def _is_had(self, one: Declared, values: Mapping[str, Any]) -> bool:
        if one.parameter.unset_value is None or one.parameter.must_count:
            return self.counts(one.name, values)
        return all(
            values[other] in wanted
            for other, wanted in self._conditions[one.name]
            if (other, wanted) != one.parameter.when
        )

    def shown(self, recipe: Recipe) -> dict[str, Any]:
        """Return the values of the widget's parameters for a recipe.

        What the recipe's method does not have shows its default; a number that stands for
        nothing is left out.
        """
        found = {}
        for name, one in self._asked.items():
            place = PLACES[one.section]
            part: Any = getattr(recipe, place) if place else recipe
            value = getattr(part, one.field) if isinstance(part, one.section) else one.default
            if value is not None or one.parameter.unset_value is not None:
                found[name] = one.shown(value)
        return found


def keep_narrow(choice: ComboBox) -> None:
    """Let a combo box be narrower than its choices: names of layers and devices may be long."""
    choice.native.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    choice.native.setMinimumContentsLength(LEAST_LETTERS)
    ElidedText(choice.native)


def _narrow(gui: FunctionGui[Any, Any]) -> None:
    """Let numbers that stand side by side take less room: typed, not stepped to."""
    for widget in gui:
        if isinstance(widget, TupleEdit):
            for number in widget:
                # napari's style sheet keeps room for the buttons.
                number.native.setStyleSheet(NARROW)
                number.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                number.native.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)


def form_of(gui: FunctionGui[Any, Any]) -> Form | None:
    """Return the form of a step widget; None of one that asks for nothing of a recipe."""
    form: Form | None = getattr(gui, "form", None)
    return form


def _annotation_of(one: Declared) -> Any:
    if one.per_axis:
        return tuple[one.kind, one.kind, one.kind]  # type: ignore[name-defined]
    if one.choices:
        return Literal[one.choices]
    return one.kind


def _options_of(one: Declared, more: Mapping[str, Any]) -> dict[str, Any]:
    shown = one.parameter
    options: dict[str, Any] = {"label": one.label, "tooltip": shown.tooltip}
    if one.choices or one.kind not in (int, float):
        return options | dict(more)
    number: dict[str, Any] = {"min": shown.minimum, "max": shown.maximum, "step": shown.step}
    number = {name: value for name, value in number.items() if value is not None}
    if "widget_type" not in more:
        number |= {"widget_type": NumberField, "typed": one.typed, "suffix": shown.suffix}
    return options | ({"options": number} if one.per_axis else number) | dict(more)
