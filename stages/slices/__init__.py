"""Manifest tables, the slice store, the torch dataset over it, the augmentation policies."""
