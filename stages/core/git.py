"""Git, run as a program: what it answers, as bytes or text.

The program and not a library: it reads many objects at once, and knows the user's settings, who signs and
how.
"""

import subprocess
from pathlib import Path

from stages.core.errors import UserError


def run(
    *command: str, stdin: bytes | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`git <command>` in a folder (default: the current one), ended, whatever its status.

    Raises `UserError` where git is not installed.
    """
    place = ["-C", str(folder)] if folder else []
    try:
        return subprocess.run(["git", *place, *command], input=stdin, capture_output=True)
    except (FileNotFoundError, PermissionError):
        raise UserError("git is not installed; revisions are read with it") from None


def read(
    *command: str, stdin: bytes | None = None, way_out: str = "run this in a clone of the project"
) -> bytes:
    """What git writes to stdout. Raises `UserError` where it refuses; `way_out` says what to do then."""
    done = run(*command, stdin=stdin)
    if done.returncode:
        raise UserError(f"git {command[0]} failed ({reason(done)}); {way_out}")
    return done.stdout


def text(*command: str, way_out: str = "run this in a clone of the project") -> str:
    """As `read`, as text: UTF-8, and a mark where it is not."""
    return read(*command, way_out=way_out).decode("utf-8", "replace")


def answer(*command: str, folder: Path | None = None) -> str | None:
    """What git answers to a question, without space around; None where it refuses or is not installed."""
    try:
        done = run(*command, folder=folder)
    except (UserError, OSError):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def reason(done: subprocess.CompletedProcess[bytes], line: int = 0) -> str:
    """The first line, or another by its place, of what git complained of."""
    complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return complaint[line] if complaint else "it gives no reason"
