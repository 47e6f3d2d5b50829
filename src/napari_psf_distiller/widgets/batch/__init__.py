"""The widget Distil several images: a PSF from each, and a table of what came of them."""
