"""Distil a microscope's point spread function (PSF) from an image of fluorescent beads.

>>> import napari_psf_distiller as psfd
>>> field = psfd.simulate_beads((32, 96, 96), beads=6, seed=3)
>>> result = psfd.distill(field.image, spacing=field.spacing)  # doctest: +SKIP
>>> result.psf.save("psf.tif")  # doctest: +SKIP
"""

from importlib.metadata import version

# Before what takes a while to import.
import napari_psf_distiller.starting  # noqa: F401

# isort: split

from napari_psf_distiller.batch.distill import Batch, distill_each
from napari_psf_distiller.compute import Device, devices
from napari_psf_distiller.deconvolution.attempts import Attempt
from napari_psf_distiller.deconvolution.datasets.run import DeconvolvedDataset, deconvolve_dataset
from napari_psf_distiller.deconvolution.datasets.survey import Survey, survey
from napari_psf_distiller.deconvolution.datasets.trial import try_dataset
from napari_psf_distiller.deconvolution.pipeline import deconvolve
from napari_psf_distiller.deconvolution.trial import Trial, try_region
from napari_psf_distiller.errors import DeviceError, DistillerError, DistillerWarning, InputError
from napari_psf_distiller.export import Exporter, FormatOption, exporters
from napari_psf_distiller.io import StoredMicroscope, read_image, read_microscope
from napari_psf_distiller.measure.otf import OTFSection
from napari_psf_distiller.measure.widths import fwhm
from napari_psf_distiller.microscopes import MicroscopePreset, MicroscopePresets
from napari_psf_distiller.pipeline import distill
from napari_psf_distiller.progress import Progress
from napari_psf_distiller.psf import PSF, DepthProfile, EigenPSFs, FieldMaps, read_psf
from napari_psf_distiller.recipe import (
    Camera,
    Deconvolve,
    JointFit,
    MatchedFilter,
    Optics,
    PostProcess,
    Preprocess,
    Recipe,
    RichardsonLucy,
    Threshold,
    ThresholdedObjects,
)
from napari_psf_distiller.results import Deconvolved, Result, StackResult, WhyEnded
from napari_psf_distiller.simulate import SimulatedBeads, simulate_beads, simulate_psf
from napari_psf_distiller.steps import StepId

__version__ = version("napari-psf-distiller")

__all__ = [
    "PSF",
    "Attempt",
    "Batch",
    "Camera",
    "Deconvolve",
    "Deconvolved",
    "DeconvolvedDataset",
    "DepthProfile",
    "Device",
    "DeviceError",
    "DistillerError",
    "DistillerWarning",
    "EigenPSFs",
    "Exporter",
    "FieldMaps",
    "FormatOption",
    "InputError",
    "JointFit",
    "MatchedFilter",
    "MicroscopePreset",
    "MicroscopePresets",
    "OTFSection",
    "Optics",
    "PostProcess",
    "Preprocess",
    "Progress",
    "Recipe",
    "Result",
    "RichardsonLucy",
    "SimulatedBeads",
    "StackResult",
    "StepId",
    "StoredMicroscope",
    "Survey",
    "Threshold",
    "ThresholdedObjects",
    "Trial",
    "WhyEnded",
    "deconvolve",
    "deconvolve_dataset",
    "devices",
    "distill",
    "distill_each",
    "exporters",
    "fwhm",
    "read_image",
    "read_microscope",
    "read_psf",
    "simulate_beads",
    "simulate_psf",
    "survey",
    "try_dataset",
    "try_region",
]
