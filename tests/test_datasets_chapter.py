"""The chapter about data sets: its Python lines and its commands run, in the order of the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import zarr

CHAPTER = Path(__file__).parent.parent / "docs" / "datasets.md"

pytestmark = pytest.mark.skipif(not CHAPTER.exists(), reason="an sdist has no documents")


def run(command, folder):
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


def commands(block):
    """The arguments of each of a block's commands, without the program's name."""
    for line in block.replace("\\\n", " ").splitlines():
        program, *arguments = line.split()
        assert program == "psf-distiller"
        yield arguments


def test_all_of_the_chapter_runs(tmp_path):
    text = CHAPTER.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    for number, (kind, block) in enumerate(blocks):
        if kind == "python":
            script = tmp_path / f"script{number}.py"
            script.write_text(block, encoding="utf-8")
            run([sys.executable, script], tmp_path)
        else:
            for arguments in commands(block):
                device = ["--device", "numpy"]
                run(
                    [sys.executable, "-m", "napari_psf_distiller.cli", *arguments, *device],
                    tmp_path,
                )
    shapes = {
        path.name: zarr.open_group(path, mode="r")["0"].shape for path in tmp_path.glob("*.zarr")
    }
    assert shapes == {
        "cells.zarr": (2, 2, 16, 96, 96),
        "sharp.zarr": (2, 2, 16, 96, 96),
        "sharp-2.zarr": (2, 2, 16, 96, 96),
        "finer.zarr": (2, 2, 16, 192, 192),
    }
    assert list(tmp_path.glob("*.jsonl")) == []
