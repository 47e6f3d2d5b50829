"""Calls with what nobody should pass: each must give a result or one sentence, and soon.

    python tests/fuzz/fuzz.py --calls 2000 --seed 0 --target all

prints each fault with the number of its call; ``--only NUMBER`` repeats one call of a target.
A fault is a traceback (any error but `DistillerError`), a warning that is not this package's, a
sentence of more than a few lines, a call of more than `SECONDS`, an input that was changed, a line
on stderr that is not the program's, or a file that was left behind or is half.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import math
import re
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

import napari_psf_distiller as psfd
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.recipe.parameter import declared

# What a call may take of the processor, and ten times that of the clock: others work too.
SECONDS = 30.0
# A path or a list of names may be in it.
LONGEST_SENTENCE = 600

Random = np.random.Generator


class Call(NamedTuple):
    """What is called, with what, and a look at what it left behind."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    look: Callable[[Any], str | None] = lambda result: None


class Fault(NamedTuple):
    """What went wrong in a call."""

    target: str
    number: int
    text: str


class Hang(BaseException):
    """A call took too long."""


def pick(rng: Random, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


# Values of any kind.

ODD_NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 0.0, -0.0, 0.5, 1e-3, 1e-30, 1e-300, 5e-324, 1e5, 1e15, 1e30, 1e300),
    *(math.nan, math.inf, -math.inf, 10**20, 10**400, -(10**9), True, False, 1 + 2j, None),
    *(np.float32(0.5), np.int8(3), np.float64("nan"), np.bool_(True), np.complex64(1j)),
)
ODD_THINGS: tuple[Any, ...] = (
    *("", "abc", "0.1", "auto", "numpy", b"abc", "x" * 10_000_000, "\udcff", "a\0b", "\n"),
    *([], [[]], {}, set(), object(), type, len, lambda: 0, [1, "a"], [[1, 2], [3]], range(3)),
    *(np.array("a"), np.array(None), np.zeros((2, 0)), np.array([1j, 2]), (0.2, 0.1, 0.1)),
    *(np.datetime64("2020-01-01"), slice(3), Path("x"), psfd.Optics(), psfd.Recipe()),
)


def odd(rng: Random) -> Any:
    return pick(rng, *ODD_NUMBERS) if rng.random() < 0.6 else pick(rng, *ODD_THINGS)


