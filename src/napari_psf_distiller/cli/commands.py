"""What the subcommands of `psf-distiller` do.

Each takes the parsed arguments, does its work, and returns what is to be printed; it speaks on the
way through an `Outlet`. What is written is first put beside its place, and moved when all is well.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_psf_distiller.advice import deconvolve_warnings
from napari_psf_distiller.checks import check_given_spacing
from napari_psf_distiller.cli.options import chosen_part, with_options
from napari_psf_distiller.cli.results_text import labelled, results_text
from napari_psf_distiller.compute import FFTS, Device, devices, open_engine
from napari_psf_distiller.compute.host.fft import HOST_FFTS
from napari_psf_distiller.datasets.ome_zarr import is_zarr
from napari_psf_distiller.deconvolution.finer import same_spacing
from napari_psf_distiller.deconvolution.pipeline import deconvolve_step
from napari_psf_distiller.deconvolution.psf_on_image import psf_on_image
from napari_psf_distiller.errors import DistillerError, InputError
from napari_psf_distiller.io import check_one_image, has_voxel_size, read_image, write_image
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.progress import Progress, finish
from napari_psf_distiller.psf import PSF, read_psf
from napari_psf_distiller.recipe import Optics, Recipe
from napari_psf_distiller.results.folder import result_names, write_results
from napari_psf_distiller.results.staging import results_in
from napari_psf_distiller.simulate import simulate_beads
from napari_psf_distiller.wording import sizes_text

__all__ = ["Outlet", "compare_spacing", "deconvolve", "demo", "given_psf", "list_devices"]

# The demonstration's field: larger than its PSF's window, small enough to be distilled in seconds
# on two cores.
DEMO_SHAPE = (54, 192, 192)
DEMO_SPACING = (0.2, 0.08, 0.08)
DEMO_BEADS = 40
DEMO_DIAMETER = 0.1
DEMO_APERTURE, DEMO_WAVELENGTH, DEMO_INDEX = 1.2, 0.52, 1.33

# What `open_engine` does.
AUTO_RULE = (
    "'auto' takes the first usable OpenCL GPU, with VkFFT where pyvkfft is installed, else with\n"
    "this package's own kernels (opencl). Without a GPU it takes NumPy, which is faster than\n"
    "OpenCL on the same processor, with the first installed of "
    f"{', '.join(HOST_FFTS)}.\nAny other can be asked for by --device and --fft."
)


@dataclasses.dataclass(frozen=True)
class Outlet:
    """Where a command speaks while it works.

    Attributes
    ----------
    warn : callable
        Takes a sentence that should be minded.
    tell : callable
        Takes a sentence.
    progress : callable
        Takes a `Progress`.
    """

    warn: Callable[[str], None]
    tell: Callable[[str], None]
    progress: Callable[[Progress], None]


def demo(arguments: argparse.Namespace, outlet: Outlet) -> str:
    """Simulate a field of beads, distil it, and compare the PSF with the true one."""
    optics = Optics(DEMO_APERTURE, DEMO_WAVELENGTH, DEMO_INDEX)
    recipe = Recipe(spacing=DEMO_SPACING, bead_diameter=DEMO_DIAMETER, optics=optics)
    recipe = with_options(recipe, arguments)
    folder: Path = arguments.output
    names = ("beads.tif", *result_names(recipe))
    with results_in(folder, names, arguments.overwrite) as staging:
        field = simulate_beads(
            DEMO_SHAPE,
            DEMO_SPACING,
            beads=DEMO_BEADS,
            bead_diameter=DEMO_DIAMETER,
            layout=arguments.layout,
            seed=arguments.seed,
            numerical_aperture=DEMO_APERTURE,
            wavelength=DEMO_WAVELENGTH,
            refractive_index=DEMO_INDEX,
        )
        write_image(staging / "beads.tif", field.image, spacing=field.spacing)
        # As read back, so that the recipe can be replayed on the file.
        image = read_image(staging / "beads.tif").image
        result = finish(distill_steps_of(image, recipe), outlet.progress)
        title = f"PSF from a simulated field of beads ({arguments.layout})"
        write_results(staging, result, title)
    for warning in result.warnings:
        outlet.warn(warning)
    true = ", ".join(f"{1000 * width:.0f}" for width in fwhm(field.psf, field.spacing))
    return "\n".join(
        [
            labelled({"Image": folder / "beads.tif"}),
            results_text(folder, result),
            labelled({"True": f"{true} nm (the simulated PSF)"}),
        ]
    )


def deconvolve(arguments: argparse.Namespace, outlet: Outlet) -> str:
    """Deconvolve a file's image with a file's PSF."""
    image = read_image(arguments.image, **chosen_part(arguments))
    known, psf_spacing = given_psf(arguments.psf)
    spacing = image.spacing
    if arguments.spacing is not None:
        spacing = check_given_spacing(arguments.spacing, image.image.ndim)
        compare_spacing("the spacing given", spacing, arguments.image, image.spacing, outlet)
    recipe = with_options(Recipe(spacing=spacing), arguments)
    settings = recipe.deconvolve
    inputs, mask = [arguments.image, arguments.psf], None
    if arguments.mask is not None:
        inputs.append(arguments.mask)
        mask = read_image(arguments.mask).image != 0
    output: Path = arguments.output
    if output.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"{output} cannot be written: its name must end in .tif or .ome.tif.")
    if settings.is_finer and spacing is None:
        raise InputError(
            f"{arguments.image} does not say its voxel size, and a result on finer voxels needs "
            "it: give --spacing, or save the image with its voxel size."
        )
    kernel, note, variation = psf_on_image(known, image.image.shape, recipe, psf_spacing)
    if spacing is None and psf_spacing is not None:
        # The total variation needs one, and so does who opens the result; of a stack of one plane
        # that of the plane.
        recipe = dataclasses.replace(recipe, spacing=psf_spacing[-image.image.ndim :])
    with results_in(output.parent, (output.name,), arguments.overwrite, inputs) as staging:
        steps = deconvolve_step(image.image, kernel, recipe, mask=mask, variation=variation)
        done = finish(steps, outlet.progress)
        write_image(
            staging / output.name,
            done.array,
            spacing=done.spacing,
            first_voxel=done.first_voxel,
        )
    factors = settings.factors(image.image.shape) if settings.is_finer else None
    found = deconvolve_warnings(
        image.image,
        kernel,
        settings.boundary,
        finer=factors,
        continued=settings.tails == "continued"
        or (isinstance(known, PSF) and known.measured is not None),
    )
    for warning in found:
        outlet.warn(warning)
    for warning in done.warnings:
        outlet.warn(warning)
    automatic = " (automatic)" if settings.iterations is None else ""
    lines = [
        f"Image:  {output}",
        f"Done:   {done.iterations} {settings.method} iterations{automatic}",
        f"Device: {done.device}",
    ]
    if note:
        lines.append(f"Note:   {note}")
    if settings.is_finer and done.spacing is not None:
        lines.append(f"Voxels: {sizes_text(done.shape)}, of {sizes_text(done.spacing)} micrometres")
    return "\n".join(lines)


def given_psf(path: Path) -> tuple[PSF | NDArray[Any], tuple[float, ...] | None]:
    """Return a file's PSF and its voxel size, which an image that serves as one may lack."""
    if has_voxel_size(path):
        # One of ours has the functions, too, that it is a sum of.
        psf = read_psf(path)
        return psf, psf.spacing
    if is_zarr(path):
        # The choice of a channel or a scene is one of the image's.
        check_one_image(path)
    return read_image(path)


