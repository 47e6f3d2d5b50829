"""Which devices there are, which can be used, and what happens where one cannot."""

import dataclasses
import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import napari_psf_distiller as psfd
from napari_psf_distiller import DeviceError, InputError
from napari_psf_distiller.compute import Device, choose_device, devices, open_engine
from napari_psf_distiller.compute.host.fft import host_fft

# The package exports functions of these modules' names.
module = importlib.import_module("napari_psf_distiller.compute.devices")
host_fft_module = importlib.import_module("napari_psf_distiller.compute.host.fft")

NUMPY = Device("NumPy", "cpu", "NumPy", True)
IGPU = Device("Integrated Graphics 7", "gpu", "Maker", True)
GPU = Device("Graphics 9000", "gpu", "Maker", True)
BROKEN_GPU = dataclasses.replace(GPU, name="Old Card", usable=False, why_not="no kernel builds")
CPU = Device("Processor 8-Core", "cpu", "Portable", True)
BROKEN_CPU = dataclasses.replace(CPU, name="Old Chip", usable=False, why_not="no kernel builds")

IMAGE = np.random.default_rng(0).random((8, 8)) + 1
PSF = np.outer([1, 2, 1], [1, 2, 1]) / 16


@pytest.fixture
def look_again():
    """Devices are looked for once a process; here, again before and after the test."""
    module._opencl_devices.cache_clear()
    yield
    module._opencl_devices.cache_clear()


def pretend(monkeypatch, *found: Device) -> None:
    monkeypatch.setattr(module, "_opencl_devices", lambda: tuple((d, object()) for d in found))


def test_numpy_is_always_there():
    found = devices()
    assert found[-1] == NUMPY
    assert [device.name for device in found].count("NumPy") == 1
    assert psfd.devices() == found


def test_a_device_says_what_it_is(opencl_device):
    assert opencl_device.kind in ("gpu", "cpu")
    assert opencl_device.name
    assert opencl_device.platform
    assert opencl_device.why_not == ""
    assert opencl_device.memory > 0


def test_every_device_is_usable_or_says_why_not():
    found = devices()
    assert len({device.name for device in found}) == len(found)
    for device in found:
        assert device.usable == (device.why_not == "")


@pytest.mark.parametrize("missing", ["library", "driver"])
def test_without_opencl_there_is_numpy(monkeypatch, look_again, missing):
    if missing == "library":
        monkeypatch.setitem(sys.modules, "pyopencl", None)
    else:
        cl = pytest.importorskip("pyopencl")

        def no_driver():
            raise cl.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

        monkeypatch.setattr(cl, "get_platforms", no_driver)
    assert devices() == (NUMPY,)
    assert choose_device("auto") == NUMPY
    assert "NumPy" in open_engine().description
    with pytest.raises(DeviceError, match="no usable OpenCL GPU on this machine"):
        choose_device("gpu")
    result = psfd.deconvolve(IMAGE, PSF, 5, method="plain")
    np.testing.assert_array_equal(
        result, psfd.deconvolve(IMAGE, PSF, 5, device="numpy", method="plain")
    )


@pytest.mark.opencl
def test_a_platform_without_devices_is_passed_over(monkeypatch, look_again, opencl_device):
    import pyopencl as cl

    def none():
        raise cl.RuntimeError("clGetDeviceIDs failed: DEVICE_NOT_FOUND")

    real = cl.get_platforms()
    monkeypatch.setattr(cl, "get_platforms", lambda: [SimpleNamespace(get_devices=none), *real])
    assert opencl_device in devices()


@pytest.mark.opencl
def test_two_devices_of_one_name_are_told_apart(monkeypatch, look_again, opencl_device):
    import pyopencl as cl

    handle = module.opencl_device(opencl_device)
    module._opencl_devices.cache_clear()
    twin = SimpleNamespace(get_devices=lambda: [handle, handle])
    monkeypatch.setattr(cl, "get_platforms", lambda: [twin])
    first, second, _ = devices()
    assert second.name == f"{first.name} (2)"
    assert first.usable
    assert second.usable
    assert choose_device(first.name) == first
    assert choose_device(second.name) == second


