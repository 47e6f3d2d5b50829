"""A PSF from each of several images: from arrays, files and folders, and when some give none."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from ome_files import write_ome

import napari_psf_distiller as psfd
from napari_psf_distiller import DistillerWarning, InputError
from napari_psf_distiller.batch.files import images_in
from napari_psf_distiller.batch.run import BatchImage, batch_steps
from napari_psf_distiller.batch.table import BatchRow, batch_table, write_batch_table
from napari_psf_distiller.io import write_image
from napari_psf_distiller.progress import finish

SPACING = (0.2, 0.08, 0.08)

# Of so few beads there is something to know.
pytestmark = pytest.mark.filterwarnings("ignore::napari_psf_distiller.DistillerWarning")


@pytest.fixture(scope="module")
def images():
    return [psfd.simulate_beads((24, 64, 64), SPACING, beads=4, seed=seed).image for seed in (1, 2)]


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    made = tmp_path_factory.mktemp("beads")
    for name, image in zip(("a.tif", "b.tif"), images, strict=True):
        write_image(made / name, image, spacing=SPACING)
    (made / "notes.txt").write_text("no image")
    return made


@pytest.fixture(scope="module")
def batch(folder):
    optics = psfd.Optics(1.2, 0.52, 1.33)
    return psfd.distill_each(folder, bead_diameter=0.1, optics=optics, device="numpy")


def dark(shape=(9, 40, 40)):
    return np.random.default_rng(1).poisson(100, shape).astype(np.uint16)


def test_a_folder_gives_what_each_file_alone_does(batch, folder):
    assert list(batch.results) == ["a.tif", "b.tif"]
    image, spacing = psfd.read_image(folder / "a.tif")
    alone = psfd.distill(
        image,
        spacing,
        bead_diameter=0.1,
        optics=psfd.Optics(1.2, 0.52, 1.33),
        device="numpy",
    )
    one = batch.results["a.tif"]
    np.testing.assert_allclose(one.psf, alone.psf, atol=1e-6)
    row = batch.table.loc["a.tif"]
    assert row["fwhm_z_nm"] == pytest.approx(1000 * alone.fwhm[0], rel=1e-4)
    assert row["fwhm_x_error_nm"] == pytest.approx(1000 * alone.fwhm_error[2], rel=1e-3)
    assert (row["beads_used"], row["beads_found"]) == (4, 4)
    assert one.recipe.provenance.image_name == "a.tif"


def test_the_batch_is_saved_with_a_table_beside(batch, tmp_path):
    batch.save(tmp_path / "psfs")
    assert sorted(path.name for path in (tmp_path / "psfs").iterdir()) == ["a", "b", "psfs.csv"]
    table = pd.read_csv(tmp_path / "psfs/psfs.csv", index_col="image")
    assert list(table["psf"]) == ["a/psf.tif", "b/psf.tif"]
    for place in table["psf"]:
        assert psfd.read_psf(tmp_path / "psfs" / place).ndim == 3
    with pytest.raises(InputError, match="exists already"):
        batch.save(tmp_path / "psfs")


def test_one_that_fails_does_not_stop_the_rest(images):
    with pytest.warns(DistillerWarning, match=r"nothing: No bead was found") as told:
        batch = psfd.distill_each(
            [dark(), images[0]], SPACING, names=["nothing", "beads"], device="numpy"
        )
    assert any(str(one.message).startswith("beads: ") for one in told)
    assert list(batch.results) == ["beads"]
    assert batch.errors["nothing"].startswith("No bead was found")
    assert list(batch.table.index) == ["nothing", "beads"]
    assert np.isnan(batch.table.loc["nothing", "fwhm_z_nm"])
    assert batch.table.loc["nothing", "error"] == batch.errors["nothing"]
    assert "1 PSFs, 1 images gave none" in repr(batch)
    assert "No bead was found" in batch._repr_html_()


def test_a_file_says_its_microscope_and_what_it_says_otherwise_is_told(images, tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", images[0], spacing=SPACING)
    lost = psfd.Optics(1.2, 0.52, 1.33)
    with pytest.warns(DistillerWarning, match=r"a.ome.tif: The file says .*numerical aperture 1.4"):
        batch = psfd.distill_each([path], optics=lost, device="numpy")
    assert batch.results["a.ome.tif"].recipe.optics.numerical_aperture == 1.2
    assert batch.results["a.ome.tif"].recipe.provenance.microscope == "Plan-Apo 63x"


def test_a_spacing_that_is_given_counts_before_the_file_s(folder):
    with pytest.warns(DistillerWarning):
        batch = psfd.distill_each([folder / "a.tif"], (0.3, 0.1, 0.1), device="numpy")
    assert batch.results["a.tif"].spacing == (0.3, 0.1, 0.1)


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        ([], {}, "no image to distil"),
        ([dark()], {"names": ["a", "b"]}, "1 images and 2 names"),
        ([dark(), dark()], {"names": ["a", "a"]}, "Two images are called 'a'"),
        ([dark()], {"spacing": (1, 2, 3, 4)}, "spacing"),
    ],
)
def test_what_cannot_be_for_any_image_is_an_error(given, options, told):
    with pytest.raises(InputError, match=told):
        psfd.distill_each(given, **options)


def test_a_folder_without_an_image_says_so(tmp_path):
    with pytest.raises(InputError, match="has no TIFF file"):
        images_in(tmp_path)


def test_files_of_one_name_are_called_with_their_folders(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", dark((5, 20, 20)))
    with pytest.warns(DistillerWarning):
        batch = psfd.distill_each([tmp_path / "one", tmp_path / "other"], SPACING, device="numpy")
    assert list(batch.errors) == [str(tmp_path / name / "a.tif") for name in ("one", "other")]


def test_progress_names_the_image_and_how_many_there_are(images):
    seen: list[psfd.Progress] = []
    psfd.distill_each(images, SPACING, names=["a", "b"], device="numpy", callback=seen.append)
    titles = list(dict.fromkeys(progress.title for progress in seen))
    assert titles[0] == "a (1 of 2): Find beads"
    assert titles[-1].startswith("b (2 of 2): ")


def test_too_little_memory_for_one_does_not_stop_the_rest():
    def fails():
        raise MemoryError
        yield

    (row,) = finish(batch_steps([BatchImage("large", fails)]))
    assert row.error.startswith("There is not enough memory for it")


def test_rows_of_an_earlier_batch_stay_unless_done_again(tmp_path):
    first = [
        BatchRow("a", error="No bead."),
        BatchRow("b", fwhm=(0.6, 0.2, 0.2), fwhm_error=(1,) * 3),
    ]
    write_batch_table(tmp_path, first)
    again = [BatchRow("a", fwhm=(0.2, 0.3), fwhm_error=(0.01, 0.02), psf=tmp_path / "a/psf.tif")]
    path = write_batch_table(tmp_path, again)
    table = pd.read_csv(path, index_col="image")
    assert list(table.index) == ["b", "a"]
    # A plane has no z.
    assert np.isnan(table.loc["a", "fwhm_z_nm"])
    assert table.loc["a", "fwhm_y_nm"] == 200
    assert table.loc["a", "psf"] == "a/psf.tif"
    assert list(table.columns) == list(batch_table(again).columns)
    # One that fails when it is done again has its PSF there still.
    write_batch_table(tmp_path, [BatchRow("a", error="It exists already.")])
    table = pd.read_csv(path, index_col="image")
    assert table.loc["a", "psf"] == "a/psf.tif"
    assert list(table.index) == ["b", "a"]


def test_another_table_is_not_replaced(tmp_path):
    (tmp_path / "psfs.csv").write_text("mine\n1\n")
    with pytest.raises(InputError, match="something else than a table of PSFs"):
        write_batch_table(tmp_path, [BatchRow("a")])
    assert (tmp_path / "psfs.csv").read_text() == "mine\n1\n"
