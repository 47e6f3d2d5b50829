"""How a step runs on an OpenCL device."""
