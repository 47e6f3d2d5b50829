"""Colours with a meaning, the same in drawings and in the viewer.

Okabe and Ito's, told apart by colour-blind readers too, and on white as on dark grey.
"""

__all__ = ["AXIS_COLOURS", "CUTOFF", "NOT_USED", "USED"]

AXIS_COLOURS = {"z": "#D55E00", "y": "#009E73", "x": "#3391D6"}
# Of beads.
USED, NOT_USED = "#56B4E9", "#E69F00"
# Where a microscope's band ends; seen on all of the colours of "inferno".
CUTOFF = "#56B4E9"
