"""Pages made from the code have all of it: every param, option, out, table, metric, check and format."""

import importlib
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from docs.made import artefacts, checks, commands, formats, metrics, pages, params
from stages import cli
from stages.checks.catalogue import CHECKS
from stages.core import tables
from stages.formats.formats import FORMATS
from stages.formats.suffixes import DICOM
from stages.project.params import Params
from stages.scoring.metrics import NAMES
from stages.sources.sources import SOURCES
from tests.pipeline.import_graph import ROOT


def rows(page: str) -> dict[str, list[str]]:
    """The cells of every row of every table, by the row's first cell without its backticks."""
    lines = page.splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" |")]
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("| `") and not following.startswith("|:")
    ]
    return {row[0].strip("| `"): row[1:] for row in cells}


def test_every_param_has_its_default_and_the_comment_of_params_yaml() -> None:
    listed = rows(params.page())
    sections = {field.alias or name: field for name, field in Params.model_fields.items()}
    names = {
        f"{section}.{key}"
        for section, field in sections.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    }
    assert set(listed) == names
    assert listed["train.optimizer"][:2] == ["`adamw`", "`adamw`, `adam`, `sgd`"]
    assert listed["train.lr"][1] == "a number above 0"
    assert listed["preprocess.size"][1] == "a whole number from 32 to 1024 a multiple of 32"
    assert listed["split.folds"][1] == "a whole number from 3 or `null`"
    assert listed["train.window"][1] == "a list of 3: a whole number from 1 or `null`"
    # A comment that goes on over a line.
    assert "lines" not in listed["split.strategy"][2]
    assert listed["split.strategy"][2].endswith("slice (leaky, to measure leakage)")


def test_no_comment_of_params_yaml_is_lost() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    words = [line.partition("#")[2].strip() for line in text.splitlines() if line.startswith("  ")]
    listed = " ".join(params.comments(text).values())
    assert all(part in listed for part in words)


@pytest.fixture(scope="module")
def page() -> str:
    return commands.page()


def test_every_stage_and_command_has_its_options(page: str) -> None:
    for name in cli.STAGES:
        assert f"| `brainseg {name}` " in page
    for name in cli.COMMANDS | cli.OPTIONAL:
        room = "" if name in cli.OPTIONAL else "commands."
        command = typer.main.get_command(importlib.import_module(f"stages.{room}{name}").app)
        part = page.split(f"### `brainseg {name}`")[1].split("\n### ")[0]
        for param in command.params:
            for option in param.opts:
                assert option in part, (name, option)


def test_stages_are_commands_without_options() -> None:
    for name in cli.STAGES:
        source = (ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")
        assert "typer.Option" not in source, name
        assert "typer.Argument" not in source, name


def test_every_out_of_dvc_yaml_is_listed() -> None:
    page = artefacts.page()
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        part = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert stage["desc"] in part
        for kind in ("outs", "metrics", "plots"):
            for entry in stage.get(kind, []):
                path = entry if isinstance(entry, str) else next(iter(entry))
                assert f"| `{path}`" in part, path


def test_every_table_has_its_columns() -> None:
    page = artefacts.page()
    schemas = {name: value for name, value in vars(tables).items() if isinstance(value, tables.Schema)}
    assert set(artefacts.SCHEMAS) == set(schemas)
    for name, schema in schemas.items():
        part = page.split(f"### `{artefacts.SCHEMAS[name][0]}`")[1].split("\n### ")[0]
        listed = rows(part)
        assert set(listed) == set(schema.columns | schema.further)
        for column, kind in schema.columns.items():
            assert listed[column] == [kind.value, "yes"]


def test_the_files_of_a_table_are_outs_or_below_outs() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = {
        entry if isinstance(entry, str) else next(iter(entry))
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for entry in stage.get(kind, [])
    } | {"reports/tried.csv", "reports/sites.csv"}  # which commands write that people run
    for files in artefacts.SCHEMAS.values():
        for file in files:
            assert any(file == out or file.startswith(out + "/") for out in outs), file


def test_every_metric_and_every_check_is_listed() -> None:
    assert tuple(rows(metrics.page())) == NAMES
    assert tuple(rows(checks.page())) == tuple(CHECKS)


def test_every_suffix_and_every_source_is_listed() -> None:
    page = formats.page()
    for suffix in (*FORMATS, *DICOM):
        assert f"`{suffix}`" in page
    listed = rows(page.split("## Sources")[1].split("## Published")[0])
    assert set(listed) == set(SOURCES)
    assert {name for name, cells in listed.items() if cells[1] == "–"} == {
        name for name, source in SOURCES.items() if not source.kaggle
    }


def test_a_page_is_written_anew_only_where_it_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGES", {"metrics": lambda: "# Metrics\n"})
    pages.write(tmp_path)
    before = (tmp_path / "metrics.md").stat().st_mtime_ns
    pages.write(tmp_path)
    assert (tmp_path / "metrics.md").stat().st_mtime_ns == before
    (tmp_path / "metrics.md").write_text("of before\n")
    pages.write(tmp_path)
    assert (tmp_path / "metrics.md").read_text() == "# Metrics\n"
