"""The pages of the documents that come with the plugin, and which chapter explains a widget."""

import re
from pathlib import Path

from napari_psf_distiller.errors import InputError

__all__ = ["CHAPTERS", "GUIDE", "page_text", "slug_of"]

GUIDE = "guide.md"

# What the plugin has with it; the build puts them here from the repository's documents.
PAGES = (GUIDE, "datasets.md", "programs.md", "glossary.md")
PACKAGE = Path(__file__).parents[2]
INSTALLED, REPOSITORY = PACKAGE / "docs", PACKAGE.parents[1] / "docs"

# By the title of a widget, the heading of the chapter that explains its fields.
CHAPTERS = {
    "PSF Distiller": "At the top of the guide",
    "Preprocess beads": "Preprocess beads (stepwise only)",
    "Threshold": "Threshold (stepwise only)",
    "Find beads": "Find beads",
    "Distil PSF": "Distil PSF",
    "Distil several images": "Distil several images",
    "Post-process PSF": "Post-process PSF",
    "Deconvolve": "Deconvolve",
    "Deconvolve data set": "Deconvolve data set",
    "Inspect PSF": "Inspect PSF",
    "Prove PSF": "Prove PSF",
}

PICTURE = re.compile(r"!\[([^][]*)\]\([^)]*\)")
LINK = re.compile(r"\[([^][]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
WITH_ADDRESS = re.compile(r"[a-z]+:")


def page_text(name: str) -> str:
    """Return a page as Markdown whose links all lead somewhere.

    Its pictures are left out, and links to what does not come with the plugin are plain text.

    Parameters
    ----------
    name : str
        One of `PAGES`.

    Raises
    ------
    InputError
        The page is not there.
    """
    found = next((one / name for one in (INSTALLED, REPOSITORY) if (one / name).is_file()), None)
    if found is None or name not in PAGES:
        raise InputError(f"The page {name} is not installed: install napari-psf-distiller again.")
    text = PICTURE.sub("", found.read_text(encoding="utf-8"))

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        if not target or WITH_ADDRESS.match(target) or target in PAGES:
            return f"[{words}]({target}{anchor})"
        return words

    return LINK.sub(link, text)


def slug_of(heading: str) -> str:
    """Return the anchor of a heading, as links in the pages have it.

    Examples
    --------
    >>> slug_of("Several bead stacks, one PSF")
    'several-bead-stacks-one-psf'
    """
    return re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-")
