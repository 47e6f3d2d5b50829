"""What a layer is: its geometry, what it was made from, and with what."""
