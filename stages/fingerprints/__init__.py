"""Pictures recognised again: hashes that survive flips, resizing and JPEG, and those a model has seen."""
