"""The default way, the joint fit: how true it is, what it gives, and what it says."""

import dataclasses

import numpy as np
import pandas
import pytest
from scipy import ndimage

import napari_psf_distiller as psfd
from napari_psf_distiller import (
    Camera,
    DistillerWarning,
    InputError,
    JointFit,
    Optics,
    PostProcess,
    Progress,
    Recipe,
    pipeline,
)
from napari_psf_distiller.joint import pipeline as joint_pipeline
from napari_psf_distiller.joint import rounds as joint
from napari_psf_distiller.postprocess import crop_about_centre, postprocess_step
from napari_psf_distiller.progress import finish

STEPS = ["find_beads", "distill", "postprocess"]
# As `simulate_beads` has them.
OPTICS, DIAMETER = Optics(1.2, 0.52, 1.33), 0.1
OFFSET, READ_NOISE = 100.0, 1.6


def told(**changes) -> Recipe:
    """The default recipe, with what is known of a simulated field."""
    known = {"optics": OPTICS, "bead_diameter": DIAMETER, "device": "numpy"}
    return Recipe(**known | changes)


def quick(**changes) -> Recipe:
    """The same for a symmetric PSF, which takes half of the time."""
    distill = changes.pop("distill", JointFit())
    return told(distill=dataclasses.replace(distill, angular_orders=0), **changes)


