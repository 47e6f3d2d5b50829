"""The recipe: strict, versioned, the same after a round trip, and never run."""

import dataclasses
import gc
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from napari_psf_distiller import (
    Camera,
    Deconvolve,
    InputError,
    JointFit,
    MatchedFilter,
    Optics,
    PostProcess,
    Preprocess,
    Recipe,
    RichardsonLucy,
    Threshold,
    ThresholdedObjects,
)
from napari_psf_distiller.recipe import Provenance

positive = st.floats(0, 1e5, exclude_min=True)
not_negative = st.floats(0, 1e5)
finite = st.floats(-1e15, 1e15)
count = st.integers(1, 10**5)
length = st.floats(0.001, 50)
boundary = st.sampled_from(["circulant", "noncirculant"])
text = st.text(max_size=20)
matched = st.builds(MatchedFilter, significance=st.floats(3, 100))
objects = st.builds(
    ThresholdedObjects,
    centre=st.sampled_from(["centroid", "weighted"]),
    min_voxels=count,
    max_voxels=st.none() | count,
    margin=st.none() | st.tuples(not_negative, not_negative, not_negative),
)
joint = st.builds(
    JointFit,
    window=st.none() | st.tuples(positive, positive) | st.tuples(positive, positive, positive),
    background_scale=positive,
    angular_orders=st.none() | st.integers(0, 12),
    judge=st.booleans(),
)
lucy = st.builds(
    RichardsonLucy,
    placement=st.sampled_from(["truncate", "nearest"]),
    iterations=count,
    boundary=boundary,
    start=st.sampled_from(["image", "flat"]),
)
# Of finding beads and of distilling, those that go together.
METHODS = [(matched, joint), (objects, lucy)]
spacing = st.tuples(length, length) | st.tuples(length, length, length)


def recipes_of(methods) -> st.SearchStrategy[Recipe]:
    """Any recipe with these methods of finding beads and of distilling."""
    find_beads, distill = methods
    return st.builds(
        Recipe,
        spacing=st.none() | spacing,
        bead_diameter=st.none() | length,
        device=st.text(min_size=1),
        fft=st.sampled_from(["auto", "ducc0", "scipy", "vkfft", "opencl"]),
        memory=st.none() | st.floats(0, 1e6, exclude_min=True),
        compatibility=st.sampled_from([None, "clij2-fft"]),
        optics=st.builds(
            Optics,
            numerical_aperture=st.none() | st.floats(0.01, 0.99),
            wavelength=st.none() | st.floats(0.1, 5),
            refractive_index=st.none() | st.floats(1, 4),
            support=st.sampled_from(["microscope", "auto", "data"]),
        )
        | st.builds(
            Optics,
            microscope=st.sampled_from(["confocal", "spinning disk"]),
            excitation=st.none() | st.floats(0.1, 5),
            pinhole=st.none() | st.floats(0.01, 50),
        )
        | st.builds(
            Optics,
            microscope=st.just("light sheet"),
            sheet=st.none() | st.floats(0.1, 1000),
        ),
        camera=st.builds(
            Camera,
            offset=st.none() | finite,
            gain=st.none() | st.floats(1e-15, 1e15),
            saturation=st.none() | finite,
        ),
        preprocess=st.builds(
            Preprocess,
            background=st.sampled_from(["none", "mean", "constant", "local"]),
            factor=not_negative,
            level=finite,
            radius=positive,
            noise_margin=not_negative,
            floor=not_negative,
            median=st.integers(0, 15).map(lambda n: 2 * n + 1),
        ),
        threshold=st.builds(
            Threshold,
            method=st.sampled_from(["noise", "otsu", "li", "triangle", "local", "manual"]),
            factor=positive,
            value=finite,
            window=positive,
            offset=st.none() | finite,
        ),
        find_beads=find_beads,
        distill=distill,
        postprocess=st.builds(
            PostProcess,
            crop=st.none() | st.tuples(count, count) | st.tuples(count, count, count),
            background=st.floats(0, 1, exclude_max=True),
            clip=st.booleans(),
            normalise=st.booleans(),
        ),
        deconvolve=st.builds(
            Deconvolve,
            iterations=st.none() | count,
            boundary=boundary,
            method=st.sampled_from(["plain", "accelerated"]),
            total_variation=st.floats(0, 0.16),
            background=not_negative,
            saturation=st.none() | finite,
        ),
        provenance=st.none()
        | st.builds(
            Provenance,
            versions=st.dictionaries(text, text, max_size=3),
            device=text,
            image_shape=st.tuples(count, count, count),
            image_dtype=text,
            image_sha256=text,
            by_hand=st.lists(text, max_size=2).map(tuple),
        ),
    )


