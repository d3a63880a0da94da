"""Metrics in one list, their intervals, and what is chosen on validation patients."""
