"""Data sets deconvolved region by region, on workers of this machine."""

import dataclasses
import hashlib
import os
import shutil
import sys
import threading
from pathlib import Path

import dask
import numpy as np
import pytest
import tifffile
import zarr
from dask_clusters import local_scheduler
from zarr_files import write_zarr

import napari_psf_distiller as psfd
from napari_psf_distiller import InputError, Recipe
from napari_psf_distiller.compute.threads import host_threads
from napari_psf_distiller.datasets.ome_zarr import ImageLayout, create_image, open_images
from napari_psf_distiller.deconvolution.datasets.cluster import first_done, workers_of
from napari_psf_distiller.deconvolution.datasets.record import Record
from napari_psf_distiller.deconvolution.datasets.region import halved
from napari_psf_distiller.deconvolution.datasets.run import deconvolve_dataset_steps
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.deconvolution.tiled import deconvolved_tile
from napari_psf_distiller.errors import DeviceMemoryError, DistillerError
from napari_psf_distiller.progress import finish

SPACING = (0.2, 0.08, 0.08)
SHAPE = (2, 2, 6, 150, 270)
ITERATIONS = 3


@pytest.fixture(scope="module")
def psf():
    return psfd.PSF(psfd.simulate_psf((5, 9, 9), SPACING), SPACING)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "in put.zarr"
    create_image(path, ImageLayout(tuple("tczyx"), SHAPE, "f4", SPACING, ("a", "b"), "0.5"), "one")
    values = np.random.default_rng(1).poisson(20, SHAPE)
    zarr.open_group(path, mode="r+")["0"][...] = values.astype(np.float32)
    return path


@pytest.fixture(scope="module")
def scheduler():
    # One set of workers for all tests, as a user's own.
    with local_scheduler(2) as address:
        yield address


def recipe(memory=0.01) -> Recipe:
    """Return settings under which a stack is several regions."""
    made = Recipe(device="numpy", memory=memory)
    return dataclasses.replace(
        made, deconvolve=dataclasses.replace(made.deconvolve, iterations=ITERATIONS)
    )


