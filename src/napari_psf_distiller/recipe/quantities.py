"""The numbers that a recipe can hold, each with its range."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

__all__ = [
    "MOST_FINER",
    "OVER_FIELD",
    "TAILS",
    "Count",
    "Distance",
    "Factor",
    "Finer",
    "Gibibytes",
    "Intensity",
    "Iterations",
    "Margin",
    "NonNegativeIntensity",
    "OverField",
    "Positive",
    "PositiveFactor",
    "PositiveIntensity",
    "SignedDistance",
    "Tails",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Lengths in an image, in micrometres: no image is 10 cm wide.
Distance = Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)]
SignedDistance = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
Margin = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)]
# Plain numbers, as of standard deviations.
Factor = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
PositiveFactor = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
# In an image's intensity units; single precision holds no larger one's square.
Intensity = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
PositiveIntensity = Annotated[float, Field(ge=1e-15, le=1e15, allow_inf_nan=False)]
NonNegativeIntensity = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Iterations = Annotated[int, Field(ge=1, le=100_000)]
Gibibytes = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
# Voxels of a result for one of an image, along an axis: more than so many it cannot tell apart.
MOST_FINER = 10
# What a PSF has beyond the window that it was fitted in: nothing, or what theory says.
Tails = Literal["none", "continued"]
TAILS: tuple[Tails, ...] = get_args(Tails)
# What of a PSF that changes over the field an image is deconvolved with.
OverField = Literal["varying", "placed", "mean"]
OVER_FIELD: tuple[OverField, ...] = get_args(OverField)
Finer = Annotated[int, Field(ge=1, le=MOST_FINER)]
