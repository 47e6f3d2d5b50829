"""Let npe2 find the plugin's manifest in an editable installation."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


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
