"""What a result on finer voxels than the image's is worth, and what it costs.

    python benchmarks/finer.py [--device NAME] [--fft NAME] [--images N] [--rounds N]

Beads (points) and filaments are simulated on pixels of half of Nyquist's limit, imaged with pixels
of 2 and of 3 times that limit, with photons' noise, and deconvolved with the automatic end: on the
image's own pixels, on those of the image interpolated to the finer ones (cubic splines, what is
done where there is nothing better), and on finer ones with the image's pixels in the model. The
error is the relative L2 one against the truth, both seen at a common resolution; the least that any
number of iterations reaches stands beside it. Two points count as told apart where the profile
between them falls to 80 % of the lower one in at least 8 of 10 images, after 60 iterations; they
lie in any direction. Beads in a stack of planes 2 and 3 times 0.2 micrometres apart are deconvolved
on these and with planes between, and seen with standard deviations of 0.35 micrometres along z and
0.06 in the plane; and beads in a stack with pixels of 0.2 micrometres with a PSF that was distilled
from such a stack, by 40 iterations. The time is that of an iteration, in multiples of one on an
image that has the finer voxels: on NumPy the processors' own.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from napari_psf_distiller import Optics, distill, simulate_psf
from napari_psf_distiller.compute import Engine, open_engine
from napari_psf_distiller.compute.devices import NUMPY
from napari_psf_distiller.deconvolution.deconvolve import deconvolve_image
from napari_psf_distiller.deconvolution.model import Model
from napari_psf_distiller.deconvolution.problem import problem_of
from napari_psf_distiller.deconvolution.richardson_lucy import iterate
from napari_psf_distiller.progress import finish

Floats = NDArray[np.float64]

NUMERICAL_APERTURE, WAVELENGTH = 1.2, 0.52
NYQUIST = WAVELENGTH / (4 * NUMERICAL_APERTURE)
# The truth has pixels of Nyquist's limit over this, and the image so many times those.
PER_LIMIT = 2
TRUTH = NYQUIST / PER_LIMIT
SIDE = 576
BACKGROUND = 10.0

# Full widths at half maximum, in micrometres, that truth and result are seen with.
SEEN_WITH = (0.15, 0.25)

# A pixel's light is summed up from so many samples along each axis.
SAMPLES = 9

COUNTS = (2, 3, 5, 8, 12, 18, 27, 40, 60, 90)
TOLD_APART, MOST_OF = 0.8, 0.8


@functools.cache
def psf_on(pixel: float) -> Floats:
    """Return the PSF on pixels of some size in micrometres, each with all that falls on it."""
    half = int(np.ceil(1.6 / pixel))
    side = SAMPLES * (2 * half + 1)
    fine = simulate_psf(
        (side, side),
        (pixel / SAMPLES,) * 2,
        numerical_aperture=NUMERICAL_APERTURE,
        wavelength=WAVELENGTH,
    )
    psf = fine.reshape(2 * half + 1, SAMPLES, 2 * half + 1, SAMPLES).sum(axis=(1, 3))
    scaled: Floats = psf / psf.sum()
    return scaled


def objects(rng: np.random.Generator) -> dict[str, Floats]:
    """Return light on the truth's pixels."""
    beads = np.zeros((SIDE, SIDE))
    for y, x in rng.integers(10, SIDE - 10, (120, 2)):
        beads[y, x] += rng.uniform(500, 5000)
    threads = np.zeros((SIDE, SIDE))
    for _ in range(14):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.cumsum(rng.normal(0, 0.01, 900))
        steps = 0.5 * np.stack([np.sin(angle + turn), np.cos(angle + turn)], axis=1)
        path = rng.uniform(0, SIDE, 2) + np.cumsum(steps, axis=0)
        inside = ((path >= 0) & (path <= SIDE - 1)).all(axis=1)
        np.add.at(threads, tuple(np.rint(path[inside]).astype(int).T), 40)
    return {"beads": beads, "filaments": threads}


