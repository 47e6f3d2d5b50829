"""Building the package: the manifest of an editable installation, and the README on indexes."""

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"^!\[[^][]*\]\((?P<target>[^)]*)\)\n+", re.MULTILINE)
LINK = re.compile(r"\[(?P<text>[^][]*)\]\((?P<target>[^)]*)\)")
# What leads somewhere by itself: an address, or a heading of the page.
WHOLE = re.compile(r"[a-z]+:|#")


def published_readme(text: str, base: str) -> str:
    """Return the README as a package index shows it, where the repository's files are not.

    Parameters
    ----------
    text : str
        Markdown, whose links and pictures are files of the repository.
    base : str
        The address before which these are put; without one ("") links to them become plain text,
        and pictures are left out, so that nothing is dead.
    """

    def link(found: re.Match[str]) -> str:
        words, target = found["text"], found["target"]
        if WHOLE.match(target):
            return found[0]
        return f"[{words}]({base}{target})" if base else words

    def picture(found: re.Match[str]) -> str:
        return found[0] if base or WHOLE.match(found["target"]) else ""

    return LINK.sub(link, PICTURE.sub(picture, text))


class CustomMetadataHook(MetadataHookInterface):
    """Give the package's description its README, whose links lead somewhere."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README; the option ``address`` is where the repository's files can be seen."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = self.config.get("address", "")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": published_readme(text, address),
        }


class CustomBuildHook(BuildHookInterface[Any]):
    """Link the manifest at the top of the repository into the package.

    An editable installation runs from ``src``, so nothing that is put into a wheel is seen; an
    ordinary wheel gets the manifest through ``force-include`` instead.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the link, or a copy where symbolic links are refused."""
        if version != "editable":
            return
        root = Path(self.root)
        manifest = root / "napari.yaml"
        link = root / "src" / "napari_psf_distiller" / manifest.name
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(Path("..", "..", manifest.name))
        except OSError:  # Windows without the right to make links
            link.write_bytes(manifest.read_bytes())