@pytest.fixture(
    params=["does not build", "builds with a driver's own error", "wrong answer", "NaN"]
)
def broken(request, monkeypatch, look_again, opencl_device) -> tuple[str, str]:
    """Every OpenCL device lists itself and does not work; the first one's name, and its reason."""
    import pyopencl as cl

    source = module.kernel_source("self_test")
    assert "1.0f" in source

    def fail(self, *args, **kwargs):
        raise cl.RuntimeError("clBuildProgram failed: unknown target CPU 'generic'\nlog\nlog")

    def crash(self, *args, **kwargs):
        raise OSError("a driver's own error")

    if request.param == "does not build":
        monkeypatch.setattr(cl.Program, "build", fail)
        reason = "unknown target CPU 'generic'"
    elif request.param == "builds with a driver's own error":
        monkeypatch.setattr(cl.Program, "build", crash)
        reason = "a driver's own error"
    else:
        wrong = source.replace("1.0f", "2.0f" if request.param == "wrong answer" else "NAN")
        monkeypatch.setattr(module, "kernel_source", lambda name: wrong)
        reason = "wrong answer in the self-test"
    return opencl_device.name, reason


@pytest.mark.opencl
def test_a_device_that_does_not_work_is_listed_with_the_reason(broken):
    name, reason = broken
    device = {device.name: device for device in devices()}[name]
    assert not device.usable
    assert reason in device.why_not
    assert "\n" not in device.why_not


@pytest.mark.opencl
def test_auto_goes_on_without_a_device_that_does_not_work(broken):
    assert choose_device("auto") == NUMPY
    np.testing.assert_array_equal(
        psfd.deconvolve(IMAGE, PSF, 5, method="plain"),
        psfd.deconvolve(IMAGE, PSF, 5, device="numpy", method="plain"),
    )


@pytest.mark.opencl
@pytest.mark.parametrize("wanted", ["name", "part", "kind"])
def test_asking_for_a_device_that_does_not_work(broken, opencl_device, wanted):
    name, reason = broken
    asked = {"name": name, "part": name[:-1], "kind": opencl_device.kind}[wanted]
    with pytest.raises(DeviceError) as raised:
        psfd.deconvolve(IMAGE, PSF, 5, device=asked, method="plain")
    assert name in str(raised.value)
    assert reason in str(raised.value)
    assert "'numpy'" in str(raised.value)


@pytest.mark.opencl
def test_devices_are_tested_once(monkeypatch, look_again, opencl_device):
    import pyopencl as cl

    devices()

    def fail(*args):
        raise AssertionError("looked again")

    monkeypatch.setattr(cl, "get_platforms", fail)
    assert opencl_device in devices()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), NUMPY),
        # On a processor NumPy's iterations are the fastest.
        ((CPU,), NUMPY),
        ((CPU, GPU), GPU),
        ((GPU, IGPU, CPU), GPU),
        ((BROKEN_GPU, CPU), NUMPY),
        ((BROKEN_GPU, CPU, GPU), GPU),
        ((BROKEN_GPU, BROKEN_CPU), NUMPY),
    ],
)
def test_auto_takes_a_gpu_else_numpy(monkeypatch, found, expected):
    pretend(monkeypatch, *found)
    assert choose_device() == expected
    assert choose_device(" AUTO ") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpu", GPU),
        ("cpu", CPU),
        ("numpy", NUMPY),
        ("NumPy", NUMPY),
        ("graphics 9000", GPU),
        ("9000", GPU),
        ("GRATED", IGPU),
        ("8-core", CPU),
        (" Processor 8-Core ", CPU),
    ],
)
def test_a_device_by_name(monkeypatch, name, expected):
    pretend(monkeypatch, BROKEN_CPU, GPU, IGPU, CPU)
    assert choose_device(name) == expected


def test_a_whole_name_is_preferred_to_a_part(monkeypatch):
    longer = dataclasses.replace(GPU, name="Graphics 9000 (2)")
    pretend(monkeypatch, longer, GPU)
    assert choose_device("graphics 9000") == GPU


@pytest.mark.parametrize("name", ["abacus", "Graphics 90000", "", "  "])
def test_a_name_that_no_device_has(monkeypatch, name):
    pretend(monkeypatch, GPU, CPU)
    with pytest.raises(InputError, match="no device") as raised:
        choose_device(name)
    for known in ("'Graphics 9000'", "'Processor 8-Core'", "'NumPy'", "auto", "gpu"):
        assert known in str(raised.value)


def test_a_part_of_several_names(monkeypatch):
    pretend(monkeypatch, GPU, IGPU, CPU)
    with pytest.raises(InputError, match="2 devices fit the name 'graphics'") as raised:
        choose_device("graphics")
    assert "'Graphics 9000'" in str(raised.value)
    assert "'Integrated Graphics 7'" in str(raised.value)


