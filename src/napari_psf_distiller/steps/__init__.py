"""The science, one module a step: arrays in, arrays out."""
