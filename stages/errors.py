"""Errors a user can cause, and the one place where they end a command."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """What is wrong, where (file, row or key) and what to do, in one sentence. Ends with status 2."""


def run(command: Callable[[], object]) -> None:
    """Run a Typer app; a `UserError` becomes one line on stderr and exit status 2, without a traceback."""
    try:
        command()
    except UserError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
