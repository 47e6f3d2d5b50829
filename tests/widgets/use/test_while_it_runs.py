"""What is said while a PSF is made, and in the end of each bead."""

import re
from collections import defaultdict

import napari
import pytest
from napari.layers import Image
from person import Person, shown
from qtpy.QtWidgets import QProgressBar

import napari_psf_distiller as psfd

# Far more than a fit takes, on the slowest machine.
LOOKS = 1000


@pytest.fixture
def bead_layer(viewer: napari.Viewer) -> Image:
    """Some beads are so bright that their halos have peaks of their own."""
    uneven = psfd.simulate_beads(
        (24, 72, 80), beads=8, separation=1.2, photons=2e6, spread=1.5, seed=2
    )
    units = ("micrometer",) * 3
    return viewer.add_image(uneven.image, name="uneven", scale=uneven.spacing, units=units)


def test_how_far_it_is_stays_in_sight_and_each_bead_is_accounted_for(filled_in: Person) -> None:
    filled_in.presses("Distil PSF")
    done = defaultdict(list)

    def over() -> bool:
        running = [one for one in filled_in.buttons("Cancel") if one.isEnabled()]
        if running:
            # In the footer, which nothing scrolls away, and nowhere else.
            assert len(running) == 1
            (bar,) = shown(QProgressBar)
            assert bar.visibleRegion().boundingRect() == bar.rect()
            counted = [one for one in filled_in.texts() if " of about " in one]
            for text in counted[:1]:
                title = re.sub(r" \d+ of about .*", "", text)
                done[title].append(bar.value() / bar.maximum())
        return not running and filled_in.sees("The PSF is ready")

    # Looking at all that is to be read takes as long as an iteration.
    for _ in range(LOOKS):
        if over():
            break
        filled_in.rests(0.1)
    # Nothing is said to be done that then is not, but in another part of the fit.
    assert "Distil PSF" in done
    for part in done.values():
        assert part == sorted(part)
        assert max(part) < 1
    viewer = filled_in.viewer
    found, fitted = (viewer.layers[f"uneven {name}"] for name in ("beads", "fitted beads"))
    used = int(fitted.features["used"].sum())
    filled_in.presses("2  Distil PSF")
    sentence = filled_in.waits_for("done: ")
    assert sentence.startswith(f"done: {used} of {len(fitted.data)} beads used (")
    reasons = re.findall(r"(\d+) [a-z ]+[,)]", sentence.partition("(")[2].partition(")")[0] + ")")
    assert sum(map(int, reasons)) == len(fitted.data) - used
    others = re.search(r"(\d+) more that (?:was|were) found", sentence)
    assert others is not None
    assert int(others[1]) == len(found.data) - len(fitted.data) > 0
