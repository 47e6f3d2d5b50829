"""`psf-distiller deconvolve` of a data set, in a process of its own."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zarr
from dask_clusters import local_scheduler

import napari_psf_distiller as psfd
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.datasets.ome_zarr import ImageLayout, create_image
from napari_psf_distiller.deconvolution.datasets.record import Record

SPACING = (0.08, 0.08)


@pytest.fixture
def data(tmp_path):
    """Return a folder with a data set of 8 times, and a PSF."""
    shape = (8, 128, 128)
    create_image(
        tmp_path / "in.zarr", ImageLayout(("t", "y", "x"), shape, "f4", SPACING, (), "0.5"), ""
    )
    values = np.random.default_rng(0).poisson(20, shape)
    zarr.open_group(tmp_path / "in.zarr", mode="r+")["0"][...] = values.astype(np.float32)
    psfd.PSF(psfd.simulate_psf((9, 9), SPACING), SPACING).save(tmp_path / "psf.tif")
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another Ctrl-C")
@pytest.mark.parametrize(
    ("ending", "more"),
    [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGINT, ["--overwrite"])],
)
def test_what_is_done_is_kept_when_it_is_ended(data, ending, more, monkeypatch, capsys):
    command = [sys.executable, "-m", "napari_psf_distiller.cli", "deconvolve", "in.zarr", "psf.tif"]
    command += ["-o", "out.zarr", "--workers", "1", "--device", "numpy", "--iterations"]
    record = Record(data / "out.zarr")
    with subprocess.Popen(
        [*command, "300", *more],
        cwd=data,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while process.poll() is None and not (record.read() or ({}, set()))[1]:
            time.sleep(0.02)
        # As a terminal's Ctrl-C does, the workers, too.
        os.killpg(process.pid, ending)
        first, last = process.stderr.read().splitlines()
        code = process.wait(60)
    how = "interrupted" if ending == signal.SIGINT else "ended by SIGTERM"
    same = "the same command without --overwrite" if more else "the same command"
    assert last == (
        f"psf-distiller: {how}; the regions that are done are kept: {same} does the rest."
    )
    assert first == "psf-distiller: Deconvolve (1 workers) ..."
    assert code == (130 if ending == signal.SIGINT else 143)
    _, done = record.read()
    assert done
    # With workers that are there.
    monkeypatch.chdir(data)
    with local_scheduler() as scheduler:
        rest = ["in.zarr", "psf.tif", "-o", "out.zarr", "--scheduler", scheduler]
        assert main(["deconvolve", *rest, "--device", "numpy", "--iterations", "300"]) == 0
    assert f"{len(done)} before" in capsys.readouterr().out
