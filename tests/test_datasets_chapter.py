"""The chapter about data sets: its Python lines and its commands run, in the order of the page."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import zarr
from dask_clusters import local_scheduler

from napari_psf_distiller.cli.main import main

CHAPTER = Path(__file__).parent.parent / "docs" / "datasets.md"

pytestmark = pytest.mark.skipif(not CHAPTER.exists(), reason="an sdist has no documents")


def run_script(path):
    """Run a script; one that starts workers in a process of its own, which they import."""
    if "__main__" not in path.read_text(encoding="utf-8"):
        runpy.run_path(str(path), run_name="__main__")
        return
    done = subprocess.run(
        [sys.executable, path],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


def commands(block, scheduler):
    """The arguments of each of a block's commands, without the program's name.

    The work is given to workers that are there: to start some takes longer than all else.
    """
    for line in block.replace("\\\n", " ").splitlines():
        program, *arguments = line.replace("--workers 1", f"--scheduler {scheduler}").split()
        assert program == "psf-distiller"
        yield [*arguments, "--device", "numpy"]


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")
@pytest.mark.usefixtures("quick_report")
def test_all_of_the_chapter_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = CHAPTER.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    with local_scheduler() as scheduler:
        for number, (kind, block) in enumerate(blocks):
            if kind == "python":
                script = tmp_path / f"script{number}.py"
                # Fewer pixels of cells take a part of the time.
                text = block.replace("(16, 96, 96)", "(16, 56, 56)")
                script.write_text(text, encoding="utf-8")
                run_script(script)
            else:
                for arguments in commands(block, scheduler):
                    assert main(arguments) == 0, capsys.readouterr().err
    shapes = {
        path.name: zarr.open_group(path, mode="r")["0"].shape for path in tmp_path.glob("*.zarr")
    }
    assert shapes == {
        "cells.zarr": (2, 2, 16, 56, 56),
        "sharp.zarr": (2, 2, 16, 56, 56),
        "sharp-2.zarr": (2, 2, 16, 56, 56),
        "finer.zarr": (2, 2, 16, 112, 112),
    }
    assert list(tmp_path.glob("*.jsonl")) == []
