"""From a bead image to its PSF step by step: what comes out, and what is said on the way."""

import dataclasses
import hashlib
import platform
import threading

import numpy as np
import pandas
import pytest
from scipy import ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller import (
    DeviceError,
    DistillerWarning,
    InputError,
    PostProcess,
    Preprocess,
    Progress,
    Recipe,
    RichardsonLucy,
    Threshold,
    ThresholdedObjects,
    pipeline,
)
from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.deconvolution import pipeline as deconvolution_pipeline
from napari_psf_distiller.postprocess import postprocess_step
from napari_psf_distiller.progress import finish
from napari_psf_distiller.steps import StepId
from napari_psf_distiller.stepwise import pipeline as stepwise_pipeline

STEPS = ["preprocess", "threshold", "find_beads", "distill", "postprocess"]


def quick(**changes) -> Recipe:
    """The stepwise recipe with a PSF that fits into the small field, and few iterations."""
    parts = {
        "distill": RichardsonLucy(iterations=10),
        "postprocess": PostProcess(crop=(21, 33, 33)),
        "device": "numpy",
    }
    return dataclasses.replace(Recipe.stepwise(), **parts | changes)


def finding(**changes) -> ThresholdedObjects:
    """How the stepwise recipe finds beads, with changes."""
    return ThresholdedObjects(**changes)


@pytest.fixture(scope="module")
def result(field) -> psfd.Result:
    return psfd.distill(field.image, spacing=field.spacing, recipe=quick())


@pytest.fixture(scope="module")
def flat_field() -> psfd.SimulatedBeads:
    """A small field in 2D."""
    return psfd.simulate_beads((96, 100), (0.08, 0.08), beads=8, separation=1.5, seed=2)


