"""The whole joint fit, from a field and its candidates."""

import numpy as np
import pytest
from joint_fields import (
    DIAMETER,
    SPACING,
    SUPPORT,
    centres_3d,
    nearest,
    observed,
    relative_l2,
    simulated,
)

from napari_psf_distiller import InputError, Recipe, fwhm
from napari_psf_distiller.compute import choose_device
from napari_psf_distiller.joint import outcome
from napari_psf_distiller.joint.advice.fit import joint_warnings
from napari_psf_distiller.joint.fit import distill_jointly
from napari_psf_distiller.joint.image.bead_image import Camera
from napari_psf_distiller.joint.image.detection import candidates_at, find_candidates
from napari_psf_distiller.joint.misfit.second_peak import SecondPeak
from napari_psf_distiller.joint.results import Settings
from napari_psf_distiller.progress import Progress, finish

SMALL = Settings(DIAMETER, SUPPORT, (3.0, 2.4, 2.4), max_angular_order=0)


def distil(field, settings=SMALL, candidates=None, preview_every: int = 0):
    found = find_candidates(field, 6.0) if candidates is None else candidates
    seen: list[Progress] = []
    steps = distill_jointly(field, found, settings, choose_device("numpy"), preview_every)
    return finish(steps, seen.append), seen


@pytest.fixture(scope="module")
def field():
    return simulated(beads=6, seed=2)


@pytest.fixture(scope="module")
def joint(field):
    return distil(observed(field.image), preview_every=4)


def test_the_window_is_the_one_that_was_asked_for(joint):
    psf = joint[0].psf
    assert psf.shape == (11, 25, 25)
    assert psf.shape == joint[0].psf_error.shape
    assert psf.sum(dtype=float) == pytest.approx(1, abs=1e-5)
    assert psf[:, 12, 12].argmax() == 5


