"""How right a PSF is on other voxels than its own, and beyond the window that it was measured in.

    python benchmarks/evaluate.py [--parts voxels,deep] [--only confocal] [--seeds 2] [--jobs 2]
    python benchmarks/evaluate.py --out FILE.jsonl        # keeps each row, whatever comes later

See `conditions.other_voxels` and `conditions.deep_images` for what is simulated and compared, and
README.md for the columns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from conditions import deep_images, other_voxels
from conditions.verdicts import line

Job = tuple[str, str, int, tuple[float, ...]]
Row = other_voxels.Row | deep_images.Row

PARTS = {"voxels": other_voxels, "deep": deep_images}


def rows_of(job: Job) -> list[Row]:
    """Return a field's rows: of a name of `PARTS`, a case of it, a seed, and sizes of voxels."""
    part, name, seed, sizes = job
    if part == "voxels":
        return list(other_voxels.rows_of(name, seed, sizes))
    return list(deep_images.rows_of(name, seed))


def run(jobs: Sequence[Job], processes: int) -> Iterator[Row]:
    """Yield the rows of all jobs in their order."""
    # Not forked: a process that was forked has none of the threads that its libraries count on.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for rows in pool.imap(rows_of, jobs):
            yield from rows


def show(part: str, rows: Iterator[Row], out: Path | None) -> None:
    """Print each row as it comes, and keep it; and then what there is of all fields of a case."""
    print("", line(PARTS[part].HEADER), line(["---"] * len(PARTS[part].HEADER)), sep="\n")
    found = []
    for row in rows:
        found.append(row)
        print(line(row.cells()), flush=True)
        if out:
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"part": part, **asdict(row)}) + "\n")
    if part == "voxels":
        header = other_voxels.SUMMARY
        print("", line(header), line(["---"] * len(header)), sep="\n")
        for cells in other_voxels.summary(
            [row for row in found if isinstance(row, other_voxels.Row)]
        ):
            print(line(cells))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name has it")
    parser.add_argument("--seeds", type=int, default=2, help="how many fields of each case")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sizes", default="0.5,0.7,1.4,2", help="of voxels, in the own ones")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes")
    parser.add_argument("--out", type=Path, metavar="FILE.jsonl", help="append each row here")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    sizes = tuple(float(size) for size in arguments.sizes.split(","))
    for part in arguments.parts.split(","):
        if part not in PARTS:
            parser.error(f"--parts is {' or '.join(PARTS)}, not {part}.")
        names = [name for name in PARTS[part].CASES if re.search(arguments.only, name)]
        jobs = [(part, name, seed, sizes) for name in names for seed in seeds]
        show(part, run(jobs, arguments.jobs), arguments.out)


if __name__ == "__main__":
    main()
