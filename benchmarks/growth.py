"""How the cost of a PSF grows with the beads, and with the volume around them.

    python benchmarks/growth.py

More beads at the same density, and the same beads in ever more volume; each with several fields,
on NumPy. The processor's time is told too, as it does not depend on how many cores there are.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from distilling import DIAMETER, SPACING, run

import napari_psf_distiller as psfd

PLANES, SIDE, BEADS = 40, 384, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=(1, 2, 4), help="times the field")
    parser.add_argument("--seeds", type=int, nargs="+", default=(1, 2, 3))
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    given = parser.parse_args()
    rows = [
        "| image | beads | seconds | processor's seconds | a bead | a million voxels | finding |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    # What is loaded and compiled at first is no part of it.
    spent(SIDE, BEADS, 0)
    cases = [(SIDE * width, BEADS * width**2) for width in given.widths]
    cases += [(SIDE * width, BEADS) for width in given.widths if width > 1]
    for side, beads in cases:
        found = [spent(side, beads, seed) for seed in given.seeds]
        wall, processor, finding = (statistics.mean(part) for part in zip(*found, strict=True))
        voxels = PLANES * side**2 / 1e6
        rows.append(
            f"| {PLANES} x {side} x {side} | {beads} | {wall:.1f} | {processor:.1f} "
            f"| {1e3 * processor / beads:.0f} ms | {1e3 * processor / voxels:.0f} ms "
            f"| {finding:.1f} |"
        )
        print(rows[-1], flush=True)
    table = "\n".join(rows)
    if given.markdown is not None:
        given.markdown.write_text(table + "\n", encoding="utf-8")
    print(table)


def spent(side: int, beads: int, seed: int) -> tuple[float, float, float]:
    """Return the seconds that distilling takes, of the clock and of the processor, and finding."""
    field = psfd.simulate_beads(
        (PLANES, side, side),
        SPACING,
        beads=beads,
        bead_diameter=DIAMETER,
        separation=1.0,
        seed=seed,
    )
    wall, processor = time.perf_counter(), time.process_time()
    result = run(field, "numpy")
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return wall, processor, result.timings["find_beads"]


if __name__ == "__main__":
    main()
