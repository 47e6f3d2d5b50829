"""
Distil a PSF from an image of beads
===================================

An image of beads whose PSF is known is simulated; the PSF is distilled from it, and looked at.
"""

# %%
# The image of beads
# ------------------
#
# A small one, of 12 beads of 100 nm near one plane. With an image
# of your own, ``image, spacing = psfd.read_image("beads.tif")`` takes the place of this.

import matplotlib.pyplot as plt
import numpy as np

import napari_psf_distiller as psfd

field = psfd.simulate_beads((40, 128, 128), beads=12, seed=1)
image, spacing = field.image, field.spacing
print(f"{image.shape} voxels of {spacing} micrometres")

# %%
# Distil
# ------
#
# All that is known is given: the beads' diameter, and the optics. Lengths are micrometres.

optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
result = psfd.distill(image, spacing, bead_diameter=0.1, optics=optics, device="numpy")
print(result.summary())

# %%
# The beads
# ---------
#
# Each bead was placed to a part of a voxel. One that was not used has the reason in the table.

used = result.beads["used"]
print(f"{used.sum()} of {len(used)} beads used")
print(result.beads[["z", "y", "x", "amplitude", "used", "reason"]].round(2).to_string())

figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
axes.imshow(image.max(axis=0), cmap="gray")
axes.plot(result.beads["x"], result.beads["y"], "o", mfc="none", mec="tab:blue", ms=14)
axes.set(title="The brightest voxel along z, and the beads", xlabel="x (voxels)", ylabel="y")

# %%
# The PSF
# -------
#
# Its sum is 1, and its peak lies at ``n // 2`` on each axis. The second row shows what is dim.

psf = np.asarray(result.psf)
z, y, x = (n // 2 for n in psf.shape)
sections = {"y, x": psf[z], "z, x": psf[:, y], "z, y": psf[:, :, x]}
heights = {"y, x": spacing[1], "z, x": spacing[0], "z, y": spacing[0]}

figure, rows = plt.subplots(2, 3, figsize=(8, 5.5), layout="constrained")
for row, gamma in zip(rows, (1, 0.4), strict=True):
    for axes, (name, section) in zip(row, sections.items(), strict=True):
        axes.imshow(
            (section / psf.max()) ** gamma,
            cmap="magma",
            vmin=0,
            vmax=1,
            aspect=heights[name] / spacing[2],
        )
        axes.set(title=f"{name}, gamma {gamma}", xticks=[], yticks=[])

# %%
# What the fit leaves
# -------------------
#
# The residual is the image less the model. Noise alone should be left: rings or spots at the beads
# would mean that something is not as the model has it.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
left.imshow(image[image.shape[0] // 2], cmap="gray")
left.set(title="A plane of the image", xticks=[], yticks=[])
shown = right.imshow(result.residual[image.shape[0] // 2], cmap="RdBu", vmin=-60, vmax=60)
right.set(title="Its residual", xticks=[], yticks=[])
figure.colorbar(shown, ax=right, shrink=0.8)
plt.show()
