"""A region of a data set tried is what the long run writes there; only it is read."""

import math

import numpy as np
import pytest
import tifffile
import zarr
from distributed import LocalCluster

import napari_psf_distiller as psfd
from napari_psf_distiller import Deconvolve, InputError, Recipe
from napari_psf_distiller.datasets.ome_zarr import (
    ImageLayout,
    create_image,
    open_images,
)
from napari_psf_distiller.datasets.volume import StoredVolume
from napari_psf_distiller.deconvolution.datasets.inputs import psfs_of

SPACING = (0.2, 0.08, 0.08)
SHAPE = (2, 2, 6, 90, 200)
REGION = [(0, 6), (20, 50), (120, 160)]
NUMPY = Recipe(device="numpy")


@pytest.fixture(scope="module")
def psf():
    return psfd.PSF(psfd.simulate_psf((5, 7, 7), SPACING), SPACING)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "in put.zarr"
    create_image(path, ImageLayout(tuple("tczyx"), SHAPE, "f4", SPACING, ("a", "b"), "0.5"), "one")
    values = np.random.default_rng(1).poisson(20, SHAPE)
    values[1, 1, 2:4, 40:43, 150:153] += 2000
    zarr.open_group(path, mode="r+")["0"][...] = values.astype(np.float32)
    return path


def test_the_region_is_that_of_the_stack(source, psf):
    settings = [Deconvolve(iterations=6), Deconvolve(iterations=6, total_variation=0.002)]
    trial = psfd.try_dataset(source, psf, 0, 1, "b", REGION, settings, recipe=NUMPY)
    (image,) = open_images(source)
    stack = np.asarray(image.volume(1, 1))
    for attempt in trial.attempts:
        whole = psfd.deconvolve(
            stack, psf, 6, device="numpy", total_variation=attempt.settings.total_variation
        )
        expected = np.asarray(whole)[trial.region]
        assert np.linalg.norm(attempt.array - expected) < 1e-3 * np.linalg.norm(expected)
    np.testing.assert_array_equal(trial.image, stack[trial.region])
    # Of four stacks, each larger than the region.
    assert trial.attempts[0].seconds_for_all > 4 * 6 * trial.attempts[0].seconds_per_iteration


def test_only_the_region_and_its_surroundings_are_read(source, psf, monkeypatch):
    boxes = []
    read = StoredVolume.read

    def noted(volume, box):
        boxes.append(box)
        return read(volume, box)

    monkeypatch.setattr(StoredVolume, "read", noted)
    monkeypatch.setattr(StoredVolume, "__array__", None)
    psfd.try_dataset(source, psf, region=REGION, settings=[Deconvolve(iterations=1)], recipe=NUMPY)
    reach = [int(2.5 * n) + 1 for n in psf.shape]
    for box in boxes:
        for part, (low, high), margin in zip(box, REGION, reach, strict=True):
            assert low - margin <= part.start < part.stop <= high + margin


def test_the_automatic_number_is_that_of_the_long_run(source, psf, tmp_path):
    trial = psfd.try_dataset(source, psf, settings=[Deconvolve()], channel=1, recipe=NUMPY)
    with LocalCluster(
        n_workers=1, processes=False, memory_limit=0, dashboard_address="127.0.0.1:0"
    ) as cluster:
        done = psfd.deconvolve_dataset(
            source, psf, tmp_path / "out.zarr", recipe=NUMPY, scheduler=cluster.scheduler_address
        )
    assert trial.attempts[0].iterations == done.iterations[1]


def test_the_region_chosen_is_where_the_detail_is(psf, tmp_path):
    values = np.random.default_rng(1).poisson(20, (6, 700, 700)).astype(np.float32)
    values[3, 400:404, 300:304] += 900
    path = tmp_path / "in.zarr"
    create_image(path, ImageLayout(tuple("zyx"), values.shape, "f4", SPACING, (), "0.5"), "")
    zarr.open_group(path, mode="r+")["0"][...] = values
    trial = psfd.try_dataset(path, psf, settings=[Deconvolve(iterations=1)], recipe=NUMPY)
    _, y, x = trial.region
    assert y.start <= 401 < y.stop
    assert x.start <= 301 < x.stop


BAD = [
    ({"position": "B/2"}, "no position 'B/2'"),
    ({"position": 3}, "no position 3: it has 1"),
    ({"channel": "red"}, "no channel 'red'; there are: a, b"),
    ({"time": -1}, "no time -1"),
    ({"region": [(0, 6), (0, 9999), (0, 3)]}, "0 to 9999 along y"),
    ({"settings": []}, "no settings to try"),
]


@pytest.mark.parametrize(("options", "sentence"), BAD)
def test_what_is_not_there_is_said(source, psf, options, sentence):
    with pytest.raises(InputError, match=sentence):
        psfd.try_dataset(source, psf, recipe=NUMPY, **options)


