"""A page to drop new scans on, look at their masks, correct and keep them; and the same for programs.

brainseg serve                                       # http://127.0.0.1:8765/, with the model of models/export
brainseg serve --model git@host:team/brainseg@v1.0.0 --corrections corrections
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.predicting import writing
from stages.project.paths import HERE
from stages.registry import versions
from stages.serving import server
from stages.serving.guard import LOOPBACK, Access
from stages.serving.settings import MAX_BYTES, MAX_WAITING, Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    model: Annotated[
        str, typer.Option(help="An .onnx file, the folder of an export, or a version: <repository>@v1.0.0.")
    ] = str(HERE.export),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    host: Annotated[str, typer.Option(help="Another than this machine's own needs --token.")] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="BRAINSEG_TOKEN", help="What every request must have: Authorization: Bearer <token>."
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder where masks, pictures and summary stay.", show_default=False),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(help="Folder for accepted and corrected masks, which ingest reads.", show_default=False),
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Of one upload.")] = MAX_BYTES,
    max_waiting: Annotated[int, typer.Option(min=1, help="Scans that may wait at a time.")] = MAX_WAITING,
) -> None:
    """Serve a page for new scans."""
    if host not in LOOPBACK and not token:
        raise UserError(f"--host {host} lets other machines in; add --token, or set BRAINSEG_TOKEN")
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise UserError("--token must be printable ASCII without spaces at its ends; choose another")
    access = Access.to(host, token)
    settings = Settings(model, versions.locate(model), access, max_bytes, max_waiting, keep, corrections)
    with server.listening(host, port) as socket:
        if keep:
            writing.prepare(keep, overwrite=False)
        if corrections:
            writing.prepare(corrections, overwrite=True)
        asyncio.run(server.serve(settings, socket))


if __name__ == "__main__":
    errors.run(app)
