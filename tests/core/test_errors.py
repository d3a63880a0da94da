"""Where a command ends: one sentence and status 2 for what a user can mend, a traceback for what is a bug."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core import errors

ROOT = Path(__file__).parents[2]


def ended(command: object) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        errors.run(command)  # type: ignore[arg-type]
    return end.value.code


def raising(error: BaseException) -> object:
    def command() -> None:
        raise error

    return command


def test_a_user_error_is_one_line_and_status_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(errors.UserError("row 3 is bad; mend it"))) == 2
    assert capfd.readouterr() == ("", "error: row 3 is bad; mend it\n")


def test_a_full_disk_says_how_to_free_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))) == 2
    wanted = (
        "error: the disk is full; free some space (`dvc gc --workspace` drops old results) and run again\n"
    )
    assert capfd.readouterr().err == wanted


def test_a_missing_artefact_names_itself_and_what_makes_it(capfd: pytest.CaptureFixture[str]) -> None:
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "data/no-such.csv")
    assert ended(raising(missing)) == 2
    assert capfd.readouterr().err == "error: data/no-such.csv does not exist; `dvc repro` makes it\n"


@pytest.mark.parametrize(
    "bug", [ValueError("x"), OSError(errno.EIO, "broken"), FileNotFoundError(2, "x", "/lib/x")]
)
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    with pytest.raises(type(bug)):
        errors.run(raising(bug))  # type: ignore[arg-type]


def test_control_c_is_status_130_as_shells_expect() -> None:
    assert ended(raising(KeyboardInterrupt())) == 130


def test_a_command_that_ends_well_returns() -> None:
    errors.run(lambda: None)


NAMES = "Ångström_脑瘤_\udcff"
PRINTING = f"""
import sys
from stages.core import errors
from stages.core.errors import UserError
def command():
    print({NAMES!a})
    print("note:", {NAMES!a}, file=sys.stderr)
    raise UserError({NAMES!a} + " is bad; mend it")
errors.run(command)
"""


@pytest.mark.parametrize(
    "settings",
    [
        *({"PYTHONIOENCODING": name} for name in ("latin-1", "ascii", "utf-8", "cp1252", "latin-1:strict")),
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_a_name_that_the_terminal_cannot_show_ends_no_command(settings: dict[str, str]) -> None:
    clean = {
        name: text for name, text in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-c", PRINTING], env=clean | settings, cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    said, note, error = *done.stdout.splitlines(), *done.stderr.splitlines()
    for line in (said, note, error):
        assert b"ngstr" in line
        assert line.count(b"_") == 2
    assert error.startswith(b"error: ")
    assert error.endswith(b" is bad; mend it")