def run(source, psf, output, scheduler, **options):
    settings = options.pop("recipe", recipe())
    return finish(
        deconvolve_dataset_steps(source, psf, output, settings, scheduler=scheduler, **options)
    )


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def whole(source, psf, scheduler, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "out.zarr"
    return output, run(source, psf, output, scheduler)


def test_the_regions_together_are_the_image_deconvolved(source, psf, whole):
    output, done = whole
    assert not done.failed
    assert done.regions > SHAPE[0] * SHAPE[1]
    (before,), (image,) = open_images(source), open_images(output)
    assert image.layout.axes == before.layout.axes
    assert image.layout.channels == before.layout.channels
    assert image.layout.spacing == pytest.approx(SPACING)
    for time in range(SHAPE[0]):
        expected = np.asarray(
            psfd.deconvolve(np.asarray(before.volume(time, 1)), psf, ITERATIONS, device="numpy")
        )
        found = np.asarray(image.volume(time, 1))
        assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_the_pyramid_has_the_means(whole):
    group = zarr.open_group(whole[0], mode="r")
    for time, channel in ((0, 0), (1, 1)):
        finer = group["0"][time, channel]
        np.testing.assert_allclose(group["1"][time, channel], halved(finer), rtol=1e-5)


def test_halved_means_what_there_is_at_an_odd_end():
    values = np.arange(15, dtype=np.float32).reshape(3, 5)
    np.testing.assert_allclose(halved(values), [[3, 5, 6.5], [10.5, 12.5, 14]])


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 1), (2, 1, 7), (2, 3, 6, 6)])
def test_halved_means_two_lines_and_two_columns(shape):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    before = values.copy()
    found = halved(values)
    *_, rows, columns = shape
    assert found.shape == (*shape[:-2], -(-rows // 2), -(-columns // 2))
    for y, x in np.ndindex(found.shape[-2:]):
        expected = values[..., 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(axis=(-2, -1))
        np.testing.assert_allclose(found[..., y, x], expected, rtol=1e-6)
    np.testing.assert_array_equal(values, before)


def test_a_run_that_was_stopped_goes_on(source, psf, whole, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    steps = deconvolve_dataset_steps(source, psf, output, recipe(), scheduler=scheduler)
    for progress in steps:
        if progress.iteration == 3:
            break
    steps.close()
    assert Record(output).path.exists()
    done = run(source, psf, output, scheduler)
    assert done.skipped >= 3
    assert done.regions + done.skipped == whole[1].regions
    assert not Record(output).path.exists()
    assert digest(output) == digest(whole[0])


def test_a_run_that_is_stopped_gives_up_the_regions_under_way(
    source, psf, scheduler, tmp_path, monkeypatch
):
    begun_by, given_up = threading.Event(), threading.Event()

    def noting(*given):
        begun_by.set()
        try:
            return deconvolved_tile(*given)
        except DistillerError:
            given_up.set()
            raise

    monkeypatch.setattr(
        "napari_psf_distiller.deconvolution.datasets.region.deconvolved_tile", noting
    )
    monkeypatch.setattr("napari_psf_distiller.deconvolution.datasets.cluster.LOOK_EVERY", 0.05)
    settings = recipe()
    # None of them ends by itself.
    settings = dataclasses.replace(
        settings, deconvolve=dataclasses.replace(settings.deconvolve, iterations=10**5)
    )
    steps = deconvolve_dataset_steps(
        source, psf, tmp_path / "out.zarr", settings, scheduler=scheduler
    )
    for progress in steps:
        assert progress.iteration == 0
        if begun_by.is_set():
            break
    steps.close()
    assert given_up.wait(60)


def test_a_line_that_was_cut_short_is_done_again(tmp_path):
    record = Record(tmp_path / "out.zarr")
    record.begin({"source": "here"})
    record.add("one")
    with record.path.open("a") as file:
        file.write('"tw')
    assert record.read() == ({"source": "here"}, {"one"})
    record.resume()
    record.add("three")
    assert record.read() == ({"source": "here"}, {"one", "three"})


def begun(source, psf, output, scheduler, settings=None):
    """Begin a run and stop it after its first region."""
    steps = deconvolve_dataset_steps(source, psf, output, settings or recipe(), scheduler=scheduler)
    for progress in steps:
        if progress.iteration == 1:
            break
    steps.close()


def test_a_removed_output_is_made_anew(source, psf, whole, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    begun(source, psf, output, scheduler)
    shutil.rmtree(output)
    assert run(source, psf, output, scheduler).skipped == 0
    assert digest(output) == digest(whole[0])


def test_overwriting_forgets_what_was_done_before(source, psf, scheduler, tmp_path, monkeypatch):
    output = tmp_path / "out.zarr"
    begun(source, psf, output, scheduler)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Record, "begin", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, psf, output, scheduler, overwrite=True)
    assert Record(output).read() is None


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")
def test_two_runs_do_not_write_one_output(source, psf, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    steps = deconvolve_dataset_steps(source, psf, output, recipe(), scheduler=scheduler)
    next(steps)
    with pytest.raises(InputError, match="being written by another run"):
        run(source, psf, output, scheduler, overwrite=True)
    steps.close()
    assert not run(source, psf, output, scheduler).failed


def test_too_little_memory_leaves_what_was_there(source, psf, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    with pytest.raises(DeviceMemoryError):
        run(source, psf, output, scheduler, recipe=recipe(1e-4))
    assert not output.exists()
    assert not run(source, psf, output, scheduler).failed


def test_workers_in_another_folder_find_the_data(source, psf, scheduler, tmp_path, monkeypatch):
    monkeypatch.chdir(source.parent)
    output = tmp_path / "out.zarr"
    steps = deconvolve_dataset_steps(source.name, psf, output, recipe(), scheduler=scheduler)
    next(steps)
    monkeypatch.chdir(tmp_path)
    assert not finish(steps).failed


def stored(path, values, axes="zyx"):
    spacing = SPACING[-len(axes.replace("t", "")) :]
    create_image(path, ImageLayout(tuple(axes), values.shape, "f4", spacing, (), "0.5"), "")
    zarr.open_group(path, mode="r+")["0"][...] = values
    return path


def test_the_image_goes_on_with_its_other_side(psf, scheduler, tmp_path):
    values = np.random.default_rng(3).poisson(20, (6, 150, 500)).astype(np.float32)
    values[:, :3, :3] += 3000
    settings = recipe(0.007)
    settings = dataclasses.replace(
        settings, deconvolve=dataclasses.replace(settings.deconvolve, boundary="circulant")
    )
    output = tmp_path / "out.zarr"
    done = run(stored(tmp_path / "in.zarr", values), psf, output, scheduler, recipe=settings)
    assert done.regions > 1
    (image,) = open_images(output)
    expected = np.asarray(psfd.deconvolve(values, psf, ITERATIONS, "circulant", device="numpy"))
    assert np.linalg.norm(np.asarray(image.volume()) - expected) < 1e-3 * np.linalg.norm(expected)


def test_saturated_voxels_do_not_count(psf, scheduler, tmp_path):
    values = np.random.default_rng(4).poisson(20, (6, 60, 270)).astype(np.float32)
    values[2:4, 20:25, 30:35] = 99
    settings = recipe(0.01)
    settings = dataclasses.replace(
        settings, deconvolve=dataclasses.replace(settings.deconvolve, saturation=99)
    )
    output = tmp_path / "out.zarr"
    done = run(stored(tmp_path / "in.zarr", values), psf, output, scheduler, recipe=settings)
    assert not done.failed
    (image,) = open_images(output)
    expected = np.asarray(
        psfd.deconvolve(values, psf, ITERATIONS, device="numpy", mask=values < 99)
    )
    assert np.linalg.norm(np.asarray(image.volume()) - expected) < 2e-3 * np.linalg.norm(expected)


def test_iterations_are_sought_where_there_is_light(scheduler, tmp_path):
    values = np.random.default_rng(5).poisson(20, (2, 40, 40)).astype(np.float32)
    values[0] = 0
    plane = psfd.PSF(psfd.simulate_psf((9, 9), SPACING[1:]), SPACING[1:])
    source = stored(tmp_path / "in.zarr", values, "tyx")
    done = run(
        source, plane, tmp_path / "out.zarr", scheduler, recipe=Recipe(device="numpy", memory=0.1)
    )
    assert not done.failed
    assert done.iterations[0] > 0


def test_a_psf_is_evaluated_once_for_images_that_are_alike(scheduler, tmp_path, monkeypatch):
    asked = []

    def counted(*given):
        asked.append(given)
        return psf_on_image(*given)

    monkeypatch.setattr("napari_psf_distiller.deconvolution.datasets.inputs.psf_on_image", counted)
    folder = tmp_path / "cells"
    folder.mkdir()
    plane = psfd.PSF(psfd.simulate_psf((9, 9), SPACING[1:]), SPACING[1:])
    for name in ("a.TIF", "b.tiff", "._a.tif"):
        tifffile.imwrite(folder / name, np.full((20, 20), 7, np.uint16))
    settings = dataclasses.replace(recipe(), spacing=SPACING[1:])
    done = run(folder, plane, tmp_path / "out.zarr", scheduler, recipe=settings)
    assert (done.images, len(asked)) == (2, 1)


def test_another_task_does_not_go_on(source, psf, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    steps = deconvolve_dataset_steps(source, psf, output, recipe(), scheduler=scheduler)
    for progress in steps:
        if progress.iteration == 1:
            break
    steps.close()
    wider = psfd.PSF(psfd.simulate_psf((5, 11, 11), SPACING), SPACING)
    with pytest.raises(InputError, match="begun with another image, PSF or other settings"):
        run(source, wider, output, scheduler)


def changed(path):
    """Write other values to a data set."""
    zarr.open_group(path, mode="r+")["0"][0, 0, 0, 0, :9] = 77.0


def test_data_that_changed_are_not_gone_on_with(source, psf, scheduler, tmp_path):
    shutil.copytree(source, tmp_path / "in.zarr")
    output = tmp_path / "out.zarr"
    begun(tmp_path / "in.zarr", psf, output, scheduler)
    changed(tmp_path / "in.zarr")
    with pytest.raises(InputError, match=r"in\.zarr has changed since .*out\.zarr was begun"):
        run(tmp_path / "in.zarr", psf, output, scheduler)
    assert run(tmp_path / "in.zarr", psf, output, scheduler, overwrite=True).skipped == 0


def test_data_that_change_meanwhile_are_told(source, psf, scheduler, tmp_path):
    shutil.copytree(source, tmp_path / "in.zarr")
    output = tmp_path / "out.zarr"
    steps = deconvolve_dataset_steps(
        tmp_path / "in.zarr", psf, output, recipe(), scheduler=scheduler
    )
    next(steps)
    changed(tmp_path / "in.zarr")
    with pytest.raises(DistillerError, match="changed while it was deconvolved"):
        finish(steps)
    assert Record(output).path.exists()


def test_a_run_goes_on_with_other_memory(source, psf, whole, scheduler, tmp_path):
    output = tmp_path / "out.zarr"
    begun(source, psf, output, scheduler)
    done = run(source, psf, output, scheduler, recipe=recipe(1))
    assert done.skipped >= 1
    assert done.regions + done.skipped == whole[1].regions
    assert digest(output) == digest(whole[0])


def test_nothing_is_overwritten_unasked(source, psf, whole, scheduler):
    with pytest.raises(InputError, match="is there already"):
        run(source, psf, whole[0], scheduler)


def test_a_damaged_region_does_not_stop_the_others(source, psf, scheduler, tmp_path):
    damaged = tmp_path / "damaged.zarr"
    create_image(damaged, ImageLayout(tuple("tyx"), (3, 40, 40), "f4", SPACING[1:], (), "0.5"), "")
    zarr.open_group(damaged, mode="r+")["0"][...] = 10.0
    chunk = damaged / "0" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:9])
    plane = psfd.PSF(psfd.simulate_psf((9, 9), SPACING[1:]), SPACING[1:])
    done = run(damaged, plane, tmp_path / "out.zarr", scheduler)
    (text,) = done.failed
    assert "time 1" in text
    assert "cannot be read" in text
    assert done.regions == 2
    assert Record(tmp_path / "out.zarr").path.exists()


def test_a_folder_of_tiffs(psf, scheduler, tmp_path):
    folder = tmp_path / "beads and cells"
    folder.mkdir()
    images = np.random.default_rng(2).poisson(9, (2, 6, 40, 50)).astype(np.uint16)
    for number, image in enumerate(images):
        tifffile.imwrite(
            folder / f"cell {number}.tif",
            image,
            imagej=True,
            resolution=(1 / 0.08, 1 / 0.08),
            metadata={"axes": "ZYX", "spacing": 0.2, "unit": "um"},
        )
    done = run(folder, psf, tmp_path / "out.zarr", scheduler)
    assert (done.images, done.failed) == (2, ())
    for image, stored in zip(open_images(tmp_path / "out.zarr"), images, strict=True):
        expected = psfd.deconvolve(stored, psf, ITERATIONS, device="numpy")
        np.testing.assert_allclose(np.asarray(image.volume()), np.asarray(expected), rtol=1e-4)


def test_each_channel_has_its_psf(source, psf, scheduler, tmp_path):
    wider = psfd.PSF(psfd.simulate_psf((5, 11, 11), SPACING, wavelength=0.7), SPACING)
    run(source, {"b": wider, "a": psf}, tmp_path / "out.zarr", scheduler)
    (image,), (before,) = open_images(tmp_path / "out.zarr"), open_images(source)
    expected = psfd.deconvolve(np.asarray(before.volume(1, 1)), wider, ITERATIONS, device="numpy")
    found = np.asarray(image.volume(1, 1))
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("psfs", "text"), [(3, "3 PSFs, and the data have 2 channels"), ({}, "PSFs for c")]
)
def test_psfs_that_are_not_the_channels(source, psf, scheduler, tmp_path, psfs, text):
    given = [psf] * psfs if isinstance(psfs, int) else {"c": psf}
    with pytest.raises(InputError, match=text):
        run(source, given, tmp_path / "out.zarr", scheduler)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.slow
def test_a_worker_that_was_lost_has_its_threads_again():
    # What ends its worker is not tried again.
    once = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with once, workers_of(None, 1, 1, "numpy") as there:
        client = there.start(there.shares[0]._replace(threads=1))

        def said(function):
            return client.submit(function, pure=False).result(timeout=120)

        assert said(host_threads) == 1
        before = said(os.getpid)
        lost = client.submit(os._exit, 1, pure=False)
        assert lost.exception(timeout=120) is not None
        assert said(os.getpid) != before
        assert said(host_threads) == 1


def test_workers_that_are_all_gone_are_told(monkeypatch):
    from distributed import Client, LocalCluster

    module = "napari_psf_distiller.deconvolution.datasets.cluster"
    monkeypatch.setattr(f"{module}.PATIENCE", 0.2)
    monkeypatch.setattr(f"{module}.LOOK_EVERY", 0.1)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
        pytest.raises(DistillerError, match="All workers are gone"),
    ):
        first_done(client, [client.submit(os.getpid, pure=False)])


def test_a_scheduler_that_is_not_there(source, psf, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_psf_distiller.deconvolution.datasets.cluster.TIMEOUT", 1)
    with pytest.raises(InputError, match=r"scheduler tcp://127.0.0.1:1 cannot be reached"):
        run(source, psf, tmp_path / "out.zarr", "tcp://127.0.0.1:1")


def test_workers_of_another_version(source, psf, scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "napari_psf_distiller.deconvolution.datasets.cluster._versions", lambda _: {"0.0.9"}
    )
    with pytest.raises(InputError, match=r"have napari-psf-distiller 0\.0\.9, and here is"):
        run(source, psf, tmp_path / "out.zarr", scheduler)


def test_voxels_below_0_are_told(scheduler, tmp_path):
    values = np.full((2, 40, 40), 5, np.float32)
    values[1, 3] = -2
    plane = psfd.PSF(psfd.simulate_psf((9, 9), SPACING[1:]), SPACING[1:])
    source = stored(tmp_path / "in.zarr", values, "tyx")
    done = run(source, plane, tmp_path / "out.zarr", scheduler)
    assert any("voxels below 0 in 1 of 2 regions" in note for note in done.notes)


def test_values_that_are_no_intensities(psf, scheduler, tmp_path):
    stored(tmp_path / "in.zarr", np.ones((6, 40, 40), np.float32))
    group = zarr.open_group(tmp_path / "in.zarr", mode="r+")
    group.create_array("0", shape=(6, 40, 40), dtype="c8", overwrite=True)
    with pytest.raises(InputError, match="type complex64, which are no intensities"):
        run(tmp_path / "in.zarr", psf, tmp_path / "out.zarr", scheduler)


def test_an_image_without_voxels(psf, scheduler, tmp_path):
    write_zarr(tmp_path / "in.zarr", np.ones((0, 40, 40), np.float32), spacing=SPACING)
    with pytest.raises(InputError, match=r"in\.zarr has no voxels: its shape is 0 x 40 x 40"):
        run(tmp_path / "in.zarr", psf, tmp_path / "out.zarr", scheduler)


def test_a_folder_that_holds_neither(psf, scheduler, tmp_path):
    folder = tmp_path / "cells"
    folder.mkdir()
    with pytest.raises(InputError, match=r"is no OME-Zarr, and no TIFFs lie in it"):
        run(folder, psf, tmp_path / "out.zarr", scheduler)


def test_a_zarr_s_name_may_be_in_capital_letters(psf, scheduler, tmp_path):
    source = stored(tmp_path / "in.zarr", np.ones((6, 40, 40), np.float32))
    assert not run(source, psf, tmp_path / "OUT.ZARR", scheduler).failed


@pytest.mark.parametrize("name", ["out.tif", "no folder/out.zarr"])
def test_a_place_that_cannot_be_written(source, psf, scheduler, tmp_path, name):
    with pytest.raises(InputError, match=r"must end in \.zarr|is not there; make it"):
        run(source, psf, tmp_path / name, scheduler)


def test_the_result_lies_where_the_data_lie(scheduler, tmp_path):
    spacing, fine = (0.16, 0.16), (0.08, 0.08)
    layout = ImageLayout(("y", "x"), (40, 40), "f4", spacing, (), "0.4", (5.0, 7.0))
    create_image(tmp_path / "in.zarr", layout, "")
    zarr.open_group(tmp_path / "in.zarr", mode="r+")["0"][...] = np.eye(40) + 1
    (before,) = open_images(tmp_path / "in.zarr")
    assert before.layout.first_voxel == pytest.approx((5, 7))
    plane = psfd.PSF(psfd.simulate_psf((9, 9), fine), fine)
    settings = recipe()
    settings = dataclasses.replace(
        settings, deconvolve=dataclasses.replace(settings.deconvolve, finer=2)
    )
    assert not run(
        tmp_path / "in.zarr", plane, tmp_path / "out.zarr", scheduler, recipe=settings
    ).failed
    (image,) = open_images(tmp_path / "out.zarr")
    assert image.layout.spacing == pytest.approx(fine)
    assert image.layout.first_voxel == pytest.approx((4.96, 6.96))
