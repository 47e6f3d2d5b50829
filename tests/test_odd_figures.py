"""Figures that can be, but are seldom meant, are told before anything is computed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller import Optics
from napari_psf_distiller.lengths import Likely
from napari_psf_distiller.odd_figures import odd_figures, undersampled_axes
from napari_psf_distiller.optics import Band, support_of

WATER = Optics(1.2, 0.52, 1.33)
CONFOCAL = Optics(1.3, 0.52, 1.515, microscope="confocal", excitation=0.488, pinhole=1.0)


@pytest.mark.parametrize("optics", [WATER, CONFOCAL])
def test_what_is_usual_is_not_odd(optics):
    assert odd_figures(optics, (0.2, 0.08, 0.08), 0.1) == ()
    assert odd_figures(optics, (0.08, 0.08), 0.2) == ()
    assert odd_figures(optics) == ()


@pytest.mark.parametrize(
    "optics", [Optics(), Optics(1.2, 0.52), Optics(1.2, 0.52, 1.33, microscope="STED")]
)
def test_of_what_is_not_known_nothing_is_said(optics):
    assert odd_figures(optics, (5, 5, 5), 20) == ()


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((0.5, 0.08, 0.08), "limit is 0.344 µm along z, and"),
        ((0.2, 0.15, 0.15), "limit is 0.108 µm in the plane, and"),
        ((0.5, 0.15, 0.15), "limit is 0.344 µm along z and 0.108 µm in the plane, and"),
        ((0.15, 0.15), "limit is 0.108 µm in the plane, and"),
    ],
)
def test_voxels_beyond_nyquists_limit(spacing, words):
    (odd,) = odd_figures(WATER, spacing, 0.1)
    assert (odd.name, odd.likely) == ("spacing", None)
    assert words in odd.sentence


def test_beads_that_the_psf_is_lost_in():
    (odd,) = odd_figures(WATER, None, 1.0)
    assert (odd.name, odd.likely) == ("bead_diameter", None)
    assert "Beads of 1 µm are much larger than the PSF of these optics, which is 0.221" in (
        odd.sentence
    )
    (odd,) = odd_figures(WATER, None, 40.0)
    assert odd.likely == Likely(0.04, "40 nm")


@given(
    st.floats(0.1, 1.3), st.floats(0.3, 0.9), st.floats(0.02, 2), st.floats(0.02, 2), st.booleans()
)
def test_the_limit_is_nyquists(aperture, wavelength, across, along, flat):
    support = support_of(Optics(aperture, wavelength, 1.33))
    spacing = (across, across) if flat else (along, across, across)
    found = undersampled_axes(support.band, spacing)
    assert ("x" in found) == ("y" in found) == (across > 1.05 * wavelength / (4 * aperture))
    if not flat:
        assert ("z" in found) == (along > 1.05 / (2 * support.band.axial))
    assert undersampled_axes(Band(math.inf, math.inf), spacing) == []
