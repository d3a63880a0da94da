"""Markdown as HTML that can do nothing but be read."""

from markdown_it import MarkdownIt


def html(text: str, down: int = 0) -> str:
    """The HTML of a text, its headings so many levels down, below those of the page around it."""
    # The text quotes names from the data; raw HTML, links and pictures in them must stay text.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink", "reference"])
    tokens = reader.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + down)}"
    return str(reader.renderer.render(tokens, reader.options, {}))
