"""Whether the distiller tells input that the image contradicts, and only then.

    python benchmarks/wrong_input.py [--fields 20] [--first 0] [--only confocal] [--jobs 2]
    python benchmarks/wrong_input.py --out FILE.jsonl     # keeps each row, whatever comes later
    python benchmarks/wrong_input.py --read FILE.jsonl

A field has its own microscope, beads and light, drawn by its number, and is distilled with one
figure told wrong; see `CONDITIONS`. Harm is a width that is off by more than 5 % in micrometres, or
an l2 of more than 0.1. Told is an error, or a warning that names what may be wrong of the input.
Where there is harm and nothing is told, the image is distilled once more with the right input: if
that is harmful too, it is the noise or the beads, and not the input.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from conditions.cameras import Image
from conditions.cases import Case
from conditions.optics import Microscope, nyquist
from conditions.scenes import Exposure, Scene
from conditions.scoring import nearest

import napari_psf_distiller as psfd

# What is off by more is harm: a width, relatively, and l2.
MAX_WIDTH_OFF, MAX_L2 = 0.05, 0.1

# The window that a PSF is compared in, in voxels.
SCORED = (25, 33, 33)

# Voxels are this part of what Nyquist allows; of wider aberrations a window has room for.
FINENESS = 0.8

# Aberrations that a field may have: Zernike's degree and order.
ABERRATIONS = ((4, 0), (3, 1), (2, 2))

# Objectives: numerical aperture, index of the immersion.
OBJECTIVES = ((0.8, 1.0), (0.95, 1.0), (1.2, 1.333), (1.3, 1.47), (1.4, 1.515), (1.45, 1.515))

# A warning tells of wrong input if it has one of these words, and of aberrations with these.
INPUT_WORDS = (
    "numerical aperture",
    "wavelength",
    "refractive index",
    "diameter",
    "voxel size",
    "another microscope",
    "the optics",
)
ABERRATION_WORDS = ("has aberrations", "for aberrations", "changes across", "changes with depth")

Told = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """What is told of a field, and which field it is.

    Attributes
    ----------
    wrong : callable
        From the scene to what is told otherwise than it is: see `conditions.cases.Case`.
    objectives : tuple
        Of `OBJECTIVES`' kind.
    diameters : tuple of float
        Of the beads, in micrometres.
    aberrated : float
        The share of fields that are.
    kind : str
        The microscope's.
    """

    wrong: Callable[[Scene], Told] = lambda scene: {}
    objectives: tuple[tuple[float, float], ...] = OBJECTIVES
    diameters: tuple[float, ...] = (0.1, 0.17, 0.2)
    aberrated: float = 0.25
    kind: Any = "widefield"


def spaced(z: float, y: float, x: float) -> Callable[[Scene], Told]:
    """Return what tells voxels of other sizes, by factors."""
    return lambda scene: {
        "spacing": tuple(f * s for f, s in zip((z, y, x), scene.spacing, strict=True))
    }


CONDITIONS = {
    "right": Condition(aberrated=0.0),
    "right, aberrated": Condition(aberrated=1.0),
    "confocal called widefield": Condition(
        lambda scene: {"microscope": "widefield"}, kind="confocal"
    ),
    "light sheet called widefield": Condition(
        lambda scene: {"microscope": "widefield"},
        objectives=((0.8, 1.333), (1.0, 1.333)),
        kind="light sheet",
    ),
    "NA 1.2 for 1.4": Condition(
        lambda scene: {"numerical_aperture": 1.2}, objectives=((1.4, 1.515),)
    ),
    "NA 1.4 for 1.2": Condition(
        lambda scene: {"numerical_aperture": 1.4}, objectives=((1.2, 1.515),)
    ),
    "index 1.33 for 1.515": Condition(
        lambda scene: {"refractive_index": 1.33}, objectives=((1.2, 1.515), (1.25, 1.515))
    ),
    "index 1.515 for 1.33": Condition(
        lambda scene: {"refractive_index": 1.515}, objectives=((1.2, 1.333), (1.1, 1.333))
    ),
    "wavelength 20 % longer": Condition(
        lambda scene: {"wavelength": 1.2 * scene.microscope.wavelength}
    ),
    "wavelength 20 % shorter": Condition(
        lambda scene: {"wavelength": 0.8 * scene.microscope.wavelength}
    ),
    "beads of 100 nm as 200": Condition(lambda scene: {"bead_diameter": 0.2}, diameters=(0.1,)),
    "beads of 200 nm as 100": Condition(lambda scene: {"bead_diameter": 0.1}, diameters=(0.2,)),
    "beads of 200 nm as 300": Condition(lambda scene: {"bead_diameter": 0.3}, diameters=(0.2,)),
    "beads of 300 nm as 150": Condition(lambda scene: {"bead_diameter": 0.15}, diameters=(0.3,)),
    "y and x 20 % larger": Condition(spaced(1, 1.2, 1.2)),
    "y and x 20 % smaller": Condition(spaced(1, 0.8, 0.8)),
    "z 25 % larger": Condition(spaced(1.25, 1, 1)),
    "z 20 % smaller": Condition(spaced(0.8, 1, 1)),
    "all 20 % larger": Condition(spaced(1.2, 1.2, 1.2)),
    "voxel size as x, y, z": Condition(lambda scene: {"spacing": scene.spacing[::-1]}),
    "voxel size in nm": Condition(spaced(1000, 1000, 1000)),
    "wavelength in nm": Condition(lambda scene: {"wavelength": 1000 * scene.microscope.wavelength}),
    "diameter in nm": Condition(lambda scene: {"bead_diameter": 1000 * scene.diameter}),
}


@dataclass(frozen=True)
class Row:
    """What came of a field.

    Attributes
    ----------
    condition : str
    number : int
        The field's.
    scene : str
        Its optics, in words.
    refused : str
        The error in place of a result.
    warnings : tuple of str
    l2 : float
        Norm of the difference over the truth's, both of sum 1, after the best displacement.
    off : tuple of float
        Of the widths along z, y, x in micrometres, relative error.
    harmful_told_right : bool or None
        Whether the PSF of the same image is off by as much with the right input; None where it was
        not looked at.
    """

    condition: str
    number: int
    scene: str
    refused: str = ""
    warnings: tuple[str, ...] = ()
    l2: float = np.nan
    off: tuple[float, ...] = field(default=())
    harmful_told_right: bool | None = None

    @property
    def harmful(self) -> bool:
        """Whether the PSF is off by more than it may be; a refusal has none."""
        return not self.refused and bool(
            self.l2 > MAX_L2 or np.abs(self.off).max(initial=0) > MAX_WIDTH_OFF
        )

    def is_as_harmful(self, right: Row) -> bool:
        """Whether what is off by too much is so with the right input, too: l2, or a width."""
        widths, own = (np.abs(row.off).max(initial=0) > MAX_WIDTH_OFF for row in (right, self))
        return not right.refused and bool(
            (self.l2 <= MAX_L2 or right.l2 > MAX_L2) and (not own or widths)
        )

    @property
    def about_input(self) -> tuple[str, ...]:
        """The warnings, or the error, that tell of wrong input."""
        said = (self.refused,) if self.refused else self.warnings
        return tuple(one for one in said if any(word in one for word in INPUT_WORDS))

    @property
    def told(self) -> bool:
        """Whether the user is told that the input may be wrong."""
        return bool(self.refused or self.about_input)

    @property
    def told_without_aberrations(self) -> bool:
        """Whether a sentence tells so that names no aberrations beside it."""
        return any(not any(word in one for word in ABERRATION_WORDS) for one in self.about_input)


def scene_of(name: str, number: int) -> Scene:
    """Return the field with a number: the same one for conditions that ask for the same."""
    condition = CONDITIONS[name]
    rng = np.random.default_rng([number, 77])
    aperture, index = condition.objectives[number % len(condition.objectives)]
    wavelength = float(rng.choice([0.46, 0.52, 0.6, 0.68]))
    aberrations: tuple[tuple[int, int, float], ...] = ()
    kind, waves, drawn = rng.integers(len(ABERRATIONS)), rng.uniform(0.05, 0.25), rng.random()
    if drawn < condition.aberrated:
        aberrations = ((*ABERRATIONS[kind], float(waves)),)
    microscope = Microscope(
        numerical_aperture=aperture,
        index=index,
        wavelength=wavelength,
        kind=condition.kind,
        aberrations=aberrations,
        pinhole=float(rng.uniform(0.4, 1.5)),
        sheet=float(rng.uniform(1.2, 3.0)),
    )
    # A confocal microscope passes twice as much.
    finer = FINENESS / (1.6 if condition.kind == "confocal" else 1)
    z, x = (finer * size for size in nyquist(microscope))
    diameter = float(rng.choice(condition.diameters))
    # Beads that are larger than the resolution are another matter.
    diameter = min(diameter, max(min(condition.diameters), 1.0 * microscope.resolution))
    depth = 36
    photons = float(rng.choice([3e4, 1e5, 3e5]))
    return Scene(
        microscope=microscope,
        spacing=(round(z, 3), round(x, 4), round(x, 4)),
        shape=(depth, 176, 176),
        window=(61, 97, 97),
        integrating=condition.kind != "confocal",
        beads=25,
        diameter=diameter,
        photons=photons if condition.kind != "confocal" else photons / 5,
        background=float(rng.uniform(5, 25)),
        apart=4 * x / FINENESS,
    )


def row_of(job: tuple[str, int]) -> Row:
    """Simulate a field, distil it with what is told, and compare with the truth."""
    name, number = job
    scene = scene_of(name, number)
    # The noise is the same for all that is told of a field.
    case = Case("wrong input", scene, wrong=CONDITIONS[name].wrong(scene))
    exposure, image = case.simulate(number)
    row = distilled(Row(name, number, in_words(scene)), case, exposure, image)
    if case.wrong and row.harmful and not row.told:
        right = distilled(row, replace(case, wrong={}), exposure, image)
        row = replace(row, harmful_told_right=row.is_as_harmful(right))
    return row


def distilled(row: Row, case: Case, exposure: Exposure, image: Image) -> Row:
    """Return a row with what came of an image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", psfd.DistillerWarning)
            result = psfd.distill(image, case.spacing(), recipe=case.recipe("all"))
    except psfd.InputError as error:
        return replace(row, refused=str(error))
    psf = np.asarray(result.psf, float)
    window = tuple(min(n, m - (m % 2 == 0)) for n, m in zip(SCORED, psf.shape, strict=True))
    l2, displacement = nearest(psf, exposure.psf, window)
    truth = exposure.psf.image(psf.shape, displacement)
    true = np.array(psfd.fwhm(truth.astype(np.float32), case.scene.spacing))
    off = np.array(result.fwhm) / true - 1
    return replace(row, warnings=result.warnings, l2=l2, off=tuple(off.tolist()))


