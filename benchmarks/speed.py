"""Time Richardson-Lucy iterations of this package and of others, as multiples of one floor.

    python benchmarks/speed.py                      # benchmarks/README.md says what to install

The floor is what four planned FFTW real transforms of the padded grid take: the least that an
iteration by FFT can cost. All run in this process but deconwolf, which is a command, each between
two timings of the floor, in rounds: what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from napari_psf_distiller.compute import Boundary, Engine, choose_device, devices, open_engine
from napari_psf_distiller.compute.devices import NUMPY, opencl_device
from napari_psf_distiller.compute.grid import clij_grid, grid_of
from napari_psf_distiller.compute.threads import host_threads
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.richardson_lucy import richardson_lucy

BOUNDARIES: tuple[Boundary, ...] = ("circulant", "noncirculant")
HOST_FFTS = ("scipy", "ducc0")
DEVICE_FFTS = ("opencl", "vkfft")
# Iterations before those that are timed: the first ones touch the memory.
LEAD = 2
# Transforms alone are repeated as often as there are iterations, but no longer than this.
LONGEST_TRANSFORMS = 1.0
PACKAGES = (
    "napari-psf-distiller",
    "numpy",
    "scipy",
    "pyFFTW",
    "ducc0",
    "pyopencl",
    "pyvkfft",
    "reikna",
    "RedLionfish",
    "clij2-fft",
    "scikit-image",
    "cupy",
)


class UnavailableError(Exception):
    """Something cannot be timed here; the text says why."""


class Sample(NamedTuple):
    """One timing, in seconds.

    Attributes
    ----------
    iteration : float
        Of one iteration.
    setup : float
        Of all that is done once in a run: the run's time less its iterations'.
    """

    iteration: float
    setup: float


@dataclass(frozen=True)
class Case:
    """What is deconvolved.

    Attributes
    ----------
    image, psf : numpy.ndarray
        float32, (Z, Y, X).
    device : str
        What `open_engine` takes.
    """

    image: np.ndarray
    psf: np.ndarray
    device: str

    def grid(self, boundary: Boundary) -> tuple[int, ...]:
        """Return the padded shape of a boundary's floor: clij2-fft's, for all."""
        return clij_grid(self.image.shape, self.psf.shape, boundary)


class Contestant(Protocol):
    """Something whose iterations are timed."""

    def first(self) -> float:
        """Return the seconds of a first run of `LEAD` iterations."""

    def sample(self, iterations: int) -> Sample:
        """Time so many iterations."""

    def own_transforms(self, iterations: int) -> float | None:
        """Return the seconds of four of its own transforms alone, where that can be told."""


@dataclass
class Row:
    """A line of the table: a contestant on one kind of grid, and its timings.

    Attributes
    ----------
    name : str
        What ``--only`` takes.
    boundary : str
        Whose grid's floor it is compared with.
    build : callable
        Imports what it needs and returns the contestant, or raises `UnavailableError`.
    usual : bool
        It runs without being named.
    reason : str
        Why it has no timings.
    first : float or None
        Seconds of the first run of `LEAD` iterations.
    samples : list of Sample
    floors, own : list of float
        Beside each sample: seconds of the floor, and of its own four transforms.
    """

    name: str
    boundary: Boundary
    build: Callable[[], Contestant]
    usual: bool = True
    reason: str = ""
    first: float | None = None
    samples: list[Sample] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        """Seconds per iteration, by round."""
        return [sample.iteration for sample in self.samples]

    @property
    def ratios(self) -> list[float]:
        """Multiples of the floor, by round."""
        return [s / f for s, f in zip(self.seconds, self.floors, strict=True)]

    @property
    def own_ratios(self) -> list[float]:
        """Multiples of its own four transforms, by round."""
        return [s / own for s, own in zip(self.seconds, self.own, strict=True)]

    @property
    def first_setup(self) -> float:
        """Seconds of the first run less its iterations'."""
        assert self.first is not None
        return self.first - LEAD * statistics.median(self.seconds)


# The floor, and transforms alone


