"""Reference: every command of `brainseg`, with its arguments and options."""

import importlib

import typer
from typer.cli import get_docs_for_click

from docs.made import markdown
from stages import cli

HEAD = """# Commands

`brainseg COMMAND --help` says the same. A mistake ends with one sentence and status 2.

## Stages

`dvc repro` runs them in this order, those whose deps, params or code changed. Each is a command too, without
options: it reads `params.yaml` in the working folder."""


def page() -> str:
    """The page, in Markdown."""
    stages = ((f"`brainseg {name}`", summary) for name, summary in cli.STAGES.items())
    parts = [HEAD, markdown.table(("command", "what it does"), stages), "## Beside the pipeline"]
    for name in cli.COMMANDS | cli.OPTIONAL:
        room = "" if name in cli.OPTIONAL else "commands."
        command = typer.main.get_command(importlib.import_module(f"stages.{room}{name}").app)
        context = typer.Context(command, info_name=name)
        text = get_docs_for_click(obj=command, ctx=context, indent=2, name=f"brainseg {name}")
        parts.append(markdown.prose(text.replace("```console\n$ ", "```text\n").strip()))
    return markdown.joined(parts)
