"""Progress of whatever iterates: one generator drives napari's worker, the bar and a test."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_psf_distiller.steps import StepId

__all__ = ["Progress", "Steps", "finish", "note_likelihood", "noting", "passed_on"]

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Where a step stands, as a callback is told.

    Distilling calls it for the steps of finding beads, distilling and post-processing, and where a
    recipe goes step by step for preprocessing and thresholding before these; deconvolving calls it
    for its one step, at first while the number of iterations is sought, if it is not given.

    Attributes
    ----------
    step : StepId
        Its ``title`` is for people.
    iteration, total : int
        ``iteration`` of ``total`` are done.
    log_likelihood : float or None
        Poisson log-likelihood of the estimate this iteration started from, in nats, up to a
        constant of the image; None where it was not computed.
    preview : numpy.ndarray or None
        The present estimate, now and then.
    note : str
        Something that people should see while it runs, or "".
    phase : str
        Which part of the step it is that is counted, for people, such as ``"Median filter"``; "" of
        the whole step.
    estimated : bool
        Whether nobody knows the total yet: each time it is what can be told by then.
    at_most : bool
        Whether it may be over before the total.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_psf_distiller as psfd
    >>> def show(progress):
    ...     if progress.iteration == progress.total:
    ...         print(progress.step.title, progress.total)
    >>> image, psf = np.eye(16), np.full((3, 3), 1 / 9)
    >>> sharp = psfd.deconvolve(image, psf, iterations=5, device="numpy", callback=show)
    Deconvolve 5
    """

    step: StepId
    iteration: int
    total: int
    log_likelihood: float | None = None
    preview: NDArray[np.float32] | None = None
    note: str = ""
    phase: str = ""
    estimated: bool = False
    at_most: bool = False

    @property
    def count(self) -> str:
        """How many are done, of how many."""
        of = "of at most" if self.at_most else "of about" if self.estimated else "/"
        return f"{self.iteration} {of} {self.total}"

    @property
    def title(self) -> str:
        """What people read of what is under way: the phase, or else the step."""
        return self.phase or self.step.title


# What iterates yields its progress and returns its result; closing it frees what it holds.
Steps = Generator[Progress, None, T]


def finish(steps: Steps[T], on_progress: Callable[[Progress], Any] | None = None) -> T:
    """Run a generator of progress to its end and return its result.

    Parameters
    ----------
    steps : generator
        Yields `Progress`, returns the result.
    on_progress : callable, optional
        Called with each `Progress`.
    """
    try:
        while True:
            progress = next(steps)
            if on_progress is not None:
                on_progress(progress)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


def passed_on(
    steps: Steps[T],
    change: Callable[[Progress], Progress] | None = None,
    *,
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    taken: Callable[[Progress], Any] | None = None,
) -> Steps[T]:
    """Pass a generator of progress on, and do something on the way.

    Parameters
    ----------
    steps : generator
        Yields `Progress`, returns the result.
    change : callable, optional
        Takes each `Progress`, and returns the one that is passed on.
    around : callable
        Returns what each of the generator's turns is done within.
    taken : callable, optional
        Called with each `Progress` when it was taken, before the generator goes on.
    """
    try:
        while True:
            with around():
                progress = next(steps)
            yield progress if change is None else change(progress)
            if taken is not None:
                taken(progress)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


def noting(steps: Steps[T], curve: list[tuple[int, float]]) -> Steps[T]:
    """Pass a generator on, keeping the likelihoods that come by."""

    def note(progress: Progress) -> Progress:
        note_likelihood(curve, progress)
        return progress

    return passed_on(steps, note)


def note_likelihood(curve: list[tuple[int, float]], progress: Progress) -> None:
    """Append the likelihood, if there is one, to a curve of (iteration, log-likelihood)."""
    if progress.log_likelihood is None:
        return
    if curve and progress.iteration <= curve[-1][0]:
        # It began anew, with less memory or elsewhere.
        curve.clear()
    curve.append((progress.iteration, progress.log_likelihood))
