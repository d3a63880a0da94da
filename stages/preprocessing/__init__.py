"""A case from its files to the slice store."""