def test_the_psf_and_the_beads_are_the_true_ones(field, joint):
    psf = joint[0].psf
    part = tuple(
        slice(n // 2 - m // 2, n // 2 + m // 2 + 1)
        for n, m in zip(field.psf.shape, psf.shape, strict=True)
    )
    # Up to the light beyond so small a window, which is taken for background.
    columns = np.stack([field.psf[part].ravel(), np.ones(psf.size)], axis=1)
    scale = np.linalg.lstsq(columns, psf.ravel(), rcond=None)[0]
    assert relative_l2(psf.ravel() - scale[1], scale[0] * columns[:, 0]) < 0.04
    assert fwhm(psf, SPACING) == pytest.approx(fwhm(field.psf, SPACING), rel=0.03)
    beads = joint[0].beads
    distance, _ = nearest(beads[["z", "y", "x"]], field.centres)
    assert (distance < 0.15).all()
    assert beads["used"].all()
    assert list(beads.index) == list(range(1, 7))


def test_progress_and_previews(joint):
    result, seen = joint
    assert [p.iteration for p in seen[:-1]] == list(range(1, result.iterations + 1))
    assert all(p.iteration <= p.total for p in seen)
    # The last one says that it is done.
    assert (seen[-1].iteration, seen[-1].log_likelihood) == (result.iterations, None)
    gained = [p.log_likelihood for p in seen[:-1]]
    assert sorted(gained) == gained
    assert gained[0] > 0
    previews = [p.iteration for p in seen if p.preview is not None]
    # And shows the PSF before its errors are known.
    assert previews == [*range(4, result.iterations + 1, 4), result.iterations]
    last = next(p.preview for p in seen[::-1] if p.preview is not None)
    assert last.shape == result.psf.shape


def test_the_first_previews_are_as_large_as_the_psf(field):
    # Of which the first PSF is but the middle.
    wide = SMALL._replace(window=(3.0, 4.8, 4.8))
    result, seen = distil(observed(field.image), wide, preview_every=1)
    previews = [p.preview for p in seen if p.preview is not None]
    assert {preview.shape for preview in previews} == {result.psf.shape} == {(11, 49, 49)}
    assert previews[0][:, 0].max() == 0 < previews[0].max()
    assert (previews[-1][:, 0] != 0).any()


def test_a_bead_that_others_psf_fits_is_not_refused_again(field, monkeypatch):
    # A judge who cannot decide: it refuses a bead whenever that was used.
    asked = []

    def undecided(fit, amplitudes, widths, used):
        asked.append(bool(used[0]))
        reasons = np.full(len(used), "", "U16")
        reasons[0] = "touching" if used[0] else ""
        return reasons

    monkeypatch.setattr("napari_psf_distiller.joint.bead_operations.judge", undecided)
    result, _ = distil(observed(field.image))
    assert asked[:2] == [True, False]
    assert result.beads["used"].all()


def test_the_image_is_background_light_and_residual(field, joint):
    # What is not light is the residual and the background: far from all beads, that of the dark.
    residual = joint[0].residual
    far = np.ones(residual.shape, bool)
    for centre in centres_3d(field):
        low = np.maximum(np.round(centre).astype(int) - (6, 13, 13), 0)
        high = np.round(centre).astype(int) + np.array([7, 14, 14])
        far[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = False
    assert far.any()
    level = (field.image - residual)[far]
    assert level.std() < 2
    assert level.mean() == pytest.approx(112, abs=4)


def test_the_beads_places_are_relative_to_the_psfs_peak():
    # A PSF with spherical aberration is not highest where the objective focuses.
    field = simulated(beads=6, seed=1, spherical=0.1)
    result, _ = distil(observed(field.image))
    assert result.psf[:, 12, 12].argmax() == 5
    beads = result.beads.loc[result.beads["used"], ["z", "y", "x"]].to_numpy()
    near, index = nearest(beads, field.centres)
    assert (near < 2).sum() >= 4
    distance = (beads[index] - field.centres)[near < 2]
    peak = field.psf.max(axis=(1, 2)).argmax() - field.psf.shape[0] // 2
    np.testing.assert_allclose(distance[:, 0], np.median(distance[:, 0]), atol=0.2)
    assert np.median(distance[:, 0]) == pytest.approx(peak, abs=0.7)


def test_a_focus_far_from_the_first_guess_comes_into_the_middle():
    # Strong spherical aberration puts the highest peak some planes from where a bead is found.
    field = simulated((24, 64, 64), beads=6, seed=2, spherical=0.3)
    result, _ = distil(observed(field.image), SMALL._replace(window=(4.5, 2.4, 2.4)))
    depth = len(result.psf)
    assert result.psf.shape == result.psf_error.shape
    assert result.psf.max(axis=(1, 2)).argmax() == depth // 2
    # The functions are anything beyond their window: what it would take of that is left out.
    assert depth >= 13
    moved = np.roll(field.psf, depth // 2 - field.psf.max(axis=(1, 2)).argmax(), axis=0)
    side = (field.psf.shape[1] - 25) // 2
    truth = moved[:depth, side : side + 25, side : side + 25]
    assert np.corrcoef(truth.ravel(), result.psf.ravel())[0, 1] > 0.97


def test_two_peaks_of_one_height_are_told_and_doubted(field, joint, monkeypatch):
    plain, _ = joint
    wider = tuple(
        2 * width / size for width, size in zip(fwhm(plain.psf, SPACING), SPACING, strict=True)
    )[1:]
    second = SecondPeak(4, 0.95, wider)
    monkeypatch.setattr(outcome, "second_peak", lambda psf, error: second)
    doubted, _ = distil(observed(field.image))
    assert doubted.fwhm_error[0] == plain.fwhm_error[0]
    expected = np.array(fwhm(plain.psf, SPACING))[1:] / 2
    np.testing.assert_allclose(doubted.fwhm_error[1:], expected, rtol=0.05)
    said = joint_warnings(doubted, SPACING, Recipe(bead_diameter=DIAMETER))
    assert any("two peaks along z, 1.2 µm apart" in sentence for sentence in said)
    assert not any("width along y is known" in sentence for sentence in said)


def test_no_bead_can_be_used(field):
    low = float(np.quantile(field.image, 0.99))
    known = observed(np.minimum(field.image, low), Camera(saturation=low))
    with pytest.raises(
        InputError, match=r"None of the \d+ beads can be used: .*saturated"
    ) as raised:
        distil(known, candidates=candidates_at(known, centres_3d(field)))
    assert str(raised.value).endswith(".")


def test_without_judging_all_beads_are_used(field):
    # The nearest bead's brightest voxel is the image's last.
    first = int(field.centres[:, 2].min() + 0.5)
    known = observed(field.image[:, :, first:])
    places = np.maximum(centres_3d(field) - (0, 0, first), 0)
    candidates = candidates_at(known, places)
    judged, _ = distil(known, candidates=candidates)
    assert "border" in set(judged.beads["reason"])
    every, _ = distil(known, SMALL._replace(judge=False), candidates)
    assert every.beads["used"].all()
