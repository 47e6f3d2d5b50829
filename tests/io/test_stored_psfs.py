"""PSFs in files of other kinds: DeltaVision's, and those of which none is read."""

import struct

import mrc
import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, InputError
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import write_image

SPACING = (0.2, 0.08, 0.07)
ARRAY = np.random.default_rng(0).random((4, 5, 7)).astype(np.float32)
ARRAY /= ARRAY.sum()


@pytest.mark.parametrize("array", [ARRAY, ARRAY[0]], ids=["stack", "plane"])
def test_a_deltavision_file_is_read_back(tmp_path, array):
    PSF(array / array.sum(), SPACING[-array.ndim :]).save(tmp_path / "psf.dv")
    psf = psfd.read_psf(tmp_path / "psf.dv")
    np.testing.assert_allclose(psf.array, array / array.sum(), rtol=1e-6)
    assert psf.spacing == pytest.approx(SPACING[-array.ndim :])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_a_deltavision_file_of_another_program_is_read(tmp_path, dtype):
    stack = (ARRAY * 9000).astype(dtype)
    mrc.imsave(str(tmp_path / "psf.dv"), stack, zAxisOrder="z")
    with (tmp_path / "psf.dv").open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<3f", 0.07, 0.08, 0.2))
    psf = psfd.read_psf(tmp_path / "psf.dv")
    np.testing.assert_array_equal(psf.array, stack)
    assert psf.spacing == pytest.approx(SPACING)


def changed(path, place, kind, value):
    PSF(ARRAY, SPACING).save(path)
    content = bytearray(path.read_bytes())
    struct.pack_into(kind, content, place, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("place", "kind", "value", "told"),
    [
        (12, "<i", 4, "holds complex numbers, as an OTF has"),
        (12, "<i", 77, r"stores its numbers in a way \(77\)"),
        (8, "<i", 900, "is damaged or cut short"),
        (8, "<i", -4, "is damaged or cut short"),
        (92, "<i", -1, "is no DeltaVision file"),
        (96, "<h", 0, "is no DeltaVision file"),
        (180, "<h", 2, "holds 2 times and 1 wavelengths"),
        (196, "<h", 3, "holds 1 times and 3 wavelengths"),
        (40, "<f", 0.0, "cannot be a microscope's"),
        (40, "<f", float("nan"), "cannot be a microscope's"),
    ],
)
def test_a_deltavision_file_that_is_no_psf_is_told(tmp_path, place, kind, value, told):
    with pytest.raises(InputError, match=told):
        psfd.read_psf(changed(tmp_path / "psf.dv", place, kind, value))


def test_what_is_no_file_is_told(tmp_path):
    (tmp_path / "short.dv").write_bytes(b"short")
    with pytest.raises(InputError, match="is no DeltaVision file"):
        psfd.read_psf(tmp_path / "short.dv")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        psfd.read_psf(tmp_path / "gone.dv")


@pytest.mark.parametrize("name", ["psf.otf", "PSF.OTF.TIF", "psf_3dcal.mat"])
def test_an_otf_or_a_spline_is_not_read_back(tmp_path, name):
    with pytest.raises(InputError, match="Give the file that it was made from, such as"):
        psfd.read_psf(tmp_path / name)


@pytest.mark.parametrize("name", ["psf.dv", "psf.h5", "psf.zarr", "psf.npz"])
def test_an_image_is_deconvolved_with_each_kind(tmp_path, capsys, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = psfd.simulate_psf((5, 9, 9), (0.2, 0.1, 0.1))
    psf = PSF(array, (0.2, 0.1, 0.1))
    psf.save(name)
    image = np.random.default_rng(1).random((6, 16, 16)) + 5
    write_image("cells.tif", image, spacing=(0.2, 0.1, 0.1))
    options = ["--iterations", "2", "--device", "numpy"]
    assert main(["deconvolve", "cells.tif", name, "-o", "out.tif", *options]) == 0
    assert "Note" not in capsys.readouterr().out
    # Without functions it must have the image's voxels.
    write_image("other.tif", image, spacing=(0.3, 0.1, 0.1))
    assert main(["deconvolve", "other.tif", name, "-o", "never.tif", *options]) == 2
    assert "The PSF has voxels of 0.2 x 0.1 x 0.1 micrometres" in capsys.readouterr().err


def test_a_psf_without_a_voxel_size_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("psf.tif", psfd.simulate_psf((5, 9, 9), (0.2, 0.1, 0.1)), spacing=None)
    image = np.random.default_rng(1).random((6, 16, 16)) + 5
    write_image("cells.tif", image, spacing=(0.2, 0.1, 0.1))
    options = ["--iterations", "2", "--device", "numpy"]
    assert main(["deconvolve", "cells.tif", "psf.tif", "-o", "out.tif", *options]) == 0
    assert "The PSF's voxel size is not known: it was taken to be the image's" in (
        capsys.readouterr().out
    )
