"""The number of iterations is sought where a data set has light."""

import itertools

import numpy as np
import pytest
import tifffile
from zarr_files import write_zarr

import napari_psf_distiller as psfd
from napari_psf_distiller import Deconvolve, InputError, Recipe
from napari_psf_distiller.deconvolution.datasets.channels import numbers_of_channels
from napari_psf_distiller.deconvolution.datasets.inputs import images_of
from napari_psf_distiller.deconvolution.datasets.iterations import iterations_of, part_with_light
from napari_psf_distiller.deconvolution.datasets.jobs import works_of
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage
from napari_psf_distiller.progress import finish

SPACING = (0.08, 0.08)
KERNEL = psfd.simulate_psf((9, 9), SPACING)


def empty(shape=(40, 40), seed=0):
    """Return what a camera gives without light: its offset and its noise."""
    return np.random.default_rng(seed).normal(100, 3, shape).astype(np.float32)


def lit(shape=(40, 40), seed=0):
    """Return an image of small bright things."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, 100.0)
    for y, x in rng.integers(5, np.array(shape) - 5, (6, 2)):
        image[y - 1 : y + 2, x - 1 : x + 2] += 400
    return rng.poisson(image).astype(np.float32)


def images(tmp_path, values, axes, **options):
    path = tmp_path / "in.zarr"
    write_zarr(path, values, axes, spacing=SPACING, **options)
    return images_of(path)


def numbers(found):
    psfs = [[PSFOnImage(KERNEL, "")] * one.layout.size("c") for one in found]
    return finish(iterations_of(found, psfs, NUMPY))


NUMPY = Recipe(device="numpy")


@pytest.mark.parametrize("dark", [0.0, 100.0])
def test_a_channel_without_light_is_told_and_the_others_are_done(tmp_path, dark):
    values = np.stack([lit(), np.full((40, 40), dark, np.float32)])
    found, warnings = numbers(images(tmp_path, values, "cyx", channels=["GFP", "DAPI"]))
    assert found[0] > 1
    assert found[1] == 1
    assert any("Channel DAPI is dark or constant in all stacks" in one for one in warnings)


def ome_tiff(path, values, channels):
    tifffile.imwrite(
        path,
        values.astype(np.uint16),
        photometric="minisblack",
        metadata={
            "axes": "CYX",
            "Channel": {"Name": channels},
            "PhysicalSizeY": SPACING[0],
            "PhysicalSizeX": SPACING[1],
        },
    )


def test_a_channel_is_the_same_in_images_that_have_it_elsewhere(tmp_path):
    dark = np.zeros((40, 40), np.float32)
    ome_tiff(tmp_path / "a.ome.tif", np.stack([lit(), dark]), ["green", "red"])
    ome_tiff(tmp_path / "b.ome.tif", np.stack([dark, lit(), lit()]), ["red", "blue", "green"])
    found = images_of(tmp_path)
    assert numbers_of_channels(found) == [(1, 0), (None, 1), (0, 2)]
    counts, warnings = numbers(found)
    assert counts[0] == 1
    assert min(counts[1:]) > 1
    assert next(one for one in warnings if "dark" in one).startswith("Channel red is dark")
    works = works_of(
        found,
        [[PSFOnImage(KERNEL, "")] * one.layout.size("c") for one in found],
        NUMPY,
        [1, 2, 3],
        tmp_path / "out.zarr",
    )
    assert [[one.iterations for one in of_image] for of_image in works] == [[3, 1], [1, 2, 3]]


def test_where_each_image_has_names_of_its_own_the_order_tells_the_channels(tmp_path):
    for n in range(15):
        ome_tiff(tmp_path / f"{n}.ome.tif", np.stack([lit(), lit()]), [f"a{n}", f"b{n}"])
    assert numbers_of_channels(images_of(tmp_path)) == [(0,) * 15, (1,) * 15]


def test_data_without_any_light_are_refused(tmp_path):
    values = np.zeros((2, 40, 40), np.float32)
    with pytest.raises(InputError, match="dark or constant in all stacks"):
        numbers(images(tmp_path, values, "cyx"))


def test_an_empty_position_before_does_not_decide(tmp_path):
    values = np.stack([empty(), empty(seed=1), lit()])
    part = finish(part_with_light(images(tmp_path, values, "tyx"), [0]))
    np.testing.assert_array_equal(part.voxels, values[2])


def test_the_first_of_those_with_light_is_taken(tmp_path):
    values = np.stack([lit(), lit(seed=1) * 2])
    part = finish(part_with_light(images(tmp_path, values, "tyx"), [0]))
    np.testing.assert_array_equal(part.voxels, values[0])


def test_noise_alone_is_taken_where_there_is_nothing_else(tmp_path):
    values = np.stack([np.full((40, 40), 100, np.float32), empty()])
    part = finish(part_with_light(images(tmp_path, values, "tyx"), [0]))
    np.testing.assert_array_equal(part.voxels, values[1])


def test_light_beside_a_dark_middle_is_found(tmp_path):
    values = np.zeros((900, 30), np.float32)
    values[:40] = lit((40, 30))
    part = finish(part_with_light(images(tmp_path, values, "yx"), [0]))
    assert (part.voxels[:40] == values[:40]).all()


def test_voxels_that_are_not_finite_are_told(tmp_path):
    values = lit()
    values[20, 20] = np.nan
    with pytest.raises(InputError, match=r"middle of image 0, time 0, channel 0.* not finite"):
        numbers(images(tmp_path, values, "yx"))


def test_the_time_of_all_has_a_search_for_each_channel(tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    psf = psfd.PSF(KERNEL, SPACING)

    def seconds(channels):
        path = tmp_path / f"{channels}.zarr"
        write_zarr(path, np.stack([lit()] * channels), "cyx", spacing=SPACING)
        trial = psfd.try_dataset(path, psf, settings=[Deconvolve()], recipe=NUMPY)
        return trial.attempts[0].seconds_for_all

    assert seconds(3) == pytest.approx(3 * seconds(1))
