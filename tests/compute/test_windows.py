"""The light of beads in windows, and its adjoint, on the processor and on an OpenCL device."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import relative_l2, seeds
from scipy import special

from napari_psf_distiller import DeviceError
from napari_psf_distiller.compute.host import windows as bead_windows
from napari_psf_distiller.compute.host.windows import HostWindows
from napari_psf_distiller.errors import DeviceMemoryError
from napari_psf_distiller.joint.basis.fourier_bessel import FourierBessel
from napari_psf_distiller.joint.basis.voxel_functions import VoxelFunctions
from napari_psf_distiller.optics import Band

BAND = Band(3.0, 1.0)

# Window, spacing, orders. Depths, columns and pixels do not fill the kernels' blocks.
BASES = {
    "uneven": ((5, 9, 13), (0.3, 0.12, 0.1), (0,)),
    "deep": ((19, 7, 9), (0.2, 0.1, 0.1), (0,)),
    "plane": ((1, 17, 15), (1.0, 0.1, 0.1), (0,)),
    "turning": ((5, 13, 13), (0.3, 0.1, 0.1), (0, 1, 2)),
    "turning, uneven": ((9, 9, 11), (0.25, 0.12, 0.1), (0, 1, 2)),
    "turning plane": ((1, 19, 19), (1.0, 0.1, 0.1), (0, 1, 2)),
    "turning often": ((3, 15, 13), (0.3, 0.1, 0.1), (0, 2, 5, 12)),
}
names = st.sampled_from(list(BASES))


@functools.cache
def psf_basis(name: str) -> FourierBessel:
    window, spacing, orders = BASES[name]
    return FourierBessel(window, spacing, BAND, 0.2, orders)


def basis(name: str) -> VoxelFunctions:
    return psf_basis(name).voxel_functions


@pytest.fixture(scope="module")
def opencl(request):
    """Opens windows on an OpenCL device, each basis's once."""
    device = request.getfixturevalue("opencl_device")
    from napari_psf_distiller.compute.opencl.windows import OpenCLWindows

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


class Sample(NamedTuple):
    """Arrays of noise: amplitudes, waves along windows, and windows."""

    amplitudes: np.ndarray
    waves: np.ndarray
    images: np.ndarray


