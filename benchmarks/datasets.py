"""How fast a data set is deconvolved, in how much memory, and whether it shows where it was cut.

    python benchmarks/datasets.py [--size small|medium|full] [--folder DIR] [--memory 2]
        [--iterations 5] [--parts speed,seams,kills,workers]

The data are simulated: an OME-Zarr of positions x times x channels as uint16. *Speed* is that of
all voxels and iterations, over that of one stack in memory in one piece with as many threads,
measured before and after it; beside it that of the processors' time alone, which depends less on
what else the machine does, but does not tell waiting. *Memory* is the largest sum of what this
process and all of its children take. *Seams* is the relative L2 difference to a stack in one piece,
over all and over the worst row and column. *Kills* ends the command with SIGKILL at random moments
and goes on until it is done, and compares the files with those of a run that was not ended.
*Workers* is the time of one worker over that of two, each with one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr

import napari_psf_distiller as psfd
from napari_psf_distiller.datasets.ome_zarr import (
    ImageLayout,
    create_group,
    open_images,
)

SPACING = (0.2, 0.08, 0.08)

# Positions, times, channels and voxels of a stack.
SIZES = {
    "small": (2, 1, 2, (24, 384, 384)),
    "medium": (1, 1, 2, (64, 1024, 1024)),
    "full": (4, 3, 2, (64, 1024, 1024)),
}
PSF_SHAPE = (31, 41, 41)
KILLS = 10


def make_data(folder: Path, size: str) -> Path:
    """Write the data set, if it is not there yet."""
    positions, times, channels, stack = SIZES[size]
    path = folder / f"{size}.zarr"
    if path.exists():
        return path
    shape = (times, channels, *stack)
    layout = ImageLayout(tuple("tczyx"), shape, "uint16", SPACING, ("green", "red"), "0.5")
    create_group(path, None, "0.5")
    rng = np.random.default_rng(0)
    for position in range(positions):
        group = zarr.open_group(path / str(position), mode="w")
        array = group.create_array(
            "0",
            shape=shape,
            chunks=(1, 1, 16, 256, 256),
            dtype="uint16",
            dimension_names=layout.axes,
        )
        scale = [1.0, 1.0, *SPACING]
        axes: list[Any] = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
        axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
        dataset: dict[str, Any] = {
            "path": "0",
            "coordinateTransformations": [{"type": "scale", "scale": scale}],
        }
        group.attrs["ome"] = {
            "version": "0.5",
            "multiscales": [{"name": str(position), "axes": axes, "datasets": [dataset]}],
        }
        for when in range(times):
            for channel in range(channels):
                # Points over a background, blurred about as much as the PSF does.
                light = np.full(stack, 8.0, np.float32)
                count = stack[0] * stack[1] * stack[2] // 20000
                places = tuple(rng.integers(0, n, count) for n in stack)
                light[places] += 4000
                blurred = psfd_blur(light)
                array[when, channel] = rng.poisson(blurred).astype(np.uint16)
    return path


def psfd_blur(light: np.ndarray) -> np.ndarray:
    """Blur an image with a Gaussian about as wide as the PSF."""
    from scipy import ndimage

    return ndimage.gaussian_filter(light, (1.6, 1.3, 1.3))


def psf_file(folder: Path) -> Path:
    """Write the PSF."""
    path = folder / "psf.tif"
    if not path.exists():
        psfd.PSF(psfd.simulate_psf(PSF_SHAPE, SPACING).astype(np.float32), SPACING).save(path)
    return path


def command(data: Path, psf: Path, output: Path, iterations: int, memory: float) -> list[str]:
    """Return the command that deconvolves the data set."""
    return [
        *(sys.executable, "-m", "napari_psf_distiller.cli", "deconvolve"),
        *(str(data), str(psf), "-o", str(output)),
        *("--iterations", str(iterations), "--memory", str(memory), "--device", "numpy"),
    ]


class PeakMemory:
    """The largest resident memory of a process and all of its children, while it runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.peak = 0
        self._process = psutil.Process(process.pid)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            try:
                family = [self._process, *self._process.children(recursive=True)]
                # What processes share counts once.
                total = sum(one.memory_full_info().pss for one in family if one.is_running())
            except psutil.Error:
                if not self._process.is_running():
                    return
                continue
            self.peak = max(self.peak, total)
            time.sleep(0.1)


def run(arguments: list[str]) -> tuple[float, float, int]:
    """Run a command; return its seconds, its processors' and its peak memory in bytes."""
    began, busy = time.perf_counter(), children_seconds()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory = PeakMemory(process)
    if process.wait():
        raise SystemExit(f"The command failed: {' '.join(arguments)}")
    return time.perf_counter() - began, children_seconds() - busy, memory.peak


