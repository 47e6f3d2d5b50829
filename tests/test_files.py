"""A file is written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from napari_psf_distiller import InputError
from napari_psf_distiller.files import write_whole

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")


def writer_of(text: str):
    return lambda part: part.write_text(text)


def fail_with(error: BaseException):
    def write(part: Path) -> None:
        part.write_text("half of")
        raise error

    return write


def test_a_new_file_and_a_replaced_one(tmp_path):
    path = tmp_path / "psf.txt"
    write_whole(path, writer_of("one"))
    assert path.read_text() == "one"
    write_whole(str(path), writer_of("two"))
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["psf.tif", "psf.ome.tif", "recipe", ".hidden"])
def test_the_writer_sees_the_extension_in_the_same_folder(tmp_path, name):
    seen = []

    def write(part: Path) -> None:
        seen.append(part)
        part.write_text("x")

    path = tmp_path / name
    write_whole(path, write)
    (part,) = seen
    assert part.parent == tmp_path
    assert part != path
    assert part.suffixes[-len(path.suffixes) :] == path.suffixes or not path.suffixes
    assert path.read_text() == "x"


@pytest.mark.parametrize("before", [None, "the old content"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), InputError),
        (OSError("the disk is gone"), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("a mistake"), ValueError),
    ],
)
def test_a_failed_write_leaves_what_was_there(tmp_path, before, error, expected):
    path = tmp_path / "psf.tif"
    if before is not None:
        path.write_text(before)
    with pytest.raises(expected) as raised:
        write_whole(path, fail_with(error))
    if expected is InputError:
        assert str(path) in str(raised.value)
        assert (error.strerror or str(error)) in str(raised.value)
    assert (path.read_text() if path.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([path] if before is not None else [])


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"folder .*missing does not exist"):
        write_whole(tmp_path / "missing" / "psf.tif", writer_of("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "psf.tif").mkdir()
    with pytest.raises(InputError, match=r"psf\.tif cannot be written: it is a folder"):
        write_whole(tmp_path / "psf.tif", writer_of("x"))


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    # Taking the permission away would not stop the superuser, whom many containers run as.
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(InputError, match=r"psf\.tif cannot be written: Permission denied"):
        write_whole(tmp_path / "psf.tif", writer_of("x"))


@posix
def test_the_mode_is_that_of_an_ordinary_write(tmp_path):
    ordinary, path = tmp_path / "ordinary", tmp_path / "psf.tif"
    ordinary.write_text("x")
    write_whole(path, writer_of("x"))
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


@posix
def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "psf.tif"
    path.write_text("x")
    path.chmod(0o640)
    write_whole(path, writer_of("y"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "psf.tif")
    with pytest.raises(InputError, match="a pipe or a device"):
        write_whole(tmp_path / "psf.tif", writer_of("x"))
    assert stat.S_ISFIFO((tmp_path / "psf.tif").stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 1


@posix
def test_a_device_is_not_replaced():
    with pytest.raises(InputError, match="a pipe or a device"):
        write_whole("/dev/null", writer_of("x"))


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    place, path = tmp_path / "elsewhere" / "psf.tif", tmp_path / "psf.tif"
    path.symlink_to(place)
    for text in ("one", "two"):
        write_whole(path, writer_of(text))
        assert path.is_symlink()
        assert place.read_text() == text
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.parametrize("length", [200, 239, 250, 255])
def test_long_names(tmp_path, length):
    path = tmp_path / ("n" * (length - 4) + ".tif")
    write_whole(path, writer_of("x"))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a." + "b" * 240 + ".tif", "." * 200 + "tif", "ä" * 120 + ".tif"])
def test_long_names_with_odd_extensions(tmp_path, name):
    write_whole(tmp_path / name, writer_of("x"))
    assert (tmp_path / name).read_text() == "x"


def test_names_that_are_too_long(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / ("n" * 300 + ".tif"), writer_of("x"))
    assert list(tmp_path.iterdir()) == []
