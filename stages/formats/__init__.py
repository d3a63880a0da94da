"""File formats: bytes to pixels and back, one file a format."""
