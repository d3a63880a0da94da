"""Augmentation policies as data, and augmented copies written to disk."""
