"""The guide as napari opens it: put together in turns of the event loop, so that all goes on."""

from collections.abc import Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_psf_distiller.widgets.parts.docks import be_as_wide, stand_together
from napari_psf_distiller.widgets.viewer.calm import collector

if TYPE_CHECKING:
    from napari_psf_distiller.widgets.guide.guide import Guide

__all__ = ["GuideDock"]

OPENING = "Opening the guide…"
NOT_OPENED = "The guide could not be opened. Close it, and open it again."

# Pixels that the guide would like to have in napari's own font.
LIKELY_WIDTH = 413

# Of our modules: what they import besides takes some time, and each is imported in a turn.
MODULES = (
    "joint.pipeline",
    "widgets.layers.source",
    "widgets.running.runner",
    "widgets.distil.live_fit",
    "widgets.beads.widget",
    "widgets.inspect.widget",
    "widgets.distil.widget",
    "widgets.deconvolve",
    "widgets.prove.widget",
    "widgets.threshold.widget",
    "widgets.guide.steps",
    "widgets.guide.guide",
)


# What is asked of the guide itself. Not all that there is not: napari looks for this and that.
OF_THE_GUIDE = frozenset(
    (
        *("head", "microscope", "steps", "sections", "chain", "files", "result", "welcome"),
        *("run_button", "cancel_button", "prove_button", "deconvolve_too", "bar", "status"),
        *("column", "fold", "open", "standing", "refresh", "run_missing", "cancel", "prove"),
        *("reset",),
    )
)


class GuideDock(QWidget):
    """Opens at once, and then puts the guide together, a part in each turn of the event loop.

    What the guide has, it has too: asked for any of that, it puts together what is missing at
    once. So who uses it from Python need not wait.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer = viewer
        self._guide: Guide | None = None
        self._words = QLabel(OPENING)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        # napari puts a space into what does not fill its dock, which would stay above the guide.
        self._words.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._words)
        self._parts = self._put_together()
        self._next = QTimer(self)
        self._next.setInterval(0)
        self._next.timeout.connect(self._put_next)
        self._next.start()
        self.destroyed.connect(self._parts.close)

    @property
    def whole(self) -> bool:
        """Whether the guide is there already."""
        return self._guide is not None

    @property
    def guide(self) -> "Guide":
        """The guide, whole."""
        for _ in self._parts:
            pass
        self._next.stop()
        if self._guide is None:
            raise RuntimeError(NOT_OPENED)
        return self._guide

    def __getattr__(self, name: str) -> Any:
        """Return what the guide has."""
        if name not in OF_THE_GUIDE:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return getattr(self.guide, name)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return what the guide will need too, so that nothing moves when it comes."""
        return super().sizeHint().expandedTo(QSize(LIKELY_WIDTH, 0))

    def reset_choices(self, event: Any = None) -> None:
        """Offer the layers that are there now; napari calls this when they change."""
        # It offers those that there are when it comes to be.
        if self._guide is not None:
            self._guide.reset_choices(event)

    def event(self, event: QEvent | None) -> bool:
        """Stand with our other docks, and leave all as it was found when it is closed."""
        put = event is not None and event.type() == QEvent.Type.ParentChange
        if put and "_parts" in vars(self):
            stand_together(self)
            if self.parentWidget() is None:
                self._leave()
        return bool(super().event(event))

    def _leave(self) -> None:
        if self._guide is not None:
            self._guide.relax()
        else:
            # Nobody waits for it any more; who asks for it all the same has it made anew.
            self._next.stop()
            self._parts.close()
            self._parts = self._put_together()

    def _put_next(self) -> None:
        if next(self._parts, self) is self:
            self._next.stop()

    def _put_together(self) -> Generator[None]:
        # So many new objects have the collector look at all that napari has, again and again.
        collector.spare()
        try:
            for name in MODULES:
                import_module(f"napari_psf_distiller.{name}")
                yield
            from napari_psf_distiller.widgets.guide.guide import Guide
            from napari_psf_distiller.widgets.guide.head import asked_once
            from napari_psf_distiller.widgets.guide.steps import make_steps

            head, steps = asked_once(), []
            yield
            for step in make_steps():
                steps.append(step)
                yield
            guide = Guide(self._viewer, head, steps)
            yield
            self._words.hide()
            layout = self.layout()
            assert layout is not None
            layout.addWidget(guide)
            # Not to be used before it is whole.
            guide.setEnabled(False)
            # Qt would show it in a later turn.
            guide.show()
            be_as_wide(self, guide.sizeHint().width())
            yield
            yield from guide.put_in()
            guide.setEnabled(True)
            self._guide = guide
        except Exception:
            self._words.setText(NOT_OPENED)
            raise
        finally:
            collector.resume()
