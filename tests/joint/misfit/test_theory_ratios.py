"""Whether a PSF is as wide as its optics make it."""

import math

import pytest

from napari_psf_distiller import Optics
from napari_psf_distiller.joint.misfit.theory_ratios import (
    WidthRatio,
    likely_diameter,
    narrower_ones,
    wider_ones,
    width_ratios,
)

OPTICS = Optics(1.2, 0.52, 1.33)
THEORY = (0.63, 0.24, 0.24)
ERRORS = (0.006, 0.002, 0.002)


def ratios(*factors: float, errors=ERRORS, **options):
    widths = [factor * width for factor, width in zip(factors, THEORY, strict=True)]
    return width_ratios(widths, errors, THEORY, **options)


def test_widths_are_compared_along_z_and_in_the_plane():
    along, across = ratios(1.1, 0.9, 1.0 / 0.9)
    assert along.along
    assert not across.along
    assert along.ratio == pytest.approx(1.1)
    # Astigmatism makes a PSF narrower along one axis and wider along the other.
    assert across.ratio == pytest.approx(1.0)


def test_what_is_not_known_is_left_out():
    assert [one.along for one in ratios(1.0, 1.0, 1.0, coarse=["y", "x"])] == [True]
    assert [one.along for one in width_ratios((math.nan, 0.2, 0.2), ERRORS, THEORY)] == [False]
    assert width_ratios((0.6, 0.2, 0.2), ERRORS, (None, None, None)) == ()
    (flat,) = width_ratios((0.2, 0.2), ERRORS[1:], THEORY[1:])
    assert not flat.along


def test_a_psf_as_wide_as_theory_says_is_neither():
    for factor in (0.97, 1.0, 1.04):
        found = ratios(factor, factor, factor)
        assert narrower_ones(found, OPTICS) == []
        assert wider_ones(found) == []


def test_a_psf_of_emitters_that_do_not_turn_is_not_narrower():
    # 0.955 of that of emitters that turn freely; scalar waves would make 0.87.
    assert narrower_ones(ratios(0.985, 0.94, 0.94), OPTICS) == []
    assert len(narrower_ones(ratios(0.985, 0.87, 0.87), OPTICS)) == 1


def test_the_sum_of_the_planes_counts_where_aberrations_hide_the_width():
    narrow, usual, wide = (
        WidthRatio(False, factor * 0.24, 0.24, 0.002, by_sum=True) for factor in (0.8, 0.95, 1.2)
    )
    aberrated = ratios(1.3, 0.8, 0.8)
    assert narrower_ones((*aberrated, narrow), OPTICS) == [narrow]
    assert narrower_ones((*aberrated, usual), OPTICS) == []
    # Two peaks have no widths.
    assert narrower_ones([narrow], OPTICS) == [narrow]
    assert wider_ones([wide]) == [wide]
    assert wider_ones((*ratios(1.0, 1.0, 1.0), wide)) == []
    assert likely_diameter((*ratios(1.0, 1.0, 1.0), narrow), 0.2) is None


def test_a_narrower_and_a_wider_psf_are_told_beyond_their_errors():
    assert len(narrower_ones(ratios(0.8, 0.8, 0.8), OPTICS)) == 2
    assert len(wider_ones(ratios(1.2, 1.2, 1.2))) == 2
    unsure = [0.2 * width for width in THEORY]
    assert narrower_ones(ratios(0.8, 0.8, 0.8, errors=unsure), OPTICS) == []
    assert wider_ones(ratios(1.2, 1.2, 1.2, errors=unsure)) == []


def test_spherical_aberration_may_make_a_psf_narrower_in_the_plane():
    assert len(narrower_ones(ratios(1.0, 0.8, 0.8), OPTICS)) == 1
    # Which then is longer.
    assert narrower_ones(ratios(1.3, 0.8, 0.8), OPTICS) == []
    # One plane does not show that.
    flat = width_ratios([0.8 * width for width in THEORY[1:]], ERRORS[1:], THEORY[1:])
    assert narrower_ones(flat, OPTICS) == []


def test_a_pinhole_that_is_not_known_may_be_closed():
    known = Optics(1.2, 0.52, 1.33, microscope="confocal", excitation=0.488, pinhole=1.0)
    unknown = Optics(1.2, 0.52, 1.33, microscope="confocal", excitation=0.488)
    assert len(narrower_ones(ratios(0.85, 1.0, 1.0), known)) == 1
    assert narrower_ones(ratios(0.85, 1.0, 1.0), unknown) == []


@pytest.mark.parametrize("true", [0.08, 0.2, 0.3])
def test_a_diameter_that_is_wrong_is_told_by_both_widths(true):
    given, factor = 0.25, 8 * math.log(2) / 20
    # Of beads, and with too much or too little taken out.
    widths = [math.sqrt(width**2 + factor * (true**2 - given**2)) for width in THEORY]
    found = width_ratios(widths, ERRORS, THEORY)
    assert likely_diameter(found, given) == pytest.approx(true, abs=0.01)


def test_widths_that_no_diameter_explains_have_none():
    # As narrow as if the beads were smaller than points.
    assert likely_diameter(ratios(0.985, 0.87, 0.87), 0.1) is None
    # Longer, as an aberrated PSF is.
    assert likely_diameter(ratios(1.3, 0.95, 0.95), 0.2) is None
    assert likely_diameter(ratios(1.0, 1.01, 1.01), 0.2) is None
    assert likely_diameter(width_ratios((0.2, 0.2), ERRORS[1:], THEORY[1:]), 0.2) is None


def test_a_sum_of_planes_of_another_shape_than_theorys_is_not_called_narrower():
    # Of spherical aberration in a shallow window: by 0.5, of which the spectrum is no scaled one.
    one = WidthRatio(False, 0.124, 0.248, 0.027, by_sum=True)
    assert narrower_ones([one], OPTICS) == []
    assert narrower_ones([one._replace(error=0.005)], OPTICS) != []