def test_a_survey_says_what_there_is(source, tmp_path):
    found = psfd.survey(source)
    assert (found.times, found.channels, found.shapes) == (2, ("a", "b"), (SHAPE[2:],))
    assert (found.stacks, found.nbytes) == (4, 4 * math.prod(SHAPE))
    assert str(found).startswith(
        "1 position x 2 times x 2 channels (a, b), 6 x 90 x 200 voxels of 0.2 x 0.08 x 0.08 µm"
    )
    for name, planes in (("one", 3), ("two", 4)):
        plain = np.ones((planes, 8, 9), np.uint16)
        tifffile.imwrite(tmp_path / f"{name}.tif", plain, photometric="minisblack")
    found = psfd.survey(tmp_path)
    assert found.positions == ("one", "two")
    assert found.spacing is None
    assert "3 x 8 x 9, 4 x 8 x 9 voxels of a size that the data do not say" in str(found)


@pytest.mark.parametrize(("count", "named"), [(2, True), (20, False)])
def test_a_survey_says_whether_names_tell_the_channels(tmp_path, count, named):
    for number in range(count):
        tifffile.imwrite(
            tmp_path / f"{number:02}.ome.tif",
            np.ones((2, 8, 9), np.uint16),
            photometric="minisblack",
            metadata={"axes": "CYX", "Channel": {"Name": ["red", f"of {number}"]}},
        )
    found = psfd.survey(tmp_path)
    assert found.named is named
    assert found.channels == (("red", "of 0", "of 1") if named else ("red", "of 0"))


def test_a_position_has_its_name(psf, tmp_path):
    rng = np.random.default_rng(2)
    for name in ("one", "two"):
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            rng.poisson(30, (6, 40, 40)).astype(np.uint16),
            imagej=True,
            resolution=(1 / 0.08, 1 / 0.08),
            metadata={"axes": "ZYX", "spacing": 0.2, "unit": "um"},
        )
    settings = [Deconvolve(iterations=1)]
    by_name = psfd.try_dataset(tmp_path, psf, "two", settings=settings, recipe=NUMPY)
    by_number = psfd.try_dataset(tmp_path, psf, 1, settings=settings, recipe=NUMPY)
    np.testing.assert_array_equal(by_name.image, by_number.image)


def test_a_psf_comes_to_the_voxels_once(source, psf, monkeypatch):
    asked = []

    def noting(*arguments):
        asked.append(arguments)
        return psfs_of(*arguments)

    monkeypatch.setattr("napari_psf_distiller.deconvolution.datasets.trial.psfs_of", noting)
    settings = [Deconvolve(), Deconvolve(iterations=2)]
    psfd.try_dataset(source, psf, 0, 1, "b", REGION, settings, recipe=NUMPY)
    assert len(asked) == 1


def test_voxels_that_are_not_finite_are_said(psf, tmp_path):
    values = np.random.default_rng(1).poisson(20, (6, 90, 90)).astype(np.float32)
    values[3, 45, 45] = np.nan
    path = tmp_path / "in.zarr"
    create_image(path, ImageLayout(tuple("zyx"), values.shape, "f4", SPACING, (), "0.5"), "")
    zarr.open_group(path, mode="r+")["0"][...] = values
    for region, told in ((None, "region has voxels that"), (REGION[:1] + [(0, 9)] * 2, "middle")):
        with pytest.raises(InputError, match=f"{told}.* not finite"):
            psfd.try_dataset(path, psf, region=region, settings=[Deconvolve()], recipe=NUMPY)


def test_it_says_why_the_automatic_end_is_none_of_the_image_s_own(psf, tmp_path):
    smooth = np.linspace(10, 50, 6 * 60 * 60, dtype=np.float32).reshape(6, 60, 60)
    path = tmp_path / "in.zarr"
    create_image(path, ImageLayout(tuple("zyx"), smooth.shape, "f4", SPACING, (), "0.5"), "")
    zarr.open_group(path, mode="r+")["0"][...] = smooth
    with pytest.warns(psfd.DistillerWarning, match="no noise"):
        trial = psfd.try_dataset(path, psf, settings=[Deconvolve()], recipe=NUMPY)
    assert trial.attempts[0].why_ended is psfd.WhyEnded.NO_NOISE
    assert "no noise" in trial.warnings[0]
    with (
        LocalCluster(
            n_workers=1, processes=False, memory_limit=0, dashboard_address="127.0.0.1:0"
        ) as cluster,
        pytest.warns(psfd.DistillerWarning, match="no noise"),
    ):
        done = psfd.deconvolve_dataset(
            path, psf, tmp_path / "out.zarr", recipe=NUMPY, scheduler=cluster.scheduler_address
        )
    assert done.iterations == (trial.attempts[0].iterations,)
    assert done.warnings == trial.warnings
