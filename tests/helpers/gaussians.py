"""Gaussians, whose widths are known."""

import numpy as np


def gaussian(shape, sigma, at=None) -> np.ndarray:
    """A sampled Gaussian about `at`, by default n // 2."""
    at = tuple(n // 2 for n in shape) if at is None else at
    grids = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.exp(-0.5 * sum(((g - a) / s) ** 2 for g, a, s in zip(grids, at, sigma, strict=True)))
