"""Errors a user can cause, and the one place where they end a command."""

import errno
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


class UserError(Exception):
    """What is wrong, where (file, row or key) and what to do, in one sentence. Ends with status 2."""


def reason(error: BaseException) -> str:
    """The first line of what a library says of an error, at most 160 characters."""
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return (text.splitlines() or [""])[0][:160]


def run(command: Callable[[], object]) -> None:
    """Run a Typer app; a `UserError` becomes one line on stderr and exit status 2, without a traceback.

    So do a full disk and a missing artefact, which any reader or writer may meet. What a terminal cannot show
    of a name is printed as its number: a name must not end a command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    try:
        command()
    except UserError as error:
        _end(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _end("the disk is full; free some space (`dvc gc --workspace` drops old results) and run again")
        if error.errno == errno.ENOENT and error.filename and not Path(error.filename).is_absolute():
            _end(f"{error.filename} does not exist; `dvc repro` makes it")
        raise
    except KeyboardInterrupt:
        sys.exit(130)


def _end(sentence: str) -> NoReturn:
    sys.stdout.flush()
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)
