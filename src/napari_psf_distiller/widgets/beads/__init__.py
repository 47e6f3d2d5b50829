"""Find beads, and the beads found: points, their table, what became of each."""
