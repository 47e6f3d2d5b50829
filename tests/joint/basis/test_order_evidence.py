"""Whether a PSF turns about its axis."""

import numpy as np
import pytest
from joint_fields import (
    BAND,
    DIAMETER,
    OFFSET,
    SPACING,
    WINDOW,
    Scene,
    aberrated_psf,
    image_of,
    relative_l2,
    scene,
    simulated,
    solved,
)
from scipy import ndimage, optimize

import napari_psf_distiller as psfd
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.order_evidence import (
    OrderScale,
    order_evidence,
    order_precision,
    order_scale,
)
from napari_psf_distiller.joint.model.model import JointModel

ORDERS = (0, 1, 2, 3)
DEVIATION = 3.0
# Beads on voxels.
CENTRES = [(6, 9, 10), (7, 30, 9), (6, 9, 30), (7, 30, 29)]
# In nats: what noise asks for, and what a fit acts on.
NOTHING, SIGNIFICANT = 5.0, 50.0


def beads() -> Scene:
    return scene(CENTRES, [3e4, 2e4, 3e4, 4e4])


def noisy(image, seed: int = 0):
    return image + np.random.default_rng(seed).normal(0, DEVIATION, image.shape)


def fitted(image) -> JointModel:
    """Return a model of an image of these beads with a PSF that does not turn."""
    model = beads()._replace(image=image).model(deviation=DEVIATION)
    solved(model, most=8)
    # With weights that know by how much it errs.
    model.update_noise()
    solved(model, most=8)
    return model


def within(model: JointModel, most: int = 60) -> FourierBessel:
    """Return functions that turn, within the envelope of a model's PSF."""
    envelope = model.basis.envelope(model.coefficients)
    return FourierBessel(WINDOW, SPACING, BAND, DIAMETER, ORDERS, envelope, most)


def evidence_of(image, **options):
    model = fitted(image)
    return order_evidence(within(model), model.linearise(), **options)


def aberrated(**waves: float):
    psf = aberrated_psf((15, 41, 41), **waves)
    of = beads()
    return image_of(psf, of.centres, of.amplitudes, of.image.shape) - OFFSET


def turning(order: int, scale: float, seed: int = 2):
    """Return beads with a PSF of which an order has so much of what is expected of it."""
    of = beads()
    basis = within(fitted(of.image))
    truth = basis.fitted(of.basis.psf(of.coefficients))
    parts = basis.split(truth)
    rng = np.random.default_rng(seed)
    for term, (turns, _) in enumerate(basis.terms):
        if turns:
            deviations = np.sqrt(scale * basis.prior_variances_of(term)) * (turns == order)
            parts[term][:] = deviations * rng.standard_normal(len(deviations))
    image = np.full(of.image.shape, 10.0)
    bead = basis.bead(truth)
    for (z, y, x), amplitude in zip(of.centres.astype(int), of.amplitudes, strict=True):
        image[z - 4 : z + 5, y - 8 : y + 9, x - 8 : x + 9] += amplitude * bead
    return image


# Evidence.


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_asks_for_nothing(seed):
    for image in (beads().image, aberrated()):
        found = evidence_of(noisy(image, seed))
        assert tuple(found) == (1, 2, 3)
        assert max(evidence.nats for evidence in found.values()) < NOTHING


@pytest.mark.parametrize("waves", [0.03, 0.06])
@pytest.mark.parametrize(("aberration", "order"), [("coma", 1), ("astigmatism", 2), ("trefoil", 3)])
def test_an_aberration_is_found_by_its_order(aberration, order, waves):
    # Through the focus astigmatism's two turns change their sign: they are odd in z, where the
    # PSF's symmetric part is even.
    found = evidence_of(noisy(aberrated(**{aberration: waves}), 1))
    nats = {number: evidence.nats for number, evidence in found.items()}
    there = nats.pop(order)
    assert there > SIGNIFICANT
    # The square of what is strong turns twice as often.
    multiple = nats.pop(2 * order, 0.0)
    assert multiple < (SIGNIFICANT if waves < 0.05 else there / 10)
    assert max(nats.values()) < NOTHING


@pytest.mark.parametrize("scale", [0.05, 0.5])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_an_order_that_is_there_is_found_with_its_scale_and_no_other(order, scale):
    found = evidence_of(noisy(turning(order, scale), 1))
    there = found.pop(order)
    assert there.nats > SIGNIFICANT
    # By some tens of coefficients that stand out from the noise.
    assert there.scale == pytest.approx((scale, scale), rel=0.6)
    if order != 2:
        # The four pixels about a voxel do not tell one turn from three.
        assert found.pop(4 - order).nats < there.nats / 2
    assert max(evidence.nats for evidence in found.values()) < NOTHING


def test_orders_that_are_known_are_not_looked_at():
    image = noisy(aberrated(astigmatism=0.06), 1)
    assert tuple(evidence_of(image, skip=(0, 2))) == (1, 3)
    every = evidence_of(image)
    assert evidence_of(image, skip=(0, 2))[1] == every[1]


def test_a_symmetric_basis_has_nothing_to_ask_for():
    of = beads()
    basis = FourierBessel(WINDOW, SPACING, BAND)
    assert order_evidence(basis, of.model().linearise()) == {}


