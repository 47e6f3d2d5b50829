"""A choice that stays what it is when what is offered changes."""

from collections.abc import Callable
from typing import Any
from weakref import ref

from magicgui.widgets import ComboBox

from napari_psf_distiller.widgets.viewer.private import note_missing

__all__ = ["keep_choice"]


def keep_choice(choice: ComboBox, then: Callable[[], None] | None = None) -> None:
    """Let a choice of layers keep its layer when this is renamed, for as long as it is offered.

    magicgui tells choices by their texts, and takes the first where the text is gone. Where a
    choice cannot be followed, it does so here too.

    Parameters
    ----------
    choice : magicgui.widgets.ComboBox
    then : callable, optional
        Called after the offer was brought up to date, before whoever listens to the choice hears
        of another value.
    """
    weakly = ref(choice)

    def reset_choices(*_: Any) -> None:
        choice = weakly()
        if choice is None:
            return
        before = choice.value
        with choice.changed.blocked():
            type(choice).reset_choices(choice)
            if choice.value is not before and before is not None and before in choice.choices:
                choice.value = before
            if then is not None:
                then()
        if choice.value is not before:
            choice.changed.emit(choice.value)

    try:
        # A container calls it of each of its widgets.
        choice.reset_choices = reset_choices  # type: ignore[method-assign]
    except AttributeError:
        note_missing("choice that can be followed", "a renamed layer has to be chosen again")
