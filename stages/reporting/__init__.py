"""Figures, overlays, the model card and the HTML report."""