@pytest.mark.parametrize("name", ["Old Card", "old"])
def test_a_name_of_a_device_that_does_not_work(monkeypatch, name):
    pretend(monkeypatch, BROKEN_GPU, CPU)
    with pytest.raises(DeviceError, match="Old Card cannot be used: no kernel builds"):
        choose_device(name)


@pytest.mark.parametrize("kind", ["gpu", "cpu"])
def test_a_kind_that_does_not_work(monkeypatch, kind):
    pretend(monkeypatch, BROKEN_GPU, BROKEN_CPU)
    with pytest.raises(DeviceError, match=f"no usable OpenCL {kind.upper()}") as raised:
        choose_device(kind)
    assert {"gpu": "Old Card", "cpu": "Old Chip"}[kind] in str(raised.value)
    assert {"gpu": "Old Chip", "cpu": "Old Card"}[kind] not in str(raised.value)


def test_numpy_is_there_for_those_who_ask_for_it(monkeypatch):
    pretend(monkeypatch, GPU)
    engine = open_engine("numpy", "scipy")
    assert engine.device == NUMPY
    assert engine.description == "NumPy (CPU), FFT scipy, float32"


def test_numpy_takes_the_fastest_fft_that_is_installed():
    assert open_engine("numpy").fft == host_fft().name


@pytest.mark.opencl
def test_an_engine_says_what_it_is(opencl_device):
    engine = open_engine(opencl_device.name, "opencl")
    assert engine.device == opencl_device
    assert opencl_device.name in engine.description
    assert "FFT opencl" in engine.description
    assert opencl_device.kind.upper() in engine.description


@pytest.fixture
def transforms():
    return pytest.importorskip("napari_psf_distiller.compute.opencl.transforms")


@pytest.fixture
def on_opencl():
    """Return the engine of a device, usable or not."""
    return pytest.importorskip("napari_psf_distiller.compute.opencl.solver").OpenCLEngine


@pytest.mark.opencl
@pytest.mark.parametrize("there", [True, False])
def test_an_opencl_cpu_uses_this_packages_own_fft(
    monkeypatch, opencl_device, transforms, on_opencl, there
):
    monkeypatch.setattr(transforms, "_vkfft_installed", lambda: there)
    assert on_opencl(dataclasses.replace(opencl_device, kind="cpu")).fft == "opencl"


@pytest.mark.opencl
@pytest.mark.parametrize("there", [True, False])
def test_a_gpu_uses_vkfft_where_it_is_installed(
    monkeypatch, opencl_device, transforms, on_opencl, there
):
    monkeypatch.setattr(transforms, "_vkfft_installed", lambda: there)
    assert on_opencl(GPU).fft == ("vkfft" if there else "opencl")
    # The other one can be asked for.
    assert on_opencl(GPU, "opencl").fft == "opencl"


@pytest.mark.opencl
@pytest.mark.parametrize("kind", ["gpu", "cpu"])
@pytest.mark.parametrize("fft", ["scipy", "ducc0"])
def test_an_opencl_device_does_not_take_numpys_fft(opencl_device, on_opencl, fft, kind):
    with pytest.raises(InputError, match=f"The FFT '{fft}' is NumPy's") as raised:
        on_opencl(dataclasses.replace(opencl_device, kind=kind), fft)
    for choice in (opencl_device.name, "auto, vkfft or opencl", "the device numpy"):
        assert choice in str(raised.value)


@pytest.mark.opencl
def test_vkfft_that_is_not_installed(monkeypatch, opencl_device, transforms):
    monkeypatch.setattr(transforms, "_vkfft_installed", lambda: False)
    with pytest.raises(DeviceError, match=r"needs pyvkfft.*pip install pyvkfft"):
        open_engine(opencl_device.name, "vkfft")


def test_a_hosts_fft_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(host_fft_module, "_installed", lambda name: name == "scipy")
    with pytest.raises(DeviceError, match=r"ducc0.* is not installed: pip install"):
        open_engine("numpy", "ducc0")
    assert open_engine("numpy").fft == "scipy"


@pytest.mark.opencl
def test_an_fft_that_does_not_exist_on_opencl(opencl_device):
    with pytest.raises(InputError, match=r"no FFT 'cufft'.* auto, vkfft or opencl"):
        open_engine(opencl_device.name, "cufft")


@pytest.mark.parametrize("fft", ["cufft", "vkfft", "opencl", ""])
def test_an_fft_that_does_not_exist_on_numpy(fft):
    with pytest.raises(InputError, match=f"no FFT '{fft}' with NumPy; choose auto") as raised:
        open_engine("numpy", fft)
    assert "ducc0" in str(raised.value)
