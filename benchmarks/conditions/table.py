"""The table of conditions, by section; names are "section/what"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from conditions.cameras import CAMERAS, camera, counting, eight_bits
from conditions.cases import Case, PackageCase
from conditions.optics import Microscope, nyquist
from conditions.scenes import Scene

__all__ = ["CASES", "COVERAGE", "SECTIONS"]

SECTIONS = {
    "a": "bead size over resolution",
    "b": "sampling",
    "c": "light",
    "d": "camera and file",
    "e": "geometry",
    "f": "optics",
    "g": "PSFs that vary",
    "h": "wrong input",
}

SLIDE = Scene()
DEEP = replace(SLIDE, shape=(46, 200, 200))
OBJECTIVES = {
    "0.4 air": Microscope(0.4, 1.0),
    "0.75 air": Microscope(0.75, 1.0),
    "1.05 water": Microscope(1.05, 1.333),
    "1.3 silicone": Microscope(1.3, 1.406),
    "1.42 oil": Microscope(1.42, 1.518),
}
# What comes out of coarse or fine voxels is scored in as many micrometres as they allow.
FINE = (51, 65, 65)


def _bead_sizes() -> Iterator[Case]:
    """Yield beads of several sizes at nine tenths of Nyquist's steps, and finer ones."""
    for name, microscope in OBJECTIVES.items():
        for finer in (1.0, 2.0) if name == "1.05 water" else (1.0,):
            along, across = nyquist(microscope)
            spacing = (0.9 * along / finer, 0.9 * across / finer**0.5)
            for ratio in (0.25, 0.6, 0.9, 1.1, 1.4, 1.8, 2.5):
                yield Case(
                    f"a/{name}{', finer' if finer > 1 else ''}, {ratio}",
                    replace(
                        SLIDE,
                        microscope=microscope,
                        spacing=(spacing[0], spacing[1], spacing[1]),
                        shape=(40, 192, 192) if finer > 1 else (32, 192, 192),
                        window=(65, 81, 81) if finer > 1 else (49, 81, 81),
                        beads=20,
                        diameter=ratio * microscope.resolution,
                        apart=28 * spacing[1],
                    ),
                    bound=0.15,
                )


def _samplings() -> Iterator[Case]:
    """Yield voxels in parts and multiples of Nyquist's."""
    steps = ((1, 1), (1, 1.4), (1, 1.8), (1.4, 1), (1.8, 1), (1.4, 1.4), (2, 2))
    finer = ((0.35, 0.35), (0.35, 1), (1, 0.35))
    for name, microscope in (
        ("1.15 water", Microscope(1.15, 1.333)),
        ("0.6 air", Microscope(0.6, 1.0)),
    ):
        along, across = nyquist(microscope)
        for z, x in (*steps, *finer):
            deep, wide = z < 0.5, x < 0.5
            side, width = (320, FINE[1]) if wide else (192, 33)
            yield Case(
                f"b/{name}, z {z:g}, x {x:g}",
                replace(
                    SLIDE,
                    microscope=microscope,
                    spacing=(z * along, x * across, x * across),
                    shape=(64 if deep else 32, side, side),
                    window=(_voxels(49, z), _voxels(81, x), _voxels(81, x)),
                    diameter=0.45 * microscope.resolution,
                    thickness=1.0 / max(z, 0.5),
                    margin=(0.33, 30 if wide else 12),
                    apart=(10 if wide else 12) * across,
                ),
                scored=(FINE[0] if deep else 25, width, width),
            )


def _voxels(usual: int, step: float) -> int:
    """Return how many voxels are as long as the usual ones, odd; of fine ones not as many."""
    return 2 * round(usual / 2 / max(step, 0.5)) + 1


