"""Two revisions compared: a verdict with its intervals, as Markdown and JSON."""
