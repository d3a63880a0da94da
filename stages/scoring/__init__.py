"""Overlap and surface metrics, components, choices on validation, bootstrap."""
