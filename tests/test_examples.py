"""The examples of the site run as they are, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="an sdist has no examples")


def test_there_are_examples():
    assert len(list(EXAMPLES.glob("plot_*.py"))) >= 3


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("plot_*.py")), ids=lambda path: path.stem)
def test_example_runs_anywhere(example, tmp_path):
    """Without a screen, and leaving nothing behind."""
    done = subprocess.run(
        [sys.executable, example],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "DistillerWarning" not in done.stderr
    assert list(tmp_path.iterdir()) == []