def error_of(found, truth) -> float:
    """The relative L2 distance of two PSFs in the window that both have."""
    shape = tuple(map(min, found.shape, truth.shape))
    one, other = (
        array[
            tuple(
                slice(n // 2 - m // 2, n // 2 - m // 2 + m)
                for n, m in zip(array.shape, shape, strict=True)
            )
        ]
        for array in (np.asarray(found, float), np.asarray(truth, float))
    )
    return float(
        np.linalg.norm(one / one.sum() - other / other.sum()) / np.linalg.norm(other / other.sum())
    )


def assert_true(result, field, *, error=0.06, width=0.015) -> None:
    """The PSF is a PSF, and the microscope's."""
    psf = result.psf.array
    assert psf.dtype == np.float32
    assert psf.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert psf.min() >= 0
    assert np.unravel_index(psf.argmax(), psf.shape) == tuple(n // 2 for n in psf.shape)
    assert error_of(psf, field.psf) < error
    assert result.fwhm == pytest.approx(psfd.fwhm(field.psf, field.spacing), rel=width)


def relative_error(result) -> float:
    """Return the norm of the PSF's standard errors over its own."""
    return float(np.linalg.norm(result.psf_error) / np.linalg.norm(result.psf))


def farthest(beads, centres) -> float:
    """How far a true centre is from the nearest used bead, at most, in voxels."""
    axes = ["z", "y", "x"][-centres.shape[1] :]
    used = beads.loc[beads["used"], axes].to_numpy()
    return float(max(np.linalg.norm(used - centre, axis=1).min() for centre in centres))


@pytest.fixture(scope="module")
def result(field) -> psfd.Result:
    return psfd.distill(field.image, field.spacing, recipe=told())


@pytest.fixture(scope="module")
def symmetric_run(field) -> tuple[psfd.Result, list[Progress]]:
    """The result, and the progress on the way there."""
    seen: list[Progress] = []
    steps = pipeline.distill_steps_of(field.image, quick(spacing=field.spacing))
    result = finish(steps, seen.append)
    assert result.warnings == ()
    return result, seen


@pytest.fixture(scope="module")
def symmetric(symmetric_run) -> psfd.Result:
    return symmetric_run[0]


@pytest.fixture(scope="module")
def flat_field() -> psfd.SimulatedBeads:
    """A small field in 2D."""
    return psfd.simulate_beads(
        (96, 100), (0.08, 0.08), beads=8, separation=1.5, photons=2e4, seed=2
    )


# What comes out.


def test_the_psf_is_the_microscopes(field, result):
    assert_true(result, field, error=0.04)


def test_the_beads(field, result):
    beads = result.beads
    columns = ["z", "y", "x", "amplitude", "background", "z_error", "y_error", "x_error"]
    assert list(beads.columns) == [*columns, "amplitude_error", "chi_squared", "used", "reason"]
    assert beads.index.name == "bead"
    assert beads["used"].all()
    assert (beads["reason"] == "").all()
    assert len(beads) == len(field.centres)
    # A tenth of a voxel: 20 nm along z, 8 nm in the plane.
    assert farthest(beads, field.centres) < 0.1
    # Up to the light that the PSF has beyond its window, which is the same part of each.
    parts = np.sort(beads["amplitude"]) / np.sort(field.amplitudes)
    assert parts == pytest.approx(np.full(len(parts), np.median(parts)), rel=0.03)
    inside = crop_about_centre(field.psf, result.psf.shape).sum()
    assert np.median(parts) == pytest.approx(inside, abs=0.1)
    assert beads["background"].to_numpy() == pytest.approx(OFFSET + 10, abs=2)
    assert beads["chi_squared"].median() == pytest.approx(1, abs=0.15)


def test_errors_are_of_the_size_of_what_is_wrong(field, result):
    true = np.array(psfd.fwhm(field.psf, field.spacing))
    error = np.array(result.fwhm_error)
    assert np.isfinite(error).all()
    assert (error > 0).all()
    assert (error < 0.03 * true).all()
    assert (np.abs(np.array(result.fwhm) - true) < 4 * error).all()
    assert result.psf_error.shape == result.psf.shape
    assert result.psf_error.dtype == np.float32
    assert np.isfinite(result.psf_error).all()
    assert (result.psf_error > 0).all()
    centre = tuple(n // 2 for n in result.psf.shape)
    assert result.psf_error[centre] < 0.05 * result.psf[centre]
    for axis in "zyx":
        errors = result.beads[f"{axis}_error"]
        assert errors.between(0.002, 0.1).all()
    assert (result.beads["amplitude_error"] < 0.05 * result.beads["amplitude"]).all()


def test_the_residual_is_the_noise(field, result):
    residual = result.residual
    assert residual.shape == field.image.shape
    assert residual.dtype == np.float32
    # The camera's: of the light, of reading, and of rounding.
    light = field.image - residual - OFFSET
    sigma = np.sqrt(light + READ_NOISE**2 + 1 / 12)
    cores = np.zeros(residual.shape, bool)
    for centre in field.centres:
        cores[tuple(slice(max(int(c) - 2, 0), int(c) + 4) for c in centre)] = True
    parts = residual / sigma
    assert parts[cores].std() == pytest.approx(1, abs=0.1)
    assert parts[~cores].std() == pytest.approx(1, abs=0.05)
    assert abs(parts.mean()) < 0.05


def test_the_rest(field, result):
    assert list(result.timings) == [*STEPS, "total"]
    assert min(result.timings.values()) >= 0
    assert sum(result.timings[step] for step in STEPS) <= result.timings["total"]
    assert result.spacing == field.spacing
    assert result.fwhm == psfd.fwhm(result.psf, result.spacing)
    assert result.preprocessed is None
    assert result.warnings == ()
    provenance = result.recipe.provenance
    assert result.recipe == told(spacing=field.spacing, provenance=provenance)
    assert provenance.device == "NumPy, float32"
    assert (provenance.image_shape, provenance.image_dtype) == (field.image.shape, "uint16")
    iterations, gains = zip(*result.log_likelihood, strict=True)
    assert iterations == tuple(range(1, len(iterations) + 1))
    assert gains[0] > 0
    assert sorted(gains) == list(gains)


def test_the_errors_follow_the_psf_through_post_processing(field, symmetric):
    cropped = psfd.distill(
        field.image, field.spacing, recipe=quick(postprocess=PostProcess((11, 21, 21)))
    )
    assert cropped.psf_error.shape == cropped.psf.shape == (11, 21, 21)
    centre, old = (5, 10, 10), tuple(n // 2 for n in symmetric.psf.shape)
    # The PSF is scaled to the sum 1, so it is brighter in a smaller window, and so are its errors.
    assert cropped.psf[centre] > 1.05 * symmetric.psf[old]
    part = cropped.psf_error[centre] / cropped.psf[centre]
    assert part == pytest.approx(symmetric.psf_error[old] / symmetric.psf[old], rel=1e-4)
    raw = psfd.distill(
        field.image,
        field.spacing,
        recipe=quick(postprocess=PostProcess(None, 0.01, normalise=False)),
    )
    part = raw.psf_error[old] / (raw.psf[old] / 0.99)
    assert part == pytest.approx(symmetric.psf_error[old] / symmetric.psf[old], rel=1e-4)


# What it is given.


def test_without_any_knowledge(field):
    # A ball of 0.1 micrometres widens the PSF of 0.217 by 1.5 %.
    with pytest.warns(DistillerWarning, match="diameter is not given") as warned:
        result = psfd.distill(field.image, field.spacing, device="numpy")
    assert len(warned) == 1
    assert (result.recipe.distill.method, result.recipe.find_beads.method) == ("joint", "matched")
    assert_true(result, field, error=0.12, width=0.03)


def test_in_2d(flat_field):
    result = psfd.distill(flat_field.image, flat_field.spacing, recipe=told())
    assert_true(result, flat_field)
    assert "z" not in result.beads
    assert "z_error" not in result.beads
    assert farthest(result.beads, flat_field.centres) < 0.1
    assert len(result.fwhm_error) == 2
    assert np.isfinite(result.fwhm_error).all()
    assert (np.array(result.fwhm_error) > 0).all()
    assert result.psf_error.shape == result.psf.shape
    assert np.isfinite(result.psf_error).all()
    assert result.residual.shape == flat_field.image.shape


def test_voxels_of_three_sizes():
    field = psfd.simulate_beads((24, 96, 96), (0.3, 0.1, 0.07), beads=8, seed=3)
    result = psfd.distill(field.image, field.spacing, recipe=told())
    assert_true(result, field)
    assert farthest(result.beads, field.centres) < 0.1
    # The window is as wide in micrometres along x as along y.
    assert result.psf.shape[2] * 0.07 == pytest.approx(result.psf.shape[1] * 0.1, rel=0.05)


@pytest.mark.parametrize("dtype", [">u2", np.int32])
def test_any_whole_numbers_are_the_same_image(field, symmetric, dtype):
    again = psfd.distill(field.image.astype(dtype), field.spacing, recipe=quick())
    np.testing.assert_array_equal(again.psf, symmetric.psf)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_is_the_same_image_and_is_not_changed(field, symmetric, dtype):
    # It may not be rounded, which is all that differs.
    image = field.image.astype(dtype)
    again = psfd.distill(image, field.spacing, recipe=quick())
    np.testing.assert_array_equal(image, field.image)
    assert error_of(again.psf, symmetric.psf) < 0.01
    assert again.recipe.provenance.image_dtype == np.dtype(dtype).name


def test_eight_bits():
    field = psfd.simulate_beads(
        (24, 72, 80), beads=8, separation=1.2, photons=2.5e4, offset=20, read_noise=1, seed=2
    )
    assert 150 < field.image.max() < 255
    result = psfd.distill(field.image.astype(np.uint8), field.spacing, recipe=told())
    assert_true(result, field, error=0.08, width=0.025)
    assert result.beads["used"].sum() == 8


@pytest.mark.parametrize("shift", [-OFFSET, 900.0], ids=["none", "large"])
def test_the_cameras_offset_does_not_matter(field, symmetric, shift):
    again = psfd.distill(field.image.astype(np.float32) + shift, field.spacing, recipe=quick())
    assert error_of(again.psf, symmetric.psf) < 0.01
    assert again.fwhm == pytest.approx(symmetric.fwhm, rel=0.003)
    assert again.beads["amplitude"].to_numpy() == pytest.approx(
        symmetric.beads["amplitude"].to_numpy(), rel=0.01
    )


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_intensity_does_not_matter(field, symmetric, scale):
    again = psfd.distill(field.image * scale, field.spacing, recipe=quick())
    assert len(again.beads) == len(symmetric.beads)
    assert error_of(again.psf, symmetric.psf) < 0.01


def test_the_camera_can_be_given(field, symmetric):
    recipe = quick(camera=Camera(offset=OFFSET, gain=1.0, saturation=65535))
    again = psfd.distill(field.image, field.spacing, recipe=recipe)
    assert_true(again, field, error=0.04)
    assert error_of(again.psf, symmetric.psf) < 0.03


def test_the_window_can_be_given(field):
    result = psfd.distill(
        field.image, field.spacing, recipe=quick(distill=JointFit(window=(3.0, 2.0, 1.6)))
    )
    assert result.psf.shape == (17, 27, 21)
    assert result.fwhm == pytest.approx(psfd.fwhm(field.psf, field.spacing), rel=0.02)


def test_a_psf_that_turns_by_no_angle_is_symmetric(symmetric):
    assert symmetric.recipe.distill.angular_orders == 0
    psf = symmetric.psf.array
    np.testing.assert_allclose(psf, psf.swapaxes(1, 2), rtol=0, atol=1e-6 * psf.max())
    np.testing.assert_allclose(psf, psf[:, ::-1], rtol=0, atol=1e-6 * psf.max())


# The same again.


def test_it_is_the_same_every_time(field, result):
    again = psfd.distill(field.image, field.spacing, recipe=told())
    for name in ("psf", "psf_error", "residual"):
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    pandas.testing.assert_frame_equal(again.beads, result.beads, check_exact=True)
    assert (again.fwhm, again.fwhm_error) == (result.fwhm, result.fwhm_error)
    assert again.log_likelihood == result.log_likelihood


def test_a_saved_recipe_gives_the_same_psf(tmp_path, field, result):
    result.recipe.save(tmp_path / "recipe.json")
    again = psfd.distill(field.image, recipe=Recipe.load(tmp_path / "recipe.json"))
    np.testing.assert_array_equal(again.psf, result.psf)
    assert again.recipe == result.recipe


@pytest.mark.opencl
def test_every_device_gives_the_same_psf(field, symmetric, opencl_device):
    again = psfd.distill(field.image, field.spacing, recipe=quick(device=opencl_device.name))
    assert opencl_device.name in again.recipe.provenance.device
    assert error_of(again.psf, symmetric.psf) < 1e-3
    assert again.fwhm_error == pytest.approx(symmetric.fwhm_error, rel=0.01)


# Beads that are not like the others.


def cut(field, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """The image without what is left of the leftmost bead's centre, and where the others are."""
    first = int(field.centres[:, 2].argmin())
    left = int(field.centres[first, 2] - margin)
    others = np.delete(field.centres, first, axis=0) - (0, 0, left)
    return np.ascontiguousarray(field.image[:, :, left:]), others


def test_a_bead_at_the_border_does_not_shape_the_psf(field):
    image, others = cut(field, -0.5)
    result = psfd.distill(image, field.spacing, recipe=told())
    refused = result.beads[~result.beads["used"]]
    assert (refused["reason"] == "border").any()
    assert refused.loc[refused["reason"] == "border", "x"].min() < 3
    assert farthest(result.beads, others[others[:, 2] > 8]) < 0.1
    assert_true(result, field)


def saturated(field, count: int) -> np.ndarray:
    """The image with its brightest beads cut off."""
    peaks = sorted(
        (
            field.image[tuple(slice(int(c), int(c) + 2) for c in centre)].max()
            for centre in field.centres
        ),
        reverse=True,
    )
    level = (int(peaks[count - 1]) + int(peaks[count])) // 2
    return np.minimum(field.image, level)


def test_saturated_beads_do_not_shape_the_psf(bright_field):
    image = saturated(bright_field, 3)
    recipe = quick(camera=Camera(saturation=float(image.max())))
    result = psfd.distill(image, bright_field.spacing, recipe=recipe)
    assert (result.beads["reason"] == "saturated").sum() == 3
    assert result.beads["used"].sum() == 5
    assert_true(result, bright_field)
    brightest = result.beads["amplitude"].nlargest(3).index
    assert (result.beads.loc[brightest, "reason"] == "saturated").all()


def test_where_the_camera_saturates_is_seen_in_the_image(field):
    # Many beads at one highest value are no chance.
    image = np.minimum(field.image, int(np.quantile(field.image, 0.9996)))
    with pytest.raises(InputError, match=r"None of the \d beads can be used: .*saturated"):
        psfd.distill(image, field.spacing, recipe=quick())


def test_a_saturated_bead_and_its_halos_are_refused_in_a_sentence() -> None:
    # The other peaks may all be the halo of the one that is saturated.
    bright = psfd.simulate_beads(
        (24, 72, 80), beads=10, photons=3e5, spread=1.2, separation=1.0, seed=3
    )
    scaled = bright.image.astype(float) / bright.image.max() * 255
    with pytest.raises(InputError, match=r"1 are saturated, at 255, and \d may be their halos"):
        psfd.distill(scaled.astype(np.uint8), spacing=bright.spacing, device="numpy")


def test_unjudged_all_beads_shape_the_psf(field):
    image, _ = cut(field, -0.5)
    judged = psfd.distill(image, field.spacing, recipe=quick())
    result = psfd.distill(image, field.spacing, recipe=quick(distill=JointFit(judge=False)))
    assert result.beads["used"].all()
    assert (result.beads["reason"] == "").all()
    assert not judged.beads["used"].all()


# What a user should know.


def test_few_beads():
    few = psfd.simulate_beads((24, 64, 64), beads=3, photons=1.5e5, seed=6)
    with pytest.warns(DistillerWarning, match="Only 3 of 3 beads could be used") as warned:
        result = psfd.distill(few.image, few.spacing, recipe=told())
    assert [str(warning.message) for warning in warned] == list(result.warnings)
    assert_true(result, few)


@pytest.mark.filterwarnings("ignore:The PSF is negative", "ignore:The PSF is narrower")
def test_beads_as_large_as_their_image(field):
    with pytest.warns(DistillerWarning, match="as large as their images"):
        psfd.distill(field.image, field.spacing, recipe=quick(bead_diameter=0.28))


def test_a_part_of_the_optics_does_not_count(field):
    with pytest.warns(DistillerWarning, match="refractive index is not given") as warned:
        result = psfd.distill(field.image, field.spacing, recipe=quick(optics=Optics(1.2, 0.52)))
    assert len(warned) == 1
    with_none = psfd.distill(field.image, field.spacing, recipe=quick(optics=Optics()))
    np.testing.assert_array_equal(result.psf, with_none.psf)
    assert with_none.warnings == ()


def test_frequencies_from_the_data(field):
    recipe = quick(optics=Optics(1.2, 0.52, 1.33, support="data"))
    result = psfd.distill(field.image, field.spacing, recipe=recipe)
    with_none = psfd.distill(field.image, field.spacing, recipe=quick(optics=Optics()))
    np.testing.assert_array_equal(result.psf, with_none.psf)


@pytest.mark.filterwarnings("ignore:The PSF is wider")
def test_voxels_too_large_for_the_optics(bright_field):
    # So large that these beads cannot tell a grid that is fine enough.
    fit = JointFit(window=(2.6, 1.2, 1.2))
    recipe = quick(optics=Optics(1.2, 0.15, 1.33), distill=fit)
    with pytest.warns(DistillerWarning) as said:
        psfd.distill(bright_field.image, bright_field.spacing, recipe=recipe)
    assert any("too coarse along y, x" in str(one.message) for one in said)


# What cannot be.


def noise(photons: float) -> np.ndarray:
    return np.random.default_rng(5).poisson(photons, (24, 64, 64)).astype(np.uint16)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (psfd.simulate_beads((24, 64, 64), beads=0, seed=1).image, "No bead was found"),
        (noise(100), "No bead was found"),
        (noise(0.05), "No bead was found"),
        (noise(100).astype(np.float64) / 7, "No bead was found"),
        (noise(100)[0], "No bead was found"),
        (np.full((24, 64, 64), 7, np.uint16), "constant"),
    ],
    ids=["no beads", "noise", "hardly any light", "fractions", "flat noise", "constant"],
)
def test_without_beads_there_is_no_psf(image, words):
    with pytest.raises(InputError, match=words) as raised:
        psfd.distill(image, (0.2, 0.08, 0.08)[-image.ndim :], recipe=quick())
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("level", "camera"),
    [(200, Camera()), (200, Camera(saturation=200.0)), (None, Camera(saturation=200.0))],
    ids=["seen", "seen and given", "given"],
)
def test_all_beads_saturated(field, level, camera):
    image = field.image if level is None else np.minimum(field.image, level)
    with pytest.raises(InputError, match="saturated"):
        psfd.distill(image, field.spacing, recipe=quick(camera=camera))


def test_all_of_the_image_saturated(field):
    with pytest.raises(InputError, match=r"All voxels .* saturation of 0"):
        psfd.distill(field.image, field.spacing, recipe=quick(camera=Camera(saturation=0)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"spacing": None}, "voxel size is not known"),
        ({"spacing": (0.1, 0.1)}, "2 values, but the image has 3 axes"),
        ({"postprocess": PostProcess(crop=(33, 33))}, "crop"),
        ({"distill": JointFit(window=(3.0, 3.0))}, "window .* has 2 values"),
    ],
    ids=["device", "no spacing", "spacing", "crop", "window"],
)
def test_what_cannot_be_is_said_before_the_work(monkeypatch, field, changes, words):
    def fail(*args, **kwargs):
        raise AssertionError("the work began")

    monkeypatch.setattr(joint_pipeline, "raw_bead_image", fail)
    with pytest.raises(InputError, match=words):
        psfd.distill(field.image, recipe=told(**{"spacing": field.spacing} | changes))