def odd_array(rng: Random, array: np.ndarray) -> Any:
    """An image as it should not be, or as it may be."""
    a = array.copy()
    change = int(rng.integers(34))
    if change < 6:
        place = tuple(int(rng.integers(n)) for n in a.shape)
        a = a.astype(pick(rng, "f2", "f4", "f8", "f8"))
        with np.errstate(all="ignore"):
            a[place] = pick(rng, np.nan, np.inf, -np.inf, 1e4, -1e4, 1e38, 1e300, 1e-300)
        return a
    if change < 12:
        with np.errstate(all="ignore"):
            return a.astype(
                pick(rng, bool, "i1", "u1", "i2", ">u2", ">f4", "f2", "f8", "c8", "O", "U8", "g")
            )
    if change == 12:
        with np.errstate(all="ignore"):
            return a * float(pick(rng, 1e-30, 1e-12, 1e-6, 1e6, 1e12, 1e30, 1e300, 0.0, -1.0))
    if change == 13:
        return a.astype(float) + pick(rng, 1e6, 1e9, 1e14, -1e5)
    if change == 14:
        return a.reshape(pick(rng, (1, *a.shape), (1, 1, *a.shape), (*a.shape, 1), (-1,)))
    if change == 15:
        cut = [
            slice(0, int(rng.integers(0, 5))) if rng.random() < 0.4 else slice(None)
            for _ in a.shape
        ]
        return a[tuple(cut)]
    if change == 16:
        return a.tolist()
    if change == 17:
        return [row.tolist() for row in a[:-1]] + [[1, 2]]
    if change == 18:
        return np.ma.masked_greater(a, np.median(a))
    if change == 19:
        return a.T
    if change == 20:
        return a[..., ::-2]
    if change == 21:
        return np.zeros_like(a)
    if change == 22:
        return rng.integers(0, 2, a.shape).astype(a.dtype)
    if change == 23:
        return rng.permutation(a.ravel()).reshape(a.shape)
    if change == 24:
        return rng.normal(100, 3, a.shape)
    if change == 25:
        return rng.poisson(pick(rng, 0.01, 1, 100), a.shape).astype("u2")
    if change == 26:
        return np.minimum(a, int(np.quantile(a, pick(rng, 0.5, 0.9, 0.99, 0.999))))
    if change == 27:
        return np.maximum(a.astype(int) - int(np.median(a)), 0).astype(a.dtype)
    if change == 28:
        return np.add.outer(np.arange(a.shape[0]), np.ones(a.shape[1:])) + a * pick(rng, 0, 1)
    if change == 29:
        a[tuple(slice(0, n // 2) for n in a.shape)] = 0
        return a
    if change == 30:
        return a.view(np.recarray) if rng.random() < 0.5 else np.asmatrix(a[0])
    if change == 31:
        start = int(rng.integers(0, max(1, a.shape[0] - 1)))
        return a[start : start + int(rng.integers(1, 4))]
    return odd(rng)


def lengths(rng: Random, good: tuple[float, ...]) -> Any:
    """A voxel size, now and then in another unit or none at all."""
    change = rng.random()
    if change < 0.4:
        return good
    if change < 0.6:
        return tuple(size * pick(rng, 1, 1000, 1e-3, 10, 0.1, 0.01, 1e-6, 300) for size in good)
    if change < 0.75:
        sizes: list[Any] = list(good)
        sizes[int(rng.integers(len(sizes)))] = odd(rng)
        return pick(rng, tuple(sizes), sizes)
    if change < 0.85:
        return pick(
            rng, good[:-1], (*good, 0.1), np.array(good), good[::-1], "0.2", 0.1, iter(good)
        )
    return odd(rng)


def section(rng: Random, kind: Any, **good: Any) -> Any:
    """A part of a recipe, now and then with odd values."""
    values = dict(good)
    for one in declared(kind):
        if rng.random() < 0.01:
            values[one.field] = odd(rng)
        elif rng.random() < 0.15:
            length, number = float(10 ** rng.uniform(-4, 4)), int(10 ** rng.uniform(0, 4))
            values[one.field] = (
                ((length,) * 3 if one.kind is float else (number, 5, 7))
                if one.per_axis
                else values.get(one.field, one.default)
                if one.choices
                else {bool: bool(rng.integers(2)), int: number}.get(one.kind, length)
            )
    return kind(**values)


# The targets: each makes a call from chance.

FIELD = psfd.simulate_beads((16, 40, 44), (0.25, 0.1, 0.1), beads=4, separation=1.0, seed=3)
PLANE = psfd.simulate_beads((48, 52), (0.1, 0.1), beads=5, separation=1.0, seed=3)
PSF = psfd.simulate_psf((7, 9, 9), (0.25, 0.1, 0.1)).astype(np.float32)


def distill_call(rng: Random, folder: Path) -> Call:
    field = pick(rng, FIELD, FIELD, PLANE)
    image = odd_array(rng, field.image) if rng.random() < 0.5 else field.image
    spacing = lengths(rng, field.spacing) if rng.random() < 0.3 else field.spacing

    def call(image: Any, spacing: Any) -> Any:
        recipe = psfd.Recipe.stepwise() if chance[0] < 0.3 else psfd.Recipe()
        if chance[1] < 0.5:
            recipe = some_recipe(np.random.default_rng(int(chance[2] * 2**32)), chance[0] < 0.3)
        return psfd.distill(image, spacing, recipe=recipe, device="numpy")

    chance = rng.random(3)
    if rng.random() < 0.1:
        arguments = {"image": image, "spacing": spacing, "recipe": odd(rng), "device": odd(rng)}
        return Call(psfd.distill, arguments)
    return Call(call, {"image": image, "spacing": spacing}, sound_result)


def some_recipe(rng: Random, stepwise: bool) -> psfd.Recipe:
    base = psfd.Recipe.stepwise() if stepwise else psfd.Recipe()
    quick = {"iterations": 3} if stepwise else {}
    return psfd.Recipe(
        bead_diameter=pick(rng, None, 0.1, 0.1, 0.5, 20.0, 1e-3, odd(rng)),
        optics=section(rng, psfd.Optics, **pick(rng, {}, OPTICS)),
        camera=section(rng, psfd.Camera),
        preprocess=section(rng, psfd.Preprocess),
        threshold=section(rng, psfd.Threshold),
        find_beads=section(rng, type(base.find_beads), method=base.find_beads.method),
        distill=section(rng, type(base.distill), method=base.distill.method, **quick),
        postprocess=section(rng, psfd.PostProcess),
    )


OPTICS = {"numerical_aperture": 1.2, "wavelength": 0.52, "refractive_index": 1.33}


def sound_result(result: psfd.Result) -> str | None:
    if not np.isfinite(result.psf).all():
        return "the PSF is not finite"
    if not all(isinstance(text, str) and text.endswith(".") for text in result.warnings):
        return "a warning is no sentence"
    return None


def deconvolve_call(rng: Random, folder: Path) -> Call:
    image, psf = pick(rng, (FIELD.image, PSF), (PLANE.image, PSF[3]))
    arguments: dict[str, Any] = {
        "image": odd_array(rng, image) if rng.random() < 0.4 else image,
        "psf": odd_array(rng, psf) if rng.random() < 0.4 else psf,
        "iterations": pick(rng, 2, 2, 3, None, odd(rng)),
        "device": "numpy",
    }
    # Ten thousand iterations that were asked for are none too many.
    if isinstance(arguments["iterations"], int | float) and arguments["iterations"] in (1e5,):
        arguments["iterations"] = 2
    choices = {
        "boundary": ("noncirculant", "circulant"),
        "method": ("plain", "accelerated"),
        "total_variation": (0.0, 0.002, 0.3),
        "spacing": (None, (0.25, 0.1, 0.1)[-image.ndim :], lengths(rng, (0.25, 0.1, 0.1))),
        "compatibility": (None, "clij2-fft"),
        "background": (0.0, 100.0, np.full(image.shape, 90.0), odd_array(rng, image)),
        "mask": (None, image > 100, image, np.zeros(image.shape, bool), odd_array(rng, image)),
        "fft": ("auto", "scipy"),
        "memory": (None, 1.0, 1e-4),
        "finer": (1, 2),
        "finer_z": (1, 2),
    }
    if rng.random() < 0.3:
        sizes = (0.25, 0.05, 0.05)[-image.ndim :]
        arguments |= {"psf": psfd.PSF(psf, sizes), "spacing": (0.25, 0.1, 0.1)[-image.ndim :]}
        arguments["finer"] = 2
    for name, values in choices.items():
        if rng.random() < 0.3:
            arguments[name] = odd(rng) if rng.random() < 0.3 else pick(rng, *values)

    def sound(result: Any) -> str | None:
        finer = arguments.get("finer_z", 1), *(arguments.get("finer", 1),) * 2
        shape = np.shape(arguments["image"])
        spatial = np.multiply(shape[-image.ndim :], finer[-image.ndim :])
        if result.shape != (*shape[: -image.ndim], *spatial):
            return f"the result has the shape {result.shape}"
        return None if np.isfinite(result).all() else "the result is not finite"

    return Call(psfd.deconvolve, arguments, sound)


def simulate_call(rng: Random, folder: Path) -> Call:
    arguments: dict[str, Any] = {"shape": (16, 24, 24), "spacing": (0.25, 0.1, 0.1)}
    bead = {
        **{"beads": 2, "bead_diameter": 0.1, "layout": "slide", "photons": 1e4, "spread": 0.2},
        **{"background": 10.0, "offset": 100.0, "read_noise": 1.6, "separation": 1.0, "seed": 0},
    }
    more = {**OPTICS, "spherical": 0.1}
    function = pick(rng, psfd.simulate_beads, psfd.simulate_psf)
    if function is psfd.simulate_beads:
        more |= bead
    for name, value in more.items():
        if rng.random() < 0.25:
            arguments[name] = odd(rng) if rng.random() < 0.6 else value * pick(rng, 1, 100, 1000)
    if rng.random() < 0.3:
        arguments["shape"] = pick(
            rng, odd(rng), (0, 5, 5), (16, 20), (10**6,) * 3, (1e3, 20, 20), (-1, 20, 20), (40,) * 4
        )
    if rng.random() < 0.3:
        arguments["spacing"] = lengths(rng, arguments["spacing"])
    return Call(function, arguments)


def width_call(rng: Random, folder: Path) -> Call:
    psf = pick(rng, PSF, PSF[3])
    spacing = (0.25, 0.1, 0.1)[-psf.ndim :]
    return Call(
        psfd.fwhm,
        {
            "psf": odd_array(rng, psf),
            "spacing": lengths(rng, spacing) if rng.random() < 0.5 else spacing,
        },
    )


def read_image_call(rng: Random, folder: Path) -> Call:
    path = folder / pick(rng, "image.tif", "image.ome.tif")
    some_file(rng, path)
    return Call(pick(rng, psfd.read_image, psfd.read_image, psfd.read_psf), {"path": path})


def some_file(rng: Random, path: Path) -> None:
    """Write a TIFF file as programs write them, and then damage it."""
    image = rng.integers(0, 5000, pick(rng, (5, 16, 18), (16, 18), (1, 16, 18), (2, 3, 16, 18)))
    image = image.astype(pick(rng, "u1", "u2", "u2", "f4", ">u2", "f8"))
    options: dict[str, Any] = {"photometric": pick(rng, "minisblack", "minisblack", "miniswhite")}
    kind = pick(rng, "plain", "imagej", "ome", "psf", "pages")
    axes = "TZYX"[-image.ndim :]
    if kind == "psf":
        psf = image.astype("f4").reshape(-1, *image.shape[-2:]) + 1
        psfd.PSF(psf, spacing=(0.2, 0.1, 0.1), recipe=psfd.Recipe()).save(path)
    elif kind == "imagej":
        image = image.astype(pick(rng, "u1", "u2", "f4"))
        metadata = {"axes": axes, "unit": pick(rng, "um", "nm", "pixel"), "spacing": 0.3}
        tifffile.imwrite(
            path, image, imagej=True, resolution=(10, 10), metadata=metadata, **options
        )
    elif kind == "ome":
        sizes = {f"PhysicalSize{axis}": 0.1 for axis in "XYZ"}
        tifffile.imwrite(path, image, ome=True, metadata={"axes": axes} | sizes, **options)
    elif kind == "pages":
        with tifffile.TiffWriter(path) as tiff:
            for plane in image.reshape(-1, *image.shape[-2:]):
                shown = plane[: int(rng.integers(4, 17))] if rng.random() < 0.3 else plane
                tiff.write(shown, metadata=None, **options)
    else:
        packed = pick(rng, None, "lzw", "zlib", "zstd")
        strips = pick(rng, None, 1)
        tifffile.imwrite(path, image, compression=packed, rowsperstrip=strips, **options)
    content = bytearray(path.read_bytes())
    damage = rng.random()
    if damage < 0.5:
        # Most of it in what describes the image: the directory, and texts.
        for _ in range(int(rng.integers(1, 6))):
            place = int(len(content) * rng.random() ** pick(rng, 1, 3))
            content[min(place, len(content) - 1)] = int(rng.integers(256))
    elif damage < 0.6:
        del content[int(rng.integers(len(content))) :]
    elif damage < 0.75:
        for word in (
            b"images=",
            b"slices=",
            b"frames=",
            b'SizeZ="',
            b'IFD="',
            b'PlaneCount="',
            b"spacing=",
        ):
            place = content.find(word)
            if place >= 0 and rng.random() < 0.5:
                number = pick(rng, b"0", b"1", b"7", b"99999999", b"-3", b"nan", b"1e999", b"x")
                start = place + len(word)
                content[start : start + len(number)] = number
    elif damage < 0.85:
        place = content.find(struct.pack("<HH", 278, 3))
        tag = int(rng.integers(254, 300))
        content[8:12] = (
            struct.pack("<HH", tag, int(rng.integers(0, 20))) if place < 0 else content[8:12]
        )
        for _ in range(3):
            place = content.find(struct.pack("<H", int(rng.integers(256, 283))))
            if place >= 0:
                content[place + 8 : place + 12] = struct.pack(
                    "<I", pick(rng, 0, 1, 2**31, 2**32 - 1, 7)
                )
    path.write_bytes(content)


def recipe_call(rng: Random, folder: Path) -> Call:
    recipe = pick(rng, psfd.Recipe(), psfd.Recipe.stepwise(), psfd.Recipe.notebook())
    document = json.loads(recipe.to_json())
    for _ in range(int(rng.integers(1, 4))):
        place, key = any_place(rng, document)
        change = rng.random()
        if change < 0.6:
            place[key] = pick(
                rng, *(v for v in ODD_NUMBERS if plain(v)), "", "x" * 10**6, [], {}, [1, 2]
            )
        elif change < 0.8 and isinstance(place, dict):
            place[pick(rng, "unknown", "\n", "x" * 10**5, "spacing")] = 1
        elif isinstance(place, dict):
            del place[key]
    text = json.dumps(document)
    change = rng.random()
    if change < 0.1:
        text = text[: int(rng.integers(len(text)))]
    elif change < 0.15:
        depth = int(10 ** rng.uniform(1, 6))
        text = pick(rng, "[" * depth, '{"a":' * depth, "[" * depth + "]" * depth)
    elif change < 0.2:
        depth = int(10 ** rng.uniform(1, 4))
        text = text.replace("null", "[" * depth + "]" * depth, 1)
    elif change < 0.25:
        text = text.replace("3", "9" * int(10 ** rng.uniform(1, 5)), 1)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        damaged = bytearray(content)
        for _ in range(3):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        content = bytes(damaged)
    path = folder / "recipe.json"
    path.write_bytes(content)
    return Call(psfd.Recipe.load, {"path": path})


def plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def any_place(rng: Random, document: Any) -> tuple[Any, Any]:
    """A container somewhere in a document, and one of its keys."""
    places = [(document, key) for key in document]
    for _, value in list(document.items()):
        if isinstance(value, dict):
            places += [(value, key) for key in value]
            for _, inner in value.items():
                if isinstance(inner, dict):
                    places += [(inner, key) for key in inner]
    return places[int(rng.integers(len(places)))]


def cli_call(rng: Random, folder: Path) -> Call:
    image, psf, out = folder / "beads.tif", folder / "psf.tif", folder / "out"
    small = FIELD.image if rng.random() < 0.5 else odd_array(rng, FIELD.image)
    try:
        tifffile.imwrite(image, np.asarray(small), photometric="minisblack")
    except Exception:  # what is no image is no file either
        tifffile.imwrite(image, PLANE.image, photometric="minisblack")
    if rng.random() < 0.2:
        some_file(rng, image)
    psfd.PSF(PSF, spacing=(0.25, 0.1, 0.1)).save(psf)
    psfd.Recipe.stepwise().save(folder / "recipe.json")
    number = pick(
        rng, "0.1", "0", "-1", "nan", "inf", "1e400", "520", "x", "", "0,1", "1e-300", "9" * 5000
    )
    target = pick(
        rng, out, out, out, psf, image, folder, folder / "no" / "out", folder / ("n" * 250), "", "."
    )
    common = ["--device", pick(rng, "numpy", "numpy", "numpy", "nothing", "")]
    extra = [
        *pick(rng, [], ["--memory", number], ["--fft", pick(rng, "scipy", "x")], ["--overwrite"]),
        *pick(rng, [], [], ["--nonsense"], ["\udcff"], ["--", "x"]),
    ]
    spaced = pick(rng, ["--spacing", "0.25", "0.1", "0.1"], ["--spacing", number, "0.1", "0.1"], [])
    options = pick(
        rng,
        ["--stepwise", "--iterations", "2"],
        ["--stepwise", "--iterations", number],
        ["--bead-diameter", number],
        ["--na", number, "--wavelength", "0.52", "--refractive-index", "1.33"],
        ["--recipe", str(folder / "recipe.json")],
        ["--notebook", "--iterations", "2"],
    )
    command = pick(
        rng,
        ["distill", str(image), "-o", str(target), *spaced, *options],
        ["distill", str(image), "-o", str(target), *spaced, *options],
        [
            "deconvolve",
            str(image),
            str(psf),
            "-o",
            str(pick(rng, target, f"{target}.tif", out / "d.tif")),
            "--iterations",
            pick(rng, "2", number),
        ],
        ["replay", str(pick(rng, folder / "recipe.json", image)), str(image), "-o", str(target)],
        [pick(rng, "", "nothing", "--version", "devices", "demo x")],
    )
    arguments = [*command, *common, *extra] if len(command) > 1 else command
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def look(result: Any) -> str | None:
        code, _, said = result
        lines = [line for line in said.splitlines() if line]
        wrong = [line for line in lines if not line.startswith("psf-distiller: ")]
        if wrong:
            return f"stderr has the line {wrong[0][:200]!r}"
        if code not in (0, 2):
            return f"the exit code is {code}"
        if code == 2 and sum(": error: " in line for line in lines) != 1:
            return f"there is not one error but {lines}"
        if "unexpected" in said:
            return said.splitlines()[-1]
        # But for what was to be written: "..tif" is a name too.
        asked = {Path(argument).name for argument in arguments}
        hidden = [path for path in folder.rglob(".*") if path.name not in asked]
        if hidden:
            return f"{hidden[0]} is left behind"
        if code == 2 and any(not p.exists() or p.read_bytes() != b for p, b in before.items()):
            return "a file was changed by a command that failed"
        if code == 2 and out.exists():
            return "a folder is left behind by a command that failed"
        return None

    def call(arguments: list[str]) -> tuple[int, str, str]:
        printed, said = io.StringIO(), io.StringIO()
        elsewhere = folder / "here"
        elsewhere.mkdir(exist_ok=True)
        # Whoever runs this does not want what an output of "." or "" leaves.
        with (
            contextlib.chdir(elsewhere),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(said),
        ):
            code = main(arguments)
        return code, printed.getvalue(), said.getvalue()

    return Call(call, {"arguments": arguments}, look)


TARGETS: dict[str, Callable[[Random, Path], Call]] = {
    "distill": distill_call,
    "deconvolve": deconvolve_call,
    "simulate": simulate_call,
    "fwhm": width_call,
    "read_image": read_image_call,
    "recipe": recipe_call,
    "cli": cli_call,
}


@contextlib.contextmanager
def hurried(seconds: float) -> Iterator[None]:
    """End what takes longer, where the system can."""
    if not hasattr(signal, "SIGPROF"):
        yield
        return

    def late(*_: Any) -> None:
        raise Hang

    clocks = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, late) for number in clocks}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds)
    try:
        yield
    finally:
        for number, clock in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(number, before[number])


