"""Sections of a page as one self-contained HTML file, opened from disk."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stages.reporting import inline

Sections = Mapping[str, tuple[str, str]]
"""Of each its title and its template, by the name that links use."""


def of(title: str, sections: Sections, context: Mapping[str, Any]) -> str:
    """The page. context: what the templates name; `headline`, `nobody` and the metrics of evaluate are what
    its head says.
    """
    jinja = templates()
    script = source(jinja, "report.js")
    return jinja.get_template("report.html.j2").render(
        title=title,
        sections={name: head for name, (head, _) in sections.items()},
        templates={name: template for name, (_, template) in sections.items()},
        png=inline.png,
        photo=inline.photo,
        style=source(jinja, "report.css"),
        script=script,
        # The policy names the one script that may run: no name from the data can be another.
        script_hash=_hash("\n" + script),
        **context,
    )


def templates() -> Environment:
    """The templates of this room; what they are filled with is escaped, and a name they lack is an error."""
    return Environment(
        loader=PackageLoader("stages.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def source(jinja: Environment, name: str) -> Markup:
    """A file beside the templates, as it is."""
    assert jinja.loader is not None
    return Markup(jinja.loader.get_source(jinja, name)[0])


def _hash(script: str) -> str:
    """As a Content Security Policy names the script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
