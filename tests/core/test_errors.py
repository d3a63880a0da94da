"""Where a command ends: one sentence and status 2 for what a user can mend, a traceback for what is a bug."""

import errno
import os

import pytest

from stages.core import errors


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
