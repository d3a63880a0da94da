"""New scans through a model for people and programs: HTTP over one model, and a page."""
