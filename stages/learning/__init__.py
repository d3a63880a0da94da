"""Network, losses, training, resume, inference, export."""
