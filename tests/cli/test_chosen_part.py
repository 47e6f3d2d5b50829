"""`--scene`, `--channel` and `--time`: which part of the image's file a command takes."""

import numpy as np
import pytest
import tifffile
from zarr_files import write_zarr

from napari_psf_distiller import read_image
from napari_psf_distiller.cli.main import main
from napari_psf_distiller.io import StoredPSF, write_psf

SPACING = (0.2, 0.1, 0.1)


@pytest.fixture
def files(tmp_path):
    """A stack of two channels, and a PSF."""
    image = np.random.default_rng(3).integers(50, 99, (6, 2, 12, 12), dtype=np.uint16)
    metadata = {"axes": "ZCYX", "unit": "um", "spacing": SPACING[0]}
    path = tmp_path / "two channels.tif"
    tifffile.imwrite(path, image, imagej=True, resolution=(10, 10), metadata=metadata)
    psf = np.zeros((3, 3, 3), np.float32)
    psf[1, 1, 1] = 1
    write_psf(tmp_path / "psf.tif", StoredPSF(psf, SPACING))
    return path, tmp_path / "psf.tif", image


def deconvolved(path, psf, *options, output="result.tif"):
    output = path.with_name(output)
    asked = ["deconvolve", path, psf, "-o", output, "--iterations", 2, *options]
    return main([str(one) for one in [*asked, "--device", "numpy"]]), output


def test_the_channel_that_is_chosen_is_deconvolved(files):
    path, psf, image = files
    code, output = deconvolved(path, psf, "--channel", 1)
    assert code == 0
    np.testing.assert_allclose(read_image(output).image, image[:, 1], rtol=1e-3)


def test_one_image_of_an_ome_zarr_is_deconvolved_to_a_tiff(files, capsys):
    path, psf, image = files
    source = path.with_name("some cells.zarr")
    write_zarr(source, image.swapaxes(0, 1), "czyx", spacing=SPACING, channels=("GFP", "RFP"))
    code, output = deconvolved(source, psf, "--channel", "RFP")
    assert code == 0
    np.testing.assert_allclose(read_image(output).image, image[:, 1], rtol=1e-3)
    assert read_image(output).spacing == pytest.approx(SPACING)
    output.unlink()
    code, output = deconvolved(source, psf)
    assert code == 2
    assert "2 channels (0 'GFP', 1 'RFP')" in capsys.readouterr().err
    assert not output.exists()


def test_a_psf_of_several_channels_is_told_as_a_psf(files, capsys):
    path, _, image = files
    source = path.with_name("cells.zarr")
    write_zarr(source, image.swapaxes(0, 1), "czyx", spacing=SPACING)
    code, output = deconvolved(source, source, "--channel", 1)
    assert code == 2
    assert "has 2 channels and 1 times; a PSF has one of each" in capsys.readouterr().err
    assert not output.exists()
    # One without a voxel size is taken to have the image's, as any image is.
    psf = np.zeros((3, 3, 3), np.float32)
    psf[1, 1, 1] = 1
    write_zarr(path.with_name("psf.zarr"), psf, unit=None)
    code, _ = deconvolved(source, path.with_name("psf.zarr"), "--channel", 1)
    assert code == 0
    assert "The PSF's voxel size is not known: it was taken" in capsys.readouterr().out


def test_a_wrong_choice_is_one_line_and_nothing_is_written(files, capsys):
    path, psf, _ = files
    for options, told in [
        ((), "--channel 0 on the"),
        (("--channel", 5), "has 2 channels (0 to 1)"),
        (("--channel", 0, "--scene", 3), "has 1 scene"),
    ]:
        code, output = deconvolved(path, psf, *options)
        assert code == 2
        assert told in capsys.readouterr().err
        assert not output.exists()


def test_a_data_set_is_not_chosen_from(files, capsys):
    path, psf, _ = files
    assert deconvolved(path.parent / "a.zarr", psf, "--channel", 1, output="b.zarr")[0] == 2
    assert "--channel is for an image" in capsys.readouterr().err