# What a file says of the way of distilling that is not the default.
LUCY = {"method": "richardson-lucy"}

recipes = st.sampled_from(METHODS).flatmap(recipes_of)


def document(**changes) -> str:
    """A recipe's text with parts of its "recipe" replaced."""
    whole = json.loads(Recipe(spacing=(0.2, 0.1, 0.1)).to_json())
    whole["recipe"] |= changes
    return json.dumps(whole)


def sentence(text: str) -> str:
    with pytest.raises(InputError) as raised:
        Recipe.from_json(text, "my.json")
    message = str(raised.value)
    assert message.startswith("my.json")
    assert message.endswith(".")
    return message


@given(recipes)
def test_a_round_trip_through_json_changes_nothing(recipe):
    text = recipe.to_json()
    again = Recipe.from_json(text)
    assert again == recipe
    assert again.to_json() == text


def test_a_round_trip_through_a_file(tmp_path):
    recipe = Recipe(spacing=(0.2, 0.08, 0.08), device="Prozessor µ 🔬")
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe
    assert Recipe.load(str(tmp_path / "recipe.json")) == recipe


def test_the_file_says_what_it_is():
    whole = json.loads(Recipe().to_json())
    assert whole["format"] == "napari-psf-distiller recipe"
    assert whole["version"] == 1
    assert set(whole["recipe"]) == {part.name for part in dataclasses.fields(Recipe)}


def test_the_default_is_the_joint_fit():
    recipe = Recipe()
    assert (recipe.find_beads.method, recipe.distill.method) == ("matched", "joint")
    assert recipe.distill.judge
    assert recipe.camera == Camera(None, None, None)


def test_stepwise_differs_in_the_methods_alone():
    recipe = Recipe.stepwise()
    assert (recipe.find_beads.method, recipe.distill.method) == ("threshold", "richardson-lucy")
    assert (recipe.preprocess, recipe.threshold) == (Preprocess(), Threshold())
    assert recipe == dataclasses.replace(
        Recipe(), find_beads=ThresholdedObjects(), distill=RichardsonLucy()
    )


@pytest.mark.parametrize(
    ("find_beads", "distill", "words"),
    [
        (ThresholdedObjects(), JointFit(), "choose 'matched' or 'richardson-lucy'"),
        (MatchedFilter(), RichardsonLucy(), "choose 'threshold' or 'joint'"),
    ],
)
def test_methods_that_do_not_go_together(find_beads, distill, words):
    with pytest.raises(InputError, match=words) as raised:
        Recipe(find_beads=find_beads, distill=distill)
    assert "FindBeads.method" in str(raised.value)
    assert "Distill.method" in str(raised.value)
    parts = {
        "find_beads": {"method": find_beads.method},
        "distill": {"method": distill.method},
    }
    assert words in sentence(document(**parts))


def test_the_notebooks_numbers():
    recipe = Recipe.notebook()
    assert (recipe.find_beads.method, recipe.distill.method) == ("threshold", "richardson-lucy")
    first = recipe.preprocess
    assert (first.background, first.factor, first.floor, first.median) == ("mean", 1.25, 0.1, 3)
    assert recipe.threshold.method == "otsu"
    beads = recipe.find_beads
    assert (beads.centre, beads.min_voxels, beads.max_voxels) == ("centroid", 1, None)
    assert beads.margin is None
    way = recipe.distill
    assert (way.placement, way.iterations, way.boundary) == ("truncate", 300, "circulant")
    assert way.start == "image"
    cut = recipe.postprocess
    assert (cut.crop, cut.background) == ((50, 65, 65), 1 / 500)
    assert cut.clip
    assert cut.normalise
    sharp = recipe.deconvolve
    assert (sharp.iterations, sharp.boundary, sharp.method) == (200, "noncirculant", "plain")
    assert (sharp.total_variation, sharp.background, sharp.saturation) == (0, 0, None)
    assert recipe.compatibility == "clij2-fft"
    assert (recipe.spacing, recipe.provenance, recipe.device) == (None, None, "auto")


