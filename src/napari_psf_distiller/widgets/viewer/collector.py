"""The garbage collector, kept from looking at all of napari while a step runs."""

import gc

__all__ = ["collector"]


class Collector:
    """Python's garbage collector, which stops all threads while it works.

    napari has some hundred thousand objects, and looking at all of them takes 0.1 s and more: the
    collector does when enough new ones were made, and napari asks for it whenever a layer is
    removed. While a step runs, what was there before is left out.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._ours = False

    def spare(self) -> None:
        """Leave out what there is, until `resume` was called as often as this."""
        self._steps += 1
        # If somebody left out something for good, it stays so.
        if self._steps == 1 and gc.get_freeze_count() == 0:
            gc.freeze()
            self._ours = True

    def resume(self) -> None:
        """Look at everything again."""
        self._steps -= 1
        if self._steps == 0 and self._ours:
            gc.unfreeze()
            self._ours = False


collector = Collector()
