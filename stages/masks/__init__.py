"""Probabilities to masks. Numpy only, the only copy."""
