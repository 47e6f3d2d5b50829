"""The stepwise way: preprocess, threshold, find beads, distil by Richardson-Lucy."""
