"""A step that is run again replaces its own layers, and nothing that is its user's."""

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Points

from napari_psf_distiller import simulate_beads


@pytest.fixture
def plane(viewer: napari.Viewer) -> Image:
    field = simulate_beads((48, 48), (0.08, 0.08), beads=3, seed=1)
    return viewer.add_image(
        field.image, scale=field.spacing, units=("micrometer",) * 2, name="plane"
    )


@pytest.fixture
def distils(user: Any, viewer: napari.Viewer, plane: Image) -> Callable[..., list[str]]:
    """Find beads, distil and post-process, and return the names of the layers."""
    find = user.opens("Find beads", image=plane)
    distil = user.opens("Distil PSF", image=plane, device="numpy")
    finish = user.opens("Post-process PSF")

    def run(**values: Any) -> list[str]:
        user.runs(find)
        user.runs(user.chooses(distil, **values))
        user.runs(finish)
        return [layer.name for layer in viewer.layers]

    return run


def test_reruns_replace_what_they_made(
    viewer: napari.Viewer, plane: Image, distils: Callable[..., list[str]]
) -> None:
    names = ["plane", "plane beads", "plane residual", "plane fitted beads"]
    names += ["plane distilled", "plane PSF"]
    assert distils(bead_diameter=0.1) == names
    first = viewer.layers["plane PSF"].data
    assert distils(bead_diameter=0.15) == names
    assert not np.array_equal(viewer.layers["plane PSF"].data, first)
    seen = {layer.name for layer in viewer.layers if layer.visible}
    # Rings of used beads alone, and one PSF beside the image.
    assert seen == {"plane", "plane fitted beads", "plane PSF"}
    assert viewer.layers["plane PSF"].extent.world[0, 1] > plane.extent.world[1, 1]


def test_what_its_user_renamed_edited_or_copied_stays(
    viewer: napari.Viewer, distils: Callable[..., list[str]]
) -> None:
    distils()
    kept = viewer.layers["plane PSF"]
    kept.name = "the good one"
    beads: Points = viewer.layers["plane beads"]
    beads.data = beads.data + 0.25
    copy = Image(viewer.layers["plane residual"].data, name="plane residual copy")
    copy.metadata = dict(viewer.layers["plane residual"].metadata)
    viewer.layers.append(copy)
    names = distils()
    for layer in (kept, beads, copy):
        assert layer in viewer.layers
    assert kept.name == "the good one"
    assert names.count("plane PSF") == 1
    assert "plane beads [1]" in names


def test_another_psf_gives_another_deconvolved_image(
    user: Any, viewer: napari.Viewer, plane: Image, distils: Callable[..., list[str]]
) -> None:
    distils()
    gui = user.opens("Deconvolve", image=plane, iterations=1, device="numpy")
    user.runs(gui)
    user.runs(gui)
    other = viewer.add_image(gui.psf.value.data, scale=plane.scale, units=plane.units, name="other")
    user.runs(user.chooses(gui, psf=other))
    names = [layer.name for layer in viewer.layers if "deconvolved" in layer.name]
    assert names == ["plane deconvolved", "plane deconvolved [1]"]