class Floor:
    """Four FFTW real transforms of a grid: planned, out of place, float32, all processors."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        import pyfftw

        axes = tuple(range(len(shape)))
        self._real = pyfftw.empty_aligned(shape, np.float32)
        spectrum = pyfftw.empty_aligned((*shape[:-1], shape[-1] // 2 + 1), np.complex64)
        start = time.perf_counter()
        plans = [
            pyfftw.FFTW(
                source,
                target,
                axes=axes,
                direction=direction,
                flags=("FFTW_MEASURE", "FFTW_DESTROY_INPUT"),
                threads=host_threads(),
            )
            for source, target, direction in (
                (self._real, spectrum, "FFTW_FORWARD"),
                (spectrum, self._real, "FFTW_BACKWARD"),
            )
        ]
        self.planning = time.perf_counter() - start
        self._forward, self._inverse = plans
        self._values = _noise(shape)

    def four(self) -> float:
        """Return the seconds of four transforms."""
        # They are not normalised: starting anew each time keeps the values within float32.
        self._real[...] = self._values
        start = time.perf_counter()
        for _ in range(2):
            self._forward.execute()
            self._inverse.execute()
        return time.perf_counter() - start


class OpenCLTransforms:
    """Real transforms on an OpenCL device as this package's engines do them.

    Parameters
    ----------
    fft, device : str
        See `open_engine`.
    shape : tuple of int
    """

    def __init__(self, fft: str, device: str, shape: tuple[int, ...]) -> None:
        import pyopencl as cl

        from napari_psf_distiller.compute.opencl.transforms import chosen_fft, open_transform

        fft = chosen_fft(choose_device(device), fft)
        self._queue = _queue(device)
        self._buffers: list[Any] = []

        def allocate(nbytes: int) -> Any:
            self._buffers.append(cl.Buffer(self._queue.context, cl.mem_flags.READ_WRITE, nbytes))
            return self._buffers[-1]

        self._transform = open_transform(fft, self._queue, shape, allocate)
        real = self._transform.real
        cl.enqueue_copy(self._queue, real, _noise((real.size // 4,)))
        self.four()

    def four(self) -> float:
        """Return the seconds of four transforms."""
        self._queue.finish()
        start = time.perf_counter()
        for _ in range(2):
            self._transform.forward()
            self._transform.inverse()
        self._queue.finish()
        return time.perf_counter() - start

    def close(self) -> None:
        """Free the device's memory."""
        self._transform.release()
        for buffer in self._buffers:
            buffer.release()


class ReiknaTransforms:
    """reikna's transforms, complex ones: it has no others."""

    def __init__(self, device: str, shape: tuple[int, ...]) -> None:
        cluda = _module("reikna.cluda", "reikna")
        fft = _module("reikna.fft", "reikna")
        queue = _queue(device)
        self._thread = cluda.ocl_api().Thread(queue)
        self._values = self._thread.to_device(_noise(shape).astype(np.complex64))
        self._spectrum = self._thread.empty_like(self._values)
        self._transform = fft.FFT(self._values).compile(self._thread)
        self.four()

    def four(self) -> float:
        """Return the seconds of four transforms."""
        self._thread.synchronize()
        start = time.perf_counter()
        for _ in range(2):
            self._transform(self._spectrum, self._values, inverse=0)
            self._transform(self._values, self._spectrum, inverse=1)
        self._thread.synchronize()
        return time.perf_counter() - start

    def close(self) -> None:
        """Free the device's memory."""
        self._values.data.release()
        self._spectrum.data.release()


class CuFFTTransforms:
    """cuFFT's real transforms through CuPy, whose cache keeps the plans."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._cupy = _module("cupy", "cupy-cuda12x")
        self._fft = _module("cupyx.scipy.fft", "cupy-cuda12x")
        try:
            self._values = self._cupy.asarray(_noise(shape))
        except Exception as error:  # CuPy without a GPU or its libraries
            raise UnavailableError(f"CuPy does not work here: {_first_line(error)}") from error
        self.four()

    def four(self) -> float:
        """Return the seconds of four transforms."""
        stream = self._cupy.cuda.get_current_stream()
        values, shape = self._values, self._values.shape
        stream.synchronize()
        start = time.perf_counter()
        for _ in range(2):
            spectrum = self._fft.rfftn(values)
            values = self._fft.irfftn(spectrum, s=shape, overwrite_x=True)
        stream.synchronize()
        return time.perf_counter() - start

    def close(self) -> None:
        """Free the device's memory."""
        del self._values
        self._cupy.get_default_memory_pool().free_all_blocks()


