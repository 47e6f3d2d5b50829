"""Inspect PSF: pictures, widths, profiles, OTF."""
