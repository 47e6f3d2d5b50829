"""One PSF of several images: what it is from, and what is said of the others."""

import dataclasses

import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.beads import IN_LEFT_OUT_STACK
from napari_psf_distiller.pipeline import distill_steps_of_stacks
from napari_psf_distiller.progress import finish
from napari_psf_distiller.recipe import JointFit, Recipe

SPACING = (0.2, 0.08, 0.08)
OPTICS = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
TOLD = {"spacing": SPACING, "bead_diameter": 0.1, "optics": OPTICS, "device": "numpy"}
# A window, in micrometres, that holds what is bright: the fit takes a tenth of the time.
QUICK = Recipe(distill=JointFit(angular_orders=0, window=(3.4, 1.7, 1.7)))

pytestmark = pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")


def field_of(seed, shape=(30, 88, 96), beads=6, **optics):
    return psfd.simulate_beads(shape, SPACING, beads=beads, seed=seed, **optics)


@pytest.fixture(scope="module")
def fields():
    return [
        field_of(1),
        field_of(2, (32, 96, 84), photons=3e4, background=40.0, offset=300.0),
        field_of(3, photons=2e5),
    ]


@pytest.fixture(scope="module")
def odd():
    return field_of(4, numerical_aperture=1.05)


@pytest.fixture(scope="module")
def together(fields):
    return psfd.distill([field.image for field in fields], recipe=QUICK, **TOLD)


