"""The examples of the site run as they are."""

import dataclasses
import runpy
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

import napari_psf_distiller as psfd

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="an sdist has no examples")


def test_there_are_examples():
    assert len(list(EXAMPLES.glob("plot_*.py"))) >= 3


@pytest.fixture(scope="module")
def distill_once():
    """Distil an image once: several examples begin with the same."""
    results = {}
    distill = psfd.distill

    def distilled(image, spacing, **options):
        key = (image.tobytes(), spacing, repr(options))
        if key not in results:
            results[key] = distill(image, spacing, **options)
        # What an example does to it is its own.
        return dataclasses.replace(results[key])

    return distilled


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("plot_*.py")), ids=lambda path: path.stem)
def test_example_runs_anywhere(example, tmp_path, monkeypatch, capsys, distill_once):
    """Without a screen, and leaving nothing behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(psfd, "distill", distill_once)
    with mpl.rc_context(), warnings.catch_warnings():
        plt.switch_backend("agg")
        warnings.simplefilter("error", psfd.DistillerWarning)
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        runpy.run_path(str(example), run_name="__main__")
    plt.close("all")
    assert capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
