"""Reference: every key of params.yaml, its default, what it accepts, and the comment beside it."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from docs.made import markdown
from stages.project.params import Params

FILE = Path(__file__).resolve().parents[2] / "params.yaml"
COLUMNS = ("param", "default", "accepts", "meaning")
HEAD = """# Params

One section of `params.yaml` for each stage. `dvc exp run -S train.lr=1e-4` tries another value without
editing the file. Unknown keys and wrong values end with a sentence that names the key."""


def page() -> str:
    """The page, in Markdown."""
    notes = comments(FILE.read_text(encoding="utf-8"))
    schema = Params.model_json_schema()
    parts = [HEAD]
    for section, keys in YAML(typ="safe", pure=True).load(FILE).items():
        fields = schema["$defs"][section.capitalize()]["properties"]
        rows = [
            (
                f"`{section}.{key}`",
                f"`{_yaml(value)}`",
                accepts(fields[key], schema["$defs"]),
                notes[f"{section}.{key}"],
            )
            for key, value in keys.items()
        ]
        parts += [f"## {section}", markdown.table(COLUMNS, rows)]
    return markdown.joined(parts)


def comments(text: str) -> dict[str, str]:
    """The comment of each `section.key` of params.yaml, lines below it that are comments alone included."""
    notes: dict[str, str] = {}
    section = key = ""
    for line in text.splitlines():
        if head := re.match(r"(\w+):", line):
            section, key = head[1], ""
        elif entry := re.match(r"  (\w+):[^#]*(?:#\s*(.*))?$", line):
            key = f"{section}.{entry[1]}"
            notes[key] = entry[2] or ""
        elif key and (more := re.match(r"\s{3,}#\s*(.*)$", line)):
            notes[key] += " " + more[1]
    return notes


_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "`true`, `false`",
    "null": "`null`",
}
_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
}


def accepts(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON schema of pydantic's in words."""
    if "$ref" in schema:
        fields = definitions[schema["$ref"].rsplit("/", 1)[-1]]["properties"]
        return "; ".join(f"`{name}`: {accepts(field, definitions)}" for name, field in fields.items())
    if "anyOf" in schema:
        return " or ".join(accepts(entry, definitions) for entry in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        count = f" of {schema['minItems']}" if "minItems" in schema else ""
        return f"a list{count}: {accepts(schema['items'], definitions)}"
    if schema["type"] == "object":
        return "names, each with its numbers"
    bounds = [words.format(f"{schema[key]:.10g}") for key, words in _BOUNDS.items() if key in schema]
    return " ".join([_TYPES[schema["type"]], *bounds])


def _yaml(value: Any) -> str:
    """As it stands in params.yaml."""
    writer, stream = YAML(typ="safe", pure=True), StringIO()
    writer.default_flow_style = True
    writer.width = 200
    writer.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()
