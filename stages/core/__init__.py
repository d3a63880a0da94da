"""What every room uses: errors, files written whole, tables, progress, workers, hashes."""
