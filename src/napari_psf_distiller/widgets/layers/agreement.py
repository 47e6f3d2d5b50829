"""Whether layers that go into a step belong together, and what is said if they do not."""

from napari.layers import Layer

from napari_psf_distiller.widgets.layers.note import own_note
from napari_psf_distiller.widgets.layers.source import NOT_PREPROCESSED, Source

__all__ = ["found_elsewhere", "is_made_from", "not_raw"]


def not_raw(source: Source, who: str) -> tuple[str, ...]:
    """Return a warning if an image that should be as it was measured is not.

    Parameters
    ----------
    source : Source
        The image layer.
    who : str
        What needs the raw image.
    """
    if source.recipe.preprocess == NOT_PREPROCESSED:
        return ()
    return (
        f"The image {source.name!r} was preprocessed: its noise and background are not the "
        f"camera's any more, and {who} needs them. Choose the raw image.",
    )


def is_made_from(layer: Layer | None, source: Source) -> bool:
    """Return whether a layer was made from another one, renamed since or not."""
    note = own_note(layer.metadata) if layer is not None else None
    if note is None or note.source is None or note.source_layer != source.identity:
        return False
    # It may have got other data.
    now, then = source.summary, note.source
    return (now.shape, now.dtype) == (then.shape, then.dtype)


def found_elsewhere(source: Source, other: Source) -> tuple[str, ...]:
    """Return a warning if two layers are of another time or channel.

    Parameters
    ----------
    source : Source
        The image worked on.
    other : Source
        What was found in it, or in another volume of its layer.
    """
    if not source.chosen or not other.chosen or source.chosen == other.chosen:
        return ()
    here, there = (
        ", ".join(f"{label} {index}" for label, index in layer.chosen.items())
        for layer in (source, other)
    )
    return (
        f"{other.name!r} was made at {there}, and the image is that of {here}: move the viewer's "
        "slider to the one that you mean.",
    )
