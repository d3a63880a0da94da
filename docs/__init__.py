"""The site: its pages, and what makes those of the reference."""
