"""The project's folder: its params and its paths."""