def _light() -> Iterator[Case]:
    """Yield beads of all brightnesses, and backgrounds."""
    bounds: dict[float, float] = {150: 1.0, 400: 1.0, 1500: 0.8, 4000: 0.4, 15000: 0.2}
    for photons in (*bounds, 1.5e5, 1.5e6, 1.2e7):
        background: float = 6 if photons < 2e4 else 25
        scene = replace(SLIDE, photons=photons, background=background)
        yield Case(f"c/photons {photons:g}", scene, bound=bounds.get(photons, 0.1))
    for background in (0, 1.5, 120, 1200, 9000):
        yield Case(
            f"c/background {background:g}",
            replace(SLIDE, background=background, photons=2e5),
            bound=0.1 if background < 1000 else 0.3,
        )
    yield Case(
        "c/scanner, 8 bit",
        replace(SLIDE, background=1.2, photons=3.5e4),
        partial(eight_bits, per=0.7, below=1.2),
        bound=0.15,
    )
    yield Case(
        "c/scanner, 8 bit, dim",
        replace(SLIDE, background=0.25, photons=6e3),
        partial(eight_bits, per=3.5, below=0.25),
        bound=0.3,
    )
    no_offset = partial(camera, offset=0)
    yield Case("c/no offset", replace(SLIDE, background=0.0), no_offset)
    yield Case("c/counting", replace(SLIDE, background=0.03, photons=2e4), counting, bound=0.2)


def _cameras() -> Iterator[Case]:
    """Yield what cameras and programs make of an image, and a stage at unrest."""
    for name, made in CAMERAS.items():
        scene = replace(SLIDE, photons=2e4) if name == "gain 0.1" else SLIDE
        yield Case(f"d/{name}", scene, made, moved=name == "turned")
    yield Case("d/bleaching 0.25", replace(SLIDE, bleaching=0.25))
    yield Case("d/bleaching 0.5", replace(SLIDE, bleaching=0.5))
    yield Case("d/drift z 2", replace(SLIDE, drift=(2, 0, 0)))
    yield Case("d/drift y 1", replace(SLIDE, drift=(0, 1, 0)))
    yield Case("d/drift y 3", replace(SLIDE, drift=(0, 3, 0)))
    yield Case("d/jitter 0.25", replace(SLIDE, jitter=0.25))
    yield Case("d/jitter 0.6", replace(SLIDE, jitter=0.6))


def _geometries() -> Iterator[Case]:
    """Yield where beads lie, how many, and how near to each other."""
    for layout in ("one plane", "tilted", "layers", "gel"):
        yield Case(f"e/{layout}", replace(DEEP, layout=layout))
    for beads in (1, 2, 3, 5):
        yield Case(f"e/beads {beads}", replace(SLIDE, beads=beads, photons=2.5e5), bound=0.2)
    crop = replace(SLIDE, beads=1, shape=(51, 96, 96), margin=(0.45, 44), photons=4e5)
    yield Case("e/one bead, cropped", crop, bound=0.2)
    yield Case("e/one bead, bright", replace(crop, photons=1.2e7), bound=0.2)
    close = replace(crop, shape=(31, 40, 40), margin=(0.45, 18))
    yield Case("e/one bead, close crop", close, bound=0.25)
    yield Case("e/dense 350", replace(SLIDE, beads=350, apart=0.35, shape=(34, 320, 320)))
    dense = replace(SLIDE, beads=900, apart=0.28, shape=(34, 400, 400))
    yield Case("e/dense 900", dense, told=("all",))
    for share in (0.15, 0.3, 0.45):
        yield Case(f"e/clumps {share}", replace(SLIDE, clumps=share))
    for planes in (3, 5, 9):
        shallow = replace(SLIDE, shape=(planes, 200, 200), thickness=0.3, margin=(0.0, 12))
        yield Case(f"e/planes {planes}", shallow, bound=0.15)
    yield Case("e/planes 15", replace(SLIDE, shape=(15, 200, 200), margin=(0.2, 12)))
    yield Case("e/off the middle", replace(SLIDE, level=0.22))
    yield Case("e/at the first plane", replace(SLIDE, level=0.04))
    yield Case("e/before the first plane", replace(SLIDE, level=-0.1, thickness=0.8))
    flat = replace(SLIDE, shape=(1, 240, 240))
    yield Case("e/2D", flat)
    yield Case("e/2D, 5 beads", replace(flat, beads=5))
    yield Case("e/long", replace(SLIDE, shape=(32, 1300, 150), beads=60))
    yield Case("e/spread of 10", replace(SLIDE, spread=0.65))
    yield Case("e/two sizes, 0.22", replace(SLIDE, larger=0.22))
    yield Case("e/two sizes, 0.33", replace(SLIDE, larger=0.33))
    yield Case("e/haze", replace(SLIDE, haze=180.0))
    yield Case("e/haze, strong", replace(SLIDE, haze=1800.0), bound=0.2)
    yield Case("e/wide halo", replace(SLIDE, shape=(34, 240, 240), window=(71, 161, 161)))