def test_nothing_can_be_changed_in_place():
    recipe = Recipe()
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.device = "numpy"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.distill.judge = False  # type: ignore[misc]


def test_replacing_a_field_checks_it():
    with pytest.raises(InputError, match="iterations"):
        dataclasses.replace(RichardsonLucy(), iterations=0)


def test_numpys_numbers_and_arrays_become_plain_ones():
    recipe = Recipe(
        spacing=np.array([0.5, 0.25, 0.25]),
        bead_diameter=np.float64(0.5),
        find_beads=ThresholdedObjects(),
        distill=RichardsonLucy(iterations=np.int32(7)),
        postprocess=PostProcess(crop=[np.int64(9), 11, 11], clip=np.bool_(False)),
    )
    assert recipe.spacing == (0.5, 0.25, 0.25)
    assert type(recipe.spacing) is tuple
    assert type(recipe.bead_diameter) is float
    assert type(recipe.distill.iterations) is int
    assert recipe.postprocess.crop == (9, 11, 11)
    assert recipe.postprocess.clip is False
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_however_many_are_made_no_more_is_kept():
    def adapters():
        return sum(isinstance(thing, TypeAdapter) for thing in gc.get_objects())

    document = Recipe(camera=Camera(gain=2.0)).to_json()
    Recipe.from_json(document)
    before = adapters()
    for _ in range(3):
        Recipe.from_json(document)
    assert adapters() == before


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        (Recipe, "spacing", (0.2, 0.0, 0.1)),
        (Recipe, "spacing", (0.2, -0.1, 0.1)),
        (Recipe, "spacing", (0.2, float("nan"), 0.1)),
        (Recipe, "spacing", (0.2,)),
        (Recipe, "spacing", (1, 0.2, 0.1, 0.1)),
        (Recipe, "spacing", "0.2 0.1 0.1"),
        (Recipe, "spacing", 0.2),
        (Recipe, "bead_diameter", 0),
        (Recipe, "device", ""),
        (Recipe, "device", None),
        (Recipe, "fft", "fast"),
        (Recipe, "fft", None),
        (Recipe, "memory", 0),
        (Recipe, "memory", -1),
        (Recipe, "memory", float("nan")),
        (Recipe, "memory", 1e300),
        (Recipe, "optics", None),
        (Recipe, "distill", {"iterations": 3}),
        (Recipe, "preprocess", Threshold()),
        (Recipe, "provenance", "yes"),
        (Recipe, "camera", None),
        (Camera, "offset", float("nan")),
        (Camera, "gain", 0),
        (Camera, "gain", -1.5),
        (Camera, "saturation", "4095"),
        (Camera, "saturation", float("inf")),
        (Optics, "numerical_aperture", float("inf")),
        (Preprocess, "background", "ball"),
        (Preprocess, "factor", -1),
        (Preprocess, "factor", "1.25"),
        (Preprocess, "floor", True),
        (Preprocess, "noise_margin", -0.5),
        (Preprocess, "median", 2),
        (Preprocess, "median", 0),
        (Preprocess, "median", 3.0),
        (Threshold, "method", "Otsu"),
        (Threshold, "method", "manual"),
        (Threshold, "factor", 0),
        (Threshold, "value", float("nan")),
        (MatchedFilter, "method", "otsu"),
        (MatchedFilter, "significance", 2.9),
        (MatchedFilter, "significance", float("inf")),
        (ThresholdedObjects, "min_voxels", 0),
        (ThresholdedObjects, "margin", (-1, 0, 0)),
        (ThresholdedObjects, "margin", (0.1, "0.1")),
        (JointFit, "method", "blind"),
        (JointFit, "window", (4, 0, 4)),
        (JointFit, "window", 4.0),
        (JointFit, "background_scale", 0),
        (JointFit, "angular_orders", -1),
        (JointFit, "angular_orders", 13),
        (JointFit, "angular_orders", 1.5),
        (JointFit, "judge", 1),
        (JointFit, "judge", None),
        (RichardsonLucy, "iterations", 0),
        (RichardsonLucy, "iterations", -5),
        (RichardsonLucy, "iterations", True),
        (RichardsonLucy, "iterations", 10.0),
        (RichardsonLucy, "boundary", "reflect"),
        (RichardsonLucy, "placement", None),
        (RichardsonLucy, "start", "random"),
        (PostProcess, "background", 1),
        (PostProcess, "crop", (0, 65, 65)),
        (PostProcess, "crop", (65,)),
        (PostProcess, "crop", (51, 65, 65, 65)),
        (PostProcess, "clip", 1),
        (Deconvolve, "iterations", 0),
        (Deconvolve, "iterations", 2.5),
        (Deconvolve, "method", "fast"),
        (Deconvolve, "total_variation", -0.1),
        (Deconvolve, "total_variation", 1 / 6),
        (Recipe, "compatibility", "clij"),
        (Deconvolve, "background", -1),
        (Deconvolve, "background", float("inf")),
        (Deconvolve, "saturation", float("nan")),
    ],
)
def test_a_wrong_value_is_named_with_its_field(section, field, value):
    with pytest.raises(InputError) as raised:
        section(**{field: value})
    assert f"{section.__name__}.{field}" in str(raised.value)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "green"}, "unknown field 'colour'"),
        ({"distill": {"iteration": 3}}, "unknown field 'iteration'"),
        ({"distill": LUCY | {"iterations": "many"}}, "RichardsonLucy.iterations"),
        ({"distill": LUCY | {"iterations": 2.5}}, "RichardsonLucy.iterations"),
        ({"distill": {"iterations": 3}}, "recipe.distill has the unknown field 'iterations'"),
        (
            {"distill": {"method": "blind"}},
            "recipe.distill.method is 'blind'; it should be 'joint' or 'richardson-lucy'",
        ),
        ({"find_beads": {"method": 7}}, "it should be 'matched' or 'threshold'"),
        ({"distill": 3}, "recipe.distill"),
        ({"distill": None}, "recipe.distill"),
        ({"threshold": []}, "recipe.threshold"),
        ({"spacing": [0.2, 0.1]}, None),
        ({"spacing": ["0.2", 0.1, 0.1]}, "Recipe.spacing"),
        ({"spacing": {"z": 0.2}}, "Recipe.spacing"),
        ({"bead_diameter": 10**400}, "Recipe.bead_diameter"),
        ({"provenance": {"device": "NumPy"}}, "lacks the field 'versions'"),
        ({"__class__": "os.system"}, "unknown field '__class__'"),
    ],
)
def test_a_wrong_field_in_a_file(changes, words):
    if words is None:
        assert Recipe.from_json(document(**changes)).spacing == (0.2, 0.1)
    else:
        assert words in sentence(document(**changes))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(number):
    whole = document(bead_diameter=77777).replace("77777", number)
    assert number in whole
    assert "bead_diameter" in sentence(whole)


