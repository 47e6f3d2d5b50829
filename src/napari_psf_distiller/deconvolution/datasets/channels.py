"""Which channels a data set has, and which number each has in each image."""

from __future__ import annotations

from collections.abc import Sequence

from napari_psf_distiller.deconvolution.datasets.plan import DatasetImage

__all__ = ["channel_names", "numbers_of_channels"]

# Of more names than so many in all images, these are not the channels', but each image's own.
MOST_NAMED = 12


def channel_names(images: Sequence[DatasetImage]) -> tuple[tuple[str, ...], bool]:
    """Return the channels' names, and whether they tell a channel in each image.

    Parameters
    ----------
    images : sequence of DatasetImage
        They may have the same channels in another order, or some of them only.

    Returns
    -------
    names : tuple of str
        Of the image that has most, and what others have besides; empty where there is one channel
        without a name.
    named : bool
        Else each image has names of its own, the order tells its channels, and the names are those
        of the image that has most.
    """
    own = [image.layout.channels for image in images]
    most = max(own, key=len)
    every = tuple(dict.fromkeys((*most, *(name for names in own for name in names))))
    named = len(every) <= max(len(most), MOST_NAMED) and all(
        names and len(set(names)) == len(names) for names in own
    )
    return (every, True) if named else (most, False)


def numbers_of_channels(images: Sequence[DatasetImage]) -> list[tuple[int | None, ...]]:
    """Return for each channel of a data set its number in each image; None in one without it."""
    names, named = channel_names(images)
    if named:
        own = [image.layout.channels for image in images]
        return [tuple(has.index(name) if name in has else None for has in own) for name in names]
    counts = [image.layout.size("c") for image in images]
    return [
        tuple(number if number < count else None for count in counts)
        for number in range(max(counts))
    ]
