"""The napari plugin: one magicgui widget a step, layers in, layers out."""
