"""The guide: every step in one panel, each when it can be done."""
