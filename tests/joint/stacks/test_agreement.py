"""Which of several images have the same PSF, judged with their errors."""

import numpy as np
import pytest
from joint_fields import basis_of, true_coefficients

from napari_psf_distiller.joint.stacks.agreement import (
    OwnPSF,
    difference_of,
    mean_of,
    which_agree,
)
from napari_psf_distiller.progress import finish

BASIS = basis_of()
TRUE = true_coefficients(BASIS)
# Of each coefficient: the PSF is known to a few per cent of its norm.
ERROR = 0.03 * np.linalg.norm(TRUE) / np.sqrt(len(TRUE))


def measured(true=TRUE, *, error=ERROR, seed=0):
    noise = np.random.default_rng(seed).normal(0, error, len(true))
    return OwnPSF(true + noise, [np.eye(len(true)) / error**2])


def agreement_of(psfs):
    return finish(which_agree(BASIS, psfs))


def wider(part):
    """Return another PSF, that differs from the first by some part of it."""
    change = np.random.default_rng(99).normal(size=len(TRUE))
    change *= part * np.linalg.norm(TRUE) / np.linalg.norm(change)
    return TRUE + change


@pytest.mark.parametrize("seed", range(5))
def test_noise_makes_no_difference(seed):
    found = difference_of(BASIS, measured(seed=2 * seed), measured(seed=2 * seed + 1))
    assert not found.told
    assert abs(found.significance) < 4


def test_brightness_and_place_make_no_difference():
    displaced = BASIS.fitted(BASIS.psf(TRUE, 0.1))
    found = difference_of(BASIS, measured(3 * displaced, error=3 * ERROR), measured(seed=1))
    assert not found.told


def test_a_difference_is_told_by_its_part():
    found = difference_of(BASIS, measured(wider(0.2)), measured(seed=1))
    assert found.told
    assert found.part == pytest.approx(0.2, rel=0.15)


def test_who_knows_little_does_not_differ():
    vague = measured(wider(0.2), error=20 * ERROR)
    assert not difference_of(BASIS, vague, measured(seed=1)).told


def test_the_mean_is_weighed_by_what_each_knows():
    good, bad = measured(error=ERROR), measured(wider(0.5), error=30 * ERROR, seed=1)
    mean = mean_of([good, bad])
    expected = (good.coefficients + bad.coefficients / 900) / (1 + 1 / 900)
    np.testing.assert_allclose(mean.coefficients, expected)
    np.testing.assert_allclose(mean.precision[0], good.precision[0] * (1 + 1 / 900))


@pytest.mark.parametrize("place", range(4))
def test_the_one_that_differs_is_found(place):
    psfs = [measured(wider(0.15) if i == place else TRUE, seed=i) for i in range(4)]
    found = agreement_of(psfs)
    assert found.kept == [i for i in range(4) if i != place]
    assert list(found.differences) == [place]
    assert found.differences[place].part == pytest.approx(0.15, rel=0.2)


def test_all_alike_are_kept():
    found = agreement_of([measured(seed=i) for i in range(5)])
    assert found.kept == list(range(5))
    assert found.differences == {}


def test_what_one_by_one_is_hidden_many_together_tell():
    # By the errors of any two of them no difference is certain.
    psfs = [measured(error=10 * ERROR, seed=i) for i in range(9)]
    odd = measured(wider(0.15), error=1.2 * ERROR, seed=100)
    assert not any(difference_of(BASIS, odd, one).told for one in psfs)
    found = agreement_of([*psfs, odd])
    assert 9 not in found.kept


@pytest.mark.parametrize("kinds", [(0, 1), (0, 0, 1, 1), (0, 1, 2)])
def test_without_a_majority_none_is_kept(kinds):
    of_kind = [TRUE, wider(0.3), 2 * TRUE - wider(0.3)]
    found = agreement_of([measured(of_kind[k], seed=i) for i, k in enumerate(kinds)])
    assert found.kept == []
    assert found.differences
    assert all(difference.told for difference in found.differences.values())


def test_without_a_majority_two_that_differ_are_named_though_the_first_tells_little():
    vague = measured(error=20 * ERROR, seed=90)
    others = (wider(0.3), TRUE, 2 * TRUE - wider(0.3))
    found = agreement_of([vague, *(measured(one, seed=i) for i, one in enumerate(others))])
    assert found.kept == []
    assert found.compared != 0
    assert found.differences
    assert 0 not in found.differences


def test_who_knows_little_does_not_differ_whichever_is_first():
    vague = measured(error=20 * ERROR, seed=90)
    for one in (measured(wider(0.3)), measured()):
        assert not difference_of(BASIS, vague, one).told
        assert not difference_of(BASIS, one, vague).told


def test_how_far_the_comparisons_are_is_told():
    told = list(which_agree(BASIS, [measured(seed=i) for i in range(4)]))
    pairs, others = "Compare each two stacks' PSFs", "Compare each stack's PSF with the others'"
    assert [(one.title, one.iteration, one.total) for one in told] == [
        *((pairs, n, 6) for n in range(6)),
        *((others, n, 4) for n in range(4)),
    ]


@pytest.mark.parametrize("factor", [3.0, 0.2])
def test_what_is_known_of_a_psf_does_not_depend_on_how_it_came_about(factor):
    one = measured(wider(0.1))
    scaled = one.scaled(factor)
    anew = OwnPSF(scaled.coefficients, scaled.precision)
    assert scaled.evidence == pytest.approx(anew.evidence)
    np.testing.assert_allclose(scaled.coefficients, one.coefficients / factor)
    for said, expected in zip(scaled.said, anew.said, strict=True):
        np.testing.assert_allclose(said, expected)
