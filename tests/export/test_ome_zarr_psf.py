"""A PSF as OME-Zarr, read back with all that it has, and by the specification's own models."""

import json

import numpy as np
import pytest
import zarr
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v05 import Image as Image05
from zarr_files import write_zarr

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, DistillerWarning, InputError
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import is_psf_file, psf_made_with

SPACING = (0.2, 0.08, 0.07)
RECIPE = psfd.Recipe(spacing=SPACING, bead_diameter=0.1)
ARRAY = np.random.default_rng(0).random((4, 5, 7)).astype(np.float32)


def made(array=ARRAY):
    measured = np.ones(array.shape, bool)
    measured[0] = False
    return PSF(array, SPACING[-array.ndim :], error=array / 9, recipe=RECIPE, measured=measured)


@pytest.mark.parametrize("standard", ["0.5", "0.4"])
@pytest.mark.parametrize("axes", ["zyx", "tczyx"])
@pytest.mark.parametrize("array", [ARRAY, ARRAY[:1], ARRAY[0]], ids=["stack", "one plane", "plane"])
def test_the_same_psf_comes_back(tmp_path, standard, axes, array):
    path = tmp_path / "my psf.zarr"
    one = made(array)
    one.save(path, standard=standard, axes=axes)
    back = psfd.read_psf(path)
    for name in ("array", "error", "measured"):
        np.testing.assert_array_equal(getattr(back, name), getattr(one, name))
    assert (back.spacing, back.recipe) == (one.spacing, one.recipe)
    assert is_psf_file(path)
    assert psf_made_with(path) == (one.spacing, RECIPE)
    for name in (path, path / "error"):
        model = (Image05 if standard == "0.5" else Image04).from_zarr(
            zarr.open_group(name, mode="r")
        )
        (scales,) = model.ome_attributes.multiscales
        ndim = array.ndim + 2 * (axes == "tczyx")
        assert len(scales.axes) == ndim
        scale = scales.datasets[0].coordinateTransformations[0].scale
        assert tuple(scale[-array.ndim :]) == one.spacing
    image, spacing = psfd.read_image(path)
    np.testing.assert_array_equal(image, np.squeeze(array))
    assert spacing == one.spacing[-image.ndim :]


def test_a_psf_of_ours_is_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "psf.zarr"
    made().save(path)
    PSF(ARRAY[0], SPACING[1:]).save(path)
    assert psfd.read_psf(path).shape == (5, 7)
    data = tmp_path / "data.zarr"
    write_zarr(data, ARRAY)
    file, link = tmp_path / "file.zarr", tmp_path / "link.zarr"
    file.write_text("mine")
    link.symlink_to(path)
    for other in (data, file, link):
        with pytest.raises(InputError, match="is not replaced"):
            made().save(other)
    np.testing.assert_array_equal(psfd.read_image(data).image, ARRAY)
    assert file.read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "data.zarr",
        "file.zarr",
        "link.zarr",
        "psf.zarr",
    ]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        made().save(tmp_path / "gone" / "psf.zarr")
    with pytest.raises(InputError, match=r"option standard of OME-Zarr is '0\.3'"):
        made().save(tmp_path / "psf.zarr", standard="0.3")
    assert list(tmp_path.iterdir()) == []


def test_a_psf_of_another_program_is_read(tmp_path):
    write_zarr(tmp_path / "psf.zarr", ARRAY[None, None], "tczyx", spacing=SPACING, version="0.4")
    psf = psfd.read_psf(tmp_path / "psf.zarr")
    np.testing.assert_array_equal(psf.array, ARRAY)
    assert psf.spacing == pytest.approx(SPACING)
    assert (psf.recipe, psf.error, psf.model) == (None, None, None)
    assert not is_psf_file(tmp_path / "psf.zarr")
    assert psf_made_with(tmp_path / "psf.zarr") is None
    write_zarr(tmp_path / "psf.zarr", ARRAY, spacing=SPACING, unit=None)
    with pytest.warns(DistillerWarning, match="unit of its voxel size"):
        assert psfd.read_psf(tmp_path / "psf.zarr").spacing == pytest.approx(SPACING)


@pytest.mark.parametrize("standard", ["0.5", "0.4"])
def test_a_voxel_size_that_another_program_changed_counts_and_is_told(tmp_path, standard):
    path = tmp_path / "psf.zarr"
    made().save(path, standard=standard)
    group = zarr.open_group(path, mode="r+")
    said = group.attrs.asdict()
    ome = said.get("ome", said)
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] = [0.2, 0.1, 0.1]
    group.attrs.update(said)
    with pytest.warns(DistillerWarning, match=r"0\.2 x 0\.1 x 0\.1 .*another program changed that"):
        psf = psfd.read_psf(path)
    assert psf.spacing == (0.2, 0.1, 0.1)
    np.testing.assert_array_equal(psf.array, ARRAY)
    assert psf_made_with(path)[0] == (0.2, 0.1, 0.1)


def test_a_psf_of_another_program_that_cannot_be_one_is_told(tmp_path):
    path = tmp_path / "psf.zarr"
    write_zarr(path, ARRAY, unit=None)
    with pytest.raises(InputError, match="does not say how large its voxels are"):
        psfd.read_psf(path)
    write_zarr(path, np.stack([ARRAY] * 2), "czyx", spacing=SPACING)
    with pytest.raises(InputError, match="has 2 channels and 1 times; a PSF has one"):
        psfd.read_psf(path)
    group = zarr.open_group(path, mode="w")
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for number in range(2):
        write_zarr(path / str(number), ARRAY, spacing=SPACING)
    with pytest.raises(InputError, match=r"holds 2 images; .* such as .*psf\.zarr/0"):
        psfd.read_psf(path)
    assert psfd.read_psf(path / "1").shape == ARRAY.shape


def test_a_damaged_or_later_psf_is_told(tmp_path):
    path = tmp_path / "psf.zarr"
    made().save(path)
    chunk = path / "error/0/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(InputError, match=r"psf\.zarr is damaged"):
        psfd.read_psf(path)
    group = zarr.open_group(path, mode="r+")
    group.attrs["napari-psf-distiller"] |= {"version": 99}
    with pytest.raises(InputError, match="format version 99"):
        psfd.read_psf(path)


def test_a_psf_larger_than_the_memory_is_not_read(tmp_path):
    path = tmp_path / "psf.zarr"
    made().save(path)
    zarr.open_array(path / "0", mode="r+").resize((10**5,) * 3)
    with pytest.raises(InputError, match="more than the memory of this machine"):
        psfd.read_psf(path)


def test_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made().save("psf.tif")
    write_zarr(tmp_path / "data.zarr", ARRAY)
    assert main(["export", "psf.tif", "-o", "out.zarr", "--standard", "0.4"]) == 0
    assert "(OME-Zarr)" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.zarr/.zgroup").read_text()) == {"zarr_format": 2}
    for arguments, told in [
        (["psf.tif", "-o", "out.zarr"], "exists already"),
        (["psf.tif", "-o", "data.zarr", "--overwrite"], "is not replaced"),
        (["out.zarr", "-o", "out.zarr", "--overwrite"], "is one of the inputs"),
    ]:
        assert main(["export", *arguments]) == 2
        assert told in capsys.readouterr().err
    assert main(["export", "psf.tif", "-o", "out.zarr", "--overwrite"]) == 0
    assert main(["export", "out.zarr", "-o", "again.npz"]) == 0
    np.testing.assert_array_equal(psfd.read_psf("again.npz").error, made().error)