def assert_is_a_psf(psf, shape) -> None:
    assert psf.dtype == np.float32
    assert psf.shape == shape
    psf = np.asarray(psf)
    assert psf.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert psf.min() >= 0
    assert np.unravel_index(psf.argmax(), shape) == tuple(n // 2 for n in shape)


def relative_l2(found, expected) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# What comes out.


def test_the_psf(result):
    assert_is_a_psf(result.psf, (21, 33, 33))


def test_the_psf_is_the_microscopes(bright_field):
    result = psfd.distill(bright_field.image, spacing=bright_field.spacing, recipe=quick())
    # Noise in each of eight beads, and their place in the voxel, leave some percent.
    truth = psfd.fwhm(bright_field.psf, bright_field.spacing)
    assert result.fwhm == pytest.approx(truth, rel=0.05)


def test_the_beads(field, result):
    beads = result.beads
    assert isinstance(beads, pandas.DataFrame)
    columns = ["z", "y", "x", "amplitude", "background", "voxels", "used", "reason"]
    assert list(beads.columns) == columns
    assert beads["used"].dtype == bool
    used = beads.loc[beads["used"], ["z", "y", "x"]].to_numpy()
    for centre in field.centres:
        assert np.linalg.norm(used - centre, axis=1).min() < 0.5
    assert (beads.loc[beads["used"], "reason"] == "").all()
    assert (beads.loc[~beads["used"], "reason"] != "").all()


def test_the_provenance(field, result):
    provenance = result.recipe.provenance
    assert provenance.image_shape == field.image.shape
    assert provenance.image_dtype == "uint16"
    values = field.image.astype("<u2").tobytes()
    assert provenance.image_sha256 == hashlib.sha256(values).hexdigest()
    assert provenance.versions["python"] == platform.python_version()
    assert provenance.versions["napari-psf-distiller"] == psfd.__version__
    assert provenance.versions["numpy"] == np.__version__
    transforms = {"scipy", "ducc0", "pyvkfft"}
    assert {"scikit-image", "pyopencl", *transforms} <= set(provenance.versions)
    assert provenance.device == f"NumPy (CPU), FFT {open_engine('numpy').fft}, float32"
    assert provenance.by_hand == ()


def test_the_recipe_is_the_one_that_was_used(field, result):
    assert result.recipe == quick(spacing=field.spacing, provenance=result.recipe.provenance)


def test_the_rest(field, result):
    assert list(result.timings) == [*STEPS, "total"]
    assert min(result.timings.values()) >= 0
    assert sum(result.timings[step] for step in STEPS) <= result.timings["total"]
    assert result.spacing == field.spacing
    assert result.fwhm == psfd.fwhm(result.psf, result.spacing)
    assert [iteration for iteration, _ in result.log_likelihood] == [1, 10]
    assert result.log_likelihood[1][1] > result.log_likelihood[0][1]
    assert result.preprocessed.shape == field.image.shape
    assert result.preprocessed.dtype == np.float32
    assert result.warnings == ()
    # It has no model of the image, so it knows neither errors nor what is left.
    assert np.isnan(result.fwhm_error).all()
    assert len(result.fwhm_error) == 3
    assert result.psf_error is None
    assert result.residual is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.psf = None


def test_in_2d(flat_field):
    result = psfd.distill(flat_field.image, spacing=flat_field.spacing, recipe=quick())
    assert_is_a_psf(result.psf, (33, 33))
    assert "z" not in result.beads
    assert result.fwhm == pytest.approx(psfd.fwhm(flat_field.psf, flat_field.spacing), rel=0.1)
    used = result.beads.loc[result.beads["used"], ["y", "x"]].to_numpy()
    for centre in flat_field.centres:
        assert np.linalg.norm(used - centre, axis=1).min() < 0.5


def test_the_notebook_in_2d(flat_field):
    recipe = dataclasses.replace(Recipe.notebook(), device="numpy")
    result = psfd.distill(flat_field.image, spacing=flat_field.spacing, recipe=recipe)
    assert_is_a_psf(result.psf, (65, 65))


# The arguments.


def test_the_spacing_of_the_recipe(field, result):
    again = psfd.distill(field.image, recipe=quick(spacing=field.spacing))
    assert again.spacing == field.spacing
    np.testing.assert_array_equal(again.psf, result.psf)


def test_the_argument_wins_over_the_recipes_spacing(field):
    recipe = quick(spacing=(9.0, 9.0, 9.0))
    again = psfd.distill(field.image, spacing=np.array(field.spacing), recipe=recipe)
    assert again.spacing == again.recipe.spacing == field.spacing


@pytest.mark.opencl
def test_the_argument_wins_over_the_recipes_device(field, opencl_device):
    again = psfd.distill(field.image, field.spacing, recipe=quick(), device=opencl_device.name)
    assert again.recipe.device == opencl_device.name
    assert opencl_device.name in again.recipe.provenance.device


@pytest.mark.opencl
def test_every_device_gives_the_same_psf(field, result, opencl_device):
    again = psfd.distill(field.image, field.spacing, recipe=quick(device=opencl_device.name))
    assert relative_l2(again.psf, result.psf) <= 1e-4


@pytest.mark.parametrize("dtype", [">u2", np.int32, np.float32, np.float64])
def test_any_dtype_is_the_same_image(field, result, dtype):
    again = psfd.distill(field.image.astype(dtype), field.spacing, recipe=quick())
    np.testing.assert_array_equal(again.psf, result.psf)


def test_the_byte_order_is_not_part_of_the_values(field, result):
    swapped = psfd.distill(field.image.astype(">u2"), field.spacing, recipe=quick())
    assert swapped.recipe.provenance.image_sha256 == result.recipe.provenance.image_sha256


def test_the_image_is_not_changed(field):
    image = field.image.astype(np.float32)
    before = image.copy()
    psfd.distill(image, field.spacing, recipe=quick())
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_intensity_does_not_matter(field, result, scale):
    again = psfd.distill(field.image * scale, field.spacing, recipe=quick())
    assert len(again.beads) == len(result.beads)
    assert relative_l2(again.psf, result.psf) <= 1e-3


# Replay.


@pytest.mark.parametrize("recipe", [quick(), Recipe.notebook()], ids=["stepwise", "notebook"])
def test_the_saved_recipe_gives_the_same_psf(tmp_path, field, recipe):
    recipe = dataclasses.replace(
        recipe, device="numpy", distill=dataclasses.replace(recipe.distill, iterations=10)
    )
    recipe = dataclasses.replace(recipe, postprocess=PostProcess(crop=(21, 33, 33)))
    first = psfd.distill(field.image, field.spacing, recipe=recipe)
    first.recipe.save(tmp_path / "recipe.json")
    again = psfd.distill(field.image, recipe=Recipe.load(tmp_path / "recipe.json"))
    assert relative_l2(again.psf, first.psf) <= 1e-6
    assert again.recipe == first.recipe


def test_a_recipe_in_the_psfs_file_gives_the_same_psf(tmp_path, field, result):
    result.psf.save(tmp_path / "psf.tif")
    stored = psfd.read_psf(tmp_path / "psf.tif")
    again = psfd.distill(field.image, recipe=stored.recipe)
    assert relative_l2(again.psf, stored.array) <= 1e-6


# The generator.


def test_the_progress_of_every_step(field):
    seen: list[Progress] = []
    finish(pipeline.distill_steps_of(field.image, quick(spacing=field.spacing)), seen.append)
    order = list(dict.fromkeys(progress.title for progress in seen))
    assert order[-4:] == ["Threshold", "Find beads", "Distil PSF", "Post-process PSF"]
    assert "Preprocess beads" in order[:-4]
    for step in order:
        counts = [
            (progress.iteration, progress.total) for progress in seen if progress.title == step
        ]
        assert counts == sorted(counts)
        assert counts[-1][0] == counts[-1][1]
    distilling = [progress for progress in seen if progress.step == StepId.DISTILL]
    assert [progress.iteration for progress in distilling] == list(range(11))
    assert distilling[0].note.startswith("needs ")


@pytest.mark.parametrize("after", [0, 1, 3, 30])
def test_it_can_be_stopped_anywhere(field, after):
    steps = pipeline.distill_steps_of(field.image, quick(spacing=field.spacing))
    for _ in range(after):
        next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_the_steps_one_by_one_are_the_whole(field, result):
    recipe = quick(spacing=field.spacing)
    clean = finish(stepwise_pipeline.preprocess_step(field.image, recipe))
    mask = finish(stepwise_pipeline.threshold_step(clean.image, recipe))
    beads = finish(stepwise_pipeline.find_beads_step(clean.image, mask, recipe, clean.background))
    distilled = finish(stepwise_pipeline.distill_step(clean.image, beads, recipe))
    psf = finish(postprocess_step(distilled.array, recipe))
    np.testing.assert_array_equal(psf, result.psf)
    pandas.testing.assert_frame_equal(beads, result.beads)
    assert distilled.log_likelihood == result.log_likelihood


def test_beads_by_hand_need_only_their_centres(field, result):
    # As from a points layer: positions, and nothing else.
    recipe = quick(spacing=field.spacing)
    beads = result.beads[result.beads["used"]][["z", "y", "x"]].round()
    distilled = finish(stepwise_pipeline.distill_step(result.preprocessed, beads, recipe))
    psf = finish(postprocess_step(distilled.array, recipe))
    assert psfd.fwhm(psf, field.spacing) == pytest.approx(result.fwhm, rel=0.05)


# What goes wrong.


def let_no_work_begin(monkeypatch) -> None:
    def fail(*args, **kwargs):
        raise AssertionError("the work began")

    for name in ("preprocess_step", "threshold_step", "find_beads_step", "distill_step"):
        monkeypatch.setattr(stepwise_pipeline, name, fail)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"spacing": None}, "voxel size is not known"),
        ({"spacing": (0.1, 0.1)}, "2 values, but the image has 3 axes"),
        ({"postprocess": PostProcess(crop=(33, 33))}, "crop"),
        ({"find_beads": finding(margin=(0.1, 0.1))}, "margin"),
    ],
    ids=["device", "no spacing", "spacing", "crop", "margin"],
)
def test_what_cannot_be_is_said_before_the_work(monkeypatch, field, changes, words):
    let_no_work_begin(monkeypatch)
    with pytest.raises(InputError, match=words):
        psfd.distill(field.image, recipe=quick(**{"spacing": field.spacing} | changes))


