"""What a scan is once read: header, spacing, what its labels mean."""
