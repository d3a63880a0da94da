"""Git as a program: bytes and text come as they are, a refusal is a sentence or no answer."""

import subprocess
from pathlib import Path

import pytest

from stages.core import git
from stages.core.errors import UserError


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    subprocess.run(["git", "init", "-q", "-b", "main"], check=True)
    return tmp_path


def test_bytes_and_text_come_as_they_are(repository: Path) -> None:
    content = b"\xff\x00\r\n\xc3\xa4"
    oid = git.read("hash-object", "-w", "--stdin", stdin=content).decode().strip()
    assert git.read("cat-file", "blob", oid) == content
    assert git.text("cat-file", "blob", oid) == "\ufffd\0\r\n\xe4"


def test_a_refusal_is_a_sentence_with_a_way_out(repository: Path) -> None:
    with pytest.raises(UserError) as error:
        git.text("show", "nowhere", way_out="name another")
    assert str(error.value).startswith("git show failed (fatal: ")
    assert str(error.value).endswith("); name another")
    assert "\n" not in str(error.value)


def test_a_question_may_have_no_answer(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "inner").mkdir()
    monkeypatch.chdir(repository.parent)
    assert git.answer("symbolic-ref", "--short", "HEAD", folder=repository / "inner") == "main"
    assert git.answer("rev-parse", "--verify", "--quiet", "HEAD", folder=repository) is None
    assert git.answer("status", folder=repository.parent) is None
    monkeypatch.setenv("PATH", str(repository))
    assert git.answer("symbolic-ref", "HEAD", folder=repository) is None
    with pytest.raises(UserError, match="git is not installed"):
        git.run("version")


def test_the_reason_is_a_line_of_the_complaint() -> None:
    done = subprocess.CompletedProcess([], 1, b"", b"error: first\nfatal: last\n")
    assert (git.reason(done), git.reason(done, -1)) == ("error: first", "fatal: last")
    assert git.reason(subprocess.CompletedProcess([], 1, b"", b"")) == "it gives no reason"


def test_a_repository_of_another_user_says_how_to_trust_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git.distrust() is None
    assert git.distrust(repository.parent) is None
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    command = f"git config --global --add safe.directory {repository}"
    assert git.distrust() == command
    with pytest.raises(UserError) as error:
        git.text("for-each-ref")
    assert str(error.value) == (
        f"the repository belongs to another user, and git does not read it; run `{command}` if you trust "
        "what is in it"
    )
    assert git.answer("rev-parse", "HEAD") is None