def test_a_device_that_does_not_work_is_said_before_the_work(monkeypatch, field):
    let_no_work_begin(monkeypatch)

    def broken(*_):
        raise DeviceError("The device Old Card cannot be used: no kernel builds.")

    monkeypatch.setattr(deconvolution_pipeline, "open_engine", broken)
    with pytest.raises(DeviceError, match="Old Card"):
        psfd.distill(field.image, field.spacing, recipe=quick())


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 20, 64, 64)), "4 axes"),
        (np.zeros((64, 64, 3), np.uint8), "RGB"),
        (np.zeros((20, 64, 64)), "constant"),
        (np.full((20, 64, 64), np.nan), "NaN"),
        (np.zeros((20, 0, 64)), "empty"),
    ],
)
def test_images_that_cannot_be_used(image, words):
    with pytest.raises(InputError, match=words):
        psfd.distill(image, (0.2, 0.08, 0.08))


@pytest.mark.parametrize(
    "spacing", [(0, 0.08, 0.08), (0.2, -0.08, 0.08), (0.2, float("nan"), 0.08)]
)
def test_a_spacing_that_cannot_be(field, spacing):
    with pytest.raises(InputError, match=r"The voxel size .* must be positive"):
        psfd.distill(field.image, spacing)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threshold": Threshold(method="manual", value=1e6)}, "No voxel is above"),
        ({"threshold": Threshold(method="manual", value=-1)}, "takes .* % of the image"),
        ({"find_beads": finding(margin=(9, 9, 9))}, "too near to the border"),
        ({"find_beads": finding(min_voxels=10**6)}, "too small"),
        ({"preprocess": Preprocess(background="constant", level=1e6)}, "Nothing is left"),
    ],
)
def test_steps_that_leave_nothing(field, changes, words):
    with pytest.raises(InputError, match=words):
        psfd.distill(field.image, field.spacing, recipe=quick(**changes))


