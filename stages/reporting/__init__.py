"""The HTML report: one page from what every stage measured."""
