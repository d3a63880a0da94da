"""The pages of docs/reference/ that are made from the code whenever the site is built, so they cannot differ.

A module a page, with `page()` that gives its Markdown; tests/docs/test_reference.py holds them to the code.
"""