def test_a_field_without_beads():
    empty = psfd.simulate_beads((20, 48, 48), beads=0, seed=1)
    with pytest.raises(InputError):
        psfd.distill(empty.image, empty.spacing, recipe=quick())


# What a user should know.


def test_few_beads():
    few = psfd.simulate_beads((24, 64, 64), beads=2, separation=1.5, seed=6)
    with pytest.warns(DistillerWarning, match=r"Only \d of \d beads could be used") as warned:
        result = psfd.distill(few.image, few.spacing, recipe=quick())
    assert [str(warning.message) for warning in warned] == list(result.warnings)
    assert warned[0].filename == __file__


def test_a_crop_larger_than_the_image(field):
    recipe = quick(postprocess=PostProcess(crop=(51, 65, 99)))
    with pytest.warns(DistillerWarning, match="larger than the image") as warned:
        result = psfd.distill(field.image, field.spacing, recipe=recipe)
    assert len(warned) == 1
    assert "51 > 24 along z, 99 > 80 along x" in str(warned[0].message)
    assert_is_a_psf(result.psf, (24, 65, 80))


def test_a_psf_that_does_not_fall_to_half(field):
    recipe = quick(postprocess=PostProcess(crop=(4, 33, 33)))
    with pytest.warns(DistillerWarning, match="does not fall to half of its maximum along z"):
        result = psfd.distill(field.image, field.spacing, recipe=recipe)
    assert np.isnan(result.fwhm[0])
    assert np.isfinite(result.fwhm[1:]).all()


def test_a_psf_of_too_few_planes(field):
    recipe = quick(postprocess=PostProcess(crop=(1, 33, 33)))
    with pytest.warns(DistillerWarning, match="too few voxels along z to measure"):
        result = psfd.distill(field.image, field.spacing, recipe=recipe)
    assert np.isnan(result.fwhm[0])


