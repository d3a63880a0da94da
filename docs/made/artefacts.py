"""Reference: what each stage reads and writes, from dvc.yaml, and the columns of every table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from sphinx.pycode import ModuleAnalyzer

from docs.made import markdown
from stages.core import tables

FILE = Path(__file__).resolve().parents[2] / "dvc.yaml"
SCHEMAS = {
    "MANIFEST": ("data/manifest.csv", "data/validated.csv", "data/slices/index.csv"),
    "FINDINGS": ("reports/validate/findings.csv",),
    "SPLITS": ("data/splits.csv",),
    "HISTORY": ("reports/train/history.csv",),
    "PER_CASE": ("reports/evaluate/per_case.csv",),
    "SUSPECTS": ("reports/evaluate/suspects.csv",),
    "FRAMES": ("reports/evaluate/curves/frames.csv",),
    "TRIED": ("reports/tried.csv",),
    "SITES": ("reports/sites.csv",),
}
"""The files that each schema of `core/tables.py` is of."""
HEAD = """# Artefacts

What each stage of `dvc.yaml` reads and writes. Files in git are there after a clone; the others are in
DVC's cache, and `dvc repro` makes them or `dvc pull` fetches them."""
TABLES = """## Tables

CSV in UTF-8 with Unix line ends, floats with six significant digits. A cell that is not what its column holds
is an error that names the line."""


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for name, stage in YAML(typ="safe", pure=True).load(FILE)["stages"].items():
        parts += [f"## {name}", *_stage(stage)]
    parts.append(TABLES)
    analyzer = ModuleAnalyzer.for_module("stages.core.tables")
    about = {name: " ".join(lines).strip() for (_, name), lines in analyzer.find_attr_docs().items()}
    for name, files in SCHEMAS.items():
        parts += [f"### {', '.join(f'`{file}`' for file in files)}", about[name], _columns(name)]
    return markdown.joined(parts)


def _stage(stage: dict[str, Any]) -> list[str]:
    always = ", which runs every time" if stage.get("always_changed") else ""
    reads = [f"`{path}`" for path in stage["deps"] if not path.startswith("stages/")]
    writes = [
        (f"`{path}`", kind, "DVC's cache" if flags.get("cache", True) else "git")
        for key, kind in (("outs", "out"), ("metrics", "metrics"), ("plots", "plot"))
        for path, flags in _entries(stage.get(key, []))
    ]
    return [
        f"{stage['desc']}. `{stage['cmd']}`{always}.",
        f"Reads: {', '.join(reads) or 'what `ingest.location` names'}.",
        markdown.table(("writes", "as", "kept in"), writes),
    ]


def _columns(name: str) -> str:
    schema: tables.Schema = getattr(tables, name)
    rows = [
        (f"`{column}`", kind.value, "yes" if column in schema.columns else "no")
        for column, kind in (schema.columns | schema.further).items()
    ]
    return markdown.table(("column", "a cell is", "always there"), rows)


def _entries(listed: Iterable[Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for entry in listed:
        yield from ({entry: {}} if isinstance(entry, str) else entry).items()
