"""Why a bead is not used."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller.beads import HELD_OUT, IN_HALO, IN_LEFT_OUT_STACK, REASONS
from napari_psf_distiller.errors import InputError
from napari_psf_distiller.joint.image.bead_widths import SIGMAS_PER_FWHM
from napari_psf_distiller.joint.judging import check_one_kind, judge
from napari_psf_distiller.joint.locate import MOMENTS, BeadFit

WIDTHS = np.array([3.0, 2.5, 2.5])
# A unit of each moment: a part of the PSF's own.
UNITS = np.array([WIDTHS[i] * WIDTHS[j] for i, j in MOMENTS]) * SIGMAS_PER_FWHM**2
NOISE = 0.05
seeds = st.integers(0, 2**32 - 1)


def beads(count: int, seed: int = 0, *, flat: bool = False) -> tuple[BeadFit, np.ndarray]:
    """Single beads, their moments known to a part of the PSF's own, and their amplitudes."""
    rng = np.random.default_rng(seed)
    root = NOISE * (np.eye(6) + 0.2 * np.tri(6, k=-1)) * UNITS[:, None]
    moments = rng.standard_normal((count, 6)) @ root.T
    covariance = np.tile(root @ root.T, (count, 1, 1))
    if flat:
        along_z = [n for n, pair in enumerate(MOMENTS) if 0 in pair]
        moments[:, along_z] = 0
        covariance[:, along_z] = 0
        covariance[:, :, along_z] = 0
    amplitudes = 1e4 * np.exp(0.2 * rng.standard_normal(count))
    # The amplitude is known to 100, the centre to a hundredth of a voxel.
    information = np.tile(np.diag([1e-4, 1e4, 1e4, 1e4]), (count, 1, 1))
    whole, saturated = np.ones(count, bool), np.zeros(count, bool)
    return BeadFit(np.ones(count), moments, covariance, information, whole, saturated), amplitudes


def all_of(count: int) -> np.ndarray:
    return np.ones(count, bool)


def test_single_beads_are_used():
    fit, amplitudes = beads(20)
    reasons = judge(fit, amplitudes, WIDTHS, all_of(20))
    assert reasons.shape == (20,)
    assert (reasons == "").all()


def spoil(fit, amplitudes, bead: int, reason: str) -> None:
    if reason == "saturated":
        fit.saturated[bead] = True
    elif reason == "border":
        fit.whole[bead] = False
    elif reason == "dim":
        fit.information[bead, 0, 0] = (5 / amplitudes[bead]) ** 2
    elif reason == "bright":
        amplitudes[bead] = 3.5e4
    else:
        fit.moments[bead, 2] += 0.6 * UNITS[2]


# Of a peak in a halo, and of a stack that is left out, it is said by who finds it.
ELSEWHERE = (HELD_OUT, IN_HALO, IN_LEFT_OUT_STACK)


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason not in ELSEWHERE])
def test_each_reason(reason):
    fit, amplitudes = beads(20)
    spoil(fit, amplitudes, 3, reason)
    reasons = judge(fit, amplitudes, WIDTHS, all_of(20))
    assert reasons[3] == reason
    assert (np.delete(reasons, 3) == "").all()


@pytest.mark.parametrize("first", range(5))
def test_the_first_of_several_reasons_is_given(first):
    order = ["saturated", "border", "dim", "bright", "touching"]
    fit, amplitudes = beads(20)
    for reason in order[first:][::-1]:
        spoil(fit, amplitudes, 3, reason)
    if "dim" in order[first:]:
        spoil(fit, amplitudes, 3, "dim")
    assert judge(fit, amplitudes, WIDTHS, all_of(20))[3] == order[first]


@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("sign", [-1, 1])
def test_any_other_shape_is_refused(axis, sign):
    fit, amplitudes = beads(20)
    fit.moments[5, axis] += sign * 0.6 * UNITS[axis]
    assert judge(fit, amplitudes, WIDTHS, all_of(20))[5] == "touching"


def test_brightness_and_shape_add_up():
    # Neither is enough by itself.
    found = []
    for wide, bright in [(0.1, 1.0), (0.0, 1.9), (0.1, 1.9)]:
        fit, amplitudes = beads(40, 2)
        fit.moments[:] = 0
        fit.moments[::2] = 0.02 * UNITS
        amplitudes[:] = np.tile([0.9e4, 1.1e4, 1e4, 1e4], 10)
        fit.moments[7, [1, 2]] += 1.7 * wide * UNITS[[1, 2]]
        amplitudes[7] = bright * 1e4
        amplitudes[::4] *= 0.75
        amplitudes[1::4] *= 1.3
        found.append(judge(fit, amplitudes, WIDTHS, all_of(40))[7])
    assert found == ["", "", "touching"]


