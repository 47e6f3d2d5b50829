"""A choice stays what it is when the offer changes; where it cannot, magicgui's way counts."""

import pytest
from magicgui.widgets import ComboBox

from napari_psf_distiller.widgets.viewer import kept_choice
from napari_psf_distiller.widgets.viewer.kept_choice import keep_choice


class Named:
    """What is told by its name, which may change."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


def offered(*names: str) -> tuple[list[Named], ComboBox]:
    found = [Named(name) for name in names]
    choice = ComboBox(choices=lambda _: found)
    choice.value = found[1]
    return found, choice


def test_what_is_renamed_stays_chosen_without_a_word() -> None:
    found, choice = offered("a", "b", "c")
    heard: list[Named] = []
    choice.changed.connect(heard.append)
    keep_choice(choice)
    found[1].name = "renamed"
    choice.reset_choices()
    assert choice.value is found[1]
    assert choice.current_choice == "renamed"
    assert heard == []


def test_what_is_gone_gives_way_and_is_told_once() -> None:
    found, choice = offered("a", "b", "c")
    heard: list[Named] = []
    choice.changed.connect(heard.append)
    last = found[2]
    keep_choice(choice, lambda: setattr(choice, "value", last))
    del found[1]
    choice.reset_choices()
    assert choice.value is last
    assert heard == [last]


def test_where_it_cannot_be_followed_the_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found, choice = offered("a", "b", "c")
    missing: list[str] = []

    class Rigid:
        """A choice that lets nothing be put in the place of its methods."""

        __slots__ = ("__weakref__",)

        def reset_choices(self) -> None: ...

    monkeypatch.setattr(kept_choice, "note_missing", lambda what, _: missing.append(what))
    keep_choice(Rigid())
    assert missing == ["choice that can be followed"]
    found[1].name = "renamed"
    choice.reset_choices()
    assert choice.value is found[0]
