"""
Errors, the truth, and files
============================

Of a simulated image the true PSF is known: the distilled one is compared with it, and with the
errors that it states. Then it is saved, with its recipe, and read back.
"""

# %%
# Distil
# ------

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import napari_psf_distiller as psfd

field = psfd.simulate_beads((40, 128, 128), beads=12, seed=1)
optics = psfd.Optics(numerical_aperture=1.2, wavelength=0.52, refractive_index=1.33)
result = psfd.distill(field.image, field.spacing, bead_diameter=0.1, optics=optics, device="numpy")

# %%
# Widths
# ------
#
# An interval of 1.96 standard errors to each side holds the truth in 95 of 100 images.

true = psfd.fwhm(field.psf, field.spacing)
for axis, width, error, truth in zip("zyx", result.fwhm, result.fwhm_error, true, strict=True):
    print(
        f"{axis}: {1000 * width:.1f} ± {1000 * error:.1f} nm, true {1000 * truth:.1f} nm, "
        f"{(width - truth) / error:+.1f} standard errors off"
    )

# %%
# Voxels
# ------
#
# Both are cut to the voxels about the peak, and scaled to the sum 1 there.


def middle(array, shape):
    """Return the voxels about the peak, which lies at n // 2."""
    parts = (
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(array.shape, shape, strict=True)
    )
    return np.asarray(array)[tuple(parts)]


shape = np.min([result.psf.shape, field.psf.shape, (25, 33, 33)], axis=0)
found, truth = middle(result.psf, shape), middle(field.psf, shape)
error = middle(result.psf.error, shape) / found.sum()
found, truth = found / found.sum(), truth / truth.sum()

off = np.linalg.norm(found - truth) / np.linalg.norm(truth)
stated = np.linalg.norm(error) / np.linalg.norm(found)
held = np.mean(np.abs(found - truth) < 1.96 * error)
print(f"Relative L2 error {off:.3f}, stated {stated:.3f}")
print(f"The 95 % interval holds the truth in {100 * held:.0f} % of the voxels")

# %%
# Along the three axes through the peak:

figure, panels = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", sharey=True)
for axis, (axes, name) in enumerate(zip(panels, "zyx", strict=True)):
    line = tuple(slice(None) if a == axis else n // 2 for a, n in enumerate(shape))
    where = (np.arange(shape[axis]) - shape[axis] // 2) * field.spacing[axis]
    axes.fill_between(
        where,
        found[line] - 1.96 * error[line],
        found[line] + 1.96 * error[line],
        color="tab:blue",
        alpha=0.3,
        label="95 % interval",
    )
    axes.plot(where, found[line], color="tab:blue", label="distilled")
    axes.plot(where, truth[line], "k:", label="true")
    axes.set_xlabel(f"{name} (micrometres)")
panels[0].legend()

# %%
# Save and read back
# ------------------
#
# The file is an ImageJ TIFF that other programs read too, with the voxel size and with the recipe
# that made it. It also has what is needed to evaluate the PSF on voxels of another size.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "beads.psf.tif")
    result.psf.save(path)
    back = psfd.read_psf(path)
    result.recipe.save(Path(folder, "recipe.json"))
    again = psfd.Recipe.load(Path(folder, "recipe.json"))

print("The same voxels:", np.array_equal(back, result.psf))
print("The same recipe:", back.recipe == again == result.recipe)
print("Voxel size:", back.spacing)
print("Made by:", back.recipe.provenance.device)
print("On finer voxels:", back.evaluate(spacing=(0.1, 0.05, 0.05), with_error=True))
plt.show()
