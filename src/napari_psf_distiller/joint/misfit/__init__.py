"""Where the beads and the fitted model differ, and what that tells."""