def mean_of_four(four: Callable[[], float], times: int, longest: float = math.inf) -> float:
    """Return the mean seconds of so many times four transforms, fewer if they take too long."""
    taken: list[float] = []
    while len(taken) < times and sum(taken) < longest:
        taken.append(four())
    return statistics.fmean(taken)


# This package


class Ours:
    """This package's iterations with one engine.

    Of every ten iterations one computes the likelihood, as in use.
    """

    def __init__(self, case: Case, device: str, fft: str, boundary: Boundary) -> None:
        if choose_device(device) is not NUMPY:
            _module("pyopencl")
            if fft == "vkfft":
                # Imported here, so that no set-up has it; without it the engine says what to do.
                with contextlib.suppress(UnavailableError):
                    _module("pyvkfft.opencl")
        self._case, self._device, self._fft, self._boundary = case, device, fft, boundary

    def first(self) -> float:
        """Return the seconds of a first run of `LEAD` iterations."""
        return self._timed(0)[0]

    def sample(self, iterations: int) -> Sample:
        """Time so many iterations, one by one."""
        lead, rest = self._timed(iterations)
        return _sample(lead, lead + rest, iterations)

    def own_transforms(self, iterations: int) -> float | None:
        """Return the seconds of four of the engine's transforms alone; None for NumPy."""
        if choose_device(self._device) is NUMPY:
            return None
        image, psf = self._case.image.shape, self._case.psf.shape
        # Its own grid, which need not be the floor's.
        shape = grid_of(image, psf, (self._boundary,) * 3, self._engine().good_size)
        transforms = OpenCLTransforms(self._fft, self._device, shape)
        try:
            return mean_of_four(transforms.four, iterations, LONGEST_TRANSFORMS)
        finally:
            transforms.close()

    def _timed(self, iterations: int) -> tuple[float, float]:
        """Return the seconds of the set-up with `LEAD` iterations, and of the iterations."""
        start = time.perf_counter()
        engine = self._engine()
        # The last iteration always computes the likelihood: it lies beyond those that are timed.
        total = LEAD + iterations + 10
        steps = richardson_lucy(
            self._case.image, self._case.psf, total, Model(boundary=self._boundary), engine
        )
        with contextlib.closing(steps):
            for _ in range(LEAD):
                next(steps)
            led = time.perf_counter()
            for _ in range(iterations):
                next(steps)
            return led - start, time.perf_counter() - led

    def _engine(self) -> Engine:
        engine = open_engine(self._device, self._fft)
        if engine.fft != self._fft:
            raise UnavailableError(f"{self._device} took the FFT {engine.fft!r} instead")
        return engine


def ours(case: Case) -> Iterator[Row]:
    """Yield a row for each engine that could be there, on either grid."""
    combinations = [("numpy", fft) for fft in HOST_FFTS]
    combinations += [(case.device, fft) for fft in opencl_ffts(case)]
    for boundary in BOUNDARIES:
        for device, fft in combinations:
            yield Row(
                f"ours/{device}/{fft}",
                boundary,
                partial(Ours, case, device, fft, boundary),
            )


def opencl_ffts(case: Case) -> tuple[str, ...]:
    """Return the FFTs to time on the OpenCL device, if there is to be one."""
    return () if case.device == "numpy" else DEVICE_FFTS


# The others


class Counted:
    """Iterations of a function that only runs a given number of them: from two runs' difference.

    Parameters
    ----------
    run : callable
        Runs so many iterations.
    """

    def __init__(self, run: Callable[[int], Any]) -> None:
        self._run = run

    def first(self) -> float:
        """Return the seconds of a first run of `LEAD` iterations."""
        return self._timed(LEAD)

    def sample(self, iterations: int) -> Sample:
        """Time a run with and one without so many iterations."""
        return _sample(self._timed(LEAD), self._timed(LEAD + iterations), iterations)

    def own_transforms(self, iterations: int) -> float | None:
        """Return None: its transforms are out of reach."""
        return None

    def _timed(self, iterations: int) -> float:
        start = time.perf_counter()
        self._run(iterations)
        return time.perf_counter() - start