ABERRATIONS = {
    "astigmatism 0.04": ((2, 2, 0.04),),
    "astigmatism 0.08": ((2, -2, 0.08),),
    "astigmatism 0.13": ((2, 2, 0.12), (2, -2, 0.05)),
    "astigmatism 0.25": ((2, 2, 0.25),),
    "coma 0.08": ((3, -1, 0.08),),
    "coma 0.2": ((3, 1, 0.2),),
    "trefoil 0.18": ((3, 3, 0.18),),
    "quadrafoil 0.18": ((4, 4, 0.18),),
    "pentafoil 0.18": ((5, 5, 0.18),),
    "second astigmatism 0.15": ((4, -2, 0.15),),
    "spherical 0.08": ((4, 0, 0.08),),
    "spherical 0.2": ((4, 0, 0.2),),
    "spherical 0.45": ((4, 0, 0.45),),
    "mixed 0.1": ((2, -2, 0.06), (3, 1, 0.05), (3, -3, 0.04), (4, 0, 0.05)),
    "mixed 0.2": ((2, 2, 0.12), (3, -1, 0.1), (3, 3, 0.06), (4, 0, 0.1)),
}


def _optics() -> Iterator[Case]:
    """Yield aberrations, depths and other microscopes."""
    plain = SLIDE.microscope
    for name, aberrations in ABERRATIONS.items():
        microscope = replace(plain, aberrations=aberrations)
        yield Case(f"f/{name}", replace(DEEP, microscope=microscope))
    for mask in ("annulus", "double helix", "tetrapod"):
        scene = replace(DEEP, microscope=replace(plain, mask=mask))
        yield Case(f"f/{mask}", replace(scene, photons=3e5, apart=2.8, beads=15))
    oil = Microscope(1.28, 1.518, sample_index=1.345)
    for depth in (4.0, 12.0):
        scene = replace(DEEP, microscope=replace(oil, depth=depth), window=(81, 97, 97))
        yield Case(f"f/{depth:g} um deep", replace(scene, shape=(54, 200, 200)))
    small = replace(SLIDE, microscope=Microscope(1.42, 1.518), spacing=(0.16, 0.075, 0.075))
    yield Case("f/1.42 oil", replace(small, diameter=0.1))
    wide = replace(SLIDE, microscope=Microscope(0.25, 1.0), spacing=(6.0, 0.5, 0.5))
    yield Case("f/0.25 air", replace(wide, diameter=0.6, apart=9.0))
    yield from _scanners()
    theirs = replace(DEEP, shape=(54, 240, 240), beads=36, background=12.0)
    yield PackageCase("f/scalar theory", theirs)
    yield PackageCase("f/scalar theory, gel", replace(theirs, layout="gel"))


def _scanners() -> Iterator[Case]:
    """Yield microscopes that are no widefield ones."""
    points = replace(SLIDE, integrating=False, photons=3e4, background=1.8)
    confocal = replace(SLIDE.microscope, kind="confocal")
    fine = replace(points, microscope=confocal, spacing=(0.16, 0.055, 0.055))
    yield Case("f/confocal", fine)
    narrow = replace(fine, microscope=replace(confocal, pinhole=0.4))
    yield Case("f/confocal, 0.4 Airy units", narrow)
    coarse = replace(fine, spacing=(0.34, 0.11, 0.11), shape=(30, 190, 190), window=(41, 81, 81))
    yield Case("f/confocal, coarse", coarse)
    two_photon = replace(points, microscope=replace(SLIDE.microscope, kind="two-photon"))
    yield Case("f/two-photon", two_photon)
    water = Microscope(0.9, 1.333, kind="light sheet")
    for sheet in (3.0, 1.5):
        microscope = replace(water, sheet=sheet)
        scene = replace(SLIDE, microscope=microscope, spacing=(0.4, 0.15, 0.15), apart=2.0)
        yield Case(f"f/light sheet, {sheet:g} um", scene)
    coarse = replace(
        SLIDE,
        microscope=replace(water, numerical_aperture=0.7, sheet=3.5),
        spacing=(1.2, 0.3, 0.3),
        diameter=0.2,
        apart=4.0,
        photons=3e4,
        window=(41, 81, 81),
    )
    yield Case("f/light sheet, coarse", coarse)
    sted = replace(
        points,
        microscope=Microscope(1.4, 1.518, kind="sted", spot=0.06, sheet=0.55),
        spacing=(0.12, 0.018, 0.018),
        diameter=0.025,
        apart=0.36,
        photons=2.5e4,
        background=1.0,
    )
    yield Case("f/STED", sted, bound=0.2)
    yield Case("f/STED, 45 nm", replace(sted, diameter=0.045), bound=0.2)


