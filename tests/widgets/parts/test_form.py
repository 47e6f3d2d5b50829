"""A widget that is made from what is declared: it shows it, and says which of it counts."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from magicgui.widgets import FunctionGui

from napari_psf_distiller.recipe.parameter import Parameter, declared
from napari_psf_distiller.recipe.section import Section
from napari_psf_distiller.widgets.parts.form import Form

pytestmark = pytest.mark.usefixtures("qapp")


@dataclass(frozen=True)
class Bleaching(Section):
    """How the beads bleach."""

    model: Annotated[Literal["none", "exponential"], Parameter(tooltip="What it follows.")] = "none"
    half_life: Annotated[
        float | None,
        Parameter(
            label="half-life",
            unit="s",
            tooltip="0 is not known.",
            minimum=0.0,
            maximum=9.0,
            unset_word="not known",
            when=("model", ("exponential",)),
        ),
    ] = None
    planes: Annotated[
        int | None, Parameter(tooltip="How many.", minimum=0, maximum=50, unset_word="all")
    ] = None
    hidden: Annotated[bool, Parameter(tooltip="Only in a recipe.", in_viewer=False)] = True


FORM = Form(
    declared(Bleaching), first=("model", "live"), conditions={"live": ("model", ("exponential",))}
)


@pytest.fixture
def gui() -> FunctionGui[Any, Any]:
    @FORM.widget(widget_init=FORM.attach, call_button="Bleach", name={"tooltip": "Of the sample."})
    def bleach(name: str = "beads", live: bool = True, **parameters: Any) -> Any:
        return name, live, Bleaching(**FORM.taken(Bleaching, parameters))

    return bleach()


def test_it_asks_for_what_is_declared(gui: FunctionGui[Any, Any]) -> None:
    asked = [widget.name for widget in gui if not widget.gui_only]
    assert asked == ["model", "live", "name", "half_life", "planes"]
    assert gui.half_life.label == "half-life (s)"
    assert gui.half_life.tooltip == "0 is not known."
    assert (gui.half_life.min, gui.half_life.max) == (0, 9)
    assert gui.half_life.native.text() == "not known"
    assert gui.planes.native.text() == "all"
    assert gui.model.choices == ("none", "exponential")


def test_it_gives_a_section(gui: FunctionGui[Any, Any]) -> None:
    assert gui() == ("beads", True, Bleaching())
    gui.half_life.value, gui.planes.value = 2.5, 7
    assert gui() == ("beads", True, Bleaching(half_life=2.5, planes=7))
    gui.model.value = "exponential"
    assert gui() == ("beads", True, Bleaching("exponential", 2.5, 7))


def test_what_counts_is_told_without_the_window(gui: FunctionGui[Any, Any]) -> None:
    values = {"model": "none", "planes": 0.0}
    assert not FORM.counts("half_life", values)
    assert FORM.counts("half_life", values | {"model": "exponential"})
    assert FORM.counts("model", values)
    assert FORM.counts("name", values)
    assert FORM.counts("live", values | {"model": "exponential"})
    assert not FORM.counts("live", values)


def test_what_does_not_count_is_not_shown(gui: FunctionGui[Any, Any]) -> None:
    gui.show()
    assert not gui.half_life.visible
    assert not gui.live.visible
    gui.model.value = "exponential"
    assert gui.half_life.visible
    assert gui.live.visible
