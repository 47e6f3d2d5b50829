"""The workers of a run: of this machine, or of any scheduler of dask's."""

from __future__ import annotations

import collections
import importlib.metadata
import logging
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psutil

from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.compute.devices import NUMPY
from napari_psf_distiller.compute.engine import GIB
from napari_psf_distiller.compute.threads import host_threads, thread_limit
from napari_psf_distiller.deconvolution.datasets.plan import Share
from napari_psf_distiller.deconvolution.datasets.region import deconvolve_region
from napari_psf_distiller.errors import DeviceMemoryError, DistillerError, InputError

if TYPE_CHECKING:
    from distributed import Client
    from distributed.client import Future

__all__ = ["Workers", "first_done", "waiting_for", "workers_of"]

T = TypeVar("T")

# Of the memory that is free, what a run may take if nothing is said; and what a process takes
# before it works, in bytes.
SHARE_OF_FREE, BARE_PROCESS = 0.7, int(0.25 * GIB)

# How long a scheduler is waited for, in seconds.
TIMEOUT = 20

# How long new workers are waited for where all are gone, and how often one looks, in seconds.
PATIENCE, LOOK_EVERY = 120.0, 1.0

# Where dask has the environment that its workers are started in, and what of it is left out.
SPAWN_ENVIRONMENT, TRIM = "distributed.nanny.pre-spawn-environ", "MALLOC_TRIM_THRESHOLD_"

# With a region goes its PSF, of several kernels where it changes over the field. Dask would warn of
# what takes far less time to send than the region to deconvolve.
LARGE, MOST_SENT = "distributed.admin.large-graph-warning-threshold", "1 GiB"

PACKAGE = "napari-psf-distiller"

KEPT = "What is done is kept: start again with the same task."


class Workers(Protocol):
    """Workers that can be had, and those that a run has chosen of them.

    Attributes
    ----------
    shares : tuple of Share
        Of how many there could be.
    """

    shares: tuple[Share, ...]

    def ask(self, function: Callable[..., T], *arguments: object) -> T:
        """Return what a function says where the work will be done."""

    def start(self, share: Share) -> Client:
        """Return a client of as many workers as a share is for."""


@contextmanager
def workers_of(
    scheduler: str | None, workers: int | None, memory: float | None, device: str
) -> Iterator[Workers]:
    """Yield workers; those of this machine end with the context.

    Parameters
    ----------
    scheduler : str or None
        Address of a scheduler; None starts workers here, each with its part of the processors.
    workers : int or None
        How many of these; None leaves it to the plan.
    memory : float or None
        GiB that all of these may take together, this process too; of a scheduler's, that one may
        take for a region.
    device : str
        See `choose_device`.

    Raises
    ------
    InputError
        The scheduler cannot be reached, or its workers cannot do this.
    DeviceMemoryError
        There is too little memory for a worker.
    """
    import dask

    with ExitStack() as stack:
        stack.enter_context(dask.config.set({LARGE: MOST_SENT}))
        if scheduler is None:
            yield _OfThisMachine(stack, _local_shares(workers, memory, device))
        else:
            client = stack.enter_context(_connected(scheduler))
            yield _OfScheduler(client, _share_of(client, scheduler, memory))