def test_what_is_left_out_has_its_default():
    assert Recipe.from_json(of_version(1, {})) == Recipe()


def of_version(version, recipe) -> str:
    head = {"format": "napari-psf-distiller recipe", "version": version}
    return json.dumps(head | {"recipe": recipe})


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"distill": None}, "recipe.distill must be an object"),
        ({"find_beads": 3}, "recipe.find_beads must be an object"),
        ({"distill": {"colour": 1}}, "recipe.distill has the unknown field 'colour'"),
        ({"distill": LUCY | {"iterations": "ten"}}, "RichardsonLucy.iterations is 'ten'"),
        ({"deconvolve": {"iterations": "ten"}}, "Deconvolve.iterations is 'ten'"),
        ({"deconvolve": {"colour": 1}}, "recipe.deconvolve has the unknown field 'colour'"),
        ({"deconvolve": None}, "recipe.deconvolve must be an object"),
        ({"colour": 1}, "recipe has the unknown field 'colour'"),
        (None, "recipe must be an object"),
        ([], "recipe must be an object"),
    ],
)
def test_a_recipe_is_read_strictly(recipe, words):
    assert words in sentence(of_version(1, recipe))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (2, "version 2; this program reads up to version 1. Update"),
        (10**9, "Update"),
        (0, '"version"'),
        (-1, '"version"'),
        ("1", '"version"'),
        (1.0, '"version"'),
        (True, '"version"'),
        (None, '"version"'),
    ],
)
def test_versions(version, words):
    whole = json.loads(document())
    whole["version"] = version
    assert words in sentence(json.dumps(whole))


