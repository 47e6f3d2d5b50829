"""The widget Deconvolve data set: what is found, the PSFs, a trial, and the long run."""
