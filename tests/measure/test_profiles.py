"""Profiles as numbers, and as a file."""

import numpy as np
import pandas as pd
import pytest

from napari_psf_distiller import InputError, fwhm, simulate_psf
from napari_psf_distiller.measure.profiles import profile_table, profiles_of, write_profiles

SPACING = (0.3, 0.1, 0.08)


@pytest.fixture(scope="module")
def psf():
    return simulate_psf((20, 31, 32), SPACING)


def test_profiles_go_through_the_brightest_voxel(psf):
    profiles = profiles_of(np.roll(psf, 3, axis=1), SPACING, (0.01, 0.02, 0.03))
    assert [profile.axis for profile in profiles] == ["z", "y", "x"]
    assert [profile.width for profile in profiles] == pytest.approx(fwhm(psf, SPACING))
    assert [profile.width_error for profile in profiles] == [0.01, 0.02, 0.03]
    for profile, n, size in zip(profiles, psf.shape, SPACING, strict=True):
        assert len(profile.values) == n
        assert profile.values[profile.positions == 0] == pytest.approx(psf.max())
        assert np.diff(profile.positions) == pytest.approx(size)


def test_the_table_has_a_row_a_voxel_and_survives_the_file(psf, tmp_path):
    error = np.full(psf.shape, 0.001)
    profiles = profiles_of(psf, SPACING, psf_error=error)
    path = tmp_path / "profiles.csv"
    write_profiles(path, profiles)
    table = pd.read_csv(path)
    pd.testing.assert_frame_equal(table, profile_table(profiles), rtol=1e-6)
    assert list(table) == ["axis", "position_um", "value", "standard_error"]
    assert table["axis"].value_counts().to_dict() == dict(zip("zyx", psf.shape, strict=True))
    along_z = table[table["axis"] == "z"]
    np.testing.assert_allclose(along_z["value"], psf[:, 15, 16], rtol=1e-6)
    np.testing.assert_allclose(along_z["position_um"], (np.arange(20) - 10) * 0.3, atol=1e-9)


def test_without_errors_there_is_no_column_for_them(psf):
    table = profile_table(profiles_of(psf[10], (1, 1)), "voxels")
    assert list(table) == ["axis", "position_voxels", "value"]


def test_errors_of_another_shape_are_refused(psf):
    with pytest.raises(InputError, match="its errors"):
        profiles_of(psf, SPACING, psf_error=psf[1:])


def test_nothing_half_written_is_left(psf, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        write_profiles(tmp_path / "no" / "profiles.csv", profiles_of(psf, SPACING))
    assert list(tmp_path.iterdir()) == []
