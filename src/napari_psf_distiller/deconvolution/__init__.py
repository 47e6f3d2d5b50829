"""Richardson-Lucy deconvolution: its iterations, its end, and tiles."""