def sample(of: VoxelFunctions, count: int, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    amplitudes = rng.standard_normal((len(of.waves), of.columns))
    waves = rng.standard_normal((count, of.window[0], len(of.waves)))
    return Sample(amplitudes, waves, rng.standard_normal((count, *of.window)).astype(np.float32))


def functions(of: VoxelFunctions, displacement, bessel=special.jv):
    """Return all columns' values in a window, (columns, Y, X), in double precision."""
    y, x = (np.arange(n) - n // 2 - d for n, d in zip(of.window[1:], displacement, strict=True))
    across, along = y[:, None] * of.spacing[1], x[None] * of.spacing[2]
    r, angle = np.sqrt(across**2 + along**2), np.arctan2(across, along)
    columns = [
        bessel(m, 2 * np.pi * k * r) * (np.sin(m * angle) if sine else np.cos(m * angle))
        for m, sine in of.terms
        for k in of.radial
    ]
    return np.stack(columns)


def in_lines(of: VoxelFunctions, displacement):
    """Return them with straight lines between the tables' places."""
    y, x = (np.arange(n) - n // 2 - d for n, d in zip(of.window[1:], displacement, strict=True))
    r = np.hypot(y[:, None] * of.spacing[1], x[None] * of.spacing[2])
    before = np.floor(r / of.step) * of.step

    def bessel(m, argument):
        # The places' own argument tells the frequency.
        k = argument.max() / r.max()
        after = (r - before) / of.step
        one, other = special.jv(m, k * before), special.jv(m, k * (before + of.step))
        return one + after * (other - one)

    return functions(of, displacement, bessel)


@given(name=names, seed=seeds, count=st.integers(1, 3))
def test_light_and_its_adjoint(open_windows, name, seed, count):
    of = basis(name)
    windows = open_windows(of)
    windows.set_displacements(places(count, seed))
    amplitudes, waves, images = sample(of, count, seed)
    windows.set_spectrum(amplitudes)
    light, adjoint = windows.light(waves, 0), windows.light_adjoint(images, waves, 0)
    assert (light.dtype, adjoint.dtype) == (np.float32, np.float64)
    assert (light.shape, adjoint.shape) == (images.shape, amplitudes.shape)
    one = np.vdot(light.astype(float), images)
    other = np.vdot(amplitudes, adjoint)
    size = np.linalg.norm(light) * np.linalg.norm(images)
    assert abs(one - other) <= 1e-6 * size


@given(name=names, seed=seeds, count=st.integers(1, 3))
def test_windows_with_amplitudes_of_their_own(open_windows, name, seed, count):
    of = basis(name)
    windows = open_windows(of)
    windows.set_displacements(places(count, seed))
    _, waves, images = sample(of, count, seed)
    spectra = np.random.default_rng(seed).standard_normal((count, len(of.waves), of.columns))
    light = windows.light_of_each(spectra, waves, 0)
    adjoints = windows.light_adjoint_of_each(images, waves, 0)
    assert (light.shape, adjoints.shape) == (images.shape, spectra.shape)
    for bead, spectrum in enumerate(spectra):
        windows.set_spectrum(spectrum)
        own = slice(bead, bead + 1)
        np.testing.assert_array_equal(light[own], windows.light(waves[own], bead))
        one = windows.light_adjoint(images[own], waves[own], bead)
        np.testing.assert_array_equal(adjoints[bead], one)


@pytest.mark.parametrize("name", BASES)
def test_light_is_the_sum_of_the_functions(open_windows, name):
    of = basis(name)
    windows, displacements = open_windows(of), places(2)
    windows.set_displacements(displacements)
    amplitudes, waves, images = sample(of, 2)
    windows.set_spectrum(amplitudes)
    # With straight lines between the tables' places all but rounding is the same; that is near to
    # the functions themselves.
    for between, tolerance in [(in_lines, 1e-5), (functions, 5e-3)]:
        values = np.stack([between(of, d) for d in displacements])
        expected = np.einsum("nzw,wc,ncyx->nzyx", waves, amplitudes, values)
        assert relative_l2(windows.light(waves, 0), expected) <= tolerance
        expected = np.einsum("nzyx,nzw,ncyx->wc", images, waves, values)
        assert relative_l2(windows.light_adjoint(images, waves, 0), expected) <= tolerance


@pytest.mark.parametrize("name", BASES)
def test_a_displaced_bead(open_windows, name):
    psf, of = psf_basis(name), basis(name)
    windows, displacement, dz = open_windows(of), np.array([0.31, -0.43]), 0.2
    coefficients = np.random.default_rng(5).standard_normal(psf.size)
    amplitudes = psf.bead_spectrum(coefficients)
    windows.set_displacements(displacement[None])
    windows.set_spectrum(amplitudes)
    found = windows.light(of.waves_at(dz)[None], 0)[0]
    z = (np.arange(of.window[0]) - of.window[0] // 2 - dz)[:, None] * of.spacing[0]
    phase = 2 * np.pi * of.waves * z
    waves = np.where(of.waves < 0, np.sin(phase), np.cos(phase))
    expected = np.einsum("zw,wc,cyx->zyx", waves, amplitudes, functions(of, displacement))
    assert relative_l2(found, expected) <= 5e-3
    windows.set_displacements(np.zeros((1, 2)))
    found = windows.light(of.waves_at(0.0)[None], 0)[0]
    assert relative_l2(found, psf.bead(coefficients)) <= 5e-3


@given(name=names, seed=seeds, other=st.floats(-0.5, 0.5))
def test_a_whole_voxel_moves_all_by_one(open_windows, name, seed, other):
    of = basis(name)
    windows = open_windows(of)
    amplitudes, waves, _ = sample(of, 1, seed)
    windows.set_spectrum(amplitudes)
    for axis in (0, 1):
        displacement = np.full((2, 2), other)
        displacement[:, axis] = -0.5, 0.5
        windows.set_displacements(displacement)
        before, after = windows.light(np.repeat(waves, 2, axis=0), 0)
        before = np.roll(before, 1, axis=1 + axis)
        inside = (slice(None),) * (1 + axis) + (slice(1, None),)
        assert relative_l2(after[inside], before[inside]) <= 1e-5


@pytest.mark.parametrize("name", ["deep", "turning"])
def test_some_of_the_beads(open_windows, name):
    of = basis(name)
    windows = open_windows(of)
    windows.set_displacements(places(6))
    amplitudes, waves, images = sample(of, 6)
    windows.set_spectrum(amplitudes)
    light, adjoint = windows.light(waves, 0), windows.light_adjoint(images, waves, 0)
    assert relative_l2(windows.light(waves[2:5], 2), light[2:5]) <= 1e-6
    parts = [
        windows.light_adjoint(images[part], waves[part], part.start)
        for part in (slice(0, 2), slice(2, 5), slice(5, 6))
    ]
    assert relative_l2(np.sum(parts, axis=0), adjoint) <= 1e-6


def test_other_beads_take_the_place_of_the_first(open_windows):
    of = basis("uneven")
    windows = open_windows(of)
    amplitudes, waves, _ = sample(of, 3)
    windows.set_spectrum(amplitudes)
    expected = []
    for seed in (1, 2):
        fresh = HostWindows(of)
        fresh.set_displacements(places(3, seed))
        fresh.set_spectrum(amplitudes)
        expected.append(fresh.light(waves, 0))
    assert relative_l2(*expected) > 0.01
    for seed in (1, 2):
        windows.set_displacements(places(3, seed))
        assert relative_l2(windows.light(waves, 0), expected[seed - 1]) <= 1e-5


def test_other_amplitudes_take_the_place_of_the_first(open_windows):
    of = basis("turning")
    windows = open_windows(of)
    amplitudes, waves, _ = sample(of, 2)
    windows.set_displacements(places(2))
    windows.set_spectrum(amplitudes)
    first = windows.light(waves, 0)
    windows.set_spectrum(sample(of, 2, 1).amplitudes)
    assert relative_l2(windows.light(waves, 0), first) > 0.1
    windows.set_spectrum(-2 * amplitudes)
    np.testing.assert_allclose(windows.light(waves, 0), -2 * first, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kept", [0, 1, 10**6])
def test_pixels_that_are_not_kept(monkeypatch, kept):
    of = basis("turning")
    amplitudes, waves, images = sample(of, 4)
    whole, part = HostWindows(of), HostWindows(of)
    for windows in (whole, part):
        windows.set_displacements(places(4))
        windows.set_spectrum(amplitudes)
    # Of each term two places, with a number each, and where a pixel's begin.
    bytes_of_one = 4 * (13 * 13 * (4 * len(of.terms) + 1) + 1)
    light, adjoint = whole.light(waves, 0), whole.light_adjoint(images, waves, 0)
    monkeypatch.setattr(bead_windows, "KEPT_BYTES", kept * bytes_of_one)
    for _ in range(2):
        np.testing.assert_array_equal(part.light(waves, 0), light)
        np.testing.assert_array_equal(part.light_adjoint(images, waves, 0), adjoint)


# An OpenCL device.


@pytest.mark.opencl
@given(name=names, seed=seeds)
def test_opencl_is_numpy(opencl, name, seed):
    of = basis(name)
    host, device = HostWindows(of), opencl(of)
    amplitudes, waves, images = sample(of, 3, seed)
    for windows in (host, device):
        windows.set_displacements(places(3, seed))
        windows.set_spectrum(amplitudes)
    assert relative_l2(device.light(waves, 0), host.light(waves, 0)) <= 1e-5
    found, expected = device.light_adjoint(images, waves, 0), host.light_adjoint(images, waves, 0)
    assert relative_l2(found, expected) <= 1e-5


@pytest.mark.opencl
@pytest.mark.parametrize("windows_a_part", [0.5, 1, 2])
def test_opencl_in_parts(monkeypatch, opencl, windows_a_part):
    of = basis("turning, uneven")
    windows = opencl(of)
    windows.set_displacements(places(5))
    amplitudes, waves, images = sample(of, 5)
    windows.set_spectrum(amplitudes)
    light, adjoint = windows.light(waves, 0), windows.light_adjoint(images, waves, 0)
    from napari_psf_distiller.compute.opencl import windows as opencl_windows

    nbytes = int(windows_a_part * images[0].nbytes)
    monkeypatch.setattr(opencl_windows, "PART_BYTES", nbytes)
    # Twice the same, to the last bit.
    np.testing.assert_array_equal(windows.light(waves, 0), light)
    again = windows.light_adjoint(images, waves, 0)
    np.testing.assert_array_equal(windows.light_adjoint(images, waves, 0), again)
    # Sums over all windows are rounded where a part ends.
    assert relative_l2(again, adjoint) <= 1e-6


@pytest.mark.opencl
def test_opencl_takes_strided_arrays(opencl):
    of = basis("turning")
    windows = opencl(of)
    windows.set_displacements(places(2))
    amplitudes, waves, images = sample(of, 4)
    windows.set_spectrum(np.asfortranarray(amplitudes))
    light = windows.light(waves[::2].copy(), 0)
    adjoint = windows.light_adjoint(images[:2], waves[:2], 0)
    np.testing.assert_array_equal(windows.light(waves[::2], 0), light)
    strided = np.asfortranarray(images[:2])
    found = windows.light_adjoint(strided, np.asfortranarray(waves[:2]), 0)
    np.testing.assert_array_equal(found, adjoint)


@pytest.mark.opencl
@pytest.mark.parametrize("first", [-1, 2])
def test_opencl_knows_which_beads_there_are(opencl, first):
    of = basis("uneven")
    windows = opencl(of)
    windows.set_displacements(places(3))
    amplitudes, waves, images = sample(of, 2)
    windows.set_spectrum(amplitudes)
    with pytest.raises(ValueError, match="Of 3 beads there are no 2 from number"):
        windows.light(waves, first)
    with pytest.raises(ValueError, match="Of 3 beads there are no 2 from number"):
        windows.light_adjoint(images, waves, first)


@pytest.mark.opencl
def test_opencl_without_beads(opencl):
    of = basis("uneven")
    windows = opencl(of)
    windows.set_displacements(np.zeros((0, 2)))
    amplitudes, waves, images = sample(of, 0)
    windows.set_spectrum(amplitudes)
    assert windows.light(waves, 0).shape == images.shape
    adjoint = windows.light_adjoint(images, waves, 0)
    assert adjoint.shape == amplitudes.shape
    assert (adjoint == 0).all()


@pytest.fixture
def module(opencl_device):
    from napari_psf_distiller.compute.opencl import windows as opencl_windows

    return opencl_windows


@pytest.mark.opencl
def test_opencl_frees_its_memory(held, module, opencl_device):
    of = basis("uneven")
    windows = module.OpenCLWindows(opencl_device, of)
    amplitudes, waves, images = sample(of, 3)
    windows.set_spectrum(amplitudes)
    for count in (2, 3, 1):
        windows.set_displacements(places(count))
        windows.light(waves[:count], 0)
        windows.light_adjoint(images[:count], waves[:count], 0)
    assert 0 < held.count() <= 11
    windows.close()
    assert held.total() == 0
    windows.close()
    with pytest.raises(DeviceError, match="closed"):
        windows.light(waves[:1], 0)
    with pytest.raises(DeviceError, match="closed"):
        windows.set_displacements(places(1))
    with pytest.raises(DeviceError, match="closed"):
        windows.set_spectrum(amplitudes)


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


def use(windows, of: VoxelFunctions, count: int) -> None:
    amplitudes, waves, images = sample(of, count)
    windows.set_displacements(places(count))
    windows.set_spectrum(amplitudes)
    windows.light(waves, 0)
    windows.light_adjoint(images, waves, 0)
