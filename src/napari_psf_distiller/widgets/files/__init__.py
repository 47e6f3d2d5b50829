"""What the viewer opens and saves: PSFs, and samples."""
