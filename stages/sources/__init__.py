"""Scans and labels as they come: one adapter per source format."""
