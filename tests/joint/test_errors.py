"""Standard errors of a PSF, against how it spreads from one image of the same beads to the next."""

import numpy as np
import pytest
from joint_fields import DIAMETER, SUPPORT, basis_of, image_of, observed, scene, solved

from napari_psf_distiller import fwhm, simulate_psf
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.joint.errors import psf_errors
from napari_psf_distiller.joint.fit import distill_jointly
from napari_psf_distiller.joint.image.detection import find_candidates
from napari_psf_distiller.joint.results import Settings
from napari_psf_distiller.progress import finish

REALISATIONS = 20
# So many tell a standard deviation to a sixth.
WITHIN = 1.7


@pytest.fixture(scope="module")
def fits():
    """One plane of beads, with other noise each time."""
    psf = simulate_psf((1, 41, 41)[1:], (0.1, 0.1))[None]
    places = [(0, y, x) for y in (12.3, 29.8, 47.4) for x in (12.8, 30.2, 46.9)]
    found = []
    for seed in range(REALISATIONS):
        image = image_of(psf, places, [4000] * 9, (1, 60, 60), seed)[0]
        field = observed(image)
        settings = Settings(0.0, SUPPORT, (1.0, 2.0, 2.0), judge=False, max_angular_order=0)
        candidates = find_candidates(field, 6.0)
        found.append(finish(distill_jointly(field, candidates, settings, choose_device("numpy"))))
    return found


def test_widths_spread_as_their_errors_say(fits):
    widths = np.array([fwhm(fit.psf, (0.1, 0.1)) for fit in fits])
    errors = np.median([fit.fwhm_error for fit in fits], axis=0)
    ratio = widths.std(axis=0, ddof=1) / errors
    # The beads' own contributions make the errors the larger ones.
    assert (ratio > 1 / 3).all()
    assert (ratio < WITHIN).all()


def test_the_peak_spreads_as_its_error_says(fits):
    psfs = np.array([fit.psf for fit in fits])
    centre = tuple(n // 2 for n in psfs.shape[1:])
    errors = np.median([fit.psf_error for fit in fits], axis=0)
    ratio = psfs.std(axis=0, ddof=1)[centre] / errors[centre]
    assert 1 / 3 < ratio < WITHIN


# One fit.


def errors_of(deviation: float, amplitude: float = 1e4, total_variance: float = 0.0):
    of = scene(amplitudes=[amplitude] * 4)
    model = of.model(deviation=deviation)
    return psf_errors(of.basis, model.coefficients, model.linearise(), total_variance)


def test_the_errors_are_those_of_the_noise():
    one, two, three = (errors_of(deviation) for deviation in (1, 3, 5))
    assert one.voxels.shape == basis_of(diameter=DIAMETER).window
    assert one.voxels.dtype == np.float32
    assert (one.voxels > 0).all()
    # Besides a part that is the PSF's own.
    first, second, third = (found.voxels.astype(float) ** 2 for found in (one, two, three))
    np.testing.assert_allclose((third - first) / (second - first), 3, rtol=0.02)
    brighter = errors_of(3, 3e4)
    np.testing.assert_allclose(brighter.voxels, one.voxels, rtol=0.02)
    np.testing.assert_allclose(brighter.widths, one.widths, rtol=0.1)
    np.testing.assert_allclose(three.widths, 5 * np.array(one.widths), rtol=0.1)
    np.testing.assert_allclose(one.widths[1], one.widths[2], rtol=1e-3)


def test_what_is_not_known_of_the_sum_is_in_every_voxel():
    of = scene()
    psf = of.basis.psf(of.coefficients)
    sure, doubted = errors_of(1), errors_of(1, total_variance=0.01)
    more = doubted.voxels.astype(float) ** 2 - sure.voxels.astype(float) ** 2
    np.testing.assert_allclose(more, 0.01 * psf**2, rtol=1e-3, atol=1e-5 * more.max())
    # A factor does not make it wider.
    np.testing.assert_array_equal(doubted.widths, sure.widths)


def test_in_a_plane_there_is_no_width_along_z():
    of = scene([(0, 10.2, 9.7), (0, 28.7, 20.1)], shape=(1, 40, 40), window=(1, 17, 17))
    model = of.model()
    solved(model)
    model.normalise()
    state = model.linearise()
    found = psf_errors(of.basis, model.coefficients, state, 0.0)
    assert np.isnan(found.widths[0])
    assert np.isfinite(found.widths[1:]).all()
