"""Microscopes that are kept by name: what comes back, which names can be, and what stays whole."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_psf_distiller import (
    Camera,
    InputError,
    MicroscopePreset,
    MicroscopePresets,
    Optics,
)
from napari_psf_distiller.microscopes import check_preset_name

OIL = MicroscopePreset(
    Optics(numerical_aperture=1.4, wavelength=0.52, refractive_index=1.515),
    Camera(offset=100.0, gain=0.46),
)
DRY = MicroscopePreset(Optics(numerical_aperture=0.8, refractive_index=1.0))


@pytest.fixture
def presets(tmp_path: Path) -> MicroscopePresets:
    return MicroscopePresets(tmp_path / "settings" / "microscopes.json")


def test_without_a_file_there_are_none(presets):
    assert list(presets) == []
    assert "Oil" not in presets
    assert presets.get("Oil") is None
    assert presets.get("Oil", DRY) == DRY
    with pytest.raises(
        InputError, match=r"There is no microscope 'Oil'; none is kept in .*json yet"
    ):
        presets["Oil"]
    assert not presets.path.parent.exists()


def test_what_is_saved_comes_back_in_another_session(presets):
    presets.save("  Lab 63x oil ", OIL)
    presets.save("air, 20x", DRY)
    again = MicroscopePresets(presets.path)
    assert dict(again) == {"air, 20x": DRY, "Lab 63x oil": OIL}
    assert len(again) == 2


def test_the_file_is_readable(presets):
    presets.save("Lab 63x oil", OIL)
    document = json.loads(presets.path.read_text(encoding="utf-8"))
    assert (document["format"], document["version"]) == ("napari-psf-distiller microscopes", 1)
    stored = document["microscopes"]["Lab 63x oil"]
    assert stored["optics"]["numerical_aperture"] == 1.4
    # What is not known is not there.
    assert stored["camera"] == {"offset": 100.0, "gain": 0.46}


@given(
    name=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and text.strip()),
    index=st.floats(1.0, 2.0),
    part=st.floats(0.1, 0.99),
)
def test_any_microscope_comes_back(name, index, part):
    preset = MicroscopePreset(
        Optics(numerical_aperture=part * index, refractive_index=index), Camera(gain=part)
    )
    with tempfile.TemporaryDirectory() as folder:
        presets = MicroscopePresets(Path(folder) / "microscopes.json")
        presets.save(name, preset)
        assert dict(presets) == {check_preset_name(name): preset}


def test_a_name_that_is_taken_is_refused(presets):
    presets.save("Oil", OIL)
    with pytest.raises(InputError, match="There is a microscope 'Oil' already"):
        presets.save("Oil", DRY)
    assert presets["Oil"] == OIL
    presets.save("Oil", DRY, overwrite=True)
    assert presets["Oil"] == DRY


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "name is empty"),
        (" \t ", "name is empty"),
        ("x" * 61, "61 characters; at most 60"),
        ("two\nlines", "cannot be shown"),
        ("bell\a", "cannot be shown"),
        (3, "should be a text"),
    ],
)
def test_names_that_cannot_be(presets, name, words):
    with pytest.raises(InputError, match=words):
        presets.save(name, OIL)
    assert not presets.path.exists()


def test_the_same_letters_are_the_same_name(presets):
    # e with an accent, as one letter and as two.
    presets.save("Mikroskop M\N{LATIN SMALL LETTER E WITH ACUTE}", OIL)
    assert list(presets) == ["Mikroskop M\N{LATIN SMALL LETTER E WITH ACUTE}"]
    with pytest.raises(InputError, match="already"):
        presets.save("Mikroskop Me\N{COMBINING ACUTE ACCENT}", DRY)


def test_a_microscope_that_is_none(presets):
    with pytest.raises(InputError, match="should be a MicroscopePreset"):
        presets.save("Oil", OIL.optics)


def test_deleting(presets):
    presets.save("Oil", OIL)
    presets.save("Dry", DRY)
    presets.delete("Oil")
    assert list(presets) == ["Dry"]
    with pytest.raises(InputError, match="There is no microscope 'Oil'; there are 'Dry'"):
        presets.delete("Oil")


def test_renaming(presets):
    presets.save("Oil", OIL)
    presets.save("Dry", DRY)
    presets.rename("Oil", "Lab oil")
    assert dict(presets) == {"Dry": DRY, "Lab oil": OIL}
    presets.rename("Lab oil", "Lab oil")
    with pytest.raises(InputError, match="already"):
        presets.rename("Lab oil", "Dry")
    with pytest.raises(InputError, match="did you mean 'Lab oil'"):
        presets.rename("Lab oli", "Oil")
    assert dict(presets) == {"Dry": DRY, "Lab oil": OIL}


def test_handing_out(presets, tmp_path):
    presets.save("Oil", OIL)
    presets.save("Dry", DRY)
    presets.export(tmp_path / "oil.json", "Oil")
    presets.export(tmp_path / "all.json")
    other = MicroscopePresets(tmp_path / "other.json")
    assert other.add_from(tmp_path / "oil.json") == ("Oil",)
    # What is there already and the same is no matter.
    assert other.add_from(tmp_path / "all.json") == ("Dry", "Oil")
    assert dict(other) == dict(presets)


def test_what_is_handed_out_takes_no_place(presets, tmp_path):
    presets.save("Oil", OIL)
    presets.export(tmp_path / "oil.json")
    other = MicroscopePresets(tmp_path / "other.json")
    other.save("Oil", DRY)
    with pytest.raises(InputError, match="There is a microscope 'Oil' already"):
        other.add_from(tmp_path / "oil.json")
    assert other["Oil"] == DRY
    other.add_from(tmp_path / "oil.json", overwrite=True)
    assert other["Oil"] == OIL


def test_nothing_to_hand_out(presets, tmp_path):
    with pytest.raises(InputError, match="No microscope is kept"):
        presets.export(tmp_path / "all.json")
    presets.save("Oil", OIL)
    with pytest.raises(InputError, match="There is no microscope 'Dry'"):
        presets.export(tmp_path / "dry.json", "Oil", "Dry")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings"]


def test_their_own_file_is_not_handed_out(presets, tmp_path):
    presets.save("Oil", OIL)
    presets.save("Dry", DRY)
    (tmp_path / "link.json").symlink_to(presets.path)
    for path in (presets.path, tmp_path / "link.json"):
        with pytest.raises(InputError, match="choose another file"):
            presets.export(path, "Oil")
    assert dict(presets) == {"Dry": DRY, "Oil": OIL}


BROKEN = {
    "no JSON": "{",
    "empty": "",
    "another's": '{"a": 1}',
    "a recipe": '{"format": "napari-psf-distiller recipe", "version": 1, "recipe": {}}',
    "later": '{"format": "napari-psf-distiller microscopes", "version": 2, "microscopes": {}}',
    "no object": '{"format": "napari-psf-distiller microscopes", "version": 1, "microscopes": [1]}',
    "unknown field": '{"format": "napari-psf-distiller microscopes", "version": 1, '
    '"microscopes": {"Oil": {"optics": {"colour": "red"}}}}',
    "impossible": '{"format": "napari-psf-distiller microscopes", "version": 1, '
    '"microscopes": {"Oil": {"optics": {"numerical_aperture": 14}}}}',
    "a name of two lines": '{"format": "napari-psf-distiller microscopes", "version": 1, '
    '"microscopes": {"a\\nb": {}}}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_and_stays(presets, text):
    presets.path.parent.mkdir()
    presets.path.write_text(text)
    for act in (
        lambda: list(presets),
        lambda: presets.save("Dry", DRY),
        lambda: presets.save("Dry", DRY, overwrite=True),
        lambda: presets.delete("Oil"),
    ):
        with pytest.raises(InputError, match=r"microscopes\.json") as caught:
            act()
        assert "\n" not in str(caught.value)
    assert presets.path.read_text() == text


def test_a_folder_in_the_files_place(presets):
    presets.path.mkdir(parents=True)
    with pytest.raises(InputError, match="it is no file"):
        presets.save("Oil", OIL)


def test_a_link_that_leads_nowhere(presets, tmp_path):
    presets.path.parent.mkdir()
    presets.path.symlink_to(tmp_path / "away.json")
    with pytest.raises(InputError, match=r"microscopes\.json cannot be read"):
        presets.save("Oil", OIL)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    presets = MicroscopePresets(tmp_path / "file" / "microscopes.json")
    with pytest.raises(InputError, match=r"microscopes\.json cannot be written"):
        presets.save("Oil", OIL)


def test_where_the_users_own_are(monkeypatch, tmp_path):
    monkeypatch.setenv("PSF_DISTILLER_MICROSCOPES", str(tmp_path / "shared.json"))
    assert MicroscopePresets().path == tmp_path / "shared.json"
    monkeypatch.delenv("PSF_DISTILLER_MICROSCOPES")
    own = MicroscopePresets().path
    assert own.is_absolute()
    assert own.parts[-2:] == ("psf-distiller", "microscopes.json")


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind are Unix's")
def test_the_file_keeps_its_permissions(presets):
    presets.save("Oil", OIL)
    presets.path.chmod(0o640)
    presets.save("Dry", DRY)
    assert presets.path.stat().st_mode & 0o777 == 0o640
