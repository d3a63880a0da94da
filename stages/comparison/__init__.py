"""Two revisions compared: a verdict with its intervals, what changed between them, as Markdown and JSON."""