def imaged(truth: Floats, times: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the image with pixels of so many of the truth's."""
    blurred = signal.fftconvolve(truth, psf_on(TRUTH), mode="same")
    side = truth.shape[0] // times
    seen = blurred.reshape(side, times, side, times).sum(axis=(1, 3))
    noisy: NDArray[np.float32] = rng.poisson(np.maximum(seen, 0) + BACKGROUND).astype(np.float32)
    return noisy


def on_truth(result: NDArray[np.float32], times: int) -> Floats:
    """Return a result on the truth's pixels, each of its own with its light spread evenly."""
    return np.kron(np.asarray(result, float), np.full((times, times), 1 / times**2))


def error(result: NDArray[np.float32], times: int, truth: Floats, width: float) -> float:
    """Return the relative L2 error, both seen with a Gaussian of some full width."""
    sigma = width / TRUTH / 2.3548
    expected = ndimage.gaussian_filter(truth, sigma)
    found = ndimage.gaussian_filter(on_truth(result, times), sigma)
    inside = (slice(24, -24),) * 2
    return float(np.linalg.norm((found - expected)[inside]) / np.linalg.norm(expected[inside]))


def ways(image: NDArray[np.float32], times: int) -> dict[str, tuple[NDArray[np.float32], int, int]]:
    """Return name: (image to deconvolve, how many finer, how many of the truth's pixels)."""
    found = {"own pixels": (image, 1, times)}
    for finer in (2, 3):
        if times % finer == 0:
            spline = ndimage.zoom(image, finer, order=3, mode="reflect", grid_mode=True)
            spline = (np.maximum(spline, 0) / finer**2).astype(np.float32)
            found[f"interpolated by {finer}"] = (spline, 1, times // finer)
            found[f"finer {finer}"] = (image, finer, times // finer)
    return found


def automatic(
    image: NDArray[np.float32], finer: int, pixels: int, light: float, engine: Engine
) -> tuple[NDArray[np.float32], int]:
    """Return what is deconvolved with the automatic end, and how many iterations it took."""
    done = finish(
        deconvolve_image(
            image, psf_on(pixels * TRUTH), engine, background=light, finer=(finer, finer)
        )
    )
    return done.array, done.iterations


def after_counts(
    image: NDArray[np.float32], finer: int, pixels: int, light: float, engine: Engine
) -> Iterator[NDArray[np.float32]]:
    """Yield the estimate after each number of iterations."""
    model = Model("noncirculant", "accelerated", background=light, finer=(finer, finer))
    psf = psf_on(pixels * TRUTH).astype(np.float32)
    problem = problem_of(image, psf, model, engine)
    running = iterate(problem, engine, max(COUNTS), model.method)
    for iteration, _, solver in running:
        if iteration in COUNTS:
            yield solver.estimate()[0]


def tell_errors(engine: Engine, images: int) -> None:
    """Print the errors of beads and filaments."""
    print("| pixels | object | deconvolved on | iterations | ", end="")
    print(" | ".join(f"error at {width} µm, least" for width in SEEN_WITH), "|")
    print("| --- | --- | --- | --- | --- | --- |")
    for limits in (2, 3):
        times = limits * PER_LIMIT
        rows: dict[tuple[str, str], list[list[float]]] = {}
        for seed in range(images):
            rng = np.random.default_rng(seed)
            for name, truth in objects(rng).items():
                image = imaged(truth, times, rng)
                for way, (taken, finer, pixels) in ways(image, times).items():
                    light = BACKGROUND * (pixels / times) ** 2 if finer == 1 else BACKGROUND
                    found, iterations = automatic(taken, finer, pixels, light, engine)
                    figures = [float(iterations)]
                    each = list(after_counts(taken, finer, pixels, light, engine))
                    for width in SEEN_WITH:
                        figures.append(error(found, pixels, truth, width))
                        figures.append(min(error(one, pixels, truth, width) for one in each))
                    rows.setdefault((name, way), []).append(figures)
        for (name, way), found_figures in rows.items():
            count, *errors = np.mean(found_figures, axis=0)
            shown = " | ".join(
                f"{errors[2 * i]:.3f}, {errors[2 * i + 1]:.3f}" for i in range(len(SEEN_WITH))
            )
            print(f"| {limits} x Nyquist's | {name} | {way} | {count:.0f} | {shown} |", flush=True)


def tell_resolution(engine: Engine, images: int) -> None:
    """Print the least distance at which two points are told apart."""
    distances = np.arange(0.10, 0.62, 0.04)
    print("\n| pixels | deconvolved on | two points of 50 000 photons told apart from |")
    print("| --- | --- | --- |")
    for limits in (2, 3):
        times = limits * PER_LIMIT
        told: dict[str, list[float]] = {}
        for distance in distances:
            for seed in range(images):
                rng = np.random.default_rng(1000 + seed)
                truth, ends = pair(distance, times, rng)
                image = imaged(truth, times, rng)
                for way, (taken, finer, pixels) in ways(image, times).items():
                    light = BACKGROUND * (pixels / times) ** 2 if finer == 1 else BACKGROUND
                    model = Model(
                        "noncirculant", "accelerated", background=light, finer=(finer,) * 2
                    )
                    psf = psf_on(pixels * TRUTH).astype(np.float32)
                    running = iterate(
                        problem_of(taken, psf, model, engine), engine, 60, "accelerated"
                    )
                    *_, result = (solver.estimate()[0] for _, _, solver in running)
                    told.setdefault(way, []).append(float(apart(result, pixels, ends)))
        for way, values in told.items():
            shares = np.reshape(values, (len(distances), images)).mean(axis=1)
            enough = shares >= MOST_OF
            # From where on all farther ones are.
            first = len(enough) - int(np.argmin(enough[::-1])) if not enough.all() else 0
            least = f"{distances[first]:.2f} µm" if first < len(distances) else "not at all"
            size = limits * NYQUIST
            print(f"| {size:.3f} µm | {way} | {least} |", flush=True)


def pair(distance: float, times: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return two points on the truth's pixels, and where they are."""
    side = 16 * times
    angle = rng.uniform(0, np.pi)
    middle = side / 2 + rng.uniform(0, times, 2)
    half = distance / TRUTH / 2 * np.array([np.sin(angle), np.cos(angle)])
    ends = np.array([middle - half, middle + half])
    truth = np.zeros((side, side))
    for place in ends:
        low = np.floor(place).astype(int)
        part = place - low
        for y in (0, 1):
            for x in (0, 1):
                share = abs(1 - y - part[0]) * abs(1 - x - part[1])
                truth[low[0] + y, low[1] + x] += 50_000 * share
    return truth, ends


def apart(result: NDArray[np.float32], pixels: int, ends: Floats) -> bool:
    """Return whether a result shows two points."""
    # Its voxels' centres, on the truth's pixels.
    places = (ends + 0.5) / pixels - 0.5
    along = np.linspace(-0.35, 1.35, 69)
    line = places[0][:, None] + along * (places[1] - places[0])[:, None]
    profile = ndimage.map_coordinates(np.asarray(result, float), line, order=1)
    first = profile[along < 0.4].max()
    second = profile[along > 0.6].max()
    between = profile[(along > 0.2) & (along < 0.8)].min()
    return bool(between <= TOLD_APART * min(first, second) and first + second > 0)


def tell_planes(engine: Engine, images: int) -> None:
    """Print the errors of beads in a stack whose planes are far apart, with planes between."""
    print("\n| planes | deconvolved on | iterations | error |")
    print("| --- | --- | --- | --- |")
    fine, widths = (0.2, 0.1, 0.1), (0.35, 0.06, 0.06)
    sigmas = [width / size for width, size in zip(widths, fine, strict=True)]
    for times in (2, 3):
        shape = (16 * times, 80, 80)
        psf = simulate_psf(
            (16 * times + 1, 41, 41),
            fine,
            numerical_aperture=NUMERICAL_APERTURE,
            wavelength=WAVELENGTH,
        )
        # The focus is among them.
        apart = psf[psf.shape[0] // 2 % times :: times]
        figures: dict[str, list[tuple[float, float]]] = {}
        for seed in range(images):
            rng = np.random.default_rng(seed)
            truth = np.zeros(shape)
            for _ in range(40):
                truth[tuple(rng.integers(5, n - 5) for n in shape)] += rng.uniform(5000, 30000)
            blurred = signal.fftconvolve(truth, psf, mode="same")
            seen = np.maximum(blurred[times // 2 :: times] * times, 0)
            image = rng.poisson(seen + BACKGROUND).astype(np.float32)
            expected = ndimage.gaussian_filter(truth, sigmas)
            for name, kernel, finer in (
                ("own planes", apart, (1, 1, 1)),
                (f"finer z {times}", psf, (times, 1, 1)),
            ):
                done = finish(
                    deconvolve_image(image, kernel, engine, background=BACKGROUND, finer=finer)
                )
                # The light of a plane of the image is spread over all that it stands for.
                left = times // finer[0]
                found = np.repeat(np.asarray(done, float), left, axis=0) / left
                wrong = ndimage.gaussian_filter(found, sigmas) - expected
                figures.setdefault(name, []).append(
                    (done.iterations, float(np.linalg.norm(wrong) / np.linalg.norm(expected)))
                )
        for name, values in figures.items():
            count, mean = np.mean(values, axis=0)
            size = times * fine[0]
            print(f"| {size:.1f} µm | {name} | {count:.0f} | {mean:.3f} |", flush=True)


def tell_distilled(engine: Engine, images: int) -> None:
    """Print the errors of beads in a stack with a PSF distilled from pixels as large as its own."""
    print("\n| PSF | deconvolved on | error of the PSF | error |")
    print("| --- | --- | --- | --- |")
    fine, large, samples = (0.2, 0.1, 0.1), (0.2, 0.2, 0.2), 5
    sigmas = [width / size for width, size in zip((0.2, 0.06, 0.06), fine, strict=True)]
    side = samples * 81
    optics = Optics(
        numerical_aperture=NUMERICAL_APERTURE, wavelength=WAVELENGTH, refractive_index=1.33
    )
    finest = simulate_psf(
        (41, side, side),
        (0.2, 0.1 / samples, 0.1 / samples),
        numerical_aperture=NUMERICAL_APERTURE,
        wavelength=WAVELENGTH,
    )
    true = finest.reshape(41, 81, samples, 81, samples).sum(axis=(2, 4))
    figures: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(images):
        rng = np.random.default_rng(seed)
        beads = bead_image(finest, rng)
        found = distill(
            beads,
            large,
            bead_diameter=0.02,
            optics=optics,
            device="numpy",
        ).psf
        known = found.evaluate(spacing=fine, shape=(41, 63, 63)).array
        inner = true[:, 9:-9, 9:-9] / true[:, 9:-9, 9:-9].sum()
        wrong_psf = float(np.linalg.norm(known - inner) / np.linalg.norm(inner))
        truth = np.zeros((48, 160, 160))
        for _ in range(60):
            truth[tuple(rng.integers(10, n - 10) for n in truth.shape)] += rng.uniform(5e3, 3e4)
        blurred = signal.fftconvolve(truth, true, mode="same")
        sums = blurred.reshape(48, 80, 2, 80, 2).sum(axis=(2, 4))
        image = rng.poisson(np.maximum(sums, 0) + BACKGROUND).astype(np.float32)
        expected = ndimage.gaussian_filter(truth, sigmas)
        for name, psf, finer, off in (
            ("distilled", found.array, 1, np.nan),
            ("distilled", known, 2, wrong_psf),
            ("true", true, 2, 0.0),
        ):
            done = finish(
                deconvolve_image(
                    image,
                    psf,
                    engine,
                    iterations=40,
                    background=BACKGROUND,
                    finer=(1, finer, finer),
                )
            )
            left = 2 // finer
            result = np.kron(done, np.full((1, left, left), 1 / left**2))
            wrong = ndimage.gaussian_filter(result, sigmas) - expected
            error_of = float(np.linalg.norm(wrong) / np.linalg.norm(expected))
            way = "own pixels" if finer == 1 else f"finer {finer}"
            figures.setdefault((name, way), []).append([off, error_of])
    for (name, way), values in figures.items():
        off, mean = np.mean(values, axis=0)
        told = "" if np.isnan(off) else f"{off:.3f}"
        print(f"| {name} | {way} | {told} | {mean:.3f} |", flush=True)


def bead_image(finest: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return 60 points anywhere within pixels of 0.2 micrometres, in planes of 0.2.

    Parameters
    ----------
    finest : numpy.ndarray
        (41, 405, 405): the PSF on a tenth of these pixels, and on these planes.
    rng : numpy.random.Generator
    """
    points = np.zeros((960, 960))
    places: list[tuple[int, int]] = []
    while len(places) < 60:
        y, x = (int(n) for n in rng.integers(60, 900, 2))
        if all(abs(y - a) + abs(x - b) > 90 for a, b in places):
            places.append((y, x))
            points[y, x] = rng.uniform(5e4, 2e5)
    image = np.full((48, 96, 96), BACKGROUND)
    for z, plane in enumerate(finest):
        blurred = signal.fftconvolve(points, plane, mode="same")
        image[z + 4] += np.maximum(blurred, 0).reshape(96, 10, 96, 10).sum(axis=(1, 3))
    return rng.poisson(image).astype(np.uint16)


def tell_time(engine: Engine, rounds: int) -> None:
    """Print what an iteration takes, in multiples of one on an image of the finer voxels."""
    shape = (24, 256, 256)
    psf = simulate_psf((17, 41, 41), (0.2, 0.08, 0.08)).astype(np.float32)
    fine = np.random.default_rng(0).poisson(50, shape).astype(np.float32)
    print("\n| finer | time of an iteration, in that of an image of the finer voxels |")
    print("| --- | --- |")
    for finer in ((1, 2, 2), (1, 4, 4), (3, 2, 2)):
        coarse = fine[tuple(slice(n // f) for n, f in zip(shape, finer, strict=True))]
        ratios = []
        for _ in range(rounds):
            seconds = [
                an_iteration(image, psf, model, engine)
                for image, model in (
                    (coarse, Model("noncirculant", "accelerated", finer=finer)),
                    (fine, Model("noncirculant", "accelerated")),
                )
            ]
            ratios.append(seconds[0] / seconds[1])
        name = " x ".join(map(str, finer))
        print(f"| {name} | {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")


def an_iteration(
    image: NDArray[np.float32], psf: NDArray[np.float32], model: Model, engine: Engine
) -> float:
    """Return the seconds of an iteration, without set-up."""
    solver = engine.solver(problem_of(image, psf, model, engine))
    try:
        for _ in range(2):
            solver.project(True)
            solver.update(0.1, 0.1)
        # Of the processors' own time a busy machine takes nothing.
        clock = time.process_time if engine.device is NUMPY else time.perf_counter
        start = clock()
        for _ in range(6):
            solver.project(True)
            solver.update(0.1, 0.1)
        return (clock() - start) / 6
    finally:
        solver.close()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fft", default="auto")
    parser.add_argument("--images", type=int, default=5, help="of each kind (default: 5)")
    parser.add_argument("--rounds", type=int, default=5, help="of the timing (default: 5)")
    arguments = parser.parse_args()
    engine = open_engine(arguments.device, arguments.fft)
    print(engine.description, end="\n\n")
    tell_errors(engine, arguments.images)
    tell_resolution(engine, max(10, arguments.images))
    tell_planes(engine, arguments.images)
    tell_distilled(engine, arguments.images)
    tell_time(engine, arguments.rounds)


if __name__ == "__main__":
    main()