def list_devices(_arguments: argparse.Namespace, _outlet: Outlet) -> str:
    """List the devices with their FFTs, and say which are used if none is asked for."""
    head = ("name", "kind", "platform", "usable", "FFT", "why not")
    rows = [
        (
            device.name,
            device.kind,
            device.platform,
            "yes" if device.usable else "no",
            _ffts(device),
            device.why_not,
        )
        for device in devices()
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    here = f"Here 'auto' takes {open_engine().description}."
    return "\n".join([*lines, "", AUTO_RULE, here])


def _ffts(device: Device) -> str:
    """Return the FFTs that a device can use, that of "auto" first."""
    if not device.usable:
        return ""
    auto, others = open_engine(device.name).fft, []
    for name in FFTS:
        try:
            engine = open_engine(device.name, name)
        except DistillerError:
            continue
        if engine.fft != auto:
            others.append(engine.fft)
    return ", ".join([f"{auto} (auto)", *others])


def compare_spacing(
    one: str | Path,
    spacing: Sequence[float],
    other: Path,
    others: Sequence[float] | None,
    outlet: Outlet,
) -> None:
    """Warn where two voxel sizes differ, that of `one` and that of the file `other`."""
    if others is None or len(others) != len(spacing):
        return
    if not same_spacing(spacing, others):
        a, b = (" x ".join(f"{size:g}" for size in sizes) for sizes in (spacing, others))
        outlet.warn(f"The voxel sizes differ: {a} micrometres in {one}, {b} in {other}.")
