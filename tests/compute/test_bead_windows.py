"""The light of beads in windows, and its adjoint, on the processor and on an OpenCL device."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import relative_l2, seeds
from scipy import special

from napari_psf_distiller import DeviceError
from napari_psf_distiller.compute import bead_windows
from napari_psf_distiller.compute.bead_windows import HostWindows
from napari_psf_distiller.compute.fourier_bessel import Band, FourierBessel
from napari_psf_distiller.errors import DeviceMemoryError

BAND = Band(3.0, 1.0)

# Window, spacing, orders. Depths, columns and pixels do not fill the kernels' blocks.
BASES = {
    "uneven": ((5, 9, 13), (0.3, 0.12, 0.1), (0,)),
    "deep": ((19, 7, 9), (0.2, 0.1, 0.1), (0,)),
    "plane": ((1, 17, 15), (1.0, 0.1, 0.1), (0,)),
    "turning": ((5, 13, 13), (0.3, 0.1, 0.1), (0, 1, 2)),
    "turning, uneven": ((9, 9, 11), (0.25, 0.12, 0.1), (0, 1, 2)),
    "turning plane": ((1, 19, 19), (1.0, 0.1, 0.1), (0, 1, 2)),
}
names = st.sampled_from(list(BASES))


@functools.cache
def basis(name: str) -> FourierBessel:
    window, spacing, orders = BASES[name]
    return FourierBessel(window, spacing, BAND, 0.2, orders)


@pytest.fixture(scope="module")
def opencl(request):
    """Opens windows on an OpenCL device, each basis's once."""
    device = request.getfixturevalue("opencl_device")
    from napari_psf_distiller.compute.opencl_windows import OpenCLWindows

    opened = {}

    def open_windows(of):
        if of not in opened:
            opened[of] = OpenCLWindows(device, of)
        return opened[of]

    yield open_windows
    for windows in opened.values():
        windows.close()


@pytest.fixture(scope="module", params=["host", pytest.param("opencl", marks=pytest.mark.opencl)])
def open_windows(request):
    return HostWindows if request.param == "host" else request.getfixturevalue("opencl")


def places(count: int, seed: int = 0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 2))


