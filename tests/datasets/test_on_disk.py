"""What is written to the disk before it counts as written."""

import os

import numpy as np
import pytest
import zarr

from napari_psf_distiller.datasets.on_disk import flush_chunks


@pytest.fixture
def flushed(monkeypatch):
    """Return the files and folders that were written to the disk."""
    names, opened = [], {}
    real_open, real_sync = os.open, os.fsync

    def opening(path, *rest, **more):
        descriptor = real_open(path, *rest, **more)
        opened[descriptor] = str(path)
        return descriptor

    def syncing(descriptor):
        names.append(opened.get(descriptor, ""))
        real_sync(descriptor)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", syncing)
    return names


@pytest.mark.parametrize("shards", [None, (1, 4, 4)])
def test_the_chunks_of_a_part_and_their_folders(tmp_path, flushed, shards):
    folder = tmp_path / "array"
    array = zarr.create_array(folder, shape=(2, 8, 8), chunks=(1, 2, 2), shards=shards, dtype="f4")
    array[0, 0:4, 0:4] = 7
    flush_chunks(folder, array, (0, slice(0, 4), slice(0, 4)))
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"]
    assert len(files) == (4 if shards is None else 1)
    assert {str(path) for path in files} <= set(flushed)
    if os.name != "nt":
        assert {str(folder), str(folder / "c" / "0" / "0")} <= set(flushed)


def test_chunks_of_zeros_have_no_files(tmp_path, flushed):
    folder = tmp_path / "array"
    array = zarr.create_array(folder, shape=(4, 4), chunks=(2, 2), dtype="f4", zarr_format=2)
    array[...] = np.zeros((4, 4))
    flush_chunks(folder, array, (slice(0, 4), slice(0, 4)))
    assert not flushed