def in_words(scene: Scene) -> str:
    """Return a field's optics for people."""
    microscope = scene.microscope
    aberrations = ", ".join(f"Z({n}, {m}) {w:.2f}" for n, m, w in microscope.aberrations)
    return (
        f"NA {microscope.numerical_aperture:g}, n {microscope.index:g}, "
        f"{1000 * microscope.wavelength:.0f} nm, beads {1000 * scene.diameter:.0f} nm, "
        f"{scene.photons:.0e} photons {aberrations}".rstrip()
    )


def rows_of(jobs: list[tuple[str, int]], processes: int) -> Iterator[Row]:
    """Do the jobs, in turn."""
    if processes == 1:
        yield from map(row_of, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=20) as pool:
        yield from pool.imap(row_of, jobs)


def table(rows: list[Row]) -> str:
    """Return a row of a Markdown table for each condition."""
    lines = [
        "| told | fields | harmful | of these told | not told, harmful with right input too "
        "| told of all | without naming aberrations |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in CONDITIONS:
        some = [row for row in rows if row.condition == name]
        if not some:
            continue
        harmful = [row for row in some if row.harmful or row.refused]
        counts = (
            len(some),
            len(harmful),
            sum(row.told for row in harmful),
            sum(bool(row.harmful_told_right) for row in harmful),
            sum(row.told for row in some),
            sum(row.told_without_aberrations for row in some),
        )
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def line(row: Row) -> str:
    """Return what came of a field, in a line."""
    if row.refused:
        return f"{row.condition} {row.number} ({row.scene}): refused: {row.refused}"
    off = ", ".join(f"{100 * part:+.1f}" for part in row.off)
    verdict = ("told" if row.told else "SILENT") if row.harmful else ("told" if row.told else "")
    said = "".join(f"\n    {one}" for one in row.warnings)
    return f"{row.condition} {row.number} ({row.scene}): l2 {row.l2:.3f}, {off} % {verdict}{said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=20, help="of each condition")
    parser.add_argument("--first", type=int, default=0, help="number of the first field")
    parser.add_argument("--only", default="", help="conditions that have this in their name")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="a file of JSON lines, one a row")
    parser.add_argument("--read", type=Path, nargs="+", help="rows of runs before, for the table")
    given = parser.parse_args()
    if given.read:
        rows = [
            Row(**json.loads(text)) for path in given.read for text in path.read_text().splitlines()
        ]
        for row in rows:
            print(line(row))
        print(table(rows))
        return
    jobs = [
        (name, number)
        for number in range(given.first, given.first + given.fields)
        for name in CONDITIONS
        if given.only in name
    ]
    rows = []
    for row in rows_of(jobs, given.jobs):
        rows.append(row)
        print(line(row), flush=True)
        if given.out is not None:
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