def test_dim_is_by_how_well_the_amplitude_is_known():
    fit, amplitudes = beads(20)
    amplitudes[:3] = 590, 610, 20
    assert list(judge(fit, amplitudes, WIDTHS, all_of(20))[:3]) == ["dim", "", "dim"]
    # Without any information, or light, too.
    fit.information[4] = 0
    amplitudes[5] = -1e4
    assert list(judge(fit, amplitudes, WIDTHS, all_of(20))[4:6]) == ["dim", "dim"]


@pytest.mark.parametrize("factor", [2.9, 3.1])
def test_bright_is_three_times_the_typical_one(factor):
    fit, amplitudes = beads(21)
    amplitudes[:] = 1e4 * np.exp(np.linspace(-0.9, 0.9, 21))
    amplitudes[0] = factor * 1e4
    typical = float(np.exp(np.median(np.log(amplitudes))))
    amplitudes[0] = factor * typical
    # Beads that differ much in brightness are not refused for it below that.
    assert judge(fit, amplitudes, WIDTHS, all_of(21))[0] == ("bright" if factor > 3 else "")


def test_what_is_typical_is_told_by_those_in_use():
    fit, amplitudes = beads(20)
    amplitudes[12:] *= 10
    used = np.arange(20) < 12
    assert list(judge(fit, amplitudes, WIDTHS, used) == "bright") == [False] * 12 + [True] * 8
    # And if none is in use, by all.
    fit, amplitudes = beads(20)
    assert (judge(fit, amplitudes, WIDTHS, ~all_of(20)) == "").all()


@pytest.mark.parametrize("flat", [False, True], ids=["3D", "2D"])
@pytest.mark.parametrize("seed", [1, 2])
def test_about_one_in_a_hundred_single_beads_is_refused(flat, seed):
    fit, amplitudes = beads(3000, seed, flat=flat)
    refused = (judge(fit, amplitudes, WIDTHS, all_of(3000)) != "").mean()
    # Of the amplitudes only the high ones count, so it is somewhat less.
    assert 0.003 < refused < 0.02


@given(seed=seeds)
def test_a_third_of_doublets_does_not_move_what_is_typical(seed):
    rng = np.random.default_rng(seed)
    fit, amplitudes = beads(60, seed)
    alone = judge(fit, amplitudes, WIDTHS, all_of(60))
    pairs = np.arange(20)
    directions = rng.standard_normal((20, 3))
    directions *= 2.0 / np.linalg.norm(directions, axis=1)[:, None]
    for row, (i, j) in enumerate(MOMENTS):
        fit.moments[pairs, row] += directions[:, i] * directions[:, j] / 4 * 3
    amplitudes[pairs] *= 2
    reasons = judge(fit, amplitudes, WIDTHS, all_of(60))
    assert (reasons[pairs] != "").mean() >= 0.9
    # At most one of the single ones is refused for them, or taken back.
    assert ((reasons[20:] == "") != (alone[20:] == "")).sum() <= 2


def test_no_single_bead():
    fit, amplitudes = beads(4)
    fit.whole[:] = False
    assert list(judge(fit, amplitudes, WIDTHS, all_of(4))) == ["border"] * 4
    fit, amplitudes = beads(4)
    fit.saturated[:] = True
    assert list(judge(fit, amplitudes, WIDTHS, all_of(4))) == ["saturated"] * 4
    fit.information[:] = 0
    assert (judge(fit, amplitudes, WIDTHS, all_of(4)) != "").all()


def test_one_bead_is_like_itself():
    fit, amplitudes = beads(1)
    assert list(judge(fit, amplitudes, WIDTHS, all_of(1))) == [""]


def test_every_reason_has_words():
    assert set(REASONS) == {"saturated", "border", "bright", "dim", "touching", *ELSEWHERE}
    assert all(REASONS.values())


def test_beads_of_two_kinds_are_told_where_they_leave_no_psf():
    reasons = np.array([""] * 14 + ["bright"] * 6 + ["touching"] * 2)
    with pytest.raises(InputError, match="8 of 22 beads are of another brightness or shape"):
        check_one_kind(reasons)
    check_one_kind(np.array([""] * 20 + ["bright"]))
