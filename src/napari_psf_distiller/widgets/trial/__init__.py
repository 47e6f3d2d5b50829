"""A region deconvolved in several ways, shown side by side in a viewer to choose from."""
