"""A PSF as an object: an array to NumPy, with what is known of it, in files and notebooks."""

import base64
import copy
import io
import re
import warnings
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_psf_distiller as psfd
from napari_psf_distiller import PSF, InputError, Recipe
from napari_psf_distiller.io.psf_files import ARRAYS_TAG

SPACING = (0.2, 0.08, 0.08)
RECIPE = Recipe(spacing=SPACING, bead_diameter=0.1)


@pytest.fixture(scope="module")
def distilled() -> PSF:
    """One with errors, functions and recipe."""
    field = psfd.simulate_beads((24, 64, 64), beads=4, seed=1)
    optics = psfd.Optics(1.2, 0.52, 1.33)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", psfd.DistillerWarning)  # the field is small
        return psfd.distill(
            field.image, field.spacing, bead_diameter=0.1, optics=optics, device="numpy"
        ).psf


@pytest.fixture(scope="module")
def bare() -> PSF:
    return PSF(psfd.simulate_psf((15, 31, 31), SPACING), SPACING)


def test_numpy_takes_it_as_an_array(bare):
    array = np.asarray(bare)
    assert array.dtype == np.float32
    assert (bare.shape, bare.ndim, bare.dtype, len(bare)) == ((15, 31, 31), 3, np.float32, 15)
    assert np.asarray(bare, float).dtype == np.float64
    assert np.array(bare, copy=True).flags.writeable
    np.testing.assert_array_equal(bare[7, 15], array[7, 15])
    for computed, expected in (
        (np.sqrt(bare), np.sqrt(array)),
        (2 * bare - 1, 2 * array - 1),
        (array / bare.array.max(), bare / np.max(bare)),
        (bare > 0.001, array > 0.001),
        (np.add.reduce(bare), array.sum(axis=0)),
    ):
        assert type(computed) is np.ndarray
        np.testing.assert_array_equal(computed, expected)


def test_it_cannot_be_written_to(distilled):
    for array in (distilled.array, distilled.error, np.asarray(distilled)):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 1
    with pytest.raises(AttributeError):
        distilled.spacing = (1, 1, 1)
    with pytest.raises(ValueError, match="without a copy"):
        distilled.__array__(np.float64, copy=False)


def test_what_is_measured_of_it(bare):
    assert bare.fwhm() == psfd.fwhm(bare.array, SPACING)
    otf = bare.otf()
    assert isinstance(otf, psfd.OTFSection)
    assert otf.magnitude.max() == pytest.approx(1)
    assert otf.magnitude[len(otf.down) // 2, len(otf.across) // 2] == pytest.approx(1)


def test_it_is_the_same_at_every_place(distilled):
    assert distilled.at(10, 20) is distilled
    assert distilled.at(y=10.5, x=3, z=2) is distilled
    for place in ((np.nan, 1), ("left", 1), (1, 1, np.inf)):
        with pytest.raises(InputError, match="place along"):
            distilled.at(*place)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ((np.ones((5, 5)), (0.1, 0.1)), "constant"),
        ((np.eye(5) * np.nan, (0.1, 0.1)), "NaN"),
        ((np.eye(5), (0.1,)), "1 values, but the image has 2"),
        ((np.eye(5), None), "voxel size is not known"),
        ((np.eye(5), (0.1, 0.1), np.eye(6)), r"shape \(5, 5\), its error \(6, 6\)"),
        ((np.eye(5), (0.1, 0.1), None, "recipe"), "should be a Recipe"),
        ((np.eye(5), (0.1, 0.1), None, None, "model"), "should be a FittedFunctions"),
        ((np.zeros((2, 3, 4, 5)), (0.1, 0.1)), "4 axes"),
    ],
)
def test_what_is_no_psf_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        PSF(*fields)


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif", "psf.zarr", "psf.npz"])
def test_a_file_has_all_that_is_known(distilled, tmp_path, name):
    distilled.save(tmp_path / name)
    back = psfd.read_psf(tmp_path / name)
    np.testing.assert_array_equal(back, distilled)
    np.testing.assert_array_equal(back.error, distilled.error)
    assert (back.spacing, back.recipe) == (distilled.spacing, distilled.recipe)
    finer = [0.7 * size for size in SPACING]
    expected = distilled.evaluate(finer, with_error=True)
    found = back.evaluate(finer, with_error=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.array.max())
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-5)
    # A file of a file is the same again.
    back.save(tmp_path / f"again.{name}")
    third = psfd.read_psf(tmp_path / f"again.{name}")
    np.testing.assert_array_equal(third.model.amplitudes, back.model.amplitudes)


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
def test_others_read_such_a_file_too(distilled, tmp_path, name):
    distilled.save(tmp_path / name)
    with tifffile.TiffFile(tmp_path / name) as tiff:
        assert (tiff.is_imagej, tiff.is_ome) == (name == "psf.tif", name == "psf.ome.tif")
        assert (len(tiff.series), tiff.series[0].axes) == (1, "ZYX")
        np.testing.assert_array_equal(tiff.asarray(), distilled)
        assert ARRAYS_TAG in tiff.pages[0].tags
        kept = tiff.pages[0].tags[ARRAYS_TAG].value
        texts = [tag.value for tag in tiff.pages[0].tags if isinstance(tag.value, str)]
        text = (tiff.imagej_metadata or {}).get("Info") or tiff.ome_metadata
    # What people see is text, and not long.
    assert text.isprintable() or text.startswith("<?xml")
    assert max(len(one) for one in [text, *texts]) < 20_000
    # The errors and functions are plain arrays to anybody.
    with np.load(io.BytesIO(kept)) as arrays:
        np.testing.assert_array_equal(arrays["error"], distilled.error)
        assert arrays["functions.amplitudes"].dtype == np.float32
    image: Any
    with Image.open(tmp_path / name) as image:
        assert image.n_frames == len(distilled)
        assert ARRAYS_TAG in image.tag_v2
        image.seek(3)
        # Once, not in every plane.
        assert ARRAYS_TAG not in image.tag_v2
        np.testing.assert_array_equal(np.asarray(image), distilled[3])


