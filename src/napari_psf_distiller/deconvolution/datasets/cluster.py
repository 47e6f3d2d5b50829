"""The workers of a run: of this machine, or of any scheduler of dask's."""

from __future__ import annotations

import importlib.metadata
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from napari_psf_distiller.compute.engine import GIB
from napari_psf_distiller.compute.threads import host_threads, limit_host_threads
from napari_psf_distiller.errors import DeviceMemoryError, InputError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Workers", "workers_of"]

# Of the memory that is free, what a run may take if nothing is said; and what a process takes
# before it works, in bytes.
SHARE_OF_FREE, BARE_PROCESS = 0.7, int(0.25 * GIB)

# A worker of this machine has at least so much for a region, or there are fewer workers.
LEAST_FOR_REGION = int(0.25 * GIB)

# How long a scheduler is waited for, in seconds.
TIMEOUT = 20

PACKAGE = "napari-psf-distiller"


@dataclass(frozen=True)
class Workers:
    """Workers that wait for regions.

    Attributes
    ----------
    client : distributed.Client
    count : int
        Regions that are worked at at a time.
    memory : int
        Bytes that one region may take.
    """

    client: Client
    count: int
    memory: int


@contextmanager
def workers_of(
    scheduler: str | None, workers: int | None, memory: float | None
) -> Iterator[Workers]:
    """Yield workers; those of this machine end with the context.

    Parameters
    ----------
    scheduler : str or None
        Address of a scheduler; None starts workers here, each with its part of the processors.
    workers : int or None
        How many of these; None takes as many as there are processors and memory for.
    memory : float or None
        GiB that all of these may take together, this process too; of a scheduler's, that one may
        take for a region.

    Raises
    ------
    InputError
        The scheduler cannot be reached, or its workers cannot do this.
    DeviceMemoryError
        There is too little memory for a worker.
    """
    if scheduler is not None:
        with _connected(scheduler) as client:
            yield _of_scheduler(client, scheduler, memory)
        return
    from distributed import Client, LocalCluster

    free = int(SHARE_OF_FREE * psutil.virtual_memory().available)
    # The processes of the user and of the workers are there besides what regions take.
    total = (free if memory is None else int(memory * GIB)) - BARE_PROCESS
    most = max(1, total // (BARE_PROCESS + LEAST_FOR_REGION))
    count = workers if workers is not None else min(host_threads(), most)
    each = total // count - BARE_PROCESS
    if each <= 0:
        raise DeviceMemoryError(
            f"{(total + BARE_PROCESS) / GIB:.2g} GiB are too little for {count} workers: each "
            f"takes {BARE_PROCESS / GIB:.2g} GiB before it works. Allow more memory, or take fewer."
        )
    with (
        tempfile.TemporaryDirectory(prefix="psf-distiller-") as scratch,
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(limit_host_threads, max(1, host_threads() // count))
        yield Workers(client, count, each)


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=f"{TIMEOUT}s")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"The scheduler {scheduler} cannot be reached: {error}. Give the address that it "
            "prints when it starts, such as tcp://192.168.0.5:8786."
        ) from error
    with client:
        yield client


def _of_scheduler(client: Client, scheduler: str, memory: float | None) -> Workers:
    """Return a scheduler's workers, if they have this package in this version."""
    found = client.scheduler_info(n_workers=-1)["workers"]
    if not found:
        raise InputError(f"The scheduler {scheduler} has no workers yet: start some.")
    here = importlib.metadata.version(PACKAGE)
    versions = client.run(_version)
    wrong = sorted({version or "none" for version in versions.values()} - {here})
    if wrong:
        raise InputError(
            f"Workers of {scheduler} have {PACKAGE} {', '.join(wrong)}, and here is {here}: "
            "install the same one everywhere."
        )
    threads = sum(int(worker["nthreads"]) for worker in found.values())
    least = min(
        int(worker["memory_limit"] or 0) // max(int(worker["nthreads"]), 1)
        for worker in found.values()
    )
    if memory is not None:
        return Workers(client, threads, int(memory * GIB))
    return Workers(client, threads, int(SHARE_OF_FREE * least) if least else GIB)


def _version() -> str:
    """Return which version of this package a worker has, or nothing."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""
