"""Two experiments at a time through the real DVC: the same bytes as one at a time, nothing else touched."""

import re
import sys
from pathlib import Path

import pytest

from tests.pipeline.project import TINY, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
RUN = (sys.executable, "-m", "stages.cli", "preset", "leak-tax", "--run", "--arm", "patient")
FOLDS = ("-S", "split.folds=3")


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Project]:
    """Two alike, each with a cache of its own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(Project(tmp_path / name, TINY | {"train.epochs": "1", "evaluate.tta": "none"}))
    return found


def locks(project: Project) -> dict[str, str]:
    """dvc.lock of each experiment by its name, which ends in a hash of its params."""
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref.split("/")[-1]: project.git("show", f"{ref}:dvc.lock") for ref in refs if "leak-tax" in ref}


def table(told: str) -> str:
    """Without the commit, which has the time in it."""
    return re.sub(r"Commit: \w{7}", "", told)


def test_two_at_a_time_give_the_bytes_of_one_at_a_time(projects: list[Project]) -> None:
    one, two = projects
    before = two.hashes()
    alone = one.run(*RUN, *FOLDS)
    beside = two.run(*RUN, *FOLDS, "--jobs", "2")
    assert table(beside) == table(alone)
    assert locks(two) == locks(one)
    assert len(set(locks(two).values())) == 3
    assert two.git("status", "--porcelain") == ""
    assert two.hashes() == before
    assert two.leftovers() == []
    assert list((two.root / ".dvc/tmp/exps/standalone").glob("tmp*")) == []
    assert two.run(*RUN, *FOLDS, "--jobs", "2") == beside  # all are there


def test_of_two_one_that_fails_leaves_the_other(projects: list[Project]) -> None:
    _, project = projects
    search = ("tune", "--search", "train.devices=choice(1,3)", "--trials", "2", "--jobs", "2")
    told = project.run(sys.executable, "-m", "stages.cli", *search, status=2)
    assert re.search(
        r"error: 1 of 2 experiments failed, the others are kept: experiment tune-\w{8} failed: "
        r"train.batch_size 8 and \d+ validation slices cannot be shared by 3 processes; ",
        told.splitlines()[-1],
    )
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    (kept,) = [ref for ref in refs if "tune-" in ref]
    assert "devices: 1 " in project.git("show", f"{kept}:params.yaml")
    assert project.git("status", "--porcelain") == ""
    assert list((project.root / ".dvc/tmp/exps/standalone").glob("tmp*")) == []