# The scale of what is fitted.


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_scale_converges_to_that_of_the_truth(scale):
    rng = np.random.default_rng(3)
    # Two terms, measured with noise of different strength; some of it is drowned.
    expected = [np.geomspace(1, 1e-3, 300), np.geomspace(1, 1e-3, 200)]
    noise = [0.01 * scale * rng.uniform(0.5, 2, part.size) for part in expected]
    measured = [
        rng.normal(0, np.sqrt(scale * part)) + rng.normal(0, np.sqrt(errors))
        for part, errors in zip(expected, noise, strict=True)
    ]
    # Of the one term all is even along z, of the other half is.
    odd = [np.zeros(300, bool), np.arange(200) % 2 == 0]
    found = OrderScale(1.0, 1.0)
    for _ in range(60):
        precision = [
            np.diag(1 / errors + 1 / (found.of(side) * part))
            for part, errors, side in zip(expected, noise, odd, strict=True)
        ]
        fits = [
            values / errors / matrix.diagonal()
            for values, errors, matrix in zip(measured, noise, precision, strict=True)
        ]
        found = order_scale(expected, fits, precision, odd)
    # 400 and 100 of them, of which a part stands out, tell them to some ten per cent.
    assert found.even == pytest.approx(scale, rel=0.25)
    assert found.odd == pytest.approx(scale, rel=0.4)


def test_the_scale_of_what_the_image_does_not_tell_stays():
    expected = [np.array([2.0, 1.0])]
    precision = [np.diag([1 / 6.0, 1 / 3.0])]

    def scale(coefficients, factor=1.0, odd=(False, False)):
        return order_scale(expected, [coefficients], [factor * precision[0]], [np.array(odd)])

    assert scale(np.zeros(2)).even == pytest.approx(3)
    # What is told to be 0 makes it smaller, what is found larger.
    assert scale(np.zeros(2), 10).even == pytest.approx(0.3)
    assert scale(np.array([4.0, 0])).even == pytest.approx(3 + 16 / 2 / 2)
    # Each of what is even along z and what is odd has its own.
    found = scale(np.array([4.0, 0]), odd=(True, False))
    assert found == pytest.approx((3, 3 + 16 / 2))


def test_what_is_hardly_expected_does_not_make_an_order_strong():
    # A thousandth of what stands out, all of it where nothing is expected.
    expected = [np.array([1.0, 1e-9])]
    fitted = [np.array([1.0, 1e-3])]
    precision = [np.diag([1e6, 1e12])]
    found = order_scale(expected, fitted, precision, [np.zeros(2, bool)])
    assert found.even < 1
    prior = order_precision(expected[0], np.zeros(2, bool), found)
    assert prior[1] == pytest.approx(1e4 * prior[0])


# A whole microscope.


def cropped(psf, shape=(7, 15, 15)) -> np.ndarray:
    part = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(psf.shape, shape, strict=True)
    )
    return psf[part] / psf[part].sum()


def error_of(found, psf) -> float:
    """Return the relative error after the best displacement: of an aberrated PSF no place is 0."""
    spectrum = np.fft.fftn(psf)

    def error(displacement) -> float:
        moved = np.fft.ifftn(ndimage.fourier_shift(spectrum, displacement)).real
        return relative_l2(cropped(found), cropped(moved))

    return float(optimize.minimize(error, np.zeros(3), method="BFGS").fun)


# Fields of beads, each with its own noise.
FIELDS = 4


def distilled(psf, orders=None, seed: int = 0):
    field = simulated((16, 64, 64), beads=8, seed=6 + seed)
    image = image_of(psf, field.centres, field.amplitudes, field.image.shape, seed=1 + seed)
    recipe = psfd.Recipe(
        spacing=SPACING,
        optics=psfd.Optics(1.2, 0.52, 1.33),
        bead_diameter=0.02,
        device="numpy",
        distill=psfd.JointFit(angular_orders=orders, window=(3.0, 2.2, 2.2)),
    )
    return psfd.distill(image, recipe=recipe).psf


def error_in_fields(psf) -> float:
    """Return the root of the mean square of the errors in all fields."""
    errors = [error_of(distilled(psf, seed=seed), psf) for seed in range(FIELDS)]
    return float(np.sqrt(np.mean(np.square(errors))))


@pytest.fixture(scope="module")
def usual_error():
    return error_in_fields(aberrated_psf((15, 41, 41)))


# These PSFs are of scalar diffraction, and narrower than theory's, which are vectors'. A trefoil
# makes them wider along z, by a tenth.
@pytest.mark.filterwarnings("ignore:The PSF is wider than an unaberrated one")
@pytest.mark.filterwarnings("ignore:The PSF is narrower than these optics")
@pytest.mark.parametrize(
    ("aberration", "waves"), [("coma", 0.06), ("astigmatism", 0.1), ("trefoil", 0.1)]
)
def test_an_aberrated_psf_is_as_right_as_another(usual_error, aberration, waves):
    psf = aberrated_psf((15, 41, 41), **{aberration: waves})
    assert usual_error < 0.02
    # The same voxels tell about twice as many coefficients.
    assert error_in_fields(psf) < 0.03


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")
def test_without_the_order_it_is_wrong():
    psf = aberrated_psf((15, 41, 41), astigmatism=0.1)
    assert error_of(distilled(psf, 0), psf) > 0.2
