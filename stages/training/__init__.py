"""Losses, optimisers, training, resume, tracking."""
