"""How a step runs on the processor: NumPy and SciPy."""
