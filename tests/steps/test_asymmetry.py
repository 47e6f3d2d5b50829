"""Whether a PSF turns about its axis."""

import numpy as np
import pytest
from joint_fields import (
    BAND,
    SPACING,
    WINDOW,
    basis_of,
    comatic_psf,
    image_of,
    relative_l2,
    scene,
    simulated,
    solved,
    true_coefficients,
)

import napari_psf_distiller as pd
from napari_psf_distiller.compute.fourier_bessel import FourierBessel
from napari_psf_distiller.steps.asymmetry import turning_priors

ORDERS = (0, 1, 2)
DEVIATION = 3.0


def priors_of(image, of, **options):
    """What the residuals of a symmetric PSF ask for, and the basis with the orders."""
    model = of._replace(image=image).model(deviation=DEVIATION)
    solved(model, most=8)
    model.normalise()
    basis = basis_of(WINDOW, ORDERS)
    coefficients = np.zeros(basis.size)
    coefficients[: of.basis.size] = model.coefficients
    return turning_priors(basis, coefficients, model.linearise(), **options), basis


def turning_image(of, term: int, part: float) -> np.ndarray:
    """Beads on voxels whose PSF turns, by so large a part of itself."""
    basis = basis_of(WINDOW, ORDERS)
    truth = true_coefficients(basis)
    block = basis.split(truth)[term]
    block[:] = np.random.default_rng(2).standard_normal(block.shape)
    block *= part * np.linalg.norm(basis.split(truth)[0]) / np.linalg.norm(block)
    image = np.full(of.image.shape, 10.0)
    bead = basis.bead(truth)
    for (z, y, x), amplitude in zip(of.centres.astype(int), of.amplitudes, strict=True):
        image[z - 4 : z + 5, y - 8 : y + 9, x - 8 : x + 9] += amplitude * bead
    return image


def beads():
    centres = [(6, 9, 10), (7, 30, 9), (6, 9, 30), (7, 30, 29)]
    return scene(centres, [3e4, 2e4, 3e4, 4e4])


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_asks_for_nothing(seed):
    of = beads()
    noise = np.random.default_rng(seed).normal(0, DEVIATION, of.image.shape)
    assert priors_of(of.image + noise, of)[0] == {}


@pytest.mark.parametrize(("term", "order"), [(1, 1), (4, 2)])
def test_an_order_that_is_there_is_found_and_no_other(term, order):
    of = beads()
    noise = np.random.default_rng(1).normal(0, DEVIATION, of.image.shape)
    found, basis = priors_of(turning_image(of, term, 0.15) + noise, of)
    # Both its cosine and its sine: its direction is not known.
    assert list(found) == [(order, False), (order, True)]
    for turn, prior in found.items():
        size = np.prod(basis.shapes[basis.terms.index(turn)])
        assert prior.shape == (size, size)
        np.testing.assert_allclose(prior, prior.T, atol=1e-9 * np.abs(prior).max())
        assert np.linalg.eigvalsh(prior).min() > 0


def test_the_prior_is_looser_where_more_turns():
    of = beads()
    tight, loose = (
        priors_of(turning_image(of, 1, part), of, all_orders=True)[0][1, False]
        for part in (0.05, 0.2)
    )
    assert np.trace(tight) > 4 * np.trace(loose)
    np.testing.assert_allclose(
        tight / np.trace(tight),
        loose / np.trace(loose),
        atol=1e-3 * np.abs(loose / np.trace(loose)).max(),
    )


def test_all_orders_can_be_asked_for():
    of = beads()
    noise = np.random.default_rng(0).normal(0, DEVIATION, of.image.shape)
    found, _ = priors_of(of.image + noise, of, all_orders=True)
    assert list(found) == [(1, False), (1, True), (2, False), (2, True)]


def test_a_symmetric_basis_has_nothing_to_ask_for():
    of = beads()
    model = of.model()
    basis = FourierBessel(WINDOW, SPACING, BAND)
    assert turning_priors(basis, of.coefficients, model.linearise()) == {}


# A whole microscope.


def cropped(psf, shape) -> np.ndarray:
    part = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(psf.shape, shape, strict=True)
    )
    return psf[part] / psf[part].sum()


def test_coma_is_distilled():
    field = simulated((16, 64, 64), beads=8, seed=6)
    psf = comatic_psf((15, 41, 41), 0.06)
    image = image_of(psf, field.centres, field.amplitudes, field.image.shape, seed=1)
    errors = {}
    for orders in (0, None):
        recipe = pd.Recipe(
            spacing=SPACING,
            optics=pd.Optics(1.2, 0.52, 1.33),
            bead_diameter=0.02,
            device="numpy",
            distill=pd.Distill(angular_orders=orders, window=(3.0, 3.0, 3.0)),
        )
        found = pd.distill(image, recipe=recipe).psf
        shape = (7, 15, 15)
        # The PSF's middle is where its symmetric part has it, which is not where the truth has it.
        best = min(
            relative_l2(cropped(found, shape), cropped(np.roll(psf, shift, axis=2), shape))
            for shift in (-1, 0, 1)
        )
        errors[orders] = best
    assert errors[None] < 0.75 * errors[0]