def factors_and_windows(of: FourierBessel, count: int, seed: int = 0):
    """Return arrays of noise."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((count, of.window[0], of.columns)).astype(np.float32)
    return factors, rng.standard_normal((count, *of.window)).astype(np.float32)


def functions(of: FourierBessel, displacement, place=lambda r: r):
    """Return all columns' values in a window, (columns, Y, X), in double precision."""
    y, x = (np.arange(n) - n // 2 - d for n, d in zip(of.window[1:], displacement, strict=True))
    across, along = y[:, None] * of.spacing[1], x[None] * of.spacing[2]
    r, angle = place(np.sqrt(across**2 + along**2)), np.arctan2(across, along)
    columns = [
        special.jv(m, 2 * np.pi * k * r) * (np.sin(m * angle) if sine else np.cos(m * angle))
        for m, sine in of.terms
        for k in of.radial
    ]
    return np.stack(columns)


@given(name=names, seed=seeds, count=st.integers(1, 3))
def test_light_and_its_adjoint(open_windows, name, seed, count):
    of = basis(name)
    windows = open_windows(of)
    windows.place(places(count, seed))
    factors, images = factors_and_windows(of, count, seed)
    light, adjoint = windows.light(factors, 0), windows.light_adjoint(images, 0)
    assert light.dtype == adjoint.dtype == np.float32
    assert (light.shape, adjoint.shape) == (images.shape, factors.shape)
    one = np.vdot(light.astype(float), images)
    other = np.vdot(factors.astype(float), adjoint)
    size = np.linalg.norm(light) * np.linalg.norm(images)
    assert abs(one - other) <= 1e-6 * size


@pytest.mark.parametrize("name", BASES)
def test_light_is_the_sum_of_the_functions(open_windows, name):
    of = basis(name)
    windows, displacements = open_windows(of), places(2)
    windows.place(displacements)
    factors, images = factors_and_windows(of, 2)
    # At the tables' places all but rounding is the same; that is near to where the voxels are.
    for place, tolerance in [
        (lambda r: np.floor(r / of.step + 0.5) * of.step, 1e-5),
        (lambda r: r, 5e-3),
    ]:
        values = np.stack([functions(of, d, place) for d in displacements])
        expected = np.einsum("nzc,ncyx->nzyx", factors, values)
        assert relative_l2(windows.light(factors, 0), expected) <= tolerance
        expected = np.einsum("nzyx,ncyx->nzc", images, values)
        assert relative_l2(windows.light_adjoint(images, 0), expected) <= tolerance


@pytest.mark.parametrize("name", BASES)
def test_a_displaced_bead(open_windows, name):
    of = basis(name)
    windows, displacement, dz = open_windows(of), np.array([0.31, -0.43]), 0.2
    coefficients = np.random.default_rng(5).standard_normal(of.size)
    amplitudes = of.amplitudes(coefficients)
    factors = (of.waves_at(dz) @ amplitudes)[None].astype(np.float32)
    windows.place(displacement[None])
    found = windows.light(factors, 0)[0]
    z = (np.arange(of.window[0]) - of.window[0] // 2 - dz)[:, None] * of.spacing[0]
    phase = 2 * np.pi * of.waves * z
    waves = np.where(of.waves < 0, np.sin(phase), np.cos(phase))
    expected = np.einsum("zw,wc,cyx->zyx", waves, amplitudes, functions(of, displacement))
    assert relative_l2(found, expected) <= 5e-3
    windows.place(np.zeros((1, 2)))
    factors = (of.waves_at(0.0) @ amplitudes)[None].astype(np.float32)
    assert relative_l2(windows.light(factors, 0)[0], of.bead(coefficients)) <= 5e-3


@given(name=names, seed=seeds, other=st.floats(-0.5, 0.5))
def test_a_whole_voxel_moves_all_by_one(open_windows, name, seed, other):
    of = basis(name)
    windows = open_windows(of)
    factors = factors_and_windows(of, 1, seed)[0]
    for axis in (0, 1):
        displacement = np.full((2, 2), other)
        displacement[:, axis] = -0.5, 0.5
        windows.place(displacement)
        before, after = windows.light(np.repeat(factors, 2, axis=0), 0)
        before = np.roll(before, 1, axis=1 + axis)
        inside = (slice(None),) * (1 + axis) + (slice(1, None),)
        assert relative_l2(after[inside], before[inside]) <= 1e-5


@pytest.mark.parametrize("name", ["deep", "turning"])
def test_some_of_the_beads(open_windows, name):
    of = basis(name)
    windows = open_windows(of)
    windows.place(places(6))
    factors, images = factors_and_windows(of, 6)
    light, adjoint = windows.light(factors, 0), windows.light_adjoint(images, 0)
    assert relative_l2(windows.light(factors[2:5], 2), light[2:5]) <= 1e-6
    assert relative_l2(windows.light_adjoint(images[2:5], 2), adjoint[2:5]) <= 1e-6


def test_other_beads_take_the_place_of_the_first(open_windows):
    of = basis("uneven")
    windows = open_windows(of)
    factors = factors_and_windows(of, 3)[0]
    expected = []
    for seed in (1, 2):
        fresh = HostWindows(of)
        fresh.place(places(3, seed))
        expected.append(fresh.light(factors, 0))
    assert relative_l2(*expected) > 0.01
    for seed in (1, 2):
        windows.place(places(3, seed))
        assert relative_l2(windows.light(factors, 0), expected[seed - 1]) <= 1e-5


@pytest.mark.parametrize("kept", [0, 1, 10**6])
def test_functions_that_are_not_kept(monkeypatch, kept):
    of = basis("turning")
    factors, images = factors_and_windows(of, 4)
    whole, part = HostWindows(of), HostWindows(of)
    whole.place(places(4))
    part.place(places(4))
    bytes_of_one = 4 * 13 * 13 * of.columns
    light, adjoint = whole.light(factors, 0), whole.light_adjoint(images, 0)
    monkeypatch.setattr(bead_windows, "KEPT_BYTES", kept * bytes_of_one)
    for _ in range(2):
        np.testing.assert_array_equal(part.light(factors, 0), light)
        np.testing.assert_array_equal(part.light_adjoint(images, 0), adjoint)


# An OpenCL device.


@pytest.mark.opencl
@given(name=names, seed=seeds)
def test_opencl_is_numpy(opencl, name, seed):
    of = basis(name)
    host, device = HostWindows(of), opencl(of)
    for windows in (host, device):
        windows.place(places(3, seed))
    factors, images = factors_and_windows(of, 3, seed)
    assert relative_l2(device.light(factors, 0), host.light(factors, 0)) <= 1e-5
    found, expected = device.light_adjoint(images, 0), host.light_adjoint(images, 0)
    assert relative_l2(found, expected) <= 1e-5


@pytest.mark.opencl
@pytest.mark.parametrize("windows_a_part", [0.5, 1, 2])
def test_opencl_in_parts(monkeypatch, opencl, windows_a_part):
    of = basis("turning, uneven")
    windows = opencl(of)
    windows.place(places(5))
    factors, images = factors_and_windows(of, 5)
    light, adjoint = windows.light(factors, 0), windows.light_adjoint(images, 0)
    from napari_psf_distiller.compute import opencl_windows

    nbytes = int(windows_a_part * images[0].nbytes)
    monkeypatch.setattr(opencl_windows, "PART_BYTES", nbytes)
    # Twice the same, to the last bit.
    np.testing.assert_array_equal(windows.light(factors, 0), light)
    np.testing.assert_array_equal(windows.light_adjoint(images, 0), adjoint)


@pytest.mark.opencl
def test_opencl_takes_strided_arrays(opencl):
    of = basis("turning")
    windows = opencl(of)
    windows.place(places(2))
    factors, images = factors_and_windows(of, 4)
    light, adjoint = windows.light(factors[::2].copy(), 0), windows.light_adjoint(images[:2], 0)
    np.testing.assert_array_equal(windows.light(factors[::2], 0), light)
    strided = np.asfortranarray(images[:2])
    np.testing.assert_array_equal(windows.light_adjoint(strided, 0), adjoint)


@pytest.mark.opencl
@pytest.mark.parametrize("first", [-1, 2])
def test_opencl_knows_which_beads_there_are(opencl, first):
    of = basis("uneven")
    windows = opencl(of)
    windows.place(places(3))
    factors, images = factors_and_windows(of, 2)
    with pytest.raises(ValueError, match="Of 3 beads there are no 2 from number"):
        windows.light(factors, first)
    with pytest.raises(ValueError, match="Of 3 beads there are no 2 from number"):
        windows.light_adjoint(images, first)


@pytest.mark.opencl
def test_opencl_without_beads(opencl):
    of = basis("uneven")
    windows = opencl(of)
    windows.place(np.zeros((0, 2)))
    factors, images = factors_and_windows(of, 0)
    assert windows.light(factors, 0).shape == images.shape
    assert windows.light_adjoint(images, 0).shape == factors.shape


@pytest.fixture
def module(opencl_device):
    from napari_psf_distiller.compute import opencl_windows

    return opencl_windows


@pytest.mark.opencl
def test_opencl_frees_its_memory(held, module, opencl_device):
    of = basis("uneven")
    windows = module.OpenCLWindows(opencl_device, of)
    factors, images = factors_and_windows(of, 3)
    for count in (2, 3, 1):
        windows.place(places(count))
        windows.light(factors[:count], 0)
        windows.light_adjoint(images[:count], 0)
    assert 0 < held.count() <= 6
    windows.close()
    assert held.total() == 0
    windows.close()
    with pytest.raises(DeviceError, match="closed"):
        windows.light(factors[:1], 0)
    with pytest.raises(DeviceError, match="closed"):
        windows.place(places(1))


@pytest.mark.opencl
@pytest.mark.parametrize("allowed", [0, 200_000])
def test_opencl_without_memory_left(monkeypatch, held, module, opencl_device, allowed):
    import pyopencl as cl

    class Buffer(cl.Buffer):
        def __init__(self, context, flags, nbytes) -> None:
            # More than is allowed is what no device has.
            super().__init__(context, flags, nbytes if nbytes <= allowed else 2**62)

    of = basis("uneven")
    monkeypatch.setattr(cl, "Buffer", Buffer)
    with pytest.raises(DeviceMemoryError, match="out of memory") as raised:
        use(module.OpenCLWindows(opencl_device, of), of, 100)
    assert opencl_device.name in str(raised.value)
    assert held.total() == 0


@pytest.mark.opencl
@pytest.mark.parametrize("kind", ["RuntimeError", "MemoryError", "LogicError"])
def test_opencl_that_fails_on_the_way(monkeypatch, held, module, opencl_device, kind):
    import pyopencl as cl

    error = getattr(cl, kind)("clEnqueueNDRangeKernel failed: INVALID_COMMAND_QUEUE")

    def fail(*args):
        raise error

    of = basis("uneven")
    windows = module.OpenCLWindows(opencl_device, of)
    monkeypatch.setattr(windows, "_light_adjoint", fail)
    with pytest.raises(DeviceError, match="failed: clEnqueue") as raised:
        use(windows, of, 2)
    assert opencl_device.name in str(raised.value)
    assert "'numpy'" in str(raised.value)
    assert held.total() == 0
    # Another try begins anew.
    again = module.OpenCLWindows(opencl_device, of)
    use(again, of, 2)
    again.close()


def use(windows, of: FourierBessel, count: int) -> None:
    factors, images = factors_and_windows(of, count)
    windows.place(places(count))
    windows.light(factors, 0)
    windows.light_adjoint(images, 0)
