"""The viewer's own canvas, camera and event loop."""