# The real stack: 34 x 512 x 512, 200 nm beads, NA 0.95.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("median", "expected"), [(3, (1.089, 0.456, 0.450)), (1, (0.878, 0.415, 0.410))]
)
def test_the_notebooks_fwhm_on_the_real_stack(shared_data, median, expected):
    # The notebook's 300 iterations. Its widths hardly depend on them: after 10 they are within
    # 0.1 % of these. Expected: the lines through the peak between voxels of SciPy's spline of
    # degree 5. A median of 3 leaves steps, so that lines through the brightest voxel are 1 to 2 %
    # off these.
    image, spacing = psfd.read_image(shared_data / "beads_200nm_NA0.95.tif")
    notebook = Recipe.notebook()
    recipe = dataclasses.replace(
        notebook, preprocess=dataclasses.replace(notebook.preprocess, median=median)
    )
    with pytest.warns(DistillerWarning, match="50 > 34 along z"):
        result = psfd.distill(image, spacing, recipe=recipe)
    assert result.fwhm == pytest.approx(expected, rel=0.02)
    assert_is_a_psf(result.psf, (34, 65, 65))


def test_the_real_stack_says_how_large_its_voxels_are(shared_data):
    image, spacing = psfd.read_image(shared_data / "beads_200nm_NA0.95.tif")
    assert image.shape == (34, 512, 512)
    assert image.dtype == np.uint8
    assert spacing == pytest.approx((0.3, 0.108, 0.108), rel=1e-5)


# Deconvolving.


def test_saturated_voxels_are_masked_like_any_other(field):
    psf = np.ones((3, 5, 5), np.float32)
    level = float(np.quantile(field.image, 0.999))
    counting = np.ones(field.image.shape, bool)
    counting[:, :7] = False
    settings = psfd.Deconvolve(iterations=3, saturation=level)
    recipe = Recipe(device="numpy", deconvolve=settings)
    both = finish(
        deconvolution_pipeline.deconvolve_step(field.image, psf, recipe, mask=counting)
    ).array
    expected = psfd.deconvolve(
        field.image,
        psf,
        3,
        device="numpy",
        method="accelerated",
        mask=counting & (field.image < level),
    )
    np.testing.assert_array_equal(both, expected)


def test_what_went_otherwise_is_warned_of(field):
    psf = np.ones((3, 5, 5), np.float32)
    noiseless = ndimage.uniform_filter(field.image.astype(np.float32), 5)
    with pytest.warns(DistillerWarning, match="when to stop cannot be told"):
        psfd.deconvolve(noiseless, psf, None, device="numpy", method="plain")


# What is said of so small a field is not what is looked at here.
@pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")
def test_a_stack_of_one_plane_is_a_plane():
    field = psfd.simulate_beads((64, 64), (0.08, 0.08), beads=8, separation=1.0, seed=3)
    plane = psfd.distill(field.image, field.spacing, device="numpy")
    stack = psfd.distill(field.image[None], (0.2, *field.spacing), device="numpy")
    np.testing.assert_array_equal(stack.psf, plane.psf)
    assert stack.spacing == plane.spacing


def test_byte_order_changes_nothing(field):
    recipe = Recipe.stepwise()
    native = psfd.distill(field.image, field.spacing, recipe=recipe, device="numpy")
    swapped = field.image.astype(">u2")
    before = swapped.tobytes()
    other = psfd.distill(swapped, field.spacing, recipe=recipe, device="numpy")
    assert swapped.tobytes() == before
    assert other.recipe == native.recipe
    assert other.recipe.provenance.image_dtype == "uint16"
    np.testing.assert_array_equal(other.psf, native.psf)


@pytest.mark.parametrize("recipe", ["abc", 5, {}, psfd.JointFit()])
def test_what_is_no_recipe(field, recipe):
    with pytest.raises(InputError, match="it should be a Recipe"):
        psfd.distill(field.image, field.spacing, recipe=recipe)