def test_a_field_beside_the_recipe():
    whole = json.loads(document()) | {"run": "me"}
    assert "unknown field 'run'" in sentence(json.dumps(whole))


def test_no_recipe_in_the_document():
    whole = json.loads(document())
    del whole["recipe"]
    assert "recipe must be an object" in sentence(json.dumps(whole))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "psf",
        document()[:-20],
        document() + "}",
        "{'format': 'napari-psf-distiller recipe'}",
        "[" * 100_000,
    ],
    ids=["empty", "a word", "cut short", "too long", "Python", "nested without end"],
)
def test_what_is_not_json(text):
    assert "not valid JSON" in sentence(text)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"recipe"', "{}", '{"format": "a song"}'])
def test_json_that_is_no_recipe(text):
    assert "is not a recipe" in sentence(text)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"missing\.json cannot be read"):
        Recipe.load(tmp_path / "missing.json")
    with pytest.raises(InputError, match="cannot be read"):
        Recipe.load(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.json cannot be read"):
        Recipe.load(tmp_path / "binary.json")


def test_loading_never_runs_anything(tmp_path):
    trap = tmp_path / "was run"
    code = f"__import__('pathlib').Path({str(trap)!r}).touch()"
    assert eval(code) is None
    assert trap.exists(), "the trap works"
    trap.unlink()

    recipe = Recipe(device=code, provenance=Provenance({code: code}, code, (2, 2), code, code))
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json").device == code

    class Trap:
        def __reduce__(self):
            return eval, (code,)

    (tmp_path / "pickle.json").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError):
        Recipe.load(tmp_path / "pickle.json")
    assert not trap.exists()


@pytest.mark.parametrize("before", [None, Recipe(device="numpy")])
def test_saving_writes_whole_or_not_at_all(tmp_path, monkeypatch, before):
    path = tmp_path / "recipe.json"
    if before is not None:
        before.save(path)
    write = Path.write_text

    def fail(self, data, *args, **kwargs):
        write(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fail)
        with pytest.raises(InputError, match="No space left on device"):
            Recipe().save(path)
    if before is None:
        assert list(tmp_path.iterdir()) == []
    else:
        assert list(tmp_path.iterdir()) == [path]
        assert Recipe.load(path) == before


def test_saving_into_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        Recipe().save(tmp_path / "missing" / "recipe.json")


@pytest.mark.parametrize("depth", [300, 900, 5000, 10**6])
def test_what_is_nested_too_deeply_is_a_sentence(tmp_path, depth):
    nested = "[" * depth + "]" * depth
    document = Recipe().to_json().replace('"spacing": null', f'"spacing": {nested}')
    (tmp_path / "recipe.json").write_text(document)
    with pytest.raises(InputError) as raised:
        Recipe.load(tmp_path / "recipe.json")
    assert len(str(raised.value)) < 400


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_recipe(tmp_path):
    os.mkfifo(tmp_path / "recipe.json")
    with pytest.raises(InputError, match="it is no file"):
        Recipe.load(tmp_path / "recipe.json")
    with pytest.raises(InputError, match="it is no file"):
        Recipe.load("/dev/zero")


def test_long_values_are_quoted_in_part(tmp_path):
    for change in ({"device": 5}, {"x" * 10**6: 1}, {"spacing": "x" * 10**6}):
        with pytest.raises(InputError) as raised:
            Recipe.from_dict(change)
        assert len(str(raised.value)) < 400


def test_words_about_a_run_change_nothing_but_its_record():
    made = Recipe(provenance=Provenance({}, "NumPy", (2, 2), "uint8", "0" * 64, time="today"))
    told = made.described(image_name="beads.tif", note="new oil")
    assert told == made
    assert Recipe.from_json(told.to_json()).provenance.note == "new oil"
    assert told.described(microscope="Lab 63x").provenance.image_name == "beads.tif"
    assert made.provenance.note == ""


def test_a_recipe_without_a_run_has_no_words_about_it():
    assert Recipe().described(note="new oil") == Recipe()
