"""
Deconvolve an image
===================

The PSF of an image of beads sharpens another image that was taken with the same microscope.
"""

# %%
# The PSF
# -------
#
# It is distilled as in the first example.

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage, signal

import napari_psf_distiller as psfd

field = psfd.simulate_beads((40, 128, 128), beads=12, seed=1)
optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
psf = psfd.distill(field.image, field.spacing, bead_diameter=0.1, optics=optics, device="numpy").psf

# %%
# A specimen
# ----------
#
# Threads through the volume, as the microscope shows them: blurred by the true PSF, on a
# background, with the noise of the photons. With an image of your own, read it, and check that it
# has the voxel size of the PSF.

rng = np.random.default_rng(0)
specimen = np.zeros((40, 112, 112))
along = np.linspace(0, 1, 2000)
for _ in range(14):
    begin, end, bend = rng.uniform(0.1, 0.9, (3, 3))
    curve = (1 - along[:, None]) * begin + along[:, None] * end
    curve += 0.3 * (bend - 0.5) * np.sin(np.pi * along)[:, None]
    places = np.clip(np.round(curve * specimen.shape).astype(int), 0, np.array(specimen.shape) - 1)
    specimen[tuple(places.T)] = 1
specimen = ndimage.gaussian_filter(specimen, (0.3, 0.7, 0.7))
specimen *= 3000 / specimen.max()

background = 20.0
blurred = np.maximum(signal.fftconvolve(specimen, field.psf, mode="same"), 0)
image = rng.poisson(blurred + background).astype(np.float32)

# %%
# Deconvolve
# ----------
#
# Richardson-Lucy, accelerated; it ends by itself where the image's noise would begin to be fitted.
# The background is given, not subtracted. What comes back is an array that says how it came about.

sharp = psfd.deconvolve(image, psf, device="numpy", background=background)
print(sharp)


def difference(estimate):
    """Return how far an estimate is from the specimen, relative to it (L2)."""
    return float(np.linalg.norm(estimate - specimen) / np.linalg.norm(specimen))


print(f"Before: {difference(image - background):.2f} of the specimen off")
print(f"After:  {difference(sharp):.2f} of the specimen off")

# %%
# Before and after
# ----------------

figure, rows = plt.subplots(2, 3, figsize=(9, 5), layout="constrained", height_ratios=(112, 100))
pictures = {"image": image - background, "deconvolved": np.asarray(sharp), "specimen": specimen}
for axes, (name, volume) in zip(rows.T, pictures.items(), strict=True):
    top = 0.5 * volume.max()
    axes[0].imshow(volume.max(axis=0), cmap="gray", vmin=0, vmax=top)
    axes[1].imshow(
        volume.max(axis=1),
        cmap="gray",
        vmin=0,
        vmax=top,
        aspect=field.spacing[0] / field.spacing[2],
    )
    axes[0].set(title=name, xticks=[], yticks=[])
    axes[1].set(xticks=[], yticks=[])
rows[0, 0].set_ylabel("y, x")
rows[1, 0].set_ylabel("z, x")
plt.show()
