"""Open napari with a simulated bead field and the widget to begin with."""

import napari

PLUGIN = "napari-psf-distiller"


def main() -> None:
    """Open the viewer, and return when it is closed."""
    viewer = napari.Viewer()
    viewer.open_sample(PLUGIN, "beads_on_slide")
    viewer.window.add_plugin_dock_widget(PLUGIN, "PSF Distiller")
    napari.run()


if __name__ == "__main__":
    main()
