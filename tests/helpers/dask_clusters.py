"""Clusters of dask's for tests, within their own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import LocalCluster

__all__ = ["local_scheduler"]


@contextmanager
def local_scheduler(workers: int = 1) -> Iterator[str]:
    """Yield the address of a scheduler with so many workers of one thread each."""
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster.scheduler_address
