"""Formats of other programs, each read back by another reader or with another formula."""

import os
import pathlib
import warnings

import mrc
import numpy as np
import pytest
import scipy.io
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from scipy.io import loadmat

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, DistillerWarning, InputError
from napari_psf_distiller.export.cubic_spline import coefficients

SPACING = (0.2, 0.08, 0.08)
SHAPE = (12, 16, 18)

OWN_FORMATS = [
    ("deconwolf", "psf.tif"),
    ("cudadecon OTF", "psf.tif"),
    ("Priism OTF", "psf.otf"),
    ("cubic spline", "psf_3dcal.mat"),
]


@pytest.fixture(scope="module")
def psf():
    """One that is no symmetric about anything, with even sizes."""
    z, y, x = np.indices(SHAPE).astype(float) - np.reshape([n // 2 for n in SHAPE], (3, 1, 1, 1))
    array = np.exp(-((z / 3) ** 2) - ((y + 0.2 * z) / 2) ** 2 - (x / 2.5) ** 2 + 0.02 * x * y)
    return PSF(array / array.sum(), spacing=SPACING)


@pytest.fixture(scope="module")
def round_psf():
    """One that is the same all around the optical axis."""
    z, y, x = np.indices((11, 24, 24)).astype(float) - np.reshape([5, 12, 12], (3, 1, 1, 1))
    array = np.exp(-(((z - 0.1) / 2) ** 2) - (y**2 + x**2) / 8)
    return PSF(array / array.sum(), spacing=SPACING)


# plain TIFF


def test_plain_tiff_is_the_voxels_as_imagej_reads_them(psf, tmp_path):
    psf.save(tmp_path / "psf.plain.tif")
    with tifffile.TiffFile(tmp_path / "psf.plain.tif") as tiff:
        found, page, metadata = tiff.asarray(), tiff.pages[0], tiff.imagej_metadata
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, psf.array, rtol=1e-6)
    assert page.compression == 1
    assert (metadata["spacing"], metadata["unit"], metadata["slices"]) == (0.2, "um", 12)
    assert "Info" not in metadata
    assert psfd.read_psf(tmp_path / "psf.plain.tif").spacing == pytest.approx(SPACING)


def test_plain_tiff_with_its_peak_in_the_first_voxel_multiplies_transforms(psf, tmp_path):
    psf.save(tmp_path / "psf.tif", format="plain-tiff", centre="first", scale="maximum")
    found = tifffile.imread(tmp_path / "psf.tif")
    assert found[0, 0, 0] == found.max() == 1
    np.testing.assert_allclose(np.fft.fftshift(found), psf.array / psf.array.max(), rtol=1e-6)


def test_plain_tiff_with_odd_sizes_keeps_the_peak_in_the_middle(psf, tmp_path):
    psf.save(tmp_path / "psf.tif", format="Plain TIFF", sizes="odd")
    found = tifffile.imread(tmp_path / "psf.tif")
    assert found.shape == (11, 15, 17)
    assert found[5, 7, 8] == found.max()
    assert found.sum() == pytest.approx(1, rel=1e-5)


def test_plain_tiff_as_whole_numbers(psf, tmp_path):
    psf.save(tmp_path / "psf.tif", format="plain TIFF", dtype="uint16")
    found = tifffile.imread(tmp_path / "psf.tif")
    assert found.dtype == np.uint16
    np.testing.assert_allclose(found / 65535, psf.array / psf.array.max(), atol=0.51 / 65535)


def test_a_plane_is_written_too(tmp_path):
    PSF(np.eye(8) + np.diag([0, 0, 0, 0, 5, 0, 0, 0]), (0.1, 0.1)).save(tmp_path / "psf.plain.tif")
    assert tifffile.imread(tmp_path / "psf.plain.tif").shape == (8, 8)


def test_a_psf_without_light_cannot_be_scaled(tmp_path):
    array = -np.ones((3, 3, 3))
    array[1, 1, 1] = -0.5
    for options in ({}, {"scale": "maximum"}, {"dtype": "uint16"}):
        with pytest.raises(InputError, match="is not positive, so it cannot be scaled to 1"):
            PSF(array, SPACING).save(tmp_path / "psf.plain.tif", **options)
    assert list(tmp_path.iterdir()) == []


# deconwolf


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_deconwolf_gets_odd_sizes_and_the_peak_in_the_middle(psf, tmp_path, dtype):
    psf.save(tmp_path / "psf.deconwolf.tif", dtype=dtype)
    with tifffile.TiffFile(tmp_path / "psf.deconwolf.tif") as tiff:
        found, compression = tiff.asarray(), tiff.pages[0].compression
    assert (str(found.dtype), compression) == (dtype, 1)
    assert found.shape == (11, 15, 17)
    assert found[5, 7, 8] == found.max()


# OTF


def test_cudadecon_gets_real_and_imaginary_parts_by_ring_and_plane(round_psf, tmp_path):
    round_psf.save(tmp_path / "psf.otf.tif")
    stored = tifffile.imread(tmp_path / "psf.otf.tif")
    assert stored.dtype == np.float32
    assert stored.shape == (13, 22)
    otf = stored[:, ::2] + 1j * stored[:, 1::2]
    assert otf[0, 0] == pytest.approx(1, abs=1e-6)
    assert np.abs(otf).max() == pytest.approx(1, abs=1e-6)
    # Of a real PSF it is its own conjugate at the opposite frequency.
    np.testing.assert_allclose(otf[:, 1:], otf[:, :0:-1].conj(), atol=1e-6)
    # A Gaussian's transform is known; the peak lies 0.1 planes off the middle.
    k, f = np.arange(7) / 24, np.fft.fftfreq(11)
    expected = np.exp(-8 * (np.pi * k[:, None]) ** 2 - 4 * (np.pi * f) ** 2 - 0.2j * np.pi * f)
    np.testing.assert_allclose(otf[:7], expected, atol=3e-3)


def test_an_otf_that_cudadecon_cannot_hold_is_refused_with_a_shape_that_it_can(tmp_path):
    array = np.zeros((101, 200, 200))
    array[50, 100, 100] = 1
    with pytest.raises(InputError, match="cudadecon has 60000 for it") as refused:
        PSF(array, SPACING).save(tmp_path / "psf.otf.tif")
    planes, size, _ = map(int, str(refused.value).rstrip(".").split("such as ")[1].split(" x "))
    array = np.zeros((planes, size, size))
    array[planes // 2, size // 2, size // 2] = 1
    PSF(array, SPACING).save(tmp_path / "psf.otf.tif")


def test_priism_gets_the_same_otf_with_its_steps(round_psf, tmp_path):
    round_psf.save(tmp_path / "psf.otf")
    round_psf.save(tmp_path / "psf.otf.tif")
    stored = tifffile.imread(tmp_path / "psf.otf.tif")
    with mrc.DVFile(tmp_path / "psf.otf") as file:
        found, steps = file.asarray(), file.voxel_size
    np.testing.assert_array_equal(found, stored[:, ::2] + 1j * stored[:, 1::2])
    assert steps.x == pytest.approx(1 / (11 * 0.2))
    assert steps.y == pytest.approx(1 / (24 * 0.08))


# DV


def test_dv_has_the_voxels_and_their_size(psf, tmp_path):
    recipe = psfd.Recipe(optics=psfd.Optics(wavelength=0.525))
    PSF(psf.array, SPACING, recipe=recipe).save(tmp_path / "psf.dv")
    with mrc.DVFile(tmp_path / "psf.dv") as file:
        found, voxel, header = file.asarray(), file.voxel_size, file.hdr
    np.testing.assert_allclose(found, psf.array, rtol=1e-6)
    assert (voxel.z, voxel.y, voxel.x) == pytest.approx(SPACING)
    assert (header.wave1, header.nz, header.nc, header.nt) == (525, 12, 1, 1)
    assert header.max == pytest.approx(psf.array.max())


# cubic spline


def spline_value(coeff, place):
    """A spline's value at a place (first, second, third axis), as fit3Dcspline's kernel has it."""
    boxes = np.minimum(np.floor(place).astype(int), np.array(coeff.shape[:3]) - 1)
    first, second, third = place - boxes
    powers = np.arange(4)
    deltas = np.multiply.outer(
        np.multiply.outer(third**powers, second**powers), first**powers
    ).ravel()
    return float(coeff[tuple(boxes)] @ deltas)


def test_the_spline_file_as_decode_reads_it(psf, tmp_path):
    psf.save(tmp_path / "psf_3dcal.mat")
    found = loadmat(tmp_path / "psf_3dcal.mat", struct_as_record=False, squeeze_me=True)["SXY"]
    spline = found.cspline
    assert (spline.coeff.dtype, spline.coeff.shape) == (np.float32, (14, 14, 11, 64))
    assert (spline.dz, spline.z0, spline.x0) == (200, 6, 8)
    # The focus, where the programs look for it, and the light of the planes about it.
    middle = np.array([spline.x0 - 1, spline.x0 - 1, spline.z0])
    volume = np.moveaxis(psf.array[:, 1:, 2:17], 0, -1)
    brightness = volume[..., 5:8].sum() / 3
    assert spline_value(spline.coeff, middle) == pytest.approx(psf.array.max() / brightness)
    assert spline_value(spline.coeff, middle + np.array([2, 0, 1])) == pytest.approx(
        float(psf.array[7, 10, 9]) / brightness, rel=1e-5
    )


@settings(max_examples=25, deadline=None)
@given(place=st.tuples(*(st.floats(0, n - 1) for n in (6, 7, 5))), seed=st.integers(0, 99))
def test_the_coefficients_are_the_cubic_spline_through_all_voxels(place, seed):
    array = np.random.default_rng(seed).random((5, 6, 7))
    z, y, x = place[2], place[0], place[1]
    axes = [np.arange(n) for n in array.shape]
    expected = RegularGridInterpolator(axes, array, method="cubic")((z, y, x))
    found = spline_value(coefficients(array), np.array([y, x, z]))
    assert found == pytest.approx(float(expected), abs=1e-4)


# NumPy


def test_numpy_archive_comes_back_whole(psf, tmp_path):
    one = PSF(psf.array, SPACING, error=psf.array / 10, recipe=psfd.Recipe())
    one.save(tmp_path / "psf.npz")
    with np.load(tmp_path / "psf.npz") as arrays:
        np.testing.assert_array_equal(arrays["psf"], psf.array)
        np.testing.assert_array_equal(arrays["spacing"], SPACING)
    other = psfd.read_psf(tmp_path / "psf.npz")
    np.testing.assert_array_equal(other, one)
    np.testing.assert_array_equal(other.error, one.error)
    assert (other.spacing, other.recipe, other.model) == (SPACING, one.recipe, None)


def test_numpy_archive_keeps_the_functions(tmp_path):
    field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillerWarning)
        one = psfd.distill(field.image, spacing=field.spacing, device="numpy").psf
    one.save(tmp_path / "psf.npz")
    other = psfd.read_psf(tmp_path / "psf.npz")
    finer = (0.1, 0.04, 0.04)
    # Functions are stored in single precision.
    np.testing.assert_allclose(other.evaluate(finer), one.evaluate(finer), atol=1e-8)


@pytest.mark.parametrize("name", ["psf.npz", "psf.tif", "psf.ome.tif"])
def test_what_was_measured_is_kept(tmp_path, name):
    array = np.random.default_rng(3).random((5, 7, 9)).astype(np.float32)
    measured = array > 0.3
    PSF(array, SPACING, measured=measured).save(tmp_path / name)
    np.testing.assert_array_equal(psfd.read_psf(tmp_path / name).measured, measured)


@pytest.mark.parametrize("content", ["text", "other", "note", "short"])
def test_an_archive_that_is_no_psf_is_one_sentence(psf, tmp_path, content):
    path = tmp_path / "psf.npz"
    psf.save(path)
    if content == "text":
        path.write_text("no archive")
    elif content == "other":
        np.savez(path, a=np.ones(3))
    elif content == "note":
        np.savez(path, psf=np.ones((3, 3, 3)), note="[")
    else:
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"psf\.npz (cannot be read|holds no PSF)"):
        psfd.read_psf(path)
    with pytest.raises(InputError, match="There is no file"):
        psfd.read_psf(tmp_path / "none.npz")