def error_of(psf, field):
    found, true = np.asarray(psf, float), field.psf
    shape = [min(pair) for pair in zip(found.shape, true.shape, strict=True)]
    parts = [
        array[
            tuple(
                slice(n // 2 - m // 2, n // 2 + m // 2 + 1)
                for n, m in zip(array.shape, shape, strict=True)
            )
        ]
        for array in (found, true)
    ]
    one, other = (part / part.sum() for part in parts)
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def test_several_images_tell_more_than_one(fields, together):
    alone = [psfd.distill(field.image, recipe=QUICK, **TOLD) for field in fields]
    assert error_of(together.psf, fields[0]) < np.mean([error_of(r.psf, fields[0]) for r in alone])
    assert max(together.fwhm_error) < min(max(r.fwhm_error) for r in alone)
    assert all(one.used for one in together.stacks)


def test_each_image_has_its_beads_background_and_residual(fields, together):
    beads = together.beads
    assert beads.index.tolist() == list(range(1, len(beads) + 1))
    for number, field in enumerate(fields):
        own = beads[beads["stack"] == number]
        assert len(own) == len(field.centres)
        assert own["used"].all()
        level = {0: 110, 1: 340, 2: 110}[number]
        assert own["background"].median() == pytest.approx(level, rel=0.02)
        places = own[["z", "y", "x"]].to_numpy()
        apart = np.linalg.norm(places[:, None] - field.centres, axis=2).min(axis=1)
        assert apart.max() < 0.2
        residual = together.stacks[number].residual
        assert residual.shape == field.image.shape
        # Noise is left.
        assert abs(float(residual.mean())) < 0.5
    medians = beads.groupby("stack")["amplitude"].median()
    assert medians[2] / medians[1] == pytest.approx(2e5 / 3e4, rel=0.3)


def test_the_image_that_is_shown_is_one_of_them(together):
    (shown,) = [one for one in together.stacks if one.image is together.image]
    assert together.residual is shown.residual
    number = together.stacks.index(shown)
    assert set(together.beads_in_image["stack"]) == {number}


def test_an_image_of_another_microscope_is_left_out_and_said(fields, odd):
    images = [fields[0].image, odd.image, fields[2].image]
    with pytest.warns(psfd.DistillerWarning, match=r"stack 1: its PSF differs by \d+ %"):
        result = psfd.distill(images, recipe=QUICK, **TOLD)
    assert [one.used for one in result.stacks] == [True, False, True]
    assert result.stacks[1].difference > 0.1
    assert result.stacks[1].residual is None
    assert error_of(result.psf, fields[0]) < 0.08
    out = result.beads[result.beads["stack"] == 1]
    assert len(out)
    assert not out["used"].any()
    assert (out["reason"] == IN_LEFT_OUT_STACK).all()
    assert "2 of 3 used; left out: stack 1" in result.summary()


def test_two_that_differ_have_no_psf(fields, odd):
    with pytest.raises(psfd.InputError, match=r"The two images have different PSFs, by \d+ %"):
        psfd.distill([fields[0].image, odd.image], recipe=QUICK, **TOLD)


def test_the_same_image_counts_once(fields):
    images = [fields[0].image, fields[2].image, fields[0].image]
    with pytest.warns(psfd.DistillerWarning, match=r"stack 2: it is the same image as stack 0"):
        again = psfd.distill(images, recipe=QUICK, **TOLD)
    once = psfd.distill(images[:2], recipe=QUICK, **TOLD)
    np.testing.assert_array_equal(again.psf.array, once.psf.array)


def test_an_image_without_beads_is_said_and_the_others_go_on(fields):
    dark = np.random.default_rng(1).poisson(100, (20, 64, 64)).astype(np.uint16)
    blank = np.full((20, 64, 64), 100, np.uint16)
    with pytest.warns(psfd.DistillerWarning) as told:
        result = psfd.distill([dark, fields[0].image, blank], recipe=QUICK, **TOLD)
    said = "\n".join(str(warning.message) for warning in told)
    assert "stack 0: it was left out. " in said
    assert "stack 2: it was left out. The image is constant" in said
    assert [one.used for one in result.stacks] == [False, True, False]
    alone = psfd.distill(fields[0].image, recipe=QUICK, **TOLD)
    assert error_of(result.psf, fields[0]) == pytest.approx(
        error_of(alone.psf, fields[0]), abs=5e-3
    )


def test_images_of_other_types_are_one_psf(fields):
    images = [fields[0].image.astype(np.float32) / 7, fields[2].image.astype(np.int32)]
    result = psfd.distill(images, recipe=QUICK, **TOLD)
    assert all(one.used for one in result.stacks)
    assert error_of(result.psf, fields[0]) < 0.06


def test_planes_are_stacks_of_one():
    planes = [
        psfd.simulate_beads((96, 96), SPACING[1:], beads=6, seed=seed).image[None]
        for seed in (1, 2)
    ]
    result = psfd.distill(planes, recipe=QUICK, **TOLD)
    assert result.psf.ndim == 2
    assert all(one.used for one in result.stacks)


def test_a_list_of_planes_is_one_image(fields):
    planes = list(fields[0].image)
    result = psfd.distill(planes, recipe=QUICK, **TOLD)
    assert result.stacks == ()
    assert "stack" not in result.beads


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([], "The list of images is empty|the list of images is empty"),
        ([np.ones((5, 20, 20)), np.ones((20, 20))], "stack 1 is one plane, and stack 0 is a stack"),
        ([np.ones((5, 20, 20)), np.ones((2, 5, 20, 20))], "The image stack 1 has 4 axes"),
        ([np.ones((5, 20, 20)), np.zeros((5, 20, 20))], "None of the 2 images can be used"),
        ([np.full((5, 20, 20), "a")] * 2, "must hold numbers"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(images, sentence):
    with pytest.raises(psfd.InputError, match=sentence):
        psfd.distill(images, recipe=QUICK, **TOLD)


def test_the_stepwise_way_takes_one_image(fields):
    with pytest.raises(psfd.InputError, match="only be distilled by the joint fit"):
        psfd.distill([fields[0].image] * 2, SPACING, Recipe.stepwise())


def test_the_record_names_the_images_and_tells_them_apart(fields):
    images, names = [fields[0].image, fields[2].image], ["a.tif", "b.tif"]
    recipe = dataclasses.replace(QUICK, **TOLD)
    result = finish(distill_steps_of_stacks(images, recipe, names))
    made = result.recipe.provenance
    assert made.stacks == ("a.tif", "b.tif")
    assert made == Recipe.from_json(result.recipe.to_json()).provenance
    assert [one.name for one in result.stacks] == names


def test_it_can_be_kept(fields, together, tmp_path):
    together.save(tmp_path / "psf")
    assert (tmp_path / "psf" / "report.html").exists()
    table = (tmp_path / "psf" / "beads.csv").read_text()
    assert table.startswith("bead,stack,z,y,x")


def test_a_single_plane_among_stacks_is_left_out(fields):
    plane = fields[1].image[15:16]
    result = psfd.distill([fields[0].image, plane], recipe=QUICK, **TOLD)
    assert [one.used for one in result.stacks] == [True, False]
    assert "one plane" in result.stacks[1].reason


def test_names_that_are_the_same_are_numbered(fields):
    images = [fields[0].image, fields[0].image, fields[2].image]
    recipe = dataclasses.replace(QUICK, **TOLD)
    result = finish(distill_steps_of_stacks(images, recipe, ["a", "a", "b"]))
    assert [one.name for one in result.stacks] == ["a (0)", "a (1)", "b"]
    assert any(text.startswith("a (1): it is the same image as a (0)") for text in result.warnings)
    with pytest.raises(psfd.InputError, match="3 images and 2 names"):
        finish(distill_steps_of_stacks(images, recipe, ["a", "b"]))


def test_of_dim_beads_it_is_said_how_little_they_tell(fields):
    dim = field_of(12, (30, 112, 112), beads=14, photons=3700, background=45.0)
    # By itself it shows no bead; the others tell how wide one is.
    with pytest.raises(psfd.InputError, match="No bead was found"):
        psfd.distill(dim.image, recipe=QUICK, **TOLD)
    images = [fields[0].image, fields[2].image, dim.image]
    with pytest.warns(psfd.DistillerWarning, match=r"stack 2: its beads are too few or too dim"):
        result = psfd.distill(images, recipe=QUICK, **TOLD)
    assert all(one.used for one in result.stacks)
    assert result.beads.loc[result.beads["stack"] == 2, "used"].any()
    assert error_of(result.psf, fields[0]) < 0.08


def test_an_image_of_four_axes_is_a_sentence(fields):
    image = np.stack([fields[0].image, fields[0].image])
    with pytest.raises(psfd.InputError, match=r"list\(image\)"):
        psfd.distill(image, recipe=QUICK, **TOLD)
