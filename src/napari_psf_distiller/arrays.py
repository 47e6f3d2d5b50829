"""What NumPy takes as an array, though it is more than one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

__all__ = ["HoldsArray", "read_only"]


class HoldsArray(NDArrayOperatorsMixin):
    """An object whose voxels NumPy takes: by ``np.asarray``, by its functions, in arithmetic.

    What is computed from one is an array.

    Attributes
    ----------
    array : numpy.ndarray
        The voxels.
    """

    array: NDArray[np.float32]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        # NumPy asks for a copy only where one was wanted, and for none (False) where it must not
        # be one.
        if copy:
            return np.array(self.array, dtype)
        if copy is False and dtype is not None and np.dtype(dtype) != self.array.dtype:
            raise ValueError(f"A {type(self).__name__} cannot become {dtype} without a copy.")
        return np.asarray(self.array, dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = (np.asarray(one) if isinstance(one, HoldsArray) else one for one in inputs)
        return getattr(ufunc, method)(*arrays, **keywords)

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Number of axes, 3 or 2."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the voxels' values."""
        return self.array.dtype


def read_only(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an array's values as an array that cannot be written to; the memory is the same."""
    view = array.view()
    view.flags.writeable = False
    return view
