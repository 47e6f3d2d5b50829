"""The kernels where the transform's real array and its spectrum are one buffer, as VkFFT has it."""

import numpy as np
import pyopencl as cl
import pytest
from problems import BOUNDARIES, points, relative_l2, run
from scipy import fft

from napari_psf_distiller.compute import open_engine
from napari_psf_distiller.compute.opencl import solver, transforms
from napari_psf_distiller.deconvolution.model import Model

pytestmark = pytest.mark.opencl

PSF = np.random.default_rng(3).gamma(0.5, 1, (5, 6, 7)).astype(np.float32)


class InPlace:
    """A transform whose rows are longer than the grid's, done on the host."""

    def __init__(self, name, queue, shape, allocate) -> None:
        half = (*shape[:2], shape[2] // 2 + 1)
        self.pitch = 2 * half[2]
        self.real = self.spectrum = allocate(8 * int(np.prod(half)))
        self._queue, self._shape = queue, shape
        self._values = np.empty(half, np.complex64)

    def forward(self) -> None:
        cl.enqueue_copy(self._queue, self._values, self.real)
        rows = self._values.view(np.float32)[..., : self._shape[2]]
        cl.enqueue_copy(self._queue, self.spectrum, fft.rfftn(rows).astype(np.complex64))

    def inverse(self) -> None:
        cl.enqueue_copy(self._queue, self._values, self.spectrum)
        rows = self._values.view(np.float32)
        # Whatever lies beyond the grid's rows may not matter.
        found = fft.irfftn(self._values, s=self._shape)
        rows[...] = np.nan
        rows[..., : self._shape[2]] = found
        cl.enqueue_copy(self._queue, self.real, self._values)

    def release(self) -> None:
        pass


@pytest.mark.parametrize("method", ["plain", "accelerated"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(11, 15, 17), (12, 14, 16)])
def test_rows_with_room_for_their_spectrum(
    monkeypatch, host, opencl_device, shape, boundary, method
):
    image = points(shape, PSF)
    model = Model(
        boundary, method, total_variation=0.001, background=np.ones_like(image), mask=image < 90
    )
    expected = run(image, PSF, 12, model, host)
    monkeypatch.setattr(solver, "open_transform", InPlace)
    found = run(image, PSF, 12, model, open_engine(opencl_device.name, "opencl"))
    assert relative_l2(found, expected) <= 1e-3


@pytest.mark.parametrize("shape", [(11, 15, 17), (12, 14, 16)])
def test_kernels_of_one_length(monkeypatch, host, opencl_device, shape):
    # As on a GPU, and on a processor's large grids.
    image = points(shape, PSF)
    expected = run(image, PSF, 12, "noncirculant", host)
    monkeypatch.setattr(transforms, "SMALL_GRID", 0)
    engine = open_engine(opencl_device.name, "opencl")
    assert relative_l2(run(image, PSF, 12, "noncirculant", engine), expected) <= 1e-3