# The generator, and the steps one by one.


def test_the_fit_ends_after_the_iterations_that_are_allowed_and_says_so(field, symmetric):
    recipe = quick(distill=JointFit(most_iterations=2), spacing=field.spacing)
    result = finish(pipeline.distill_steps_of(field.image, recipe))
    assert 1 < len(result.log_likelihood) < len(symmetric.log_likelihood)
    assert any("The fit was ended after" in warning for warning in result.warnings)


def test_the_progress(symmetric_run):
    _, seen = symmetric_run
    order = list(dict.fromkeys(progress.title for progress in seen))
    assert order == ["Find beads", "Distil PSF", "Work out the PSF's errors", "Post-process PSF"]
    for step in order:
        counts = [progress.iteration for progress in seen if progress.title == step]
        assert counts == sorted(counts)
        assert all(progress.iteration <= progress.total for progress in seen)


@pytest.mark.parametrize("after", [0, 1, 3, 9])
def test_it_can_be_stopped_anywhere(field, after):
    steps = pipeline.distill_steps_of(field.image, quick(spacing=field.spacing))
    for _ in range(after):
        next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


@pytest.fixture(scope="module")
def found(field) -> pandas.DataFrame:
    return finish(joint_pipeline.find_raw_beads_step(field.image, told(spacing=field.spacing)))