def same(one: Any, other: Any) -> bool:
    """Whether an input is as it was."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.dtype == object:
            return one.shape == other.shape
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, list | tuple | dict):
        texts = (re.sub(r"0x[0-9a-f]+", "", repr(value)[:100_000]) for value in (one, other))
        return len(set(texts)) == 1
    return True


def copied(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict) else value


def fault_of(call: Call, seconds: float = SECONDS) -> str | None:
    """Make a call; return what is wrong with how it went, or None."""
    before = {name: copied(value) for name, value in call.arguments.items()}
    result, said = None, io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(said):
        warnings.simplefilter("always")
        try:
            with hurried(seconds):
                result = call.function(**call.arguments)
        except Hang:
            return f"it took more than {seconds:g} s at {where(sys.exc_info()[1])}"
        except psfd.DistillerError as error:
            text = str(error)
            if not text.endswith((".", "?")) or len(text) > LONGEST_SENTENCE or "\n" in text:
                return f"no sentence: {text[:200]!r} ({len(text)} letters)"
            result = error
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]} at {where(error)}"
    leaked = [w for w in caught if not issubclass(w.category, psfd.DistillerWarning)]
    # Of what a test or a garbage collector is told only.
    leaked = [w for w in leaked if not issubclass(w.category, ResourceWarning)]
    if leaked:
        one = leaked[0]
        text = f"{one.category.__name__}: {str(one.message)[:150]}"
        return f"leaked {text} at {one.filename}:{one.lineno}"
    if said.getvalue():
        return f"on stderr: {said.getvalue()[:200]!r}"
    if any(not same(call.arguments[name], value) for name, value in before.items()):
        return "an input was changed"
    return call.look(result) if not isinstance(result, Exception) else None


def where(error: BaseException | None) -> str:
    frames = traceback.extract_tb(error.__traceback__ if error is not None else None)
    own = [f for f in frames if "napari_psf_distiller" in f.filename] or list(frames)
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "nowhere"


def faults(target: str, calls: int, seed: int, only: int | None = None) -> Iterator[Fault]:
    """Make calls of a target, and yield their faults."""
    for number in range(calls) if only is None else (only,):
        rng = np.random.default_rng([seed, number, *target.encode()])
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    call = TARGETS[target](rng, Path(folder))
            except psfd.DistillerError:
                # The part of a recipe that was to be passed is none.
                continue
            found = fault_of(call)
        if found is not None:
            yield Fault(target, number, found)


def run() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=[*TARGETS, "all"], default="all")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER")
    options = parser.parse_args()
    failed = 0
    for target in TARGETS if options.target == "all" else (options.target,):
        start, count = time.perf_counter(), 0
        for fault in faults(target, options.calls, options.seed, options.only):
            count += 1
            print(f"{fault.target} {fault.number}: {fault.text}", flush=True)
        taken = time.perf_counter() - start
        print(f"{target}: {count} faults in {options.calls} calls, {taken:.0f} s", flush=True)
        failed += count
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run())
