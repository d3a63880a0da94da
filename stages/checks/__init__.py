"""What validate does: slices measured, a list of checks, duplicates, Data Docs."""