def children_seconds() -> float:
    """Return the processors' seconds of the children that have ended, and of theirs."""
    used = os.times()
    return used.children_user + used.children_system


def in_memory(data: Path, psf: Path, iterations: int) -> tuple[float, float, np.ndarray]:
    """Return the seconds of one stack in one piece in memory, the processors', and its result."""
    stack = np.asarray(open_images(data)[0].volume(0, 0))
    known = psfd.read_psf(psf)
    began, busy = time.perf_counter(), time.process_time()
    done = psfd.deconvolve(stack, known, iterations, device="numpy")
    return time.perf_counter() - began, time.process_time() - busy, np.asarray(done)


def digest(folder: Path) -> str:
    """Return a digest of all files."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--memory", type=float, default=2.0)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--parts", default="speed,seams,kills,workers")
    arguments = parser.parse_args()
    data, psf = make_data(arguments.folder, arguments.size), psf_file(arguments.folder)
    output = arguments.folder / f"{arguments.size}-deconvolved.zarr"
    positions, times, channels, stack = SIZES[arguments.size]
    stacks, voxels = positions * times * channels, int(np.prod(stack))
    steps = command(data, psf, output, arguments.iterations, arguments.memory)
    parts = arguments.parts.split(",")
    if "speed" in parts or "seams" in parts:
        shutil.rmtree(output, ignore_errors=True)
        before, busy_before, whole = in_memory(data, psf, arguments.iterations)
        seconds, busy, peak = run(steps)
        after, busy_after, _ = in_memory(data, psf, arguments.iterations)
        one, busy_one = (before + after) / 2, (busy_before + busy_after) / 2
        rate = voxels * stacks * 2 / seconds * arguments.iterations / 1e6
        print(
            f"data set: {seconds:.1f} s, {stacks} stacks; one in memory {before:.2f}, {after:.2f} s"
        )
        print(
            f"speed over that in memory: {stacks * one / seconds:.2f}; {rate:.1f} MB/s an iteration"
        )
        print(
            f"of the processors' time: {stacks * busy_one / busy:.2f} ({busy:.1f} s; one in memory "
            f"{busy_before:.1f}, {busy_after:.1f}); load average {os.getloadavg()[0]:.0f}"
        )
        print(f"peak memory: {peak / 2**30:.2f} GiB of {arguments.memory:g}", flush=True)
        found = np.asarray(open_images(output)[0].volume(0, 0))
        apart = np.abs(found - whole)
        size = np.linalg.norm(whole)
        lines = np.flatnonzero(apart.max(axis=(0, 2)) > 0)
        print(f"difference to one piece: {np.linalg.norm(apart) / size:.1e}, in {len(lines)} rows")
        rows = np.sqrt((apart**2).mean(axis=(0, 2)) / (whole**2).mean())
        columns = np.sqrt((apart**2).mean(axis=(0, 1)) / (whole**2).mean())
        print(f"largest of a row {rows.max():.1e}, of a column {columns.max():.1e}", flush=True)
    if "kills" in parts:
        usual, rng = run([*steps, "--overwrite"])[0], np.random.default_rng(1)
        expected = digest(output)
        again = output.with_name("killed.zarr")
        shutil.rmtree(again, ignore_errors=True)
        steps_again = command(data, psf, again, arguments.iterations, arguments.memory)
        for moment in rng.uniform(0.1, 1, KILLS) * usual:
            process = subprocess.Popen(
                steps_again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(moment)
            family: list[Any] = [*psutil.Process(process.pid).children(recursive=True), process]
            for member in family:
                member.kill()
            process.wait()
            if again.exists() and not again.with_name(again.name + ".progress.jsonl").exists():
                break
        if again.with_name(again.name + ".progress.jsonl").exists() or not again.exists():
            run(steps_again)
        same = "the same" if digest(again) == expected else "OTHER"
        print(f"killed up to {KILLS} times: {same} bytes")
        shutil.rmtree(again)
    if "workers" in parts:
        taken = {}
        for count in (1, 2):
            with_limit = [*steps, "--overwrite", "--workers", str(count)]
            os.environ["PSF_DISTILLER_THREADS"] = "1"
            taken[count] = run(with_limit)[0]
        print(f"one worker {taken[1]:.1f} s, two {taken[2]:.1f} s: {taken[1] / taken[2]:.2f}")


if __name__ == "__main__":
    main()
