"""What a joint fit leaves of all beads of a real stack alike, in standard errors: 1 is noise.

    python benchmarks/real_stacks.py beads.tif --na 0.95 --wavelength 0.52 --index 1 --bead 0.2
    python benchmarks/real_stacks.py beads.tif ... --out after.npz
    python benchmarks/real_stacks.py --picture residual.png before.npz after.npz

The mean residual is aligned at the beads' centres; its core reaches 1.2 widths of the PSF to each
side, its window 5. A stack is any TIFF with its voxel size; none belongs to the project.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

import napari_psf_distiller as psfd
from napari_psf_distiller.io import StoredImage
from napari_psf_distiller.joint.pipeline import raw_bead_image
from napari_psf_distiller.measure.mean_residual import MeanResidual, mean_residual

CORE, WINDOW = 1.2, 5.0

# Mean residuals are drawn from minus to plus so many standard errors.
SHOWN = 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="a stack, or results to draw")
    parser.add_argument("--na", type=float)
    parser.add_argument("--wavelength", type=float, help="of emission, in micrometres")
    parser.add_argument("--index", type=float, help="of refraction, of the immersion")
    parser.add_argument(
        "--support", default="microscope", choices=["microscope", "auto", "data"], help="see Optics"
    )
    parser.add_argument("--bead", type=float, help="diameter in micrometres")
    parser.add_argument("--out", type=Path, help="an .npz to keep the mean residual in")
    parser.add_argument("--picture", type=Path, help="draw such files into a PNG")
    given = parser.parse_args()
    if given.picture is not None:
        draw(given.files, given.picture)
        return
    recipe = psfd.Recipe(
        bead_diameter=given.bead,
        optics=psfd.Optics(given.na, given.wavelength, given.index, support=given.support),
    )
    for path in given.files:
        stack = psfd.read_image(path)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", psfd.DistillerWarning)
            result = psfd.distill(stack.image, stack.spacing, recipe=recipe)
        seconds = time.perf_counter() - start
        left = left_of(result, stack)
        print(
            f"{path.name}: {seconds:.0f} s, {left.beads} beads, core {left.core:.2f}, window "
            f"{left.window:.2f}, chi squared {result.beads['chi_squared'].median():.2f}"
        )
        for sentence in result.warnings:
            print(f"  {sentence}")
        if given.out is not None:
            np.savez(given.out, mean=left.mean, error=left.error, rms=(left.core, left.window))


def left_of(result: psfd.Result, stack: StoredImage) -> MeanResidual:
    """Return the mean residual of a result's used beads."""
    assert result.residual is not None
    field = raw_bead_image(stack.image, psfd.Recipe(spacing=stack.spacing))
    variance = field.variance((stack.image - result.residual).astype(np.float32))
    beads = result.beads[result.beads["used"]]
    widths = np.array(result.fwhm) / stack.spacing
    core, window = (np.round(part * widths).astype(int).tolist() for part in (CORE, WINDOW))
    places, amplitudes = beads[["z", "y", "x"]].to_numpy(), beads["amplitude"].to_numpy()
    return mean_residual(result.residual, variance, places, amplitudes, core, window)


def draw(files: list[Path], picture: Path) -> None:
    """Draw mean residuals below each other: the middle plane, and the section along z and x."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2 * len(files)), layout="constrained")
    rows = np.atleast_2d(figure.subplots(len(files), 2))
    for row, path in zip(rows, files, strict=True):
        kept = np.load(path)
        errors = np.where(np.isfinite(kept["error"]), kept["error"], 1)
        shown = kept["mean"] / errors
        z, y, _ = (n // 2 for n in shown.shape)
        for axes, section, name in ((row[0], shown[z], "xy"), (row[1], shown[:, y], "xz")):
            drawn = axes.imshow(section, cmap="RdBu_r", vmin=-SHOWN, vmax=SHOWN, aspect="equal")
            core, window = kept["rms"]
            axes.set_title(f"{path.stem}, {name}: core {core:.1f}, window {window:.1f}")
            axes.set_axis_off()
    figure.colorbar(drawn, ax=rows, label="standard errors", shrink=0.7)
    figure.savefig(picture, dpi=90)


if __name__ == "__main__":
    main()