class FourTransforms:
    """Four transforms in an iteration's place: another floor, such as a GPU's."""

    def __init__(self, build: Callable[[], CuFFTTransforms]) -> None:
        self._build = build
        build().close()

    def first(self) -> float:
        """Return the seconds of making the plans and of `LEAD` times four transforms."""
        return sum(self._timed(LEAD))

    def sample(self, iterations: int) -> Sample:
        """Time so many times four transforms."""
        setup, taken = self._timed(iterations)
        return Sample(taken / iterations, setup)

    def own_transforms(self, iterations: int) -> float | None:
        """Return None: it is them."""
        return None

    def _timed(self, iterations: int) -> tuple[float, float]:
        start = time.perf_counter()
        transforms = self._build()
        setup = time.perf_counter() - start
        try:
            return setup, sum(transforms.four() for _ in range(iterations))
        finally:
            transforms.close()


def redlionfish_cpu(case: Case) -> Contestant:
    """RedLionfish with scipy.fft, on the image's own grid."""
    library = _module("RedLionfishDeconv", "RedLionfish")

    def run(iterations: int) -> None:
        result = library.doRLDeconvolutionFromNpArrays(
            case.image, case.psf, niter=iterations, method="cpu"
        )
        if result is None:  # it logs its errors and goes on
            raise UnavailableError("RedLionfish failed")

    return Counted(run)


def redlionfish_opencl(case: Case) -> Contestant:
    """RedLionfish with reikna on the first OpenCL device, without its falling back to the CPU."""
    _module("reikna.fft", "reikna")
    library = _module("RedLionfishDeconv.RLDeconv3DReiknaOCL", "RedLionfish")
    return Counted(
        lambda iterations: library.nonBlock_RLDeconvolutionReiknaOCL(
            case.image, case.psf, niter=iterations
        )
    )


def clij2fft(case: Case, boundary: Boundary) -> Contestant:
    """clij2-fft on the first device of the first OpenCL platform, which is its usual one."""
    _load_clij2fft_libraries()
    library = _module("clij2fft.richardson_lucy", "clij2-fft")
    function = library.richardson_lucy if boundary == "circulant" else library.richardson_lucy_nc

    def run(iterations: int) -> None:
        with _silence():
            function(case.image, case.psf, iterations)

    return Counted(run)


def scikit_image(case: Case) -> Contestant:
    """scikit-image, which starts from a constant and takes images of values up to 1."""
    restoration = _module("skimage.restoration", "scikit-image")
    image = case.image / case.image.max()
    return Counted(
        lambda iterations: restoration.richardson_lucy(image, case.psf, num_iter=iterations)
    )


