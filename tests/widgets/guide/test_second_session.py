"""What was given in an earlier session, and an image that says something of its microscope."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.layers import Image
from napari.settings import NapariSettings

from napari_psf_distiller import Optics
from napari_psf_distiller.widgets.guide.guide import Guide
from napari_psf_distiller.widgets.guide.parameters import (
    parameters_path,
    read_parameters,
    write_parameters,
)

SAYS = {
    "bead_diameter": 0.1,
    "microscope": "widefield",
    "numerical_aperture": 1.2,
    "wavelength": 0.52,
    "refractive_index": 1.33,
}
SAID = Optics(1.2, 0.52, 1.33, microscope="widefield")

# As they were given in earlier sessions: nothing; of an air objective, which cannot be beside the
# image's aperture; of a confocal microscope, which has more.
NOTHING = {"microscope": "widefield", "numerical_aperture": 0.0, "bead_diameter": 0.0}
AIR = {"numerical_aperture": 0.95, "refractive_index": 1.0, "wavelength": 0.6, "bead_diameter": 0.2}
CONFOCAL = {
    "microscope": "confocal",
    "numerical_aperture": 1.4,
    "refractive_index": 1.515,
    "excitation": 0.488,
    "pinhole": 1.0,
    "bead_diameter": 0.5,
}


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session whose settings are kept, in a folder of the test's."""
    settings = NapariSettings(config_path=None)
    settings.config_path = tmp_path / "settings.yaml"
    monkeypatch.setattr("napari.settings._SETTINGS", settings)
    path = parameters_path()
    assert path is not None
    return path


@pytest.fixture
def sample(viewer: napari.Viewer) -> Callable[[], Image]:
    def added(**metadata: Any) -> Image:
        return viewer.add_image(np.ones((8, 32, 32)), name="sample", metadata=metadata or SAYS)

    return added


def opens(viewer: napari.Viewer) -> Guide:
    _, dock = viewer.window.add_plugin_dock_widget("napari-psf-distiller", "PSF Distiller")
    guide: Guide = dock.guide
    return guide


@pytest.mark.parametrize("first", ["image", "guide"])
@pytest.mark.parametrize("given", [NOTHING, AIR, CONFOCAL])
def test_what_the_image_says_counts(
    viewer: napari.Viewer,
    sample: Callable[[], Image],
    kept_in: Path,
    given: dict[str, Any],
    first: str,
) -> None:
    write_parameters(kept_in, {"guide": given})
    if first == "image":
        sample()
    guide = opens(viewer)
    if first == "guide":
        sample()
    assert guide.microscope.fields.optics() == SAID
    assert guide.head.bead_diameter.value == SAYS["bead_diameter"]
    assert guide.microscope.fields.marks.names == set(SAYS)
    assert guide.microscope.file.use.native.isHidden()


def test_an_image_that_says_nothing_has_what_was_given(
    viewer: napari.Viewer, sample: Callable[[], Image], kept_in: Path
) -> None:
    write_parameters(kept_in, {"guide": CONFOCAL})
    sample()
    guide = opens(viewer)
    guide.head.image.value = viewer.add_image(np.ones((8, 32, 32)), name="own")
    given = {name: value for name, value in CONFOCAL.items() if name != "bead_diameter"}
    assert guide.microscope.fields.optics() == Optics(**given)
    assert guide.head.bead_diameter.value == CONFOCAL["bead_diameter"]
    assert guide.microscope.fields.marks.names == set()


def test_what_goes_with_it_stays(
    viewer: napari.Viewer, sample: Callable[..., Image], kept_in: Path
) -> None:
    write_parameters(kept_in, {"guide": CONFOCAL})
    sample(numerical_aperture=1.3)
    assert opens(viewer).microscope.fields.optics() == Optics(
        1.3, None, 1.515, microscope="confocal", excitation=0.488, pinhole=1.0
    )


def test_a_sample_does_not_change_what_is_kept(
    viewer: napari.Viewer, sample: Callable[[], Image], kept_in: Path, user: Any
) -> None:
    write_parameters(kept_in, {"guide": CONFOCAL})
    sample()
    guide = opens(viewer)
    kept_in.unlink()
    guide.head.method.value = "richardson-lucy"
    user.waits(kept_in.exists)
    kept = read_parameters(kept_in)["guide"]
    assert {name: kept[name] for name in CONFOCAL} == CONFOCAL


def test_what_is_given_in_this_session_stays_beside_an_image(
    viewer: napari.Viewer, sample: Callable[[], Image], kept_in: Path
) -> None:
    write_parameters(kept_in, {"guide": AIR})
    guide = opens(viewer)
    guide.head.wavelength.value = 0.7
    sample()
    assert guide.head.wavelength.value == 0.7
    assert guide.head.numerical_aperture.value == 1.2
    assert not guide.microscope.file.use.native.isHidden()


def test_reset_forgets_it(
    viewer: napari.Viewer, sample: Callable[[], Image], kept_in: Path, user: Any
) -> None:
    write_parameters(kept_in, {"guide": CONFOCAL})
    sample()
    guide = opens(viewer)
    guide.files.buttons["Reset to defaults"].click()
    assert guide.microscope.fields.optics() == SAID
    guide.head.image.value = viewer.add_image(np.ones((8, 32, 32)), name="own")
    assert guide.microscope.fields.optics() == Optics()
    user.waits(lambda: "confocal" not in kept_in.read_text(encoding="utf-8"))
    assert json.loads(kept_in.read_text(encoding="utf-8"))["steps"]["guide"]["bead_diameter"] == 0