def test_beads_that_were_found_but_not_fitted(field, found):
    columns = ["z", "y", "x", "amplitude", "background", "used", "reason"]
    assert list(found.columns) == columns
    assert found["used"].all()
    assert found.index.name == "bead"
    assert len(found) == len(field.centres)
    assert farthest(found, field.centres) < 2
    assert (found["amplitude"] > 0).all()


def test_a_dim_bead_among_bright_ones_is_told_from_their_halos(field, found):
    # Eight hundredths of the first bead, some widths beside it.
    axes = ["z", "y", "x"]
    place = found.iloc[0][axes].to_numpy(int)
    aside = place + np.array([1, 0, 14 if place[2] < field.image.shape[2] / 2 else -14])
    there, own = (
        tuple(slice(c - half, c + half + 1) for c, half in zip(voxel, (5, 7, 7), strict=True))
        for voxel in (aside, place)
    )
    light = np.maximum(field.image[own] - float(found.iloc[0]["background"]), 0)
    image = field.image.copy()
    image[there] += np.round(0.08 * light).astype(image.dtype)
    recipe = quick(spacing=field.spacing)
    beads = finish(joint_pipeline.find_raw_beads_step(image, recipe))
    assert beads["reason"].value_counts().to_dict() == {"": len(field.centres), "halo": 1}
    assert not beads.loc[beads["reason"] == "halo", "used"].any()
    for fitted in (
        finish(joint_pipeline.joint_step(image, beads, recipe)).beads,
        psfd.distill(image, field.spacing, recipe=recipe).beads,
    ):
        assert len(fitted) == len(field.centres) + 1
        assert np.linalg.norm(fitted[axes] - aside, axis=1).min() < 1


