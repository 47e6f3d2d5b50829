"""What an image is made of: beads' light and background, and least squares in them."""
