"""Deconvolution of data sets that are larger than the memory, on dask's schedulers."""