def deconwolf(case: Case) -> Contestant:
    """deconwolf's command, with plain Richardson-Lucy and the whole PSF."""
    command = shutil.which("dw")
    if command is None:
        raise UnavailableError("not installed: deconwolf's command 'dw' is not on the PATH")
    tifffile = _module("tifffile")
    # Removed when the process ends.
    folder = tempfile.TemporaryDirectory(prefix="deconwolf-")
    files = {name: str(Path(folder.name) / f"{name}.tif") for name in ("image", "psf", "out")}
    tifffile.imwrite(files["image"], case.image, photometric="minisblack")
    tifffile.imwrite(files["psf"], case.psf, photometric="minisblack")
    options = ["--method", "rl", "--threads", str(host_threads()), "--xyfactor", "0"]
    options += ["--float", "--overwrite", "--out", files["out"]]

    def run(iterations: int, _folder: Any = folder) -> None:
        done = subprocess.run(
            [command, *options, "--iter", str(iterations), files["image"], files["psf"]],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
            raise UnavailableError(f"dw ended with {done.returncode}: {last[0]}")

    return Counted(run)


def rivals(case: Case) -> Iterator[Row]:
    """Yield a row for each of the others, on the kind of grid it is compared on."""
    yield Row("redlionfish", "circulant", lambda: redlionfish_cpu(case))
    yield Row("redlionfish/opencl", "circulant", lambda: redlionfish_opencl(case), usual=False)
    yield Row("clij2fft", "circulant", lambda: clij2fft(case, "circulant"))
    # It pads with zeros and crops, without a normaliser: neither kind, and counted with this one.
    yield Row("scikit-image", "circulant", lambda: scikit_image(case))
    yield Row("clij2fft", "noncirculant", lambda: clij2fft(case, "noncirculant"))
    yield Row("deconwolf", "noncirculant", lambda: deconwolf(case))
    for boundary in BOUNDARIES:
        grid = case.grid(boundary)
        yield Row(
            "cufft (4 transforms)",
            boundary,
            partial(FourTransforms, partial(CuFFTTransforms, grid)),
        )


# Timing


def time_iterations(
    rows: Sequence[Row], floors: dict[Boundary, Floor], rounds: int, iterations: int
) -> dict[Boundary, list[float]]:
    """Time all rows in rounds, each between two timings of its grid's floor.

    Rows that fail get their reason.

    Returns
    -------
    dict
        All timings of each grid's floor, in seconds.
    """
    contestants = {}
    for index, row in enumerate(rows):
        _tell(f"first run: {row.name}, {row.boundary}")
        with _reason_in(row):
            contestants[index] = row.build()
            row.first = contestants[index].first()
    taken: dict[Boundary, list[float]] = {boundary: [] for boundary in floors}
    # Stopped by hand, what has been timed so far still makes a table.
    with contextlib.suppress(KeyboardInterrupt):
        for number in range(1, rounds + 1):
            for boundary, floor in floors.items():
                here = [
                    i for i in contestants if rows[i].boundary == boundary and not rows[i].reason
                ]
                before = mean_of_four(floor.four, iterations)
                taken[boundary].append(before)
                for index in here:
                    row = rows[index]
                    _tell(f"round {number} of {rounds}: {row.name}, {boundary}")
                    with _reason_in(row):
                        sample = contestants[index].sample(iterations)
                        own = contestants[index].own_transforms(iterations)
                    after = mean_of_four(floor.four, iterations)
                    taken[boundary].append(after)
                    if not row.reason:
                        row.samples.append(sample)
                        row.floors.append((before + after) / 2)
                        if own is not None:
                            row.own.append(own)
                    before = after
    return taken


def time_transforms(
    case: Case, floors: dict[Boundary, Floor], rounds: int, iterations: int
) -> dict[Boundary, dict[str, list[float] | str]]:
    """Time each transform alone, in rounds.

    Returns
    -------
    dict
        For each grid and transform the seconds of one transform by round, or why there are none.
    """
    results: dict[Boundary, dict[str, list[float] | str]] = {}
    for boundary, floor in floors.items():
        grid = case.grid(boundary)
        builders: dict[str, Callable[[], Any]] = {"fftw": partial(_itself, floor)}
        if case.device != "numpy":
            for fft in opencl_ffts(case):
                builders[f"ours/{case.device}/{fft}"] = partial(
                    OpenCLTransforms, fft, case.device, grid
                )
            builders["reikna (complex)"] = partial(ReiknaTransforms, case.device, grid)
        builders["cufft"] = partial(CuFFTTransforms, grid)
        result: dict[str, list[float] | str] = {name: [] for name in builders}
        for number in range(1, rounds + 1):
            for name, build in builders.items():
                seconds = result[name]
                if isinstance(seconds, str):
                    continue
                _tell(f"round {number} of {rounds}: transform {name}, {boundary}")
                try:
                    transforms = build()
                    four = mean_of_four(transforms.four, iterations, LONGEST_TRANSFORMS)
                    if name != "fftw":
                        transforms.close()
                except Exception as error:  # what cannot be timed here becomes a line of its own
                    result[name] = _first_line(error)
                else:
                    seconds.append(four / 4)
        results[boundary] = result
    return results


# Printing


def _itself(floor: Floor) -> Floor:
    return floor


def print_iterations(
    rows: Sequence[Row],
    floors: dict[Boundary, Floor],
    taken: dict[Boundary, list[float]],
    case: Case,
) -> None:
    """Print the table of iterations."""
    print(
        "\n| Richardson-Lucy | s / iteration | x floor (min..max) | x own transforms "
        "| set-up, first (s) | again (s) |\n| --- | --- | --- | --- | --- | --- |"
    )
    for boundary, floor in floors.items():
        if not taken[boundary]:
            continue
        grid = " x ".join(map(str, case.grid(boundary)))
        spread = f"{min(taken[boundary]):.4f}..{max(taken[boundary]):.4f} s"
        print(
            f"| **floor, {boundary}, {grid}** | {statistics.median(taken[boundary]):.4f} "
            f"| 1 ({spread}) | | {floor.planning:.2f} | |"
        )
        for row in rows:
            if row.boundary != boundary:
                continue
            if row.reason or not row.samples:
                print(f"| {row.name} | - | {row.reason or 'not timed'} | | | |")
                continue
            own = f"{statistics.median(row.own_ratios):.2f}" if row.own else ""
            again = statistics.median(sample.setup for sample in row.samples)
            print(
                f"| {row.name} | {statistics.median(row.seconds):.4f} | {_spread(row.ratios)} "
                f"| {own} | {row.first_setup:.2f} | {again:.2f} |"
            )


def print_transforms(results: dict[Boundary, dict[str, list[float] | str]], case: Case) -> None:
    """Print the table of transforms: forward and inverse, in the mean."""
    own_name = f"ours/{case.device}/opencl"
    print(
        "\n| one transform | ms | x FFTW (min..max) | our OpenCL FFT / this (min..max) |\n"
        "| --- | --- | --- | --- |"
    )
    for boundary, result in results.items():
        print(f"| **{boundary}, {' x '.join(map(str, case.grid(boundary)))}** | | | |")
        fftw, own = result["fftw"], result.get(own_name, "")
        assert not isinstance(fftw, str)
        for name, seconds in result.items():
            if isinstance(seconds, str):
                print(f"| {name} | - | {seconds} | |")
                continue
            to_fftw = [a / b for a, b in zip(seconds, fftw, strict=True)]
            ratio = ""
            if not isinstance(own, str):
                ratio = _spread([a / b for a, b in zip(own, seconds, strict=True)])
            median = 1e3 * statistics.median(seconds)
            print(f"| {name} | {median:.2f} | {_spread(to_fftw)} | {ratio} |")


def describe(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the timings depend on: the case, the machine, the versions."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "image": case.image.shape,
        "psf": case.psf.shape,
        "grids": {boundary: case.grid(boundary) for boundary in BOUNDARIES},
        "rounds": arguments.rounds,
        "iterations": arguments.iterations,
        "processor": processor,
        "threads": host_threads(),
        "devices": [f"{device.name} ({device.platform})" for device in devices()],
        "python": platform.python_version(),
        "versions": versions,
    }


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Small helpers


def _sample(lead: float, whole: float, iterations: int) -> Sample:
    """Return the timing from the runs of `LEAD` iterations and of so many more."""
    iteration = (whole - lead) / iterations
    return Sample(iteration, lead - LEAD * iteration)


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def _reason_in(row: Row) -> Iterator[None]:
    """Keep what goes wrong as the row's reason; the other rows go on."""
    try:
        yield
    except UnavailableError as error:
        row.reason = str(error)
    except Exception as error:  # others' code fails in every way
        row.reason = f"{type(error).__name__}: {_first_line(error)}"


def _module(name: str, package: str = "") -> Any:
    """Import a module, or say which package is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = package or name.partition(".")[0]
        raise UnavailableError(f"not installed: pip install {package}") from error
    except Exception as error:  # it is there, without a library or a driver that it needs
        raise UnavailableError(f"{name} cannot be imported: {_first_line(error)}") from error


def _queue(device: str) -> Any:
    """Return an OpenCL queue for a device's name."""
    cl = _module("pyopencl")
    chosen = choose_device(device)
    if chosen is NUMPY:
        raise UnavailableError("NumPy is no OpenCL device")
    return cl.CommandQueue(cl.Context([opencl_device(chosen)]))


def _load_clij2fft_libraries() -> None:
    """Load clij2-fft's libraries from where its wheel puts them, where loaders do not look."""
    for name in ("libclFFT.so.2", "libclij2fft.so"):
        path = Path(sys.prefix) / "lib" / name
        if path.exists():
            with contextlib.suppress(OSError):  # its import then says what is missing
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send what Python and C print to nowhere."""
    libc = ctypes.CDLL(None) if os.name == "posix" else ctypes.cdll.msvcrt
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        sys.stdout.flush()
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def make_case(shape: tuple[int, ...], psf_shape: tuple[int, ...], device: str) -> Case:
    """Return Poisson noise on a background, and a Gaussian PSF of sum 1."""
    rng = np.random.default_rng(0)
    image = rng.poisson(100, shape).astype(np.float32)
    axes = [np.linspace(-3, 3, size) if size > 1 else np.zeros(1) for size in psf_shape]
    squares = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))
    psf = np.exp(-squares / 2)
    return Case(image, (psf / psf.sum()).astype(np.float32), device)


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="5 if not given")
    parser.add_argument(
        "--iterations", type=int, default=10, metavar="N", help="timed in a round; 10 if not given"
    )
    parser.add_argument(
        "--shape", type=int, nargs=3, default=(40, 384, 384), metavar=("Z", "Y", "X")
    )
    parser.add_argument("--psf", type=int, nargs=3, default=(31, 41, 41), metavar=("Z", "Y", "X"))
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="rows whose name contains one of these"
    )
    parser.add_argument(
        "--boundary", choices=BOUNDARIES, help="one kind of grid only; both if not given"
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="this package's OpenCL device, or 'numpy'; 'cpu' if not given",
    )
    parser.add_argument("--transforms", action="store_true", help="time transforms alone, too")
    parser.add_argument("--no-iterations", action="store_true", help="leave the first table out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every timing to a file")
    return parser.parse_args()


def chosen_rows(case: Case, arguments: argparse.Namespace) -> list[Row]:
    """Return the rows that are asked for."""
    rows = [*ours(case), *rivals(case)]
    if arguments.boundary:
        rows = [row for row in rows if row.boundary == arguments.boundary]
    if not arguments.only:
        return [row for row in rows if row.usual]
    for name in arguments.only:
        if not any(name in row.name for row in rows):
            names = ", ".join(dict.fromkeys(row.name for row in rows))
            raise SystemExit(f"--only: no row has {name!r} in its name; there are: {names}")
    return [
        row
        for row in rows
        if row.name in arguments.only
        or (row.usual and any(name in row.name for name in arguments.only))
    ]


def main() -> None:
    arguments = parse_arguments()
    case = make_case(tuple(arguments.shape), tuple(arguments.psf), arguments.device)
    rows = [] if arguments.no_iterations else chosen_rows(case, arguments)
    kinds = [arguments.boundary] if arguments.boundary else list(BOUNDARIES)
    if rows and not arguments.transforms:
        kinds = [kind for kind in kinds if any(row.boundary == kind for row in rows)]
    try:
        floors = {kind: Floor(case.grid(kind)) for kind in kinds}
    except ModuleNotFoundError:
        raise SystemExit("The floor needs FFTW: pip install pyfftw") from None
    report = describe(case, arguments)
    for name, value in report.items():
        print(f"{name}: {value}")
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        print(f"load before: {load:.2f}")
        report["load_before"] = load
    if rows:
        taken = time_iterations(rows, floors, arguments.rounds, arguments.iterations)
        print_iterations(rows, floors, taken, case)
        report["floors"] = taken
        report["rows"] = [
            {
                "name": row.name,
                "boundary": row.boundary,
                "reason": row.reason,
                "first_setup": row.first_setup if row.samples else None,
                "seconds": row.seconds,
                "setup": [sample.setup for sample in row.samples],
                "floor": row.floors,
                "ratios": row.ratios,
                "own_transforms": row.own,
            }
            for row in rows
        ]
    if arguments.transforms:
        transforms = time_transforms(case, floors, arguments.rounds, arguments.iterations)
        print_transforms(transforms, case)
        report["transforms"] = transforms
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
