"""The viewer's own canvas, camera, sliders and event loop, and all that is not public of them."""
