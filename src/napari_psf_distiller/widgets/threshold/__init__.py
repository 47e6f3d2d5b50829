"""Threshold, and its preview in the viewer."""
