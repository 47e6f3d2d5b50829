"""Where the distilled PSF holds, in the conditions that users are in.

    python benchmarks/domain.py --list
    python benchmarks/domain.py [--only '^f/'] [--seeds 2] [--told all,size] [--jobs 2]
    python benchmarks/domain.py --out FILE.jsonl          # keeps each row, whatever comes later
    python benchmarks/domain.py --read FILE.jsonl --but-fine
    python benchmarks/domain.py --coverage --seeds 20 --told all

A case is a scene, a camera and what the distiller is told (`conditions/table.py`). Its image is
simulated, distilled with the default recipe, and the PSF compared with the truth: one row of a
Markdown table each, with a verdict; see `conditions.verdicts.verdict` and `conditions.scoring.Row`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from conditions.cases import TOLD, Case
from conditions.scoring import Row, row_of
from conditions.table import CASES, COVERAGE, SECTIONS
from conditions.verdicts import HEADER, cells, coverage, line, summary, verdict

Job = tuple[str, int, tuple[str, ...], float]


class OutOfTimeError(Exception):
    """A run took longer than it may."""


def case_named(name: str) -> Case:
    return CASES[name] if name in CASES else COVERAGE[name]


def rows_of(job: Job) -> list[Row]:
    """Simulate and distil a case, for all that it is told; whatever happens is a row."""
    name, seed, told, limit = job
    case = case_named(name)
    rows = []
    for what in told:
        try:
            with limited(limit):
                rows.append(row_of(case, what, seed))
        except OutOfTimeError:
            text = f"not done within {limit:g} s"
            rows.append(Row(name, what, seed, case.bound, limit, crashed=text))
        except Exception:
            rows.append(Row(name, what, seed, case.bound, crashed=traceback.format_exc().strip()))
    return rows


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` in what takes longer, where the system can (not on Windows)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(jobs: list[Job], processes: int) -> Iterator[Row]:
    """Yield the rows of all jobs in their order."""
    # Not forked: a process that was forked has none of the threads that its libraries count on.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for rows in pool.imap(rows_of, jobs):
            yield from rows


def kept(row: Row) -> str:
    """Return a row as a line of JSON."""
    return json.dumps({**asdict(row), "verdict": verdict(row)})


def read(path: Path) -> list[Row]:
    """Return the rows of a file; the verdict is given anew."""
    rows = []
    for text in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(text)
        values.pop("verdict", None)
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        rows.append(Row(**(values | lists)))
    return rows


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    cases = COVERAGE if arguments.coverage else CASES
    told = tuple(arguments.told.split(","))
    unknown = set(told) - set(TOLD)
    if unknown:
        raise SystemExit(f"--told is {', '.join(TOLD)} or both, not {', '.join(unknown)}.")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    return [
        (name, seed, tuple(what for what in told if what in case.told), arguments.limit)
        for name, case in cases.items()
        if re.search(arguments.only, name)
        for seed in seeds
    ]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name has it")
    parser.add_argument("--list", action="store_true", help="the cases' names, and no more")
    parser.add_argument("--seeds", type=int, default=2, help="how many images of each case")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--told", default="all,size", help="the optics too; or the size alone")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes")
    parser.add_argument("--limit", type=float, default=600, help="seconds that a run may take")
    parser.add_argument("--out", type=Path, metavar="FILE.jsonl", help="append each row here")
    parser.add_argument("--read", type=Path, metavar="FILE.jsonl", help="run nothing: its rows")
    parser.add_argument("--but-fine", action="store_true", help="print no row that is fine")
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="how often 95 %% intervals hold the truth, in conditions of its own",
    )
    return parser.parse_args()


def main() -> int:
    arguments = options()
    if arguments.list:
        for name in COVERAGE if arguments.coverage else CASES:
            if re.search(arguments.only, name):
                print(f"{name:34} {SECTIONS.get(name.split('/')[0], '')}")
        return 0
    if arguments.read:
        found = [row for row in read(arguments.read) if re.search(arguments.only, row.case)]
        rows: Iterator[Row] = iter(found)
    else:
        rows = run(jobs_of(arguments), arguments.jobs)
    show(rows, arguments)
    return 0


def show(rows: Iterator[Row], arguments: argparse.Namespace) -> None:
    """Print each row as it comes, and in the end what they say together, also after Ctrl-C."""
    print(line(HEADER))
    print(line(["---"] * len(HEADER)), flush=True)
    seen = []
    try:
        for row in rows:
            seen.append(row)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(kept(row) + "\n")
            if not (arguments.but_fine and verdict(row) == "fine"):
                print(line(cells(row)), flush=True)
    except KeyboardInterrupt:
        print("\nStopped.")
    print("", *summary(seen), sep="\n")
    if arguments.coverage:
        print("", *coverage(seen), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
