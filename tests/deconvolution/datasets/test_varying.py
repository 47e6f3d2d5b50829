"""A data set deconvolved with a PSF that changes: each region with the PSFs of its place."""

import dataclasses

import dask
import numpy as np
import pytest
from dask_clusters import local_scheduler
from varying import fitted, over_image
from zarr_files import write_zarr

from napari_psf_distiller import Deconvolve, InputError, Recipe, deconvolve
from napari_psf_distiller.datasets.ome_zarr import open_images
from napari_psf_distiller.deconvolution.datasets.run import deconvolve_dataset_steps
from napari_psf_distiller.deconvolution.datasets.task import task_of
from napari_psf_distiller.deconvolution.datasets.trial import try_dataset
from napari_psf_distiller.deconvolution.psf_on_image import PSFOnImage
from napari_psf_distiller.progress import finish

PSF = fitted()
SHAPE = (8, 150, 270)
# Pixels as large as the bead image's, which show about half as much of the field.
PLACE = {"over_field": "placed", "field_y": 1.0, "field_x": 0.5, "field_scale": 0.55}
RECIPE = Recipe(device="numpy", memory=0.02, deconvolve=Deconvolve(iterations=3, **PLACE))


@pytest.fixture(scope="module")
def scheduler():
    with local_scheduler() as address:
        yield address


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "in.zarr"
    values = np.random.default_rng(1).poisson(20, SHAPE).astype(np.float32)
    write_zarr(path, values, "zyx", spacing=PSF.spacing)
    return path


def test_each_region_has_the_psfs_of_its_place(source, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    # Whatever dask holds to be a lot, it warns of none.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 kB"}):
        done = finish(deconvolve_dataset_steps(source, PSF, output, RECIPE, scheduler=scheduler))
    assert not done.failed
    assert done.regions > 1
    assert any("eigen-PSFs" in note for note in done.notes)
    (before,), (after,) = open_images(source), open_images(output)
    image, found = np.asarray(before.volume()), np.asarray(after.volume())
    expected = deconvolve(image, PSF, 3, device="numpy", **PLACE).array
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)
    mean = deconvolve(image, PSF, 3, device="numpy", over_field="mean").array
    assert np.linalg.norm(mean - expected) > 1e-2 * np.linalg.norm(expected)


def test_its_number_of_iterations_is_sought_and_a_region_tried(source):
    settings = [Deconvolve(**PLACE), Deconvolve(iterations=3, **PLACE)]
    box = [(0, 8), (30, 80), (200, 260)]
    trial = try_dataset(source, PSF, region=box, settings=settings, recipe=RECIPE)
    (before,) = open_images(source)
    expected = deconvolve(np.asarray(before.volume()), PSF, 3, device="numpy", **PLACE).array
    expected = expected[:, 30:80, 200:260]
    found = trial.attempts[1].array
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)
    assert trial.attempts[0].iterations >= 1


def test_images_of_another_field_are_refused_before_anything_is_written(source, tmp_path):
    recipe = dataclasses.replace(RECIPE, deconvolve=Deconvolve(iterations=3))
    with pytest.raises(InputError, match="Say where it lies"):
        finish(deconvolve_dataset_steps(source, PSF, tmp_path / "out.zarr", recipe))
    assert list(tmp_path.iterdir()) == []


def test_the_same_kernels_with_other_weights_are_another_task():
    image = np.zeros(SHAPE[-2:], np.float32)
    mean, variation = over_image(np.eye(16).reshape(16, 4, 4)[:4], image.shape)
    turned = dataclasses.replace(
        variation.eigen, coefficients=variation.eigen.coefficients.swapaxes(1, 2)
    )
    kinds = [
        variation,
        dataclasses.replace(variation, eigen=turned),
        dataclasses.replace(variation, rows=variation.rows + 1),
    ]
    tasks = [task_of("", [], [[PSFOnImage(mean, "", one)]], RECIPE) for one in kinds]
    assert len({str(task) for task in tasks}) == len(kinds)
    assert task_of("", [], [[PSFOnImage(mean, "", variation)]], RECIPE) == tasks[0]