@pytest.mark.parametrize("columns", [None, ["z", "y", "x"]], ids=["as found", "places alone"])
def test_the_steps_one_by_one_are_the_whole(field, symmetric, found, columns):
    recipe = quick(spacing=field.spacing)
    beads = found if columns is None else found[columns]
    previews = []
    steps = joint_pipeline.joint_step(field.image, beads, recipe, preview_every=5)
    fit = finish(steps, lambda progress: previews.append(progress.preview))
    psf = finish(postprocess_step(fit.psf, recipe))
    assert error_of(psf, symmetric.psf) < 0.01
    shown = [preview for preview in previews if preview is not None]
    # The last one is the PSF before its errors are known.
    assert len(shown) == fit.iterations // 5 + 1
    assert shown[-1].shape == fit.psf.shape


def test_beads_that_are_not_used_do_not_shape_the_psf(field, found):
    some = found.copy()
    some.loc[[1, 2], "used"] = False
    some.loc[2, "reason"] = "out of focus"
    recipe = quick(spacing=field.spacing)
    fit = finish(joint_pipeline.joint_step(field.image, some, recipe))
    refused = fit.beads[~fit.beads["used"]]
    assert sorted(refused["reason"]) == ["excluded", "out of focus"]
    # Their light is in the model all the same: without them it would be in the others' halos.
    gone = finish(joint_pipeline.joint_step(field.image, found.drop(index=[1, 2]), recipe))
    assert len(gone.beads) == len(found) - 2
    assert np.abs(fit.residual).max() < np.abs(gone.residual).max() / 2


