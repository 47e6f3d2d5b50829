"""Examples of each command, which stand at the end of its help."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

# Of each command; the continuation of a line is indented further.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "psf-distiller demo",
        "psf-distiller distill beads.tif -o out --bead-diameter 0.1",
        "psf-distiller deconvolve cells.tif out/psf.tif -o sharp.tif",
    ),
    "demo": ("psf-distiller demo", "psf-distiller demo --layout gel -o gel-demo"),
    "distill": (
        "psf-distiller distill beads.tif -o out --bead-diameter 0.1 --na 1.2 "
        "--wavelength 0.52 --refractive-index 1.33",
        "psf-distiller distill beads.tif -o out --spacing 0.2 0.08 0.08",
        "psf-distiller distill monday/ -o monday-psf",
        "psf-distiller distill monday/ -o monday-psfs --each",
    ),
    "deconvolve": (
        "psf-distiller deconvolve cells.tif out/psf.tif -o sharp.tif",
        "psf-distiller deconvolve cells.tif out/psf.tif -o sharp.ome.tif --iterations 50",
        "psf-distiller deconvolve plate.zarr green.tif red.tif -o sharp.zarr",
    ),
    "try": (
        "psf-distiller try cells.tif out/psf.tif -o trial.tif",
        "psf-distiller try cells.tif out/psf.tif -o trial.tif --region 0:32,100:300,50:250 "
        "--iterations 20 50",
    ),
    "export": (
        "psf-distiller export out/psf.tif -o psf.ome.tif",
        "psf-distiller export out/psf.tif -o finer.tif --spacing 0.1 0.05 0.05",
        "psf-distiller export --list",
    ),
    "maps": ("psf-distiller maps out/psf.tif --beads out/beads.csv -o maps",),
    "replay": ("psf-distiller replay out/recipe.json beads.tif -o again",),
    "presets": (
        'psf-distiller presets save "Lab 63x" --na 1.4 --wavelength 0.52 --refractive-index 1.518',
        "psf-distiller presets",
        'psf-distiller distill beads.tif -o out --microscope-preset "Lab 63x"',
    ),
    "devices": ("psf-distiller devices",),
}
