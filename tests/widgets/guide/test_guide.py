"""The guide in a real viewer: where each step stands, and the way to the PSF by one click."""

from collections.abc import Callable
from html import escape
from typing import Any
from weakref import ref

import napari
import numpy as np
import pytest
from event_loop import wait_for_what_was_put_off
from napari.layers import Image
from qtpy.QtCore import Qt

import napari_psf_distiller as psfd
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.widgets.guide.guide import Guide
from napari_psf_distiller.widgets.guide.steps import State
from napari_psf_distiller.widgets.guide.view import mark_of
from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.wording import widths_text

STEPS = [
    StepId.PREPROCESS,
    StepId.THRESHOLD,
    StepId.FIND_BEADS,
    StepId.DISTILL,
    StepId.POSTPROCESS,
    StepId.DECONVOLVE,
    StepId.INSPECT,
    StepId.PROVE,
]
TO_DO, DONE, OUT_OF_DATE = State.TO_DO, State.DONE, State.OUT_OF_DATE
NOT_NEEDED, FAILED = State.NOT_NEEDED, State.FAILED
FRESH = [NOT_NEEDED, NOT_NEEDED, *[TO_DO] * 6]
# They have not the image's voxels.
OF_TRUE_SIZE = {"beads distilled", "beads PSF"}
# All but the last steps, which are to look at the PSF, and to prove it.
MADE = [NOT_NEEDED, NOT_NEEDED, DONE, DONE, DONE, TO_DO]


@pytest.fixture(scope="module")
def flat_field() -> psfd.SimulatedBeads:
    return psfd.simulate_beads((72, 80), (0.08, 0.08), beads=8, separation=1.2, seed=2)


@pytest.fixture
def image(viewer: napari.Viewer, flat_field: psfd.SimulatedBeads) -> Image:
    return add_field(viewer, flat_field, name="beads")


def add_field(viewer: napari.Viewer, field: psfd.SimulatedBeads, **keywords: Any) -> Image:
    keywords = {"scale": field.spacing, "units": ("micrometer",) * 2} | keywords
    return viewer.add_image(field.image, **keywords)


def open_guide(viewer: napari.Viewer) -> Guide:
    _, guide = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
    for step in (StepId.DISTILL, StepId.DECONVOLVE):
        guide.steps[step].gui.device.value = "numpy"
    return guide


@pytest.fixture
def guide(viewer: napari.Viewer, image: Image) -> Guide:
    return open_guide(viewer)


def states(guide: Guide) -> list[State]:
    guide.refresh()
    return [guide.standing(title).state for title in STEPS]


@pytest.fixture
def run_missing(user: Any, qtbot: Any) -> Callable[[Guide], None]:
    """Press the button, and wait until the steps are through."""

    def run(guide: Guide) -> None:
        qtbot.mouseClick(guide.run_button, Qt.MouseButton.LeftButton)
        assert guide.chain.under_way
        user.waits(lambda: not (guide.chain.under_way or guide.chain.running))
        guide.refresh()

    return run


@pytest.fixture
def made(guide: Guide, run_missing: Callable[[Guide], None]) -> Guide:
    """The guide when it has led to a PSF."""
    run_missing(guide)
    return guide


# --- the way to the PSF


def test_a_fresh_guide(guide: Guide, image: Image) -> None:
    assert list(guide.steps) == STEPS
    assert states(guide) == FRESH
    assert guide.head.image.value is image
    texts = [guide.sections[title].header.state_text for title in STEPS]
    assert texts == ["not needed"] * 2 + ["to do"] * 6
    assert guide.sections[StepId.FIND_BEADS].header.accessibleName() == "Find beads: to do"
    assert guide.run_button.isEnabled()
    assert not guide.files.buttons["Save PSF"].isEnabled()