# What cannot be


@pytest.mark.parametrize(("name", "file"), OWN_FORMATS)
def test_a_plane_and_a_peak_off_the_middle_are_refused(psf, tmp_path, name, file):
    with pytest.raises(InputError, match="The PSF has 2 axes"):
        PSF(psf.array[6], SPACING[1:]).save(tmp_path / file, format=name)
    with pytest.raises(InputError, match=r"brightest voxel is 8, 8, 9, .* at 6, 8, 9\. Crop"):
        PSF(np.roll(psf.array, 2, axis=0), SPACING).save(tmp_path / file, format=name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "file"), OWN_FORMATS[1:])
def test_pixels_that_are_not_square_are_refused(psf, tmp_path, name, file):
    with pytest.raises(InputError, match=r"pixels are 0\.1 x 0\.08 µm, .* square ones"):
        PSF(psf.array, (0.2, 0.1, 0.08)).save(tmp_path / file, format=name)


def test_a_spline_takes_enough_voxels_and_not_too_many(psf, tmp_path):
    for shape, words in (((3, 5, 5), "takes 4"), ((400, 150, 150), "2 GiB")):
        array = np.zeros(shape)
        array[tuple(n // 2 for n in shape)] = 1
        with pytest.raises(InputError, match=words):
            PSF(array, SPACING).save(tmp_path / "psf.mat")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nonsense", {}, "There is no format 'nonsense'; there are ImageJ TIFF, OME-TIFF,"),
        (3, {}, "There is no format 3"),
        ("NumPy", {}, r"cannot be written as NumPy: its name must end in \.npz\."),
        ("deconwolf", {"centre": "first"}, r"deconwolf: .*'centre'\. Its options are dtype\."),
        ("deconwolf", {"dtype": "int8"}, "dtype of deconwolf is 'int8'; it should be float32 or"),
        ("OME-TIFF", {}, r"its name must end in \.ome\.tif or \.ome\.tiff"),
    ],
)
def test_what_is_no_format_or_option_is_one_sentence(psf, tmp_path, name, options, words):
    with pytest.raises(InputError, match=words):
        psf.save(tmp_path / "psf.tif", format=name, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.plain.tif", "a.otf.tif", "a.dv", "a.otf", "a.mat", "a.npz"])
def test_a_full_disk_leaves_nothing(psf, tmp_path, monkeypatch, name):
    class Full:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, attribute):
            return getattr(self.file, attribute)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, _):
            raise OSError(28, os.strerror(28))

    (tmp_path / name).write_text("before")
    own_open = pathlib.Path.open
    monkeypatch.setattr(pathlib.Path, "open", lambda *a, **k: Full(own_open(*a, **k)))
    for module, writer in ((tifffile, "imwrite"), (scipy.io, "savemat")):
        monkeypatch.setattr(module, writer, lambda *a, **k: Full(None).write(b""))
    with pytest.raises(InputError, match="No space left on device"):
        psf.save(tmp_path / name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "before")]