def test_a_fit_goes_on_from_another(bright_field):
    field, recipe = bright_field, quick(spacing=bright_field.spacing)
    found = finish(joint_pipeline.find_raw_beads_step(field.image, recipe))
    anew = finish(joint_pipeline.joint_step(field.image, found, recipe))
    first = finish(joint_pipeline.joint_step(field.image, found.iloc[1:], recipe))
    again = finish(joint_pipeline.joint_step(field.image, found, recipe, before=first))
    assert error_of(again.psf, anew.psf) < 0.005
    assert len(again.beads) == len(found)
    assert again.iterations < anew.iterations
    moved = again.beads.copy()
    moved.loc[3, ["y", "x"]] += 1.5
    back = finish(joint_pipeline.joint_step(field.image, moved, recipe, before=again))
    assert farthest(back.beads, field.centres) < 0.2


def test_a_fit_that_does_not_settle_ends_all_the_same(field, found, symmetric, monkeypatch):
    monkeypatch.setattr(joint, "MAX_ROUNDS", 1)
    monkeypatch.setattr(joint, "CONVERGED_NATS_PER_COEFFICIENT", 0.0)
    fit = finish(joint_pipeline.joint_step(field.image, found, quick(spacing=field.spacing)))
    assert error_of(fit.psf, symmetric.psf) < 0.02
    assert np.isfinite(fit.psf_error).all()
    assert np.isfinite(fit.fwhm_error).all()


def test_a_refused_bead_that_somebody_wants_is_used(field, found):
    recipe = quick(spacing=field.spacing)
    pair = found.copy()
    pair.loc[1, ["used", "reason"]] = False, "touching"
    first = finish(joint_pipeline.joint_step(field.image, pair, recipe))
    wanted = first.beads.copy()
    assert not wanted["used"].all()
    wanted["used"] = True
    again = finish(joint_pipeline.joint_step(field.image, wanted, recipe, before=first))
    assert again.beads["used"].all()
    # And it stays so in the fits after that.
    later = finish(joint_pipeline.joint_step(field.image, again.beads, recipe, before=again))
    assert later.state.preset_status.tolist().count("kept") == 1