@pytest.mark.parametrize("psf_shape", [(5, 5), (1, 5, 5)])
@pytest.mark.parametrize("shape", [(12, 14), (1, 12, 14), (1, 1, 12, 14)])
def test_deconvolving_a_plane_keeps_its_axes(shape, psf_shape):
    image = np.random.default_rng(0).poisson(9, shape).astype(np.float32)
    result = psfd.deconvolve(
        image, np.ones(psf_shape), iterations=2, device="numpy", method="plain"
    )
    assert result.shape == shape


@pytest.mark.parametrize(
    "options",
    [
        {"background": "dark"},
        {"background": [[1, 2], [3]]},
        {"background": 1j},
        {"background": 1e300},
        {"background": float("nan")},
        {"mask": "all"},
        {"mask": [[1], [2, 3]]},
        {"mask": np.full((12, 14), np.nan)},
        {"total_variation": "some"},
        {"total_variation": float("nan")},
        {"iterations": "many"},
        {"boundary": 3},
        {"method": None},
        {"memory": "all"},
        {"fft": 5},
        {"device": None},
    ],
)
def test_deconvolve_refuses_wrong_types_in_a_sentence(options):
    image = np.random.default_rng(0).poisson(9, (12, 14)).astype(np.float32)
    with pytest.raises(InputError, match=r"\.$"):
        psfd.deconvolve(image, np.ones((3, 3)), **{"iterations": 2, "device": "numpy"} | options)


# What the call gives beside the recipe, and whom it tells how far it is.


def test_bead_diameter_and_optics_are_put_into_the_recipe(field):
    optics = psfd.Optics(1.2, 0.52, 1.33)
    recipe = quick(bead_diameter=0.1, optics=optics)
    expected = psfd.distill(field.image, field.spacing, recipe=recipe)
    for given in (quick(), quick(bead_diameter=0.1), recipe):
        result = psfd.distill(
            field.image, field.spacing, bead_diameter=0.1, optics=optics, recipe=given
        )
        np.testing.assert_array_equal(result.psf, expected.psf)
        assert (result.recipe.bead_diameter, result.recipe.optics) == (0.1, optics)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bead_diameter": 0.2}, "has the bead_diameter 0.1, and 0.2 is given"),
        ({"optics": psfd.Optics(1.0, 0.52, 1.33)}, "has the optics Optics"),
        ({"optics": "water"}, "should be a Optics"),
        ({"bead_diameter": -1}, "bead_diameter"),
        ({"callback": "print"}, "callback is 'print'; it should be a function"),
    ],
)
def test_what_is_given_twice_or_wrong_is_refused(field, given, words):
    recipe = quick(bead_diameter=0.1, optics=psfd.Optics(1.2, 0.52, 1.33))
    with pytest.raises(InputError, match=words):
        psfd.distill(field.image, field.spacing, recipe=recipe, **given)


@pytest.mark.parametrize("steps", ["distill", "deconvolve"])
def test_a_callback_is_told_and_can_end_it(field, steps):
    seen, thread = [], threading.get_ident()

    def run(callback):
        if steps == "distill":
            return psfd.distill(field.image, field.spacing, recipe=quick(), callback=callback)
        psf = field.psf[20:45, 20:60, 20:60]
        return psfd.deconvolve(
            field.image, psf, 4, device="numpy", callback=callback, method="plain"
        )

    def tell(progress):
        assert threading.get_ident() == thread
        seen.append(progress)

    run(tell)
    assert all(isinstance(progress, psfd.Progress) for progress in seen)
    assert seen[-1].iteration == seen[-1].total
    assert seen[-1].step.value == ("postprocess" if steps == "distill" else "deconvolve")
    assert len(seen) > 4

    def stop(progress):
        seen.append(progress)
        if progress.iteration == 2:
            raise KeyError("enough")

    seen.clear()
    with pytest.raises(KeyError, match="enough"):
        run(stop)
    assert seen[-1].iteration == 2