def _local_shares(workers: int | None, gib: float | None, device: str) -> tuple[Share, ...]:
    """Return the shares of the numbers of workers that this machine has memory for."""
    free = int(SHARE_OF_FREE * psutil.virtual_memory().available)
    total = free if gib is None else int(gib * GIB)
    threads = host_threads()
    if workers is not None:
        counts = [workers]
    elif choose_device(device) is NUMPY:
        counts = list(range(threads, 0, -1))
    else:
        # More would have to share the device.
        counts = [1]
    # The processes of the user and of the workers are there besides what regions take.
    each = {count: (total - BARE_PROCESS) // count - BARE_PROCESS for count in counts}
    possible = tuple(
        Share(count, memory, max(1, threads // count), count)
        for count, memory in each.items()
        if memory > 0
    )
    if not possible:
        raise DeviceMemoryError(
            f"{total / GIB:.2g} GiB are too little, with {counts[-1]} at work: each worker takes "
            f"{BARE_PROCESS / GIB:.2g} GiB before it works. Allow more memory, or take fewer."
        )
    return possible


class _OfThisMachine:
    """Workers that are started here."""

    def __init__(self, stack: ExitStack, shares: tuple[Share, ...]) -> None:
        self._stack = stack
        self.shares = shares

    def ask(self, function: Callable[..., T], *arguments: object) -> T:
        return function(*arguments)

    def start(self, share: Share) -> Client:
        import dask
        from distributed import Client, LocalCluster

        # Dask has the C library give each array's memory back at once, which a transform then asks
        # for again: half of the time went there.
        environment = dask.config.get(SPAWN_ENVIRONMENT)
        kept = {name: value for name, value in environment.items() if name != TRIM}
        self._stack.enter_context(dask.config.set({SPAWN_ENVIRONMENT: kept}))
        prefix = "psf-distiller-"
        scratch = self._stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        cluster = self._stack.enter_context(
            LocalCluster(
                n_workers=share.workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
                # One that was lost is started again with the same.
                env=thread_limit(share.threads),
                preload=[deconvolve_region.__module__],
            )
        )
        client: Client = self._stack.enter_context(Client(cluster))
        return client


class _OfScheduler:
    """Workers that a scheduler has."""

    def __init__(self, client: Client, share: Share) -> None:
        self._client = client
        self.shares: tuple[Share, ...] = (share,)

    def ask(self, function: Callable[..., T], *arguments: object) -> T:
        # The machine that the work is given from may have another device.
        future = self._client.submit(function, *arguments, pure=False)
        first_done(self._client, [future])
        found: T = future.result()
        return found

    def start(self, share: Share) -> Client:
        return self._client


def first_done(client: Client, futures: Sequence[Future[Any]]) -> Collection[Future[Any]]:
    """Wait for one of some futures, or some, and return which have ended; see `waiting_for`."""
    waiting = waiting_for(client, futures)
    try:
        while True:
            next(waiting)
    except StopIteration as stop:
        found: Collection[Future[Any]] = stop.value
        return found


def waiting_for(
    client: Client, futures: Sequence[Future[Any]]
) -> Generator[None, None, Collection[Future[Any]]]:
    """Wait for one of some futures, or some, and return which of them have ended.

    Yields
    ------
    None
        Each second, so that whoever waits can be stopped.

    Raises
    ------
    DistillerError
        The scheduler was lost, or all of its workers.
    """
    from distributed import CancelledError, wait

    alone = 0.0
    while alone < PATIENCE:
        try:
            found: Collection[Future[Any]] = wait(
                futures, timeout=LOOK_EVERY, return_when="FIRST_COMPLETED"
            ).done
        except TimeoutError:
            # Until the scheduler has others, or its own start them again.
            alone = 0 if client.scheduler_info(n_workers=-1)["workers"] else alone + LOOK_EVERY
        except CancelledError as error:
            raise DistillerError(f"The scheduler was lost. {KEPT}") from error
        else:
            return found
        if client.status != "running":
            raise DistillerError(f"The scheduler was lost. {KEPT}")
        yield
    raise DistillerError(
        "All workers are gone. If they end as soon as they get work, they have other versions of "
        f"what is installed here: they print which. {KEPT}"
    )


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    from distributed import Client

    # What becomes of the connection is told in a sentence.
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        try:
            client = Client(scheduler, timeout=f"{TIMEOUT}s")
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"The scheduler {scheduler} cannot be reached: {error}. Give the address that it "
                "prints when it starts, such as tcp://192.168.0.5:8786."
            ) from error
        with client:
            yield client
    finally:
        log.setLevel(level)


def _share_of(client: Client, scheduler: str, memory: float | None) -> Share:
    """Return the share of a scheduler's workers, if they have this package in this version."""
    found = client.scheduler_info(n_workers=-1)["workers"]
    if not found:
        raise InputError(f"The scheduler {scheduler} has no workers yet: start some.")
    here = importlib.metadata.version(PACKAGE)
    wrong = sorted({version or "none" for version in _versions(client)} - {here})
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
    each = int(SHARE_OF_FREE * least) if least else GIB
    on_machines = collections.Counter[str]()
    for worker in found.values():
        on_machines[worker["host"]] += int(worker["nthreads"])
    return Share(
        threads, each if memory is None else int(memory * GIB), 1, max(on_machines.values())
    )


def _versions(client: Client) -> set[str]:
    """Return which versions of this package the workers have; "" of one without it."""

    # Not a function of this package's, which one without it could not be sent.
    def version(name: str) -> str:
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(name)
        except PackageNotFoundError:
            return ""

    return set(client.run(version, PACKAGE).values())
