"""Networks by name, and the trained model on disk."""
