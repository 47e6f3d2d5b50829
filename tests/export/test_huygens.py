"""A PSF as Huygens stores it, written and read by h5py."""

import sys

import h5py
import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, InputError, Optics, Recipe

SPACING = (0.2, 0.08, 0.07)
ARRAY = np.random.default_rng(0).random((4, 5, 7)).astype(np.float32)
ARRAY /= ARRAY.sum()
OPTICS = Optics(1.2, 0.52, 1.33, microscope="confocal", excitation=0.488)


def test_the_voxels_their_size_and_the_microscope_are_in_the_file(tmp_path):
    path = tmp_path / "my psf.h5"
    PSF(ARRAY, SPACING, recipe=Recipe(spacing=SPACING, optics=OPTICS)).save(path)
    with h5py.File(path) as file:
        (group,) = file.values()
        image = group["ImageData/Image"]
        assert (image.shape, image.dtype) == ((1, 1, 4, 5, 7), np.float32)
        np.testing.assert_allclose(image[0, 0], ARRAY, rtol=1e-6)
        assert [dim.label for dim in image.dims] == list("CTZYX")
        for axis, size, dim in zip("ZYX", SPACING, tuple(image.dims)[2:], strict=True):
            assert group[f"ImageData/DimensionScale{axis}"][()] == pytest.approx(size * 1e-6)
            assert dim[0][()] == pytest.approx(size * 1e-6)
            names = h5py.check_enum_dtype(dim[0].attrs.get_id("State").dtype)
            assert dim[0].attrs["State"] == names["Reported"]
        physical = group["PhysicalData"]
        found = {name: physical[name][0] for name in physical if physical[name].shape == (1,)}
        text = {name: physical[name].asstr()[()] for name in physical if not physical[name].shape}
    assert found == pytest.approx(
        {
            "NumericalAperture": 1.2,
            "RefractiveIndexLensImmersionMedium": 1.33,
            "EmissionWavelength": 0.52e-6,
            "ExcitationWavelength": 0.488e-6,
            "ExcitationPhotonCount": 1,
        }
    )
    assert text["MicroscopeTypeStr"] == "confocal"


@pytest.mark.parametrize("array", [ARRAY, ARRAY[0]], ids=["stack", "plane"])
def test_it_is_read_back(tmp_path, array):
    psf = PSF(array / array.sum(), SPACING[-array.ndim :])
    psf.save(tmp_path / "psf.h5")
    back = psfd.read_psf(tmp_path / "psf.h5")
    np.testing.assert_allclose(back.array, psf.array, rtol=1e-6)
    assert back.spacing == pytest.approx(psf.spacing)
    psf.save(tmp_path / "psf.hdf5", format="Huygens", scale="maximum")
    assert psfd.read_psf(tmp_path / "psf.hdf5").array.max() == 1


def stored(path, voxels=ARRAY[None, None], sizes=(2e-7, 8e-8, 7e-8), names=("one",)):
    with h5py.File(path, "w") as file:
        for name in names:
            group = file.create_group(f"{name}/ImageData")
            group["Image"] = voxels
            for axis, size in zip("ZYX", sizes, strict=False):
                group[f"DimensionScale{axis}"] = np.array([size])
    return path


@pytest.mark.parametrize(
    ("times", "told"), [(300, "has the shape"), (1, "more than the memory of this machine")]
)
def test_what_is_no_psf_is_not_read(tmp_path, times, told):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        shape = (1, times, 40_000, 40_000, 40_000)
        # Of what is never written there is nothing on the disk.
        file.create_dataset("one/ImageData/Image", shape, np.float32, chunks=(1, 1, 1, 64, 64))
    with pytest.raises(InputError, match=told):
        psfd.read_psf(tmp_path / "cells.h5")


def test_one_of_another_program_is_read(tmp_path):
    psf = psfd.read_psf(stored(tmp_path / "psf.h5"))
    np.testing.assert_array_equal(psf.array, ARRAY)
    assert psf.spacing == pytest.approx(SPACING)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"sizes": ()}, "does not say how large its voxels are"),
        ({"sizes": (0, 0, 0)}, "does not say how large its voxels are"),
        ({"sizes": (2e-7, 8e-8, 1.0)}, "cannot be a microscope's"),
        ({"names": ()}, "holds 0 images as Huygens"),
        ({"names": ("one", "two")}, "holds 2 images as Huygens"),
        ({"voxels": np.stack([ARRAY] * 2)[:, None]}, r"has the shape \(2, 1, 4, 5, 7\)"),
        ({"voxels": ARRAY[0, 0]}, r"has the shape \(7,\)"),
    ],
)
def test_what_is_no_psf_is_told(tmp_path, content, told):
    with pytest.raises(InputError, match=told):
        psfd.read_psf(stored(tmp_path / "psf.h5", **content))


def test_a_damaged_file_is_told(tmp_path):
    path = stored(tmp_path / "psf.h5")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        psfd.read_psf(path)
    with pytest.raises(InputError, match="There is no file"):
        psfd.read_psf(tmp_path / "gone.h5")


def test_without_h5py_it_is_said_how_it_is_had(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    for do in (lambda path: PSF(ARRAY, SPACING).save(path), psfd.read_psf):
        with pytest.raises(InputError, match=r"pip install \"napari-psf-distiller\[huygens\]\""):
            do(tmp_path / "psf.h5")
    assert list(tmp_path.iterdir()) == []