def _varying() -> Iterator[Case]:
    """Yield PSFs that differ from place to place."""
    scene = replace(SLIDE, window=(49, 71, 71), beads=30)
    for varying in ("width", "astigmatism", "coma"):
        yield Case(f"g/{varying}", replace(scene, varying=varying))
    yield Case("g/depth", replace(scene, varying="depth", layout="gel", shape=(46, 200, 200)))


def _wrong_input() -> Iterator[Case]:
    """Yield what is told otherwise than it is, or in another unit."""
    resolution = SLIDE.microscope.resolution
    for ratio in (0.5, 1.0):
        scene = replace(SLIDE, diameter=ratio * resolution)
        for factor in (0.8, 1.25):
            wrong = {"bead_diameter": factor * scene.diameter}
            yield Case(f"h/beads of {ratio} as {factor}", scene, wrong=wrong)
    large = replace(SLIDE, diameter=0.22)
    yield Case("h/radius for diameter", large, wrong={"bead_diameter": 0.11})
    yield Case("h/diameter twice", SLIDE, wrong={"bead_diameter": 0.22})
    yield Case("h/diameter in nm", SLIDE, wrong={"bead_diameter": 110.0})
    z, y, x = SLIDE.spacing
    for name, spacing in {
        "voxels 5 % larger": (1.05 * z, 1.05 * y, 1.05 * x),
        "voxels 10 % deeper": (1.1 * z, y, x),
        "voxels x, y, z": (x, y, z),
    }.items():
        yield Case(f"h/{name}", SLIDE, wrong={"spacing": spacing})
    oil = replace(SLIDE, microscope=Microscope(1.3, 1.518))
    for name, scene, wrong in (
        ("NA 1.4 for 1.3", oil, {"numerical_aperture": 1.4}),
        ("NA 1.1 for 1.3", SLIDE, {"numerical_aperture": 1.1}),
        ("NA 0.9 for 1.3", SLIDE, {"numerical_aperture": 0.9}),
        ("index 1.406 for 1.518", oil, {"refractive_index": 1.406}),
        ("index 1.518 for 1.406", SLIDE, {"refractive_index": 1.518}),
        ("wavelength 0.55 for 0.61", SLIDE, {"wavelength": 0.55}),
        ("wavelength 0.7 for 0.61", SLIDE, {"wavelength": 0.7}),
        ("wavelength in nm", SLIDE, {"wavelength": 610.0}),
    ):
        yield Case(f"h/{name}", scene, wrong=wrong, told=("all",))


CASES = {
    case.name: case
    for made in (
        _bead_sizes,
        _samplings,
        _light,
        _cameras,
        _geometries,
        _optics,
        _varying,
        _wrong_input,
    )
    for case in made()
}

# The conditions in which intervals are counted: what shapes errors, not what breaks them.
COVERAGE = {
    case.name: case
    for case in (
        Case("coverage/slide", SLIDE),
        Case("coverage/dim", replace(SLIDE, photons=2.5e4), bound=0.2),
        Case("coverage/few beads", replace(SLIDE, beads=4), bound=0.2),
        Case(
            "coverage/large beads",
            replace(SLIDE, diameter=1.4 * SLIDE.microscope.resolution),
            bound=0.15,
        ),
        Case(
            "coverage/astigmatism",
            replace(
                DEEP,
                microscope=replace(SLIDE.microscope, aberrations=((2, 2, 0.1), (2, -2, 0.05))),
            ),
        ),
        Case("coverage/8 bit", SLIDE, CAMERAS["8 bit, lowest to highest"]),
        Case("coverage/gel", replace(DEEP, layout="gel")),
        Case(
            "coverage/dry",
            replace(
                SLIDE,
                microscope=OBJECTIVES["0.75 air"],
                spacing=(0.75, 0.18, 0.18),
                diameter=0.2,
                apart=2.6,
            ),
        ),
    )
}
