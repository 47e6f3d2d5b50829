"""
Deconvolve an image with large pixels
=====================================

A camera's pixels may be larger than the optics' resolution asks for. With their part in the model,
a deconvolution shows detail that is smaller than they are.
"""

# %%
# An image with large pixels
# --------------------------
#
# Filaments in one plane, simulated on fine pixels. The camera's are 3 x 3 of these, 0.24
# micrometres wide, where Nyquist's limit is 0.108: each has the sum of the light on it.

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage, signal

import napari_psf_distiller as psfd

FINE, TIMES = 0.08, 3
fine_psf = psfd.simulate_psf((41, 41), (FINE, FINE)).astype(np.float32)

rng = np.random.default_rng(0)
specimen = np.zeros((192, 192))
for _ in range(9):
    turn = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.015, 700))
    steps = 0.4 * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    path = rng.uniform(20, 172, 2) + np.cumsum(steps, axis=0)
    inside = ((path >= 0) & (path <= 191)).all(axis=1)
    np.add.at(specimen, tuple(np.rint(path[inside]).astype(int).T), 80)

background = 10.0
blurred = np.maximum(signal.fftconvolve(specimen, fine_psf, mode="same"), 0)
sums = blurred.reshape(64, TIMES, 64, TIMES).sum(axis=(1, 3))
image = rng.poisson(sums + background).astype(np.float32)
spacing = (TIMES * FINE, TIMES * FINE)

# %%
# Deconvolve on its own pixels, and on finer ones
# -----------------------------------------------
#
# The PSF is needed on the result's pixels. One that was distilled is evaluated there by itself;
# here it is the true one, and on the camera's pixels the sum over 3 x 3 about its middle.

inner = fine_psf[1:-1, 1:-1]
large_psf = inner.reshape(13, TIMES, 13, TIMES).sum(axis=(1, 3))

own = psfd.deconvolve(
    image, psfd.PSF(large_psf, spacing), 40, device="numpy", background=background
)
finer = psfd.deconvolve(
    image,
    psfd.PSF(fine_psf, (FINE, FINE)),
    40,
    spacing=spacing,
    finer=TIMES,
    device="numpy",
    background=background,
)
print(f"Own pixels:   {own.shape} of {own.spacing[0]:.2f} micrometres")
print(f"Finer pixels: {finer.shape} of {finer.spacing[0]:.2f} micrometres")


def difference(estimate):
    """Return how far an estimate is from the specimen, both seen at 0.15 micrometres (L2)."""
    times = 192 // estimate.shape[0]
    there = np.kron(estimate, np.full((times, times), 1 / times**2))
    seen, expected = (ndimage.gaussian_filter(one, 0.8) for one in (there, specimen))
    return float(np.linalg.norm(seen - expected) / np.linalg.norm(expected))


print(f"Own pixels:   {difference(own):.2f} of the specimen off")
print(f"Finer pixels: {difference(finer):.2f} of the specimen off")

# %%
# Side by side
# ------------

figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
pictures = {"image": image, "own pixels": own, "finer pixels": finer, "specimen": specimen}
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    values = np.asarray(picture)
    axis.imshow(values, cmap="gray", vmin=values.min(), vmax=np.percentile(values, 99.5))
    axis.set(title=name, xticks=[], yticks=[])
plt.show()
