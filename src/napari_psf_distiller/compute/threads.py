"""How many threads the linear algebra takes."""

from __future__ import annotations

from typing import TypeVar

from threadpoolctl import ThreadpoolController

from napari_psf_distiller.progress import Steps

__all__ = ["on_one_thread"]

T = TypeVar("T")


def on_one_thread(steps: Steps[T]) -> Steps[T]:
    """Pass a generator on, its linear algebra on one thread.

    Products of small matrices gain nothing from a second thread, and where the processor is busy
    with something else, such as a viewer, they wait for it: many times as long.
    """
    controller = ThreadpoolController()
    try:
        while True:
            with controller.limit(limits=1, user_api="blas"):
                progress = next(steps)
            yield progress
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()