def test_no_bead_is_marked_as_used(field, found):
    none = found.assign(used=False)
    with pytest.raises(InputError, match="None of the beads is marked as used"):
        finish(joint_pipeline.joint_step(field.image, none, quick(spacing=field.spacing)))


def test_a_bead_outside_the_image(field, found):
    astray = found.copy()
    astray.loc[1, "x"] = 1000.0
    with pytest.raises(InputError, match="outside"):
        finish(joint_pipeline.joint_step(field.image, astray, quick(spacing=field.spacing)))


def test_only_one_bead(field):
    alone = psfd.simulate_beads((24, 64, 64), beads=1, seed=6)
    with pytest.warns(DistillerWarning, match="Only 1 of 1 beads"):
        result = psfd.distill(alone.image, alone.spacing, recipe=told())
    # As much as its own errors say, which a single bead in a small image has.
    width = max(error / width for error, width in zip(result.fwhm_error, result.fwhm, strict=True))
    assert_true(result, alone, error=2 * relative_error(result), width=2 * width)
    assert np.isfinite(result.fwhm_error).all()


def test_more_is_known_of_brighter_beads():
    widths = []
    for photons in (2e4, 2e5):
        field = psfd.simulate_beads((24, 72, 80), beads=8, separation=1.2, photons=photons, seed=2)
        result = psfd.distill(field.image, field.spacing, recipe=quick())
        widths.append((result.fwhm_error[2], float(np.median(result.psf_error))))
    dim, bright = np.array(widths)
    assert (dim > 2 * bright).all()


def test_the_default_recipe_is_what_distil_does(field):
    assert (
        dataclasses.replace(told(), optics=Optics(), bead_diameter=None, device="auto") == Recipe()
    )


# Images that something was done to.


def preprocessed_field(**options):
    options = {"beads": 14, "photons": 6e4, "background": 20.0, "separation": 1.2} | options
    return psfd.simulate_beads((20, 128, 128), (0.3, 0.1, 0.1), **options)


@pytest.fixture(scope="module")
def error_of_the_raw_image() -> float:
    field = preprocessed_field(seed=3)
    return error_of(psfd.distill(field.image, field.spacing, recipe=quick()).psf, field.psf)


@pytest.mark.parametrize("less", [121.0, 125.0])
def test_a_background_cut_off_at_zero_does_not_change_the_psf(error_of_the_raw_image, less):
    field = preprocessed_field(seed=3)
    cut = np.maximum(field.image - less, 0).astype(np.float32)
    # Without a warning: those are errors here.
    result = psfd.distill(cut, field.spacing, recipe=quick())
    assert error_of(result.psf, field.psf) < error_of_the_raw_image + 0.03


def test_a_background_cut_off_far_above_it_is_said():
    field = preprocessed_field(seed=3)
    cut = np.maximum(field.image - 160.0, 0).astype(np.float32)
    # The image says so little that the fit does not come to an end either.
    with pytest.warns(DistillerWarning) as said:
        psfd.distill(cut, field.spacing, recipe=quick())
    assert any("its background was cut off" in str(warning.message) for warning in said)


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_a_smoothed_image_is_said_to_be_and_takes_no_longer(sigma):
    field = preprocessed_field(seed=4)
    smoothed = ndimage.gaussian_filter(field.image.astype(np.float32), sigma)
    with pytest.warns(DistillerWarning, match="The image was smoothed"):
        result = psfd.distill(smoothed, field.spacing, recipe=quick())
    # Blots of noise are no beads.
    assert len(result.beads) <= 16
    expected = ndimage.gaussian_filter(field.psf.astype(np.float64), sigma)
    assert error_of(result.psf, expected) < 0.12
    assert 0.7 < np.median(result.beads["chi_squared"]) < 1.4


def test_a_masked_image_is_distilled_inside():
    field = preprocessed_field(seed=5)
    y, x = np.mgrid[:128, :128]
    inside = (y - 64) ** 2 + (x - 64) ** 2 < 58**2
    result = psfd.distill(field.image * inside, field.spacing, recipe=quick())
    assert error_of(result.psf, field.psf) < 0.1


def test_a_turned_image_is_distilled():
    field = preprocessed_field(seed=6)
    turned = ndimage.rotate(field.image.astype(np.float32), 20, (1, 2), reshape=False, order=1)
    with pytest.warns(DistillerWarning, match="The image was smoothed, .* along y, x"):
        result = psfd.distill(turned, field.spacing, recipe=quick())
    # Straight lines between pixels smooth as a Gaussian of 0.41 of them does, in the mean.
    expected = ndimage.gaussian_filter(field.psf.astype(np.float64), (0, 0.41, 0.41))
    assert error_of(result.psf, expected) < 0.12
    assert len(result.beads) <= 18


