import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.measure.beads import widths_of
from napari_psf_distiller.measure.flux import flux_of_beads


def test_a_bead_has_its_flux_where_its_window_is_cut_by_the_border() -> None:
    y, x = np.indices((30, 30))
    psf = np.exp(-((y - 15) ** 2 + (x - 15) ** 2) / 8)
    psf /= psf.sum()
    for centre in ([15.0, 15.0], [15.3, 1.0], [28.0, 0.4]):
        image = 20 + 7e3 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 8) / (8 * np.pi)
        sharp = np.full(image.shape, 20.0)
        sharp[tuple(np.round(centre).astype(int))] += 6e3
        before, after = flux_of_beads(
            image, sharp, 3 * psf, np.array([centre]), widths_of(psf), 20.0
        )
        assert before[0] == pytest.approx(7e3, rel=1e-3)
        assert after[0] == pytest.approx(6e3)
    with pytest.raises(InputError, match="sum is not positive"):
        flux_of_beads(image, sharp, -psf, np.array([centre]), widths_of(psf))


def test_each_bead_has_its_flux_by_the_psf_of_its_place() -> None:
    centres = np.array([[15.0, 15.0], [15.0, 45.0]])

    def psf_of(centre):
        sigma = 2.0 if centre[1] < 30 else 3.0
        rows, columns = np.indices((31, 31)) - 15
        return np.exp(-(rows**2 + columns**2) / (2 * sigma**2))

    image = np.zeros((31, 61))
    for centre, light in zip(centres, (5e3, 8e3), strict=True):
        psf = psf_of(centre) / psf_of(centre).sum()
        image[:, int(centre[1]) - 15 : int(centre[1]) + 16] += light * psf
    widths = widths_of(psf_of(centres[0]))
    before, _ = flux_of_beads(image, image, psf_of, centres, widths)
    assert before == pytest.approx([5e3, 8e3], rel=1e-3)
    mean, _ = flux_of_beads(image, image, psf_of(centres[0]), centres, widths)
    assert abs(mean[1] / 8e3 - 1) > 0.1


def test_a_bead_that_is_no_point_sent_all_its_light() -> None:
    field = psfd.simulate_beads(
        (24, 72, 80), beads=8, bead_diameter=0.2, separation=1.6, photons=1e6, seed=3
    )
    image, widths = field.image.astype(float), widths_of(field.psf)
    flux = {
        diameter: flux_of_beads(
            image,
            image,
            field.psf,
            field.centres,
            widths,
            spacing=field.spacing,
            bead_diameter=diameter,
        )[0]
        for diameter in (0.0, 0.2)
    }
    assert np.median(flux[0.2] / field.amplitudes) == pytest.approx(1, abs=0.01)
    assert np.median(flux[0.0] / field.amplitudes) < 0.96
