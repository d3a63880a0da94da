"""A scan into the model's frame and back. Numpy only."""
