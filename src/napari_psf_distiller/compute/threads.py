"""Which work runs on how many threads."""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from napari_psf_distiller.progress import Steps, passed_on

__all__ = ["host_threads", "in_turn", "on_one_thread", "slabs", "thread_limit"]

S = TypeVar("S")
T = TypeVar("T")


def on_one_thread(steps: Steps[T]) -> Steps[T]:
    """Pass a generator on, its linear algebra on one thread.

    Products of small matrices gain nothing from a second thread, and where the processor is busy
    with something else, such as a viewer, they wait for it: many times as long.
    """
    controller = ThreadpoolController()
    return passed_on(steps, around=lambda: controller.limit(limits=1, user_api="blas"))


# The environment's variable with the most processors that a process may use.
LIMIT = "PSF_DISTILLER_THREADS"


def in_turn(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Do some work for each item, on all of the processor's threads, and return all results.

    The results are in the items' order, so that sums over them do not depend on the threads. Work
    that is done in turn must not do such work itself.

    Parameters
    ----------
    work : callable
        Of one item. It must let others run for most of its time, as NumPy does on large arrays.
    items : sequence
    """
    threads = min(host_threads(), len(items))
    if threads < 2:
        return [work(item) for item in items]

    # Each takes the next item when it is free: a thread that the processor keeps waiting, as a
    # viewer has it do, does fewer of them.
    left = deque(range(len(items)))
    results: dict[int, T] = {}

    def some(_: int) -> None:
        while left:
            try:
                index = left.popleft()
            except IndexError:
                # The other threads took the last ones.
                return
            results[index] = work(items[index])

    list(_pool().map(some, range(threads)))
    return [results[index] for index in range(len(items))]


def slabs(planes: int) -> list[slice]:
    """Return the parts of an image whose voxels threads may write to at the same time."""
    edges = np.linspace(0, planes, min(host_threads(), planes) + 1).astype(int).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads, of which there is one set in a process."""
    return ThreadPoolExecutor(host_threads(), "bead")


# A process that is forked from this one has a copy of the set without its threads, in which work
# would lie for ever: it makes a set of its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def thread_limit(count: int) -> dict[str, str]:
    """Return the environment that a process is started in to use so many processors at most."""
    return {LIMIT: str(count)}


def host_threads() -> int:
    """Return how many processors this process may use."""
    there = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    limit = os.environ.get(LIMIT, "")
    return min(there, int(limit)) if limit.isdigit() and int(limit) else there