def test_buttons_side_by_side_are_as_high(guide: Guide, viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.window._qt_window.show()
    qtbot.waitExposed(viewer.window._qt_window)
    qtbot.wait(50)
    # A disabled one has a border, and would else be cut.
    assert guide.run_button.isEnabled()
    assert not guide.cancel_button.isEnabled()
    assert guide.run_button.height() == guide.cancel_button.height()


def test_a_long_name_makes_it_no_wider(guide: Guide, viewer: napari.Viewer) -> None:
    viewer.layers[0].name = "beads of the microscope on the second floor, " * 3
    choices = (
        guide.head.image,
        guide.steps[StepId.DECONVOLVE].gui.image,
        guide.steps[StepId.INSPECT].gui.psf,
    )
    assert max(choice.native.minimumSizeHint().width() for choice in choices) < 200


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.errors.DistillerWarning")
def test_one_click_leads_to_the_psf(
    made: Guide, viewer: napari.Viewer, image: Image, recipe_of: Any, told: Any
) -> None:
    assert states(made)[:6] == MADE
    names = ["beads", "residual", "fitted beads", "distilled", "PSF"]
    assert [layer.name for layer in viewer.layers[1:]] == [f"beads {name}" for name in names]
    psf = viewer.layers[-1]
    result = psfd.distill(image.data, recipe=recipe_of(psf))
    np.testing.assert_allclose(psf.data, result.psf, atol=1e-4 * result.psf.array.max(), rtol=0)
    assert made.status.text() == "The PSF is ready."
    # There is nothing left to run.
    assert not made.run_button.isEnabled()
    assert told.errors == []


def test_the_stepwise_way(
    guide: Guide, viewer: napari.Viewer, run_missing: Callable[[Guide], None], recipe_of: Any
) -> None:
    guide.head.method.value = "richardson-lucy"
    assert states(guide)[:2] == [TO_DO, TO_DO]
    guide.deconvolve_too.setChecked(True)
    guide.steps[StepId.DECONVOLVE].gui.iterations.value = 2
    run_missing(guide)
    assert states(guide)[:6] == [DONE] * 6
    recipe = recipe_of(viewer.layers["beads PSF"])
    assert (recipe.distill.method, recipe.find_beads.method) == ("richardson-lucy", "threshold")
    assert recipe.preprocess == psfd.Recipe().preprocess
    assert "beads deconvolved" in viewer.layers
    # To and fro: the steps that both methods have are another method's now.
    guide.head.method.value = "joint"
    assert states(guide)[:4] == [NOT_NEEDED, NOT_NEEDED, OUT_OF_DATE, OUT_OF_DATE]


def test_what_is_asked_once_goes_to_all_steps(guide: Guide) -> None:
    guide.head.bead_diameter.value = 0.1
    guide.head.voxel_size.value = (0.0, 0.09, 0.09)
    guide.head.method.value = "richardson-lucy"
    guis = {title: step.gui for title, step in guide.steps.items()}
    assert guis[StepId.DISTILL].bead_diameter.value == 0.1
    assert guis[StepId.DISTILL].method.value == "richardson-lucy"
    assert guis[StepId.FIND_BEADS].method.value == "threshold"
    assert guis[StepId.PREPROCESS].voxel_size.value == (0.0, 0.09, 0.09)
    assert guis[StepId.PREPROCESS].image.value is guide.head.image.value


# --- where a step stands


def test_an_image_without_a_voxel_size(
    viewer: napari.Viewer,
    flat_field: psfd.SimulatedBeads,
    run_missing: Callable[[Guide], None],
    user: Any,
    recipe_of: Any,
    told: Any,
) -> None:
    image = viewer.add_image(flat_field.image, name="beads")
    guide = open_guide(viewer)
    guide.refresh()
    notice, button = guide.head.scale_notice, guide.head[guide.head.index("voxel_size") + 1]
    assert "The layer says no voxel size. Type it in above" in notice.text()
    assert not notice.isHidden()
    guide.head.voxel_size.value = (0.0, *flat_field.spacing)
    guide.refresh()
    assert "The steps compute with this voxel size." in notice.text()
    # Who goes on without is right too, and napari has nothing to warn of.
    run_missing(guide)
    assert states(guide)[:6] == MADE
    viewer.screenshot(canvas_only=True)
    assert [text for text in told.warnings if text.startswith("Inconsistent units")] == []
    for layer in viewer.layers:
        drawn = flat_field.spacing if layer.name in OF_TRUE_SIZE else (1, 1)
        np.testing.assert_allclose(layer.scale, drawn)
        assert str(layer.units[0]) == "pixel"
        if layer is not image:
            assert recipe_of(layer).spacing == flat_field.spacing
    # Chosen again, the image has the voxel size that was typed.
    other = add_field(viewer, flat_field, name="other", scale=(0.1, 0.2))
    guide.head.image.value = other
    assert guide.head.voxel_size.value == (0.0, 0.1, 0.2)
    viewer.layers.remove(other)
    told.forget()
    guide.head.image.value = image
    assert states(guide)[:6] == MADE
    user.clicks(button)
    guide.refresh()
    assert notice.isHidden()
    viewer.screenshot(canvas_only=True)
    assert [text for text in told.warnings if text.startswith("Inconsistent units")] == []
    for layer in viewer.layers:
        np.testing.assert_allclose(layer.scale, flat_field.spacing)
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 2
    assert states(guide)[:6] == MADE


def test_a_parameter_makes_its_step_and_the_later_ones_out_of_date(
    made: Guide, viewer: napari.Viewer, run_missing: Callable[[Guide], None]
) -> None:
    crop = made.steps[StepId.POSTPROCESS].gui.crop
    before = crop.value
    crop.value = (51, 33, 33)
    expected = [NOT_NEEDED, NOT_NEEDED, DONE, DONE, OUT_OF_DATE, TO_DO, OUT_OF_DATE, TO_DO]
    assert states(made) == expected
    crop.value = before
    assert states(made)[:6] == MADE
    # One that the method does not have changes nothing, nor does where it is computed.
    made.steps[StepId.DISTILL].gui.iterations.value = 77
    made.steps[StepId.DISTILL].gui.device.value = "auto"
    assert states(made)[:6] == MADE
    made.head.bead_diameter.value = 0.1
    assert states(made)[2:5] == [DONE, OUT_OF_DATE, OUT_OF_DATE]
    run_missing(made)
    assert states(made)[:6] == MADE
    # What was done already was not done again.
    assert [layer.name for layer in viewer.layers].count("beads beads") == 1


def test_beads_edited_by_hand(made: Guide, viewer: napari.Viewer) -> None:
    points = viewer.layers["beads beads"]
    before = points.data.copy()
    points.selected_data = {0}
    points.remove_selected()
    assert states(made)[2:5] == [DONE, OUT_OF_DATE, OUT_OF_DATE]
    assert made.sections[StepId.FIND_BEADS].header.state_text == "done, edited"
    points.data = np.vstack([points.data, before[:1]])
    assert states(made)[2:5] == [DONE, OUT_OF_DATE, OUT_OF_DATE]


def test_the_psf_follows_fitted_beads_that_are_edited(
    made: Guide, viewer: napari.Viewer, user: Any
) -> None:
    psf, fitted = viewer.layers["beads PSF"], viewer.layers["beads fitted beads"]
    assert made.sections[StepId.INSPECT].header.isChecked()
    before = psf.data
    fitted.data = fitted.data[:-1]
    live = made.steps[StepId.DISTILL].gui.live_fit
    user.waits(lambda: psf.data is not before and not live.busy)
    # It is what the parameters give, and Inspect PSF shows it.
    assert states(made) == [*MADE, DONE, TO_DO]


def test_the_guide_looks_again_by_itself(made: Guide, viewer: napari.Viewer, user: Any) -> None:
    header = made.sections[StepId.DISTILL].header
    assert header.state_text == "done, a warning"
    points = viewer.layers["beads beads"]
    points.add([20.0, 20.0])
    user.waits(lambda: header.state_text == "out of date")
    assert made.run_button.isEnabled()
    assert made.status.text() == "Missing: Distil PSF, Post-process PSF."


def test_layers_deleted_and_renamed(made: Guide, viewer: napari.Viewer, image: Image) -> None:
    for number, layer in enumerate(viewer.layers):
        layer.name = f"renamed {number}"
    viewer.layers.move(len(viewer.layers) - 1, 0)
    assert states(made)[:6] == MADE
    distilled = next(
        layer
        for layer in viewer.layers
        if (note := own_note(layer.metadata)) is not None
        and (note.step, note.part) == (StepId.DISTILL, "")
    )
    viewer.layers.remove(distilled)
    assert states(made)[2:5] == [DONE, TO_DO, OUT_OF_DATE]
    viewer.layers.remove(image)
    assert states(made) == FRESH
    assert made.head.image.value is None
    assert made.status.text().startswith("Open an image")


def test_layers_that_are_deleted_are_let_go_of(
    made: Guide, viewer: napari.Viewer, user: Any
) -> None:
    made.open(StepId.INSPECT)
    user.waits(lambda: not made.steps[StepId.INSPECT].gui.inspector.busy)
    written = [ref(layer) for layer in viewer.layers[1:]]
    assert len(written) == 5
    del viewer.layers[1:]
    user.waits_until_gone(*written)


def test_the_image_changed(made: Guide, image: Image) -> None:
    image.data = image.data.copy()
    assert states(made)[2:5] == [OUT_OF_DATE] * 3


def test_another_image_has_states_of_its_own(
    made: Guide, viewer: napari.Viewer, image: Image, flat_field: psfd.SimulatedBeads
) -> None:
    other = add_field(viewer, flat_field, name="another")
    made.head.image.value = other
    assert states(made) == FRESH
    made.head.image.value = image
    assert states(made)[:6] == MADE


def test_each_time_point_has_states_of_its_own(
    viewer: napari.Viewer,
    flat_field: psfd.SimulatedBeads,
    run_missing: Callable[[Guide], None],
) -> None:
    series = np.stack([flat_field.image, flat_field.image[::-1]])
    viewer.add_image(
        series,
        name="series",
        scale=(1, *flat_field.spacing),
        axis_labels=("t", "y", "x"),
        units=("second", "micrometer", "micrometer"),
    )
    viewer.dims.set_current_step(0, 0)
    guide = open_guide(viewer)
    run_missing(guide)
    assert states(guide)[:6] == MADE
    viewer.dims.set_current_step(0, 1)
    assert states(guide) == FRESH
    viewer.dims.set_current_step(0, 0)
    assert states(guide)[:6] == MADE


def test_a_step_of_the_menu_counts_too(user: Any, guide: Guide, image: Image) -> None:
    found = user.makes("Find beads", image=image)
    assert states(guide)[2:4] == [DONE, TO_DO]
    assert guide.steps[StepId.DISTILL].gui.beads.value is found


def test_a_guide_opened_anew_knows_what_was_done(made: Guide, viewer: napari.Viewer) -> None:
    again = Guide(viewer)
    viewer.window.add_dock_widget(again, name="again")
    assert states(again)[:6] == MADE


# --- what goes wrong


def test_it_stops_at_the_first_failure(
    guide: Guide, viewer: napari.Viewer, run_missing: Callable[[Guide], None], told: Any
) -> None:
    significance = guide.steps[StepId.FIND_BEADS].gui.significance
    good, significance.value = significance.value, 900
    run_missing(guide)
    assert states(guide)[2:5] == [FAILED, TO_DO, TO_DO]
    assert guide.standing(StepId.FIND_BEADS).why.startswith("No bead was found")
    assert guide.status.text() == "Stopped: Find beads failed."
    assert len(told.errors) == 1
    assert len(viewer.layers) == 1
    # It is open, and its sentence is read there.
    assert guide.sections[StepId.FIND_BEADS].header.isChecked()
    assert "No bead was found" in guide.steps[StepId.FIND_BEADS].runner.status.value
    significance.value = good
    assert states(guide) == FRESH


def test_a_sample_is_distilled_at_one_click(
    viewer: napari.Viewer,
    flat_field: psfd.SimulatedBeads,
    qtbot: Any,
    user: Any,
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keywords = {"name": "sample", "scale": flat_field.spacing, "units": ("micrometer",) * 2}
    made = [(flat_field.image, keywords, "image")]
    monkeypatch.setattr("napari_psf_distiller.widgets.guide.welcome.beads_on_slide", lambda: made)
    guide = open_guide(viewer)
    assert not guide.welcome.isHidden()
    qtbot.mouseClick(guide.welcome.button, Qt.MouseButton.LeftButton)
    user.waits(lambda: "sample PSF" in viewer.layers and not guide.chain.under_way)
    assert states(guide)[:6] == MADE
    assert guide.welcome.isHidden()
    assert told.errors == []


def test_without_an_image(viewer: napari.Viewer, told: Any) -> None:
    guide = open_guide(viewer)
    assert not guide.run_button.isEnabled()
    guide.run_missing()
    assert told.errors == ["PSF Distiller: No bead image is chosen. Open one and choose it."]
    assert states(guide) == FRESH


def test_cancel_stops_the_step_and_those_after_it(
    guide: Guide, viewer: napari.Viewer, user: Any, qtbot: Any, gate: Any
) -> None:
    guide.head.method.value = "richardson-lucy"
    qtbot.mouseClick(guide.run_button, Qt.MouseButton.LeftButton)
    user.waits(lambda: gate.entered == 1)
    guide.refresh()
    assert guide.sections[StepId.DISTILL].header.state_text == "running"
    assert (guide.run_button.isEnabled(), guide.cancel_button.isEnabled()) == (False, True)
    qtbot.mouseClick(guide.cancel_button, Qt.MouseButton.LeftButton)
    gate.open()
    user.waits(lambda: not guide.chain.running)
    assert states(guide)[:5] == [DONE, DONE, DONE, TO_DO, TO_DO]
    assert "beads distilled" not in viewer.layers


def test_a_psf_is_no_bead_image(
    viewer: napari.Viewer, flat_field: psfd.SimulatedBeads, image: Image
) -> None:
    psf = flat_field.psf.astype(np.float32)
    viewer.layers.insert(0, Image(psf, name="psf", scale=flat_field.spacing))
    guide = open_guide(viewer)
    assert list(guide.head.image.choices) == [image]
    assert guide.chain.image is image


def test_the_image_is_removed_while_it_runs(
    guide: Guide, viewer: napari.Viewer, image: Image, user: Any, qtbot: Any, gate: Any, told: Any
) -> None:
    other = viewer.add_image(image.data, name="other", scale=image.scale, units=image.units)
    guide.head.method.value = "richardson-lucy"
    qtbot.mouseClick(guide.run_button, Qt.MouseButton.LeftButton)
    user.waits(lambda: gate.entered == 1)
    viewer.layers.remove(image)
    gate.open()
    user.waits(lambda: not (guide.chain.running or guide.chain.under_way))
    guide.refresh()
    assert guide.status.text() == ("Stopped: the bead image 'beads' was removed.")
    assert told.errors == []
    assert guide.chain.image is other


@pytest.mark.parametrize("how", ["removed", "destroyed", "viewer"])
def test_closed_while_it_runs(
    viewer: napari.Viewer, image: Image, user: Any, gate: Any, told: Any, how: str
) -> None:
    dock, guide = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
    guide.steps[StepId.DISTILL].gui.device.value = "numpy"
    guide.head.method.value = "richardson-lucy"
    guide.run_missing()
    user.waits(lambda: gate.entered == 1)
    chain = guide.chain
    if how == "removed":
        viewer.window.remove_dock_widget(dock)
    elif how == "destroyed":
        dock.destroyOnClose()
    else:
        viewer.close()
    gate.open()
    user.waits(lambda: not chain.running)
    if how != "viewer":
        viewer.layers.remove(image)
    assert told.errors == []


def test_two_viewers_have_guides_of_their_own(
    make_napari_viewer: Any,
    guide: Guide,
    user: Any,
    flat_field: psfd.SimulatedBeads,
    run_missing: Callable[[Guide], None],
) -> None:
    other = make_napari_viewer()
    image = add_field(other, flat_field, name="elsewhere")
    second = open_guide(other)
    guide.chain.run_missing()
    run_missing(second)
    user.waits(lambda: not (guide.chain.under_way or guide.chain.running))
    for each in (guide, second):
        assert states(each)[:6] == MADE
    assert second.head.image.value is image
    assert other.layers[-1].name == "elsewhere PSF"


# --- what is said of the PSF


def test_the_head_says_what_the_psf_is(
    guide: Guide, viewer: napari.Viewer, run_missing: Callable[[Guide], None]
) -> None:
    assert guide.result.isHidden()
    run_missing(guide)
    result = guide.result
    assert not result.isHidden()
    assert result.title.text() == "The PSF is ready."
    note = own_note(viewer.layers["beads PSF"].metadata)
    widths = widths_text(note.psf.fwhm(), note.fwhm_error)
    assert result.figures.text() == f"FWHM {widths}; 8 of 8 beads used"
    # It is whole, and stays; the step has it too, and its mark is another.
    (warning,) = guide.steps[StepId.DISTILL].runner.display.warnings
    assert "The beads' diameter is not given" in warning
    for notice in (result.notice, guide.steps[StepId.DISTILL].runner.display.notice):
        assert escape(warning, quote=False) in notice.text()
        assert not notice.isHidden()
        assert notice.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
    assert guide.standing(StepId.DISTILL).warned
    guide.head.bead_diameter.value = 0.1
    guide.refresh()
    assert result.title.text() == "This PSF is out of date."
    run_missing(guide)
    assert "diameter is not given" not in result.notice.text()


def test_another_image_has_words_of_its_own(
    made: Guide, viewer: napari.Viewer, image: Image, flat_field: psfd.SimulatedBeads
) -> None:
    runner = made.steps[StepId.DISTILL].runner
    told = (runner.status.value, runner.display.warnings)
    assert all(told)
    made.head.image.value = add_field(viewer, flat_field, name="another")
    made.refresh()
    assert (runner.status.value, runner.display.warnings) == ("", ())
    assert runner.display.notice.isHidden()
    assert made.result.isHidden()
    made.head.image.value = image
    made.refresh()
    assert (runner.status.value, runner.display.warnings) == told
    assert not made.result.isHidden()


def test_a_failure_is_said_until_it_is_mended(
    guide: Guide, viewer: napari.Viewer, flat_field: psfd.SimulatedBeads, user: Any
) -> None:
    find = guide.steps[StepId.FIND_BEADS].gui
    guide.head.image.value = viewer.add_image(flat_field.image, name="unknown")
    guide.refresh()
    user.clicks(find.call_button)
    user.waits(lambda: not find.runner.running)
    assert "The voxel size is not known" in find.runner.status.value
    guide.head.voxel_size.value = (0.0, *flat_field.spacing)
    guide.refresh()
    assert find.runner.status.value == ""


def test_the_psf_is_proven_by_one_click(made: Guide, qtbot: Any, user: Any) -> None:
    gui = made.steps[StepId.PROVE].gui
    gui.iterations.value, gui.device.value = 5, "numpy"
    qtbot.mouseClick(made.prove_button, Qt.MouseButton.LeftButton)
    user.waits(lambda: not made.chain.running and not gui.panel.busy)
    assert gui.beads.value.name == "beads fitted beads"
    assert states(made)[7] is DONE
    assert made.sections[StepId.PROVE].header.isChecked()


# --- how far it is


def test_progress_and_cancel_are_in_the_footer(
    guide: Guide, user: Any, qtbot: Any, gate: Any
) -> None:
    guide.head.method.value = "richardson-lucy"
    assert guide.bar.progress.isHidden()
    qtbot.mouseClick(guide.run_button, Qt.MouseButton.LeftButton)
    user.waits(lambda: gate.entered == 1)
    guide.refresh()
    assert not guide.bar.progress.isHidden()
    runner = guide.steps[StepId.DISTILL].runner
    # There is one Cancel.
    assert not runner.cancel_button.visible
    assert not runner.progress_bar.visible
    assert guide.status.text() == runner.status.value != ""
    guide.chain.cancel()
    gate.open()
    user.waits(lambda: not guide.chain.running)
    guide.refresh()
    assert guide.bar.progress.isHidden()


# --- how it looks and is reached


def test_one_step_is_open_at_a_time_and_keys_reach_it(guide: Guide, qtbot: Any) -> None:
    first, second = (guide.sections[step] for step in (StepId.FIND_BEADS, StepId.DISTILL))
    qtbot.mouseClick(first.header, Qt.MouseButton.LeftButton)
    assert not first.body.isHidden()
    qtbot.keyClick(second.header, Qt.Key.Key_Space)
    assert first.body.isHidden()
    assert not second.body.isHidden()
    assert all(
        section.header.focusPolicy() & Qt.FocusPolicy.TabFocus
        for section in guide.sections.values()
    )


def test_it_never_scrolls_to_the_side(guide: Guide, viewer: napari.Viewer, qtbot: Any) -> None:
    viewer.window._qt_window.show()
    viewer.window._qt_window.resize(1280, 800)
    for title in STEPS:
        guide.open(title)
        for method in ("joint", "richardson-lucy"):
            guide.head.method.value = method
            wait_for_what_was_put_off(qtbot)
            content = guide.column.widget()
            assert content.minimumSizeHint().width() <= guide.column.viewport().width(), title
            assert guide.width() <= 480, title


def test_the_tabs_stay_under_the_mouse(made: Guide, viewer: napari.Viewer, qtbot: Any) -> None:
    window = viewer.window._qt_window
    window.show()
    window.resize(1280, 800)
    made.open(StepId.INSPECT)
    wait_for_what_was_put_off(qtbot)
    inspector = made.steps[StepId.INSPECT].gui.inspector
    tabs, places = inspector.tabs, set()
    for number in (1, 5, 2, 0, 3):
        middle = tabs.tabRect(number).center()
        qtbot.mouseClick(tabs, Qt.MouseButton.LeftButton, pos=middle)
        qtbot.waitUntil(lambda: not inspector.busy, timeout=60_000)
        wait_for_what_was_put_off(qtbot)
        places.add(tabs.mapTo(window, middle).y())
    assert len(places) == 1


def test_seldom_changed_parameters_are_folded(guide: Guide, qtbot: Any) -> None:
    gui = guide.steps[StepId.DISTILL].gui
    section = guide.sections[StepId.DISTILL].body
    assert guide.head.numerical_aperture.native.isVisibleTo(guide)
    guide.head.method.value = "richardson-lucy"
    assert gui.iterations.native.isVisibleTo(section)
    guide.head.method.value = "joint"
    assert not gui.camera_gain.native.isVisibleTo(section)
    fold = guide.sections[StepId.DISTILL].fold
    qtbot.mouseClick(fold.button, Qt.MouseButton.LeftButton)
    assert gui.camera_gain.native.isVisibleTo(section)


def test_no_two_marks_have_the_same_shape(qapp: Any) -> None:
    shapes = []
    marks = [mark_of(state, dark=True) for state in State]
    for mark in (*marks, mark_of(State.DONE, dark=True, warned=True)):
        picture = mark.toImage()
        shapes.append(
            tuple(
                picture.pixelColor(x, y).alpha() > 128 and picture.pixelColor(x, y).lightness() > 60
                for y in range(picture.height())
                for x in range(picture.width())
            )
        )
    assert len(set(shapes)) == len(State) + 1


def test_nothing_runs_with_another_value_than_was_typed(
    guide: Guide, qtbot: Any, told: Any
) -> None:
    box = guide.head.wavelength.native
    box.selectAll()
    # Not left yet, as by the keys that run it.
    qtbot.keyClicks(box.lineEdit(), "520")
    qtbot.mouseClick(guide.run_button, Qt.MouseButton.LeftButton)
    assert "520 nm is 0.52" in guide.head.notes.text("wavelength")
    assert box.text() == "520"
    assert states(guide)[2] is FAILED
    assert "520 nm is 0.52" in told.errors[0]
