"""What freedom beads ask a PSF to have."""

import numpy as np
import pytest
from joint_fields import BAND, DIAMETER, SPACING, WINDOW, scene, true_coefficients

from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.joint.basis.beyond_band import powers_beyond
from napari_psf_distiller.joint.basis.extension import extended_basis, term_priors, wider_band
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import OrderScale
from napari_psf_distiller.joint.model.model import JointModel
from napari_psf_distiller.optics import Band, sampled_band
from napari_psf_distiller.progress import finish

WIDTHS = np.array([2.2, 2.3, 2.3])


def fitted(band: Band):
    """Beads of the whole band with noise, and the state of a fit with some band."""
    of = scene()
    noisy = of.image + np.random.default_rng(1).normal(0, 1, of.image.shape)
    field = of._replace(image=noisy).model().bead_image
    basis = FourierBessel(WINDOW, SPACING, band, DIAMETER)
    start = basis.fitted(of.basis.psf(of.coefficients))
    model = JointModel(field, basis, HostWindows(basis.voxel_functions), of.centres, start)
    model.move(of.centres, of.amplitudes.copy())
    return basis, finish(model.solve(30, 1e-3))


def test_the_whole_band_is_enough():
    basis, state = fitted(BAND)
    assert not any(power.significant for power in powers_beyond(basis, state, WIDTHS))
    assert wider_band(basis, state, WIDTHS) is None


def test_a_narrow_band_is_widened_where_beads_show_more():
    narrow = Band(0.5 * BAND.lateral, BAND.axial)
    basis, state = fitted(narrow)
    assert powers_beyond(basis, state, WIDTHS)[1].significant
    wider = wider_band(basis, state, WIDTHS)
    assert wider is not None
    assert wider.lateral == pytest.approx(1.5 * narrow.lateral)
    assert wider.axial <= sampled_band(SPACING).axial


def test_no_band_is_wider_than_the_voxels_can_show():
    basis, state = fitted(sampled_band(SPACING))
    assert wider_band(basis, state, WIDTHS) is None


def test_a_freed_psf_is_the_same_one():
    basis = FourierBessel(WINDOW, SPACING, BAND, DIAMETER)
    coefficients = true_coefficients(basis)
    psf = basis.psf(coefficients)
    more = extended_basis(basis, coefficients, Band(1.2 * BAND.lateral, BAND.axial), (0, 1, 2))
    assert more.orders == (0, 1, 2)
    assert more.band.lateral == pytest.approx(1.2 * BAND.lateral)
    off = more.psf(more.fitted(psf)) - psf
    assert np.linalg.norm(off) < 0.02 * np.linalg.norm(psf)
    priors = term_priors(more, None, {2: OrderScale(4.0, 4.0)})
    assert priors[0] is None
    # Four times the variance is a fourth of the precision.
    assert len(priors) == 5
    one, four = term_priors(more, None, {})[3], priors[3]
    np.testing.assert_allclose(four, one / 4, rtol=1e-6)
