"""How a step runs beside the viewer: workers, progress, layers that are added."""
