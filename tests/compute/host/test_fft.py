"""The host's transforms, whichever library does them: as numpy.fft has them in double precision."""

import importlib
import sys
import threading

import numpy as np
import pytest

from napari_psf_distiller import DeviceError, InputError
from napari_psf_distiller.compute.host.fft import HOST_FFTS, host_fft
from napari_psf_distiller.compute.host.transform import HostTransform

module = importlib.import_module("napari_psf_distiller.compute.host.fft")

# Planes, rows and columns: odd, even, one of each.
SHAPES = [(3, 8, 10), (3, 9, 7), (1, 12, 15), (4, 1, 6), (5, 6, 1), (2, 30, 32)]
THREADS = [1, 2]


@pytest.fixture(scope="module", params=HOST_FFTS)
def library(request):
    """Every library that is installed."""
    pytest.importorskip(HOST_FFTS[request.param], exc_type=ImportError)
    return host_fft(request.param)


def real_array(shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def complex_array(shape, seed=0) -> np.ndarray:
    return (real_array(shape, seed) + 1j * real_array(shape, seed + 1)).astype(np.complex64)


def planes_of(library, real, shape, threads=1) -> np.ndarray:
    out = np.full((len(real), shape[0], shape[1] // 2 + 1), np.nan, np.complex64)
    library.planes(real, shape, out, threads)
    return out


def same(found, expected, dtype) -> None:
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("part", ["all", "fewer rows", "fewer columns", "one row", "fewer of both"])
@pytest.mark.parametrize("shape", SHAPES)
def test_planes(library, shape, part, threads):
    planes, rows, columns = shape
    if "row" in part or "both" in part:
        rows = 1 if part == "one row" else max(1, rows - 2)
    if "columns" in part or "both" in part:
        columns = max(1, columns - 3)
    real = real_array((planes, rows, columns))
    before = real.copy()
    found = planes_of(library, real, shape[1:], threads)
    same(found, np.fft.rfft2(real.astype(float), s=shape[1:], axes=(1, 2)), np.complex64)
    np.testing.assert_array_equal(real, before)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("shape", SHAPES)
def test_planes_of_an_array_with_gaps(library, shape, threads):
    wide = real_array((shape[0], shape[1] + 1, shape[2] + 3))
    real = wide[:, : shape[1], : shape[2]]
    found = planes_of(library, real, shape[1:], threads)
    same(found, np.fft.rfft2(real.astype(float), axes=(1, 2)), np.complex64)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("shape", SHAPES)
def test_planes_of_a_view_of_their_spectra(library, shape, threads):
    # Rows have room for their spectrum.
    out = np.empty((*shape[:2], shape[2] // 2 + 1), np.complex64)
    real = out.view(np.float32)[:, :, : shape[2]]
    values = real_array(shape)
    real[...] = values
    library.planes(real, shape[1:], out, threads)
    same(out, np.fft.rfft2(values.astype(float), axes=(1, 2)), np.complex64)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("shape", SHAPES)
def test_planes_to_a_part_of_a_larger_array(library, shape, threads):
    larger = np.zeros((shape[0] + 2, shape[1], shape[2] // 2 + 1), np.complex64)
    real = real_array(shape)
    library.planes(real, shape[1:], larger[1:-1], threads)
    same(larger[1:-1], np.fft.rfft2(real.astype(float), axes=(1, 2)), np.complex64)
    assert not larger[0].any()
    assert not larger[-1].any()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("cut", [(0, 0), (2, 3), (20, 0), (0, 20)])
@pytest.mark.parametrize("shape", SHAPES)
def test_planes_back(library, shape, cut, threads):
    part = (max(1, shape[1] - cut[0]), max(1, shape[2] - cut[1]))
    real = real_array(shape)
    spectra = np.fft.rfft2(real.astype(float), axes=(1, 2)).astype(np.complex64)
    found = library.planes_back(spectra, shape[1:], part, threads)
    same(found.copy(), real[:, : part[0], : part[1]].astype(float), np.float32)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("planes", [1, 2, 5])
@pytest.mark.parametrize("length", [5, 6, 9])
def test_lines(library, length, planes, threads):
    # Rows of a larger array, as the solver has them.
    spectra = complex_array((planes, 7, 6))[:, 2:5]
    before = spectra.copy()
    found = library.lines(spectra, length, threads).copy()
    same(found, np.fft.fft(spectra.astype(complex), n=length, axis=0), np.complex64)
    np.testing.assert_array_equal(spectra, before)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("length", [1, 5, 6])
def test_lines_back(library, length, threads):
    spectra = complex_array((length, 3, 6))
    expected = np.fft.ifft(spectra.astype(complex), axis=0)
    same(library.lines_back(spectra, threads).copy(), expected, np.complex64)


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back_again(library, shape):
    real = real_array(shape)
    spectra = library.lines(planes_of(library, real, shape[1:]), shape[0], 1).copy()
    half = library.lines_back(spectra, 1).copy()
    found = library.planes_back(half, shape[1:], shape[1:], 1)
    same(found.copy(), real.astype(float), np.float32)


def test_parts_of_several_sizes_in_turn(library):
    # What was measured last may not shine through the zeros around a smaller part.
    for rows, columns in ((6, 7), (4, 7), (6, 5), (3, 3), (4, 7), (6, 7)):
        real = real_array((2, rows, columns), rows)
        found = planes_of(library, real, (6, 7))
        same(found, np.fft.rfft2(real.astype(float), s=(6, 7), axes=(1, 2)), np.complex64)
    for planes in (5, 2, 1, 5, 2):
        spectra = complex_array((planes, 3, 4), planes)
        found = library.lines(spectra, 5, 1).copy()
        same(found, np.fft.fft(spectra.astype(complex), n=5, axis=0), np.complex64)


def test_threads_do_not_share_what_they_work_on(library):
    wrong: list[int] = []

    def work(seed: int) -> None:
        for turn in range(50):
            real = real_array((2, 16, 18), 100 * seed + turn)
            found = planes_of(library, real, (16, 18))
            back = library.planes_back(found, (16, 18), (16, 18), 1)
            if not np.allclose(back, real, atol=1e-5):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("shape", [*SHAPES, (5, 200, 210), (40, 100, 90)])
def test_a_transform_of_three_axes(library, shape):
    transform = HostTransform(shape, library.name)
    spectrum = np.empty(transform.spectrum_shape, np.complex64)
    real = real_array(shape)
    try:
        transform.forward(real, spectrum)
        same(spectrum, np.fft.rfftn(real.astype(float)), np.complex64)
    finally:
        transform.close()


def test_a_closed_transform_has_no_threads(library):
    before = threading.active_count()
    transform = HostTransform((64, 80, 90), library.name)
    transform.forward(np.ones((64, 80, 90), np.float32), np.empty((64, 80, 46), np.complex64))
    assert threading.active_count() > before
    transform.close()
    transform.close()
    assert threading.active_count() == before


# Which library.


@pytest.mark.parametrize("name", ["fft", "vkfft", "opencl", "fftw"])
def test_a_name_that_no_library_has(name):
    with pytest.raises(
        InputError, match=f"There is no FFT '{name}' with NumPy; choose auto"
    ) as raised:
        host_fft(name)
    for known in HOST_FFTS:
        assert known in str(raised.value)


def test_a_library_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ducc0", None)
    with pytest.raises(DeviceError, match=r"'ducc0' needs ducc0.*pip install ducc0"):
        host_fft("ducc0")


def test_a_library_that_is_broken_is_not_installed(monkeypatch):
    class Broken:
        def find_spec(self, found, path=None, target=None):
            if found == "ducc0":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "ducc0", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(DeviceError, match="needs ducc0"):
        host_fft("ducc0")


@pytest.mark.parametrize("missing", range(len(HOST_FFTS)))
def test_auto_takes_the_fastest_that_is_there(monkeypatch, missing):
    monkeypatch.setattr(module, "_installed", lambda name: name in list(HOST_FFTS)[missing:])
    expected = list(HOST_FFTS)[missing]
    if expected != "scipy":
        pytest.importorskip(HOST_FFTS[expected], exc_type=ImportError)
    assert host_fft().name == expected
    assert host_fft("auto").name == expected


def test_scipy_is_always_there(monkeypatch):
    for package in HOST_FFTS.values():
        if package != "scipy":
            monkeypatch.setitem(sys.modules, package, None)
    assert host_fft().name == "scipy"