def test_beads_that_are_all_saturated_are_told_at_once():
    field = preprocessed_field(seed=8)
    low = int(np.percentile(field.image, 99.5))
    with pytest.raises(InputError, match=r"None of the \d+ beads can be used: \d+ are saturated"):
        psfd.distill(np.minimum(field.image, low), field.spacing, recipe=quick())


def test_a_bead_diameter_in_another_unit(field):
    with pytest.raises(InputError, match="bead diameter is 5 µm, and a bead's image only"):
        psfd.distill(field.image, field.spacing, recipe=quick(bead_diameter=5.0))


def test_a_voxel_size_in_another_unit(field):
    smaller = tuple(size / 70 for size in field.spacing)
    recipe = quick(bead_diameter=None, optics=Optics(1.2, 0.52, 1.33))
    with pytest.raises(InputError, match="give the wavelength and the voxel size in micrometres"):
        psfd.distill(field.image, smaller, recipe=recipe)


def test_stripes_are_no_beads():
    field = preprocessed_field(seed=9, photons=3e3)
    rows = np.random.default_rng(9).normal(0, 25, (*field.image.shape[:2], 1))
    with pytest.raises(InputError, match="no bead's image is so unequal: the image has stripes"):
        psfd.distill((field.image + rows).astype(np.float32), field.spacing, recipe=quick())


def test_a_softly_saturated_image_is_told():
    field = preprocessed_field(seed=10, beads=18)
    light = field.image.astype(float) - 100
    full = 1.0 * light.max()
    squeezed = np.round(100 + full * np.tanh(light / full)).astype(np.uint16)
    with pytest.warns(DistillerWarning, match="The brighter a bead, the flatter is its image"):
        psfd.distill(squeezed, field.spacing, recipe=quick())


def test_a_denoised_image_is_told():
    field = preprocessed_field(seed=11)
    # Small steps of the noise are taken away, large ones are left.
    image = field.image.astype(float)
    smooth = ndimage.gaussian_filter(image, (0.7, 1.0, 1.0))
    off = image - smooth
    limit = 2.5 * np.sqrt(np.maximum(smooth - 95, 1))
    denoised = np.round(smooth + off * (np.abs(off) > limit)).astype(np.uint16)
    with pytest.warns(DistillerWarning, match="denoised|its noise is alike"):
        psfd.distill(denoised, field.spacing, recipe=quick())


def test_halos_that_a_filter_took_are_told():
    field = preprocessed_field(seed=13)
    image = field.image.astype(np.float32)
    ground = ndimage.grey_opening(ndimage.gaussian_filter(image, (0, 1, 1)), (1, 12, 12))
    flat = np.maximum(image - ground, 0).astype(np.uint16)
    recipe = quick(optics=Optics(1.2, 0.52, 1.33))
    with pytest.warns(DistillerWarning, match="where a widefield microscope's has all of it"):
        psfd.distill(flat, field.spacing, recipe=recipe)


def test_few_planes_are_told():
    field = psfd.simulate_beads((20, 128, 128), (0.25, 0.1, 0.1), beads=14, seed=14, photons=6e4)
    middle = round(float(np.median(field.centres[:, 0])))
    with pytest.warns(DistillerWarning, match="The image has 5 planes, and a bead's image is"):
        psfd.distill(field.image[middle - 2 : middle + 3], field.spacing, recipe=quick())


@pytest.mark.parametrize(
    ("filtered", "words"),
    [
        (lambda image: 2 * image - ndimage.gaussian_filter(image, (0, 2, 2)), "is negative"),
        (lambda image: image - ndimage.gaussian_filter(image, (0, 8, 8)), "is negative"),
    ],
    ids=["unsharp mask", "difference of Gaussians"],
)
@pytest.mark.filterwarnings("ignore:Just above and below its focus")
def test_filters_that_make_it_negative_are_told(filtered, words):
    field = preprocessed_field(seed=15, photons=2e5)
    with pytest.warns(DistillerWarning, match=words):
        psfd.distill(filtered(field.image.astype(np.float32)), field.spacing, recipe=quick())


def test_illumination_that_falls_off_is_told():
    field = preprocessed_field(seed=16, background=60.0)
    y, x = (np.linspace(-1, 1, n) for n in field.image.shape[1:])
    light = 1 - 0.2 * (y[:, None] ** 2 + x**2)
    uneven = 100 + (field.image.astype(np.float32) - 100) * light.astype(np.float32)
    with pytest.warns(DistillerWarning, match="The background is not smooth"):
        psfd.distill(uneven, field.spacing, recipe=quick())