def test_a_file_from_before_has_neither_errors_nor_functions(distilled, tmp_path):
    PSF(distilled.array, SPACING, recipe=RECIPE).save(tmp_path / "psf.tif")
    with tifffile.TiffFile(tmp_path / "psf.tif") as tiff:
        assert ARRAYS_TAG not in tiff.pages[0].tags
    back = psfd.read_psf(tmp_path / "psf.tif")
    assert (back.error, back.model, back.recipe) == (None, None, RECIPE)


@pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")
@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif"])
def test_a_damaged_file_gives_no_other_error(distilled, tmp_path, name):
    small = distilled.evaluate(shape=(3, 5, 5), with_error=True)
    small.save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    with tifffile.TiffFile(tmp_path / name) as tiff:
        tag = tiff.pages[0].tags[ARRAYS_TAG]
        first, count = tag.valueoffset, tag.count
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.choice(count, 100, replace=False) + first:
        damaged = bytearray(whole)
        damaged[position] ^= int(rng.integers(1, 256))
        (tmp_path / name).write_bytes(damaged)
        try:
            psfd.read_psf(tmp_path / name)
        except InputError:
            refused += 1
    assert refused > 80


def test_functions_of_a_kind_that_is_not_known_are_left_out(distilled, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_psf_distiller.psf.functions.KIND", "of a later version")
    distilled.save(tmp_path / "psf.tif")
    monkeypatch.undo()
    back = psfd.read_psf(tmp_path / "psf.tif")
    assert back.model is None
    np.testing.assert_array_equal(back.error, distilled.error)


def test_what_it_says_of_itself(bare, distilled):
    assert repr(bare).startswith("PSF(15 x 31 x 31 voxels of 0.2 x 0.08 x 0.08 µm, FWHM z ")
    assert "errors" not in repr(bare)
    assert repr(distilled).endswith("with errors, with functions)")
    assert "wider than the window" in repr(PSF(np.eye(5) + 1, (0.1, 0.1)))


def test_a_notebook_shows_a_table_and_pictures(bare):
    html = bare._repr_html_()
    assert "15 x 31 x 31" in html
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", html)
    shapes = []
    for data in pictures:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            shapes.append(np.asarray(image).shape)
            assert np.asarray(image).max() == 255
    assert shapes == [(31, 31), (15, 31)]
    flat = PSF(bare.array[7], SPACING[1:])
    assert flat._repr_html_().count("data:image/png") == 1
    # Along z the voxels are longer.
    heights = [float(found) for found in re.findall(r"height:(\d+)px", html)]
    assert heights[1] / heights[0] == pytest.approx(15 * 0.2 / (31 * 0.08), rel=0.02)


def test_it_can_be_copied(distilled):
    again = copy.deepcopy(distilled)
    np.testing.assert_array_equal(again, distilled)
    np.testing.assert_array_equal(again.evaluate(), distilled.evaluate())
