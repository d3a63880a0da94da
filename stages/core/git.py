"""Git, run as a program: what it answers, as bytes or text.

The program and not a library: it reads many objects at once, and knows the user's settings, who signs and
how.
"""

import re
import subprocess
from pathlib import Path

from stages.core.errors import UserError

FOREIGN = "the repository belongs to another user, and git does not read it"


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
        if trust := distrust():  # not every command says so itself
            raise UserError(f"{FOREIGN}; run `{trust}` if you trust what is in it")
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


def distrust(folder: Path | None = None) -> str | None:
    """The command that has git read the repository of another user, None where it reads this one."""
    try:
        done = run("rev-parse", "--git-dir", folder=folder)
    except UserError:
        return None
    complaint = done.stderr.decode("utf-8", "replace") if done.returncode else ""
    # The sentence around it is translated, the command is not.
    command = re.search(r"git config --global --add safe\.directory .+", complaint)
    return command[0].strip() if command else None


def reason(done: subprocess.CompletedProcess[bytes], line: int = 0) -> str:
    """The first line, or another by its place, of what git complained of."""
    complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return complaint[line] if complaint else "it gives no reason"
