"""The microscope in a widget: its fields, those kept by name, and what the image's file says."""
