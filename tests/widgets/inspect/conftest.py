"""The inspector, opened."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def opens(user: Any) -> Callable[..., Any]:
    """Open the inspector and wait for its first drawing."""

    def opened(**values: Any) -> Any:
        gui = user.opens("Inspect PSF", **values)
        user.waits(lambda: not gui.inspector.busy)
        return gui

    return opened
