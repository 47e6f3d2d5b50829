"""Which regions a data set is cut into."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.compute.devices import Device
from napari_psf_distiller.compute.engine import GIB, Memory
from napari_psf_distiller.compute.host.solver import HostEngine
from napari_psf_distiller.deconvolution.datasets.plan import Share, Stack, planned
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.errors import DeviceMemoryError

STACK = Stack(
    (64, 1024, 1024), (32, 128, 128), (31, 41, 41), (47, 62, 62), Model(method="accelerated")
)


def share(workers=1, gib=2.0, threads=1) -> Share:
    return Share(workers, int(gib * GIB), threads, workers)


def plan(shares, stack=STACK, number=8, cuts=None):
    return planned([(stack, number)], shares, "numpy", "auto", cuts)


@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 700), st.integers(1, 700)),
    counts=st.tuples(*[st.integers(1, 6)] * 3),
    boundary=st.sampled_from(["circulant", "noncirculant"]),
)
def test_each_voxel_is_in_one_region_of_whole_chunks(shape, counts, boundary):
    chunk = tuple(min(a, b) for a, b in zip(shape, (32, 128, 128), strict=True))
    stack = Stack(shape, chunk, (5, 9, 9), (8, 14, 14), Model(boundary=boundary))
    counts = [min(n, stack.most_parts(axis)) for axis, n in enumerate(counts)]
    times = np.zeros(shape, int)
    for tile in stack.tiles(counts):
        times[tile.core] += 1
        assert all(part.start % c == 0 for part, c in zip(tile.core, chunk, strict=True))
    assert (times == 1).all()


def test_less_memory_makes_more_regions():
    parts = [np.prod(plan([share(gib=gib)]).cuts[STACK.key]) for gib in (8, 1, 0.5, 0.3)]
    assert parts[0] == 1
    assert parts == sorted(parts)
    assert parts[-1] > 4


def test_an_axis_is_cut_where_that_takes_least_work():
    # Along z the surroundings of a part would be nearly the whole stack again.
    _, y, x = plan([share(gib=1)]).cuts[STACK.key]
    assert plan([share(gib=1)]).cuts[STACK.key][0] == 1
    # One cut only of an axis has surroundings on one side; two axes cut have them on both.
    assert y * x < 9


def test_workers_share_the_memory_only_as_far_as_that_saves_time():
    # With memory for two, two; with so little that their surroundings are most of the work, one
    # that takes all processors.
    plenty = plan([share(2, 4, 1), share(1, 8, 2)])
    assert plenty.share.workers == 2
    scarce = plan([share(2, 0.4, 1), share(1, 0.8, 2)])
    assert scarce.share.workers == 1


def test_a_run_goes_on_with_its_cuts():
    cuts = {STACK.key: [1, 4, 4]}
    assert plan([share()], cuts=cuts).cuts == {STACK.key: (1, 4, 4)}
    with pytest.raises(DeviceMemoryError, match="allow more memory"):
        plan([share(gib=0.1)], cuts=cuts)


class Card(HostEngine):
    """A device with a memory of its own."""

    device = Device("card", "gpu", "OpenCL", usable=True)

    def memory_limit(self) -> Memory:
        return Memory(GIB, GIB)


def test_a_devices_memory_counts(monkeypatch):
    monkeypatch.setattr(
        "napari_psf_distiller.deconvolution.datasets.plan.open_engine", lambda *_: Card()
    )
    alone = plan([share(gib=64)]).cuts[STACK.key]
    assert np.prod(alone) > 1
    # Workers of one machine share it.
    shared = plan([share(3, gib=64)]).cuts[STACK.key]
    assert np.prod(shared) > np.prod(alone)


def test_what_does_not_fit_is_told():
    with pytest.raises(DeviceMemoryError, match=r"needs .* GiB, and a worker may take 0\.001"):
        plan([share(gib=0.001)])
    # Of one worker, which may take most.
    with pytest.raises(DeviceMemoryError, match=r"may take 0\.002: allow more memory, or crop"):
        plan([share(2, 0.001), share(1, 0.002)])
