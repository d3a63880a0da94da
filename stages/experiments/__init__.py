"""Experiments with the pipeline: planned, run by DVC, and read back out of git."""
