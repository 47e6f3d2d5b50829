"""A length in another unit is refused with what it would be in micrometres."""

import numpy as np
import pytest

from napari_psf_distiller import InputError, Optics, Recipe, distill, simulate_beads, simulate_psf
from napari_psf_distiller.checks import check_spacing

IMAGE = np.arange(4 * 5 * 6.0).reshape(4, 5, 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Optics(wavelength=520), r"The emission wavelength is 520 .*; 520 nm is 0\.52\.$"),
        (lambda: Optics(wavelength=5.2e-7), r"; 5\.2e-07 m is 0\.52\.$"),
        (lambda: Optics(wavelength=0.00052), r"; 0\.00052 mm is 0\.52\.$"),
        (lambda: Optics(wavelength=0.01), r"from 0\.1 to 5 micrometres"),
        (lambda: Recipe(bead_diameter=100), r"Recipe\.bead_diameter .*; 100 nm is 0\.1\.$"),
        (lambda: Recipe(bead_diameter=1e-7), r"; 1e-07 m is 0\.1\.$"),
        (lambda: Recipe(spacing=(200, 80, 80)), r"Recipe\.spacing is 200 .*; 200 nm is 0\.2\.$"),
        (
            lambda: check_spacing((0.2, 80, 80), 3),
            r"along y is 80 .*; 80 nm is 0\.08\.$",
        ),
        (
            lambda: distill(IMAGE, (200, 80, 80)),
            r"along z is 200 .*; 200 nm is 0\.2\.$",
        ),
        (lambda: simulate_psf((5, 5), (80, 80)), r"80 nm is 0\.08\.$"),
        (lambda: simulate_beads(bead_diameter=100), r"bead diameter is 100 .*; 100 nm is 0\.1\.$"),
        (lambda: simulate_psf((5, 5), (0.1, 0.1), wavelength=520), r"520 nm is 0\.52\.$"),
        (lambda: Optics(numerical_aperture=145), r"is 145, .* \(1\.45\?\)\.$"),
        (lambda: Optics(numerical_aperture=14), r"is 14, .* \(1\.4\?\)\.$"),
        (lambda: Optics(refractive_index=133), r"is 133, .* \(1\.33\?\)\.$"),
        (lambda: Optics(refractive_index=0.5), r"is from 1 to 4"),
    ],
)
def test_what_no_microscope_has(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize("index", [1.33, 1.4])
def test_an_aperture_is_less_than_the_index(index):
    with pytest.raises(InputError, match="always less than the refractive index"):
        Optics(numerical_aperture=1.4, wavelength=0.52, refractive_index=index)


@pytest.mark.parametrize(
    "optics",
    [
        {"numerical_aperture": 1.49, "wavelength": 0.52, "refractive_index": 1.515},
        {"numerical_aperture": 0.03, "wavelength": 4.5, "refractive_index": 1.0},
        {"numerical_aperture": 1.7, "wavelength": 0.25, "refractive_index": 1.78},
        {"numerical_aperture": 1.4},
    ],
)
def test_what_a_microscope_can_have(optics):
    assert Optics(**optics).to_dict() | optics == Optics(**optics).to_dict()


def test_the_edges_of_what_can_be():
    assert check_spacing((50, 0.001, 0.001), 3) == (50, 0.001, 0.001)
    assert Recipe(bead_diameter=50).bead_diameter == 50
