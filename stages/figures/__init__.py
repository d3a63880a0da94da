"""Pictures and curves, equal bytes for equal numbers."""
